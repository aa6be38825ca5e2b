"""The change of variables from outside: what it does to theta, J and the gradient."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import ACTIVATIONS, random_problem
from scipy.linalg import fractional_matrix_power

from skbackprop import Network, check_gradient
from skbackprop.blocks import ArrayRows, RowBlock
from skbackprop.change_of_variables import change_of_variables, feature_change


def change_of(problem, mix=""):
    rows = ArrayRows(RowBlock(problem.X, problem.Y, problem.sample_weight))
    inputs = feature_change(rows, mix="P" in mix)
    return change_of_variables(
        problem.network, rows, problem.theta, inputs, mix_outputs="Q" in mix
    )


def shifted_problem(hidden=("tanh", "logistic"), m=30, *, n_outputs=3, **options):
    """Features of unlike means and spreads, correlated: a change has something to do."""
    sizes = (3, *[5, 4, 3][: len(hidden)], n_outputs)
    problem = random_problem(sizes, m, activation=hidden, seed=4, **options)
    X = problem.X * [1.0, 0.1, 5.0]
    if options.get("sparse"):
        return problem._replace(X=X.tocsr() if hasattr(X, "tocsr") else problem.X)
    X = X + np.array([2.0, -1.0, 0.5])
    X[:, 1] += 0.05 * X[:, 0]
    return problem._replace(X=X)


def dense(X):
    return X.toarray() if hasattr(X, "toarray") else X


MIXES = ("mu", "mu_P", "mu_Q", "mu_P_Q")
every_mix = pytest.mark.parametrize("mix", MIXES)
every_case = [
    pytest.param({}, id="two_hidden_layers"),
    pytest.param({"hidden": ()}, id="no_hidden_layer"),
    pytest.param({"hidden": ("identity",)}, id="identity"),
    pytest.param({"hidden": ("tanh", "logistic", "tanh")}, id="three_hidden_layers"),
    pytest.param({"weighted": True}, id="weighted"),
    pytest.param({"sparse": True}, id="sparse"),
    pytest.param({"sparse": True, "weighted": True}, id="sparse_weighted"),
    pytest.param({"output_activation": "softmax"}, id="softmax"),
    pytest.param({"loss": "squared_error"}, id="squared_error"),
    pytest.param({"n_outputs": 1}, id="one_output"),
    pytest.param({"m": 2}, id="fewer_rows_than_features"),
]


@every_mix
@pytest.mark.parametrize("case", every_case)
def test_there_and_back(case, mix):
    problem = shifted_problem(**case)
    change = change_of(problem, mix)
    z = change.from_theta(problem.theta)
    assert not np.allclose(z, problem.theta)
    assert_allclose(change.to_theta(z), problem.theta, rtol=0, atol=1e-11)
    assert_allclose(
        change.from_theta(change.to_theta(problem.theta)), problem.theta, rtol=0, atol=1e-11
    )


@every_mix
@pytest.mark.parametrize("case", every_case)
def test_the_cost_is_the_same_and_the_gradient_that_of_the_chain_rule(case, mix):
    problem = shifted_problem(**case)
    change, objective = change_of(problem, mix), problem.objective(reg_lambda=0.7)

    def changed(z):
        return change.pull_back(z, *objective(change.to_theta(z)))

    z = change.from_theta(problem.theta)
    assert_allclose(changed(z)[0], objective(problem.theta)[0], rtol=1e-12)
    with objective.running():
        assert check_gradient(changed, z) < 1e-8


@every_mix
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "relu"])
def test_the_chain_rule_holds_for_every_activation(activation, mix):
    problem = shifted_problem((activation,) * 2)
    change, objective = change_of(problem, mix), problem.objective(reg_lambda=0.7)
    z = change.from_theta(problem.theta)
    assert check_gradient(lambda z: change.pull_back(z, *objective(change.to_theta(z))), z) < 1e-8


@given(st.integers(0, 2**32 - 1), st.sampled_from(MIXES), st.booleans())
def test_pull_back_is_the_transpose_of_to_theta(seed, mix, weighted):
    # <gradient', z> = <gradient, to_theta(z)>, for any vectors: the map is linear.
    problem = shifted_problem(weighted=weighted)
    change = change_of(problem, mix)
    rng = np.random.RandomState(seed)
    z, other, gradient = rng.standard_normal((3, problem.theta.size))
    _, pulled = change.pull_back(z, 0.0, gradient)
    assert_allclose(pulled @ z, gradient @ change.to_theta(z), rtol=1e-9, atol=1e-9)
    combined = change.to_theta(2.0 * z - 3.0 * other)
    expected = 2.0 * change.to_theta(z) - 3.0 * change.to_theta(other)
    assert_allclose(combined, expected, rtol=0, atol=1e-11)


@every_mix
def test_nothing_is_changed_in_place(mix):
    problem = shifted_problem()
    theta, z, gradient = (problem.theta.copy() for _ in range(3))
    for array in (theta, z, gradient):
        array.flags.writeable = False
    problem.X.flags.writeable = False
    change = change_of(problem._replace(theta=theta), mix)
    for result in (
        change.to_theta(z),
        change.from_theta(theta),
        change.pull_back(z, 0.0, gradient)[1],
    ):
        assert not any(np.shares_memory(result, array) for array in (theta, z, gradient))
    assert change.pull_back(z, 1.25, gradient)[0] == 1.25


@pytest.mark.parametrize("case", every_case)
def test_without_mixing_the_weights_stay_and_the_biases_are_those_of_centred_inputs(case):
    problem = shifted_problem(**case)
    network = problem.network
    change = change_of(problem)
    z = change.from_theta(problem.theta)
    Thetas, changed = network.reshape(problem.theta), network.reshape(z)
    # What "l1" needs: every weight is itself.
    for Theta, Changed in zip(Thetas, changed, strict=True):
        assert_array_equal(Changed[:, 1:], Theta[:, 1:])
    for Theta, Back in zip(Thetas, network.reshape(change.to_theta(z)), strict=True):
        assert_array_equal(Back[:, 1:], Theta[:, 1:])
    # b' + W (a - mu) = b + W a with the weighted mean mu of what comes into the layer.
    inputs = [activations(problem, x)[:-1] for x in dense(problem.X)]
    for layer, (Theta, Changed) in enumerate(zip(Thetas, changed, strict=True)):
        mu = np.average([a[layer] for a in inputs], axis=0, weights=problem.sample_weight)
        assert_allclose(Changed[:, 0], Theta[:, 0] + Theta[:, 1:] @ mu, atol=1e-13)


def activations(problem, x):
    network = problem.network
    return reference.forward_propagate(
        network.reshape(problem.theta), x, network.activation, network.output_activation
    )[0]


def damped_power(C, power):
    return fractional_matrix_power(C + 0.01 * np.linalg.eigvalsh(C)[-1] * np.eye(len(C)), power)


def weight_matrix(change, network):
    """The linear map on the weights of the only layer of a network of one unit."""
    n = network.layer_sizes[0]
    return np.column_stack([change.to_theta(unit)[1:] for unit in np.eye(n + 1)[1:]])


def bias_matrices(change, network):
    """The linear map on the biases of each layer."""
    matrices = []
    for layer, units in enumerate(network.layer_sizes[1:]):
        columns = []
        for unit in range(units):
            z = np.zeros(network.n_parameters)
            network.reshape(z)[layer][unit, 0] = 1.0
            columns.append(network.reshape(change.to_theta(z))[layer][:, 0].copy())
        matrices.append(np.column_stack(columns))
    return matrices


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_the_features_are_mixed_by_the_inverse_fourth_root_of_their_covariance(sparse, weighted):
    problem = shifted_problem((), n_outputs=1, sparse=sparse, weighted=weighted)
    C = np.cov(dense(problem.X).T, aweights=problem.sample_weight, bias=True)
    P = weight_matrix(change_of(problem, "P"), problem.network)
    assert_allclose(P, damped_power(C, -1 / 4), rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(
    ("output_activation", "loss"), [("logistic", "cross_entropy"), ("softmax", "squared_error")]
)
def test_the_outputs_are_mixed_by_the_inverse_eighth_root_of_the_spread_of_their_deltas(
    output_activation, loss, weighted
):
    problem = shifted_problem(output_activation=output_activation, loss=loss, weighted=weighted)
    # delta^(l+1) of one example is the gradient for the biases of Theta^(l).
    deltas = []
    for i in range(len(problem.X)):
        alone = problem._replace(
            X=problem.X[[i]], Y=problem.Y[[i]], sample_weight=None
        ).reference()[1]
        deltas.append([D[:, 0] for D in problem.network.reshape(alone)])
    matrices = bias_matrices(change_of(problem, "Q"), problem.network)
    for layer, Q in enumerate(matrices):
        squares = [np.outer(delta[layer], delta[layer]) for delta in deltas]
        S = np.average(squares, axis=0, weights=problem.sample_weight)
        assert_allclose(Q, damped_power(S, -1 / 8), rtol=0, atol=1e-9)


def test_a_covariance_of_too_few_rows_is_not_used():
    problem = shifted_problem((), m=3, n_outputs=1)
    assert_array_equal(weight_matrix(change_of(problem, "P"), problem.network), np.eye(3))


@every_mix
def test_rows_without_weight_do_not_count(mix):
    problem = shifted_problem()
    weight = np.ones(30)
    weight[::3] = 0
    wild = problem.X.copy()
    wild[::3] *= 100.0
    kept = weight > 0
    z = np.random.RandomState(0).standard_normal(problem.theta.size)
    some = problem._replace(X=problem.X[kept], Y=problem.Y[kept])
    weighted = problem._replace(X=wild, sample_weight=weight)
    assert_allclose(
        change_of(weighted, mix).to_theta(z), change_of(some, mix).to_theta(z), rtol=1e-9
    )


@every_mix
def test_integer_weights_are_repeated_rows(mix):
    problem = shifted_problem()
    repeats = np.random.RandomState(0).randint(0, 4, size=30)
    rows = np.repeat(np.arange(30), repeats)
    weighted = problem._replace(sample_weight=repeats.astype(float))
    repeated = problem._replace(X=problem.X[rows], Y=problem.Y[rows])
    z = np.random.RandomState(1).standard_normal(problem.theta.size)
    assert_allclose(
        change_of(weighted, mix).to_theta(z), change_of(repeated, mix).to_theta(z), rtol=1e-9
    )


@every_mix
def test_dense_and_sparse_rows_give_the_same_change(mix):
    problem = shifted_problem(sparse=True)
    z = np.random.RandomState(1).standard_normal(problem.theta.size)
    expected = change_of(problem._replace(X=problem.X.toarray()), mix).to_theta(z)
    assert_allclose(change_of(problem, mix).to_theta(z), expected, rtol=1e-10)


@every_mix
@pytest.mark.parametrize(
    "X",
    [np.zeros((8, 3)), np.full((8, 3), 5.0), np.full((8, 3), 1e200), np.eye(8, 3) * 1e-200],
    ids=["zero", "constant", "huge", "tiny"],
)
def test_degenerate_features_give_a_finite_change(X, mix):
    problem = random_problem((3, 4, 2), 8, activation="tanh")._replace(X=X)
    with np.errstate(over="ignore", invalid="ignore"):
        change = change_of(problem, mix)
    z = np.random.RandomState(0).standard_normal(problem.theta.size)
    assert np.isfinite(change.to_theta(z)).all()
    assert np.isfinite(change.from_theta(z)).all()
    # The weights come back; the biases too, up to the rounding of what is added to them.
    back = change.from_theta(change.to_theta(z))
    assert_allclose(back, z, rtol=0, atol=1e-12 * max(1.0, np.abs(change.to_theta(z)).max()))


def test_nothing_is_mixed_where_it_would_cost_more_than_it_saves():
    # 5000 features: a 5000 x 5000 matrix would take seconds and 200 MB.
    network = Network((5000, 1))
    X = np.zeros((5100, 5000), dtype=np.float32)
    X[np.arange(5000), np.arange(5000)] = 1.0
    rows = ArrayRows(RowBlock(X, np.zeros(5100, int), None))
    change = change_of_variables(network, rows, np.zeros(5001), feature_change(rows))
    unit = np.zeros(5001)
    unit[7] = 1.0
    theta = change.to_theta(unit)
    assert np.flatnonzero(theta[1:]).tolist() == [6]
