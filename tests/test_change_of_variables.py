"""The change of variables from outside: what it does to theta, J and the gradient."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import ACTIVATIONS, random_problem
from scipy.linalg import fractional_matrix_power

from skbackprop import BackpropClassifier, Network, Objective, check_gradient
from skbackprop.change_of_variables import (
    ChangeOfVariables,
    LayerChange,
    Preconditioner,
    change_of_variables,
    delta_preconditioner,
    feature_change,
    feature_covariance,
    feature_mean,
    feature_preconditioner,
    no_change,
)
from skbackprop.rows import RowBlock


def change_of(problem, mix=""):
    objective = problem.objective()
    features = feature_change(objective, mix="P" in mix)
    return change_of_variables(objective, problem.theta, features, mix_outputs="Q" in mix)


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

    z = change.from_theta(problem.theta)
    with objective.running() as running:

        def changed(z):
            return change.pull_back(z, *running(change.to_theta(z)))

        assert_allclose(changed(z)[0], objective(problem.theta)[0], rtol=1e-12)
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


def limited_power(S, power):
    """(S + 0.01 e I)^power with its factor e^power in [1/3, 3]."""
    e = np.linalg.eigvalsh(S)[-1]
    return np.clip(e**power, 1 / 3, 3) * fractional_matrix_power(
        S / e + 0.01 * np.eye(len(S)), power
    )


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
        assert_allclose(Q, limited_power(S, -1 / 8), rtol=0, atol=1e-9)


def has_p(problem):
    return feature_change(problem.objective()).P is not None


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_a_covariance_of_too_few_rows_is_not_used(sparse):
    problem = shifted_problem((), m=3, n_outputs=1, sparse=sparse)
    assert not has_p(problem)
    assert_array_equal(weight_matrix(change_of(problem, "P"), problem.network), np.eye(3))
    assert has_p(shifted_problem((), m=4, n_outputs=1))


def test_no_covariance_is_used_where_it_is_not_wanted():
    objective = shifted_problem().objective()
    assert feature_change(objective, mix=False).P is None
    assert_array_equal(feature_change(objective, mix=False).mu, feature_change(objective).mu)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize(("m", "expected"), [(40, False), (51, True)])
def test_rows_that_are_repeated_decide_like_rows_of_more_weight(m, expected, sparse):
    # 50 features: 40 different rows are too few, however often they are repeated.
    problem = random_problem((50, 2), m, sparse=sparse)
    twice = np.repeat(np.arange(m), 2)
    repeated = problem._replace(X=problem.X[twice], Y=problem.Y[twice])
    weighted = problem._replace(sample_weight=np.full(m, 2.0))
    assert has_p(problem) == has_p(weighted) == has_p(repeated) == expected
    z = np.random.RandomState(1).standard_normal(problem.theta.size)
    assert_allclose(
        change_of(weighted, "P").to_theta(z), change_of(repeated, "P").to_theta(z), rtol=1e-9
    )


def test_rows_without_weight_do_not_make_enough_rows():
    problem = shifted_problem((), n_outputs=1)
    for m, expected in ((3, False), (4, True)):
        weights = np.zeros(30)
        weights[:m] = 1.0
        assert has_p(problem._replace(sample_weight=weights)) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e10 / 3, 1e-10 / 3], ids=str)
def test_a_covariance_that_is_only_rounding_is_not_used(value, weighted, dtype):
    problem = random_problem((3, 2), 300, weighted=weighted)
    # Different rows, but by no more than a rounding.
    constant = np.full((300, 3), value, dtype=dtype)
    upwards = np.nextafter(constant, dtype(np.inf))
    X = np.where(np.random.RandomState(0).uniform(size=(300, 3)) < 0.5, constant, upwards)
    for rows in (constant, X):
        features = feature_change(problem._replace(X=rows).objective())
        assert features.P is None
        assert_allclose(features.mu, np.full(3, value), rtol=1e-5)


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
    objective = Objective(network, X, np.zeros(5100, int))
    features = feature_change(objective)
    change = change_of_variables(objective, np.zeros(5001), features, mix_outputs=True)
    unit = np.zeros(5001)
    unit[7] = 1.0
    theta = change.to_theta(unit)
    assert np.flatnonzero(theta[1:]).tolist() == [6]


def test_no_change_changes_nothing():
    problem = shifted_problem()
    change = no_change(problem.objective())
    z, gradient = np.random.RandomState(0).standard_normal((2, problem.theta.size))
    assert_array_equal(change.to_theta(z), z)
    assert_array_equal(change.from_theta(z), z)
    cost, pulled = change.pull_back(z, 1.25, gradient)
    assert cost == 1.25
    assert_array_equal(pulled, gradient)
    # A solver may move it anywhere.
    assert change.bounds is None


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_scale_of_the_deltas_matters_within_limits(n, scale):
    deltas = np.random.RandomState(0).standard_normal((20, n)) * np.linspace(0.1, 1.0, n)
    deltas /= np.linalg.norm(deltas, 2)  # e = 1
    Q = delta_preconditioner(deltas.T @ deltas)
    scaled = delta_preconditioner((scale * deltas).T @ (scale * deltas))
    limit = 3.0 if scale < 1 else 1 / 3
    assert_allclose(scaled.matrix, limit * Q.matrix, rtol=0, atol=1e-11)
    assert_allclose(limit * scaled.inverse, Q.inverse, rtol=0, atol=1e-11)
    # It mixes, and enlarges nothing by much more: from 1.01^(-1/8) to 0.01^(-1/8).
    scales = np.linalg.eigvalsh(Q.matrix)
    assert 1.01 ** (-1 / 8) - 1e-12 <= scales.min()
    assert scales.max() <= 0.01 ** (-1 / 8) + 1e-12


def test_vanishing_deltas_of_a_fit_give_the_same_change():
    # The deltas of a hidden layer are proportional to the weights above it.
    problem = shifted_problem(("tanh",), output_activation="softmax")
    network, theta = problem.network, problem.theta.copy()
    network.reshape(theta)[1][:, 1:] *= 1e-6
    smaller = theta.copy()
    network.reshape(smaller)[1][:, 1:] *= 1e-30
    Q, _ = bias_matrices(change_of(problem._replace(theta=theta), "Q"), network)
    same, _ = bias_matrices(change_of(problem._replace(theta=smaller), "Q"), network)
    assert np.abs(Q - np.eye(5)).max() > 0.1
    assert_allclose(same, Q, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "S", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.full((3, 3), np.inf)], ids=str
)
def test_nothing_is_mixed_by_what_is_zero_or_not_finite(S):
    assert delta_preconditioner(S) is None
    assert feature_preconditioner(S) is None


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1.0, 1e30])
def test_a_preconditioner_is_symmetric_and_has_its_inverse(scale):
    A = np.random.RandomState(0).standard_normal((9, 5)) * [1.0, 2.0, 0.1, 3.0, 1.0]
    C = scale * A.T @ A
    P, Q = feature_preconditioner(C), delta_preconditioner(C)
    for matrix, inverse in (P, Q):
        size = np.abs(matrix).max()
        assert_allclose(matrix / size, matrix.T / size, rtol=0, atol=1e-14)
        assert_allclose(matrix @ inverse, np.eye(5), rtol=0, atol=1e-12)
    assert_allclose(P.matrix, scale ** (-1 / 4) * damped_power(C / scale, -1 / 4), rtol=1e-9)
    assert_allclose(Q.matrix, limited_power(C, -1 / 8), rtol=0, atol=1e-9)


def test_a_preconditioner_needs_more_than_the_rounding():
    C = np.diag([1e-20, 4e-20])
    assert feature_preconditioner(C, rounding=3e-20) is not None
    assert feature_preconditioner(C, rounding=4e-20) is None


def test_a_change_is_a_table_of_its_layers():
    # By hand: b = Q b' - W mu, W = Q W' P.
    network = Network((2, 1))
    P = Preconditioner(np.diag([2.0, 4.0]), np.diag([0.5, 0.25]))
    Q = Preconditioner(np.array([[10.0]]), np.array([[0.1]]))
    change = ChangeOfVariables(network, [LayerChange(np.array([1.0, -1.0]), P, Q)])
    assert_allclose(change.to_theta(np.array([7.0, 1.0, 1.0])), [70.0 - (20.0 - 40.0), 20.0, 40.0])
    assert_allclose(change.from_theta(np.array([90.0, 20.0, 40.0])), [7.0, 1.0, 1.0])
    _, pulled = change.pull_back(np.zeros(3), 0.0, np.array([3.0, 5.0, 7.0]))
    assert_allclose(pulled, [30.0, 10 * (5 - 3) * 2, 10 * (7 + 3) * 4])


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_mean_and_covariance_of_the_features_are_those_of_numpy(sparse, weighted):
    problem = shifted_problem(sparse=sparse, weighted=weighted)
    examples = RowBlock(problem.X, problem.Y, problem.sample_weight)
    mean = feature_mean(examples)
    assert_allclose(
        mean, np.average(dense(problem.X), axis=0, weights=problem.sample_weight), atol=1e-14
    )
    C = np.cov(dense(problem.X).T, aweights=problem.sample_weight, bias=True)
    assert_allclose(feature_covariance(examples, mean), C, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_rounding_of_a_mean_of_zero_is_zero(dtype):
    X = np.random.RandomState(0).standard_normal((200, 3)).astype(dtype)
    X = np.concatenate([X, -X])
    X[:, 2] += 1.0
    mean = feature_mean(RowBlock(X))
    assert mean[:2].tolist() == [0.0, 0.0]
    assert_allclose(mean[2], 1.0, rtol=1e-5)


def test_a_covariance_whose_eigenvalues_are_not_found_gives_no_preconditioner(monkeypatch):
    # LAPACK gives up on some matrices of numbers from 1e-323 to 1e196; which ones is its own.
    def give_up(C):
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    monkeypatch.setattr(np.linalg, "eigh", give_up)
    assert feature_preconditioner(np.eye(2)) is None
    assert delta_preconditioner(np.eye(2)) is None
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 2, size=60)
    assert BackpropClassifier(3, random_state=0).fit(X, y).optimize_result_.success


def test_a_layer_of_many_units_is_not_mixed_however_few_or_many_the_rows():
    network = Network((1, 1100, 2))
    for m in (5, 1200):
        X = np.linspace(-1.0, 1.0, m)[:, np.newaxis]
        objective = Objective(network, X, np.arange(m) % 2)
        theta = network.initialize(random_state=0)
        change = change_of_variables(objective, theta, LayerChange(), mix_outputs=True)
        assert [layer.Q is not None for layer in change.layers] == [False, True]


def test_features_that_vary_by_a_thousand_roundings_are_mixed():
    x = 1.0 + 1e-4 * np.random.RandomState(0).standard_normal((1000, 2)).astype(np.float32)
    objective = Objective(Network((2, 1)), x, np.arange(1000) % 2)
    assert feature_change(objective).P is not None


def test_a_negative_variance_which_is_rounding_is_none():
    P = feature_preconditioner(np.diag([1.0, -0.05]))
    # (0 + 0.01)^(-1/4) and (1 + 0.01)^(-1/4)
    assert_allclose(P.matrix, np.diag([1.01**-0.25, 10**0.5]), rtol=1e-14)
