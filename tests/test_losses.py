from decimal import Decimal, localcontext

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose
from problems import OUTPUTS_AND_LOSSES

from skbackprop.losses import LOSSES

CASES = pytest.mark.parametrize(("output_activation", "loss"), OUTPUTS_AND_LOSSES)


def exact(z, y, output_activation, loss):
    """h, cost and d cost / dz of one example, from their definitions with 80 digits."""
    with localcontext() as context:
        context.prec = 80
        context.Emin, context.Emax = -999999, 999999
        z, y = [Decimal(float(v)) for v in z], [Decimal(float(v)) for v in y]
        one, K = Decimal(1), range(len(z))
        # 1 - h from its own formula: at |z| = 1e4 it has thousands of leading zeros.
        if output_activation == "softmax":
            total = sum(v.exp() for v in z)
            h = [v.exp() / total for v in z]
        else:
            h = [one / (one + (-v).exp()) for v in z]
        complement = [one / (one + v.exp()) for v in z]
        error = [h[k] - y[k] for k in K]
        if loss == "squared_error":
            cost = sum(e * e for e in error)
            if output_activation == "softmax":
                slope = [sum(2 * error[j] * h[j] * ((j == k) - h[k]) for j in K) for k in K]
            else:
                slope = [2 * error[k] * h[k] * complement[k] for k in K]
        else:
            cost = -sum(y[k] * h[k].ln() for k in K)
            if output_activation == "logistic":
                cost -= sum((one - y[k]) * complement[k].ln() for k in K)
            slope = error
        return [float(v) for v in h], float(cost), [float(v) for v in slope]


def targets(kind, m, K, rng):
    if kind == "classes":
        return np.eye(K)[rng.randint(0, K, m)]
    Y = rng.uniform(size=(m, K))
    return Y / Y.sum(axis=1, keepdims=True)


def test_the_exact_oracle_agrees_with_the_reference():
    z, y = [0.3, -1.2, 2.0], np.array([0.0, 1.0, 0.0])
    for output_activation, loss in OUTPUTS_AND_LOSSES:
        h, cost, slope = exact(z, y, output_activation, loss)
        h_reference = reference.output(z, output_activation)
        assert_allclose(h, h_reference)
        assert_allclose(cost, reference.cost_of_example(h_reference, y, output_activation, loss))
        assert_allclose(slope, reference.output_delta(h_reference, y, output_activation, loss))


def test_every_pair_has_a_record():
    assert set(LOSSES) == set(OUTPUTS_AND_LOSSES)


@pytest.mark.parametrize("kind", ["classes", "shares"])
@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0, 1e4])
@CASES
def test_output_cost_and_delta_are_exact(output_activation, loss, scale, kind):
    rng = np.random.RandomState(0)
    Z = rng.uniform(-scale, scale, size=(12, 4))
    Y = targets(kind, 12, 4, rng)
    record = LOSSES[output_activation, loss]
    H = Z.copy()
    assert record.output(H) is None
    delta = Z.copy()
    cost = record.cost_and_delta(delta, Y)
    assert cost.shape == (12,)
    for i in range(12):
        h, exact_cost, slope = exact(Z[i], Y[i], output_activation, loss)
        assert_allclose(H[i], h, rtol=1e-12, atol=1e-15)
        assert_allclose(cost[i], exact_cost, rtol=1e-12, atol=1e-14)
        assert_allclose(delta[i], slope, rtol=1e-12, atol=1e-14)


@CASES
def test_a_right_answer_costs_nothing_and_a_wrong_one_what_the_logits_say(output_activation, loss):
    Z = np.array([[1e4, -1e4], [-1e4, 1e4]])
    Y = np.array([[1.0, 0.0], [1.0, 0.0]])
    delta = Z.copy()
    cost = LOSSES[output_activation, loss].cost_and_delta(delta, Y)
    assert cost.tolist() == [0.0, 2e4 if loss == "cross_entropy" else 2.0]
    wrong = [-1.0, 1.0] if loss == "cross_entropy" else [0.0, 0.0]
    assert_allclose(delta, [[0.0, 0.0], wrong], rtol=0, atol=0)


@CASES
def test_delta_is_the_derivative_of_the_cost(output_activation, loss):
    rng = np.random.RandomState(1)
    Z, Y = rng.uniform(-3, 3, size=(9, 3)), targets("shares", 9, 3, rng)
    record, epsilon = LOSSES[output_activation, loss], 1e-5
    delta = Z.copy()
    record.cost_and_delta(delta, Y)
    for k in range(3):
        shift = epsilon * np.eye(3)[k]
        numeric = record.cost_and_delta(Z + shift, Y) - record.cost_and_delta(Z - shift, Y)
        assert_allclose(delta[:, k], numeric / (2 * epsilon), atol=1e-9)


@CASES
def test_targets_are_left_alone_and_float32_stays(output_activation, loss):
    rng = np.random.RandomState(2)
    Z = rng.uniform(-3, 3, size=(5, 3)).astype(np.float32)
    Y = targets("classes", 5, 3, rng).astype(np.float32)
    Y.flags.writeable = False
    delta = Z.copy()
    cost = LOSSES[output_activation, loss].cost_and_delta(delta, Y)
    assert cost.dtype == delta.dtype == np.float32
    expected = [exact(z, y, output_activation, loss)[1] for z, y in zip(Z, Y, strict=True)]
    assert_allclose(cost, expected, rtol=1e-5)


def test_softmax_of_two_one_zero():
    Z = np.array([[2.0, 1.0, 0.0]])
    LOSSES["softmax", "cross_entropy"].output(Z)
    assert_allclose(Z, [[0.6652409558, 0.2447284711, 0.0900305732]], rtol=0, atol=5e-11)


def test_softmax_ignores_a_constant():
    rng = np.random.RandomState(3)
    Z, Y = rng.uniform(-3, 3, size=(5, 3)), targets("classes", 5, 3, rng)
    for loss in ("cross_entropy", "squared_error"):
        cost = LOSSES["softmax", loss].cost_and_delta(Z.copy(), Y)
        shifted = LOSSES["softmax", loss].cost_and_delta(Z + 5000.0, Y)
        assert_allclose(shifted, cost, rtol=1e-10)


@pytest.mark.parametrize(
    ("y", "cost"), [([1, 1, 0], 0.6851790109), ([0, 0, 1], 5.1159958098)], ids=["0.69", "5.12"]
)
def test_cross_entropy_of_the_notes(y, cost):
    h = np.array([0.8, 0.7, 0.1])
    Z = np.log(h / (1 - h))[np.newaxis]
    costs = LOSSES["logistic", "cross_entropy"].cost_and_delta(Z, np.array([y], dtype=float))
    assert_allclose(costs, [cost], rtol=0, atol=5e-11)
    assert_allclose(Z, [h - y], rtol=0, atol=1e-15)
