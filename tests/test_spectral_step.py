"""Steps of steepest descent in the spectral norm."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skbackprop import Network, Objective
from skbackprop.solvers.spectral_step import (
    LayerScale,
    SpectralStep,
    groups_of_units,
    orthogonalised,
)


def random_matrix(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def after_iterations(s):
    for _ in range(3):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return s


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5), (1, 6), (6, 1), (100, 300)])
def test_only_the_singular_values_change(shape):
    M = random_matrix(shape)
    U, sigma, V = np.linalg.svd(M, full_matrices=False)
    expected = after_iterations(sigma / np.sum(sigma**4) ** 0.25)
    before = M.copy()
    assert_allclose(orthogonalised(M), (U * expected) @ V, rtol=1e-9, atol=1e-11)
    assert_array_equal(M, before)


def test_the_singular_values_are_those_of_the_docstring():
    fractions = np.geomspace(1e-6, 1.0, 20_000)
    values = after_iterations(fractions)
    large = fractions >= 1 / 50
    assert 0.68 < values[large].min()
    assert values.max() < 1.21
    assert (values[~large] / fractions[~large]).max() < 41
    found = np.linalg.svd(orthogonalised(random_matrix((20, 50))), compute_uv=False)
    assert 0.68 < found.min()
    assert found.max() < 1.21


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e15])
def test_the_scale_of_the_gradient_has_no_effect(scale):
    M = random_matrix((7, 12)).astype(np.float32)
    assert_allclose(orthogonalised(np.float32(scale) * M), orthogonalised(M), rtol=1e-4, atol=1e-5)
    assert orthogonalised(M).dtype == np.float32


def test_no_gradient_no_step():
    assert_array_equal(orthogonalised(np.zeros((3, 4))), np.zeros((3, 4)))
    rank_one = np.outer(np.arange(1.0, 4.0), np.ones(4))
    assert np.linalg.matrix_rank(orthogonalised(rank_one), tol=1e-8) == 1
    assert_array_equal(orthogonalised(np.full((3, 4), np.inf)), np.zeros((3, 4)))


def test_the_sign_of_the_gradient_is_that_of_the_step():
    M = np.abs(random_matrix((4, 6)))
    assert_array_equal(orthogonalised(-M), -orthogonalised(M))


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((100, 785), [100]),
        ((1000, 128), [1000]),
        ((128, 785), [128]),
        ((129, 129), [64, 65]),
        ((1000, 785), [125] * 8),
        ((3, 5), [3]),
    ],
)
def test_groups_of_units(shape, sizes):
    groups = groups_of_units(*shape)
    assert [len(range(shape[0])[group]) for group in groups] == sizes
    assert_array_equal(
        np.concatenate([np.arange(shape[0])[g] for g in groups]), np.arange(shape[0])
    )


def test_large_layers_step_group_by_group():
    network = Network((150, 300, 1))
    scales = [LayerScale(np.zeros(s), np.ones(s)) for s in (150, 300)]
    theta, gradient = (random_matrix(network.n_parameters, seed) for seed in (1, 2))
    before = theta.copy()
    SpectralStep(network, scales, np.float64)(theta, gradient.copy(), 0.3)
    change = network.reshape(theta - before)[0]
    factors = np.r_[4.0, np.ones(150)]
    D = network.reshape(gradient)[0] / factors
    for group in (slice(0, 100), slice(100, 200), slice(200, 300)):
        assert_allclose(change[group], -0.3 * orthogonalised(D[group]) / factors, atol=1e-12)


def test_units_of_the_features_have_no_effect():
    """Features in other units and with another origin: the same outputs after the steps."""
    network = Network((3, 4, 2))
    rng = np.random.default_rng(3)
    X = rng.normal(size=(20, 3))
    units, origin = np.array([1e-3, 1.0, 255.0]), np.array([5.0, -1.0, 1000.0])
    hidden = LayerScale(np.full(4, 0.5), np.full(4, 0.5))
    outputs = []
    for factor, shift in ((np.ones(3), np.zeros(3)), (units, origin)):
        theta = network.initialize(random_state=0)
        first = network.reshape(theta)[0]
        first[:, 1:] /= factor
        first[:, 0] -= first[:, 1:] @ shift
        scales = [LayerScale(shift, factor), hidden]
        step = SpectralStep(network, scales, np.float64)
        rows = X * factor + shift
        for _ in range(3):
            gradient = gradient_of(network, theta, rows, rng=np.random.default_rng(4))
            step(theta, gradient, 0.5)
        outputs.append(network.forward_propagate(theta, rows)[-1])
    assert_allclose(outputs[1], outputs[0], rtol=1e-8)


def gradient_of(network, theta, X, rng):
    return Objective(network, X, rng.integers(2, size=len(X)))(theta)[1]


def test_z_changes_by_about_the_rate_at_most():
    network = Network((6, 5, 1))
    scales = [LayerScale(np.zeros(s), np.ones(s)) for s in (6, 5)]
    theta = np.zeros(network.n_parameters)
    step = SpectralStep(network, scales, np.float64)
    step(theta, random_matrix(network.n_parameters), 0.7)
    a = random_matrix((100, 6))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    Theta = network.reshape(theta)[0]
    change = np.linalg.norm(Theta[:, 0] + a @ Theta[:, 1:].T, axis=1)
    assert change.max() < 1.21 * 0.7 * np.hypot(1.0, 0.25)


def test_momentum():
    network = Network((2, 3))
    scales = [LayerScale(np.zeros(2), np.ones(2), reach=0.2)]
    g, h = (random_matrix((3, 3), seed) for seed in (1, 2))
    step = SpectralStep(network, scales, np.float64)
    theta = np.zeros(9)
    step(theta, g.ravel().copy(), 0.5)
    first = theta.copy()
    step(theta, h.ravel().copy(), 0.5)
    factors = np.array([4.0, 1.0, 1.0])
    expected = -0.1 * orthogonalised(0.9 * 0.1 * g / factors + 0.1 * h / factors) / factors
    assert_allclose((theta - first).reshape(3, 3), expected, rtol=1e-10)
