import pickle

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import (
    ACTIVATIONS,
    HIDDEN_LAYERS,
    OUTPUTS_AND_LOSSES,
    hidden_id,
    random_problem,
)
from scipy.optimize import minimize
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

from skbackprop import Network, Objective, check_gradient, numerical_gradient
from skbackprop.dropout import dropout_masks, dropout_rates
from skbackprop.objective import BlockSums, Cost, Costs, one_hot
from skbackprop.rows import ArrayRows, RowBlock

every_network = pytest.mark.parametrize("activations", HIDDEN_LAYERS, ids=hidden_id)
every_loss = pytest.mark.parametrize(("output_activation", "loss"), OUTPUTS_AND_LOSSES)
every_weighting = pytest.mark.parametrize(
    "weighted", [False, True], ids=["unweighted", "weighted"]
)
every_storage = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])


def problem_of(activations, output_activation, loss, weighted, sparse):
    return random_problem(
        (3, *[4, 2, 3][: len(activations)], 3),
        activation=activations,
        output_activation=output_activation,
        loss=loss,
        weighted=weighted,
        sparse=sparse,
        seed=5,
    )


# -- against the loop over examples, and finite differences -------------------------------


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@every_storage
@every_weighting
@every_loss
@every_network
def test_cost_and_gradient_equal_the_loop(
    activations, output_activation, loss, weighted, sparse, penalty
):
    problem = problem_of(activations, output_activation, loss, weighted, sparse)
    options = {"reg_lambda": 1.3, "penalty": penalty}
    J, D = problem.objective(**options)(problem.theta)
    expected_J, expected_D = problem.reference(**options)
    assert_allclose(J, expected_J, rtol=1e-12)
    assert_allclose(D, expected_D, rtol=0, atol=1e-13)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@every_storage
@every_weighting
@every_loss
def test_the_cost_alone_is_that_of_cost_and_gradient(
    output_activation, loss, weighted, sparse, penalty
):
    problem = random_problem(
        output_activation=output_activation, loss=loss, weighted=weighted, sparse=sparse
    )
    objective = problem.objective(reg_lambda=0.7, penalty=penalty)
    assert objective.cost(problem.theta) == objective(problem.theta)[0]


@every_storage
@every_weighting
@every_loss
@every_network
def test_finite_differences_agree(activations, output_activation, loss, weighted, sparse):
    problem = problem_of(activations, output_activation, loss, weighted, sparse)
    objective = problem.objective(reg_lambda=1.3)
    with objective.running() as running:
        assert check_gradient(running, problem.theta) < 1e-8


@st.composite
def problems(draw):
    n_hidden = draw(st.integers(0, 3))
    hidden = draw(st.lists(st.integers(1, 5), min_size=n_hidden, max_size=n_hidden))
    output_activation, loss = draw(st.sampled_from(OUTPUTS_AND_LOSSES))
    n_outputs = draw(st.integers(2 if output_activation == "softmax" else 1, 4))
    names = st.sampled_from(ACTIVATIONS)
    problem = random_problem(
        (draw(st.integers(1, 5)), *hidden, n_outputs),
        draw(st.integers(1, 8)),
        activation=draw(st.lists(names, min_size=n_hidden, max_size=n_hidden)),
        output_activation=output_activation,
        loss=loss,
        sparse=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32 - 1)),
    )
    m = problem.X.shape[0]
    weights = st.one_of(st.just(0.0), st.floats(1e-3, 1e3))
    sample_weight = draw(
        st.none() | st.lists(weights, min_size=m, max_size=m).filter(any).map(np.array)
    )
    # Targets may be anything between 0 and 1; those of a softmax sum to one.
    if draw(st.booleans()):
        shares = np.random.RandomState(0).uniform(size=problem.Y.shape)
        if output_activation == "softmax":
            shares /= shares.sum(axis=1, keepdims=True)
        problem = problem._replace(Y=shares)
    return problem._replace(sample_weight=sample_weight), draw(st.floats(0, 100))


@given(problems())
def test_any_problem_equals_the_loop(problem_and_lambda):
    problem, reg_lambda = problem_and_lambda
    J, D = problem.objective(reg_lambda=reg_lambda)(problem.theta)
    expected_J, expected_D = problem.reference(reg_lambda=reg_lambda)
    assert_allclose(J, expected_J, rtol=1e-11)
    assert np.linalg.norm(D - expected_D) <= 1e-11 * np.linalg.norm(expected_D) + 1e-14


@given(problems())
def test_any_problem_passes_the_gradient_check(problem_and_lambda):
    problem, reg_lambda = problem_and_lambda
    objective = problem.objective(reg_lambda=reg_lambda)
    with objective.running() as running:
        assert check_gradient(running, problem.theta) < 1e-8


# -- published numbers ----------------------------------------------------------------------


def column_by_column(numbers, *shape):
    return np.reshape(numbers, shape, order="F")


@pytest.mark.parametrize(
    ("reg_lambda", "cost"), [(0, 7.406969856), (3, 16.45696986), (4, 19.47363652)]
)
def test_published_network_2_2_4(reg_lambda, cost):
    network = Network((2, 2, 4))
    numbers = np.arange(1, 19) / 10
    theta = network.unroll(
        [column_by_column(numbers[:6], 2, 3), column_by_column(numbers[6:], 4, 3)]
    )
    assert_allclose(network.reshape(theta)[0], [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]])
    X = np.cos([[1, 2], [3, 4], [5, 6]])
    J, _ = Objective(network, X, [3, 1, 2], reg_lambda=reg_lambda)(theta)
    # Ten digits are published.
    assert_allclose(J, cost, rtol=5e-10)


@pytest.mark.parametrize(
    ("reg_lambda", "cost", "norm"),
    [
        (0, 2.10095057, 0.52231008),
        (1, 2.116086985, 0.5220721482),
        (3, 2.146359815, 0.5553284978),
    ],
)
def test_published_network_3_5_3(reg_lambda, cost, norm):
    network = Network((3, 5, 3))

    def sines(*shape):
        return column_by_column(np.sin(np.arange(1, np.prod(shape) + 1)) / 10, *shape)

    theta = network.unroll([sines(5, 4), sines(3, 6)])
    J, D = Objective(network, sines(5, 3), [1, 2, 0, 1, 2], reg_lambda=reg_lambda)(theta)
    assert_allclose(J, cost, rtol=5e-9)
    assert_allclose(np.linalg.norm(D), norm, rtol=5e-9)


@pytest.mark.parametrize(
    ("y", "cost"), [([1, 1, 0], 0.6851790109), ([0, 0, 1], 5.1159958098)], ids=["0.69", "5.12"]
)
def test_cross_entropy_of_the_notes(y, cost):
    # Units with the outputs .8, .7, .1 whatever the input.
    network = Network((1, 3))
    h = np.array([0.8, 0.7, 0.1])
    theta = network.unroll([np.column_stack([np.log(h / (1 - h)), np.zeros(3)])])
    J, D = Objective(network, [[1.0]], [y])(theta)
    assert_allclose(J, cost, rtol=0, atol=5e-11)
    assert_allclose(D.reshape(3, 2)[:, 0], h - y, atol=1e-15)


# -- other implementations --------------------------------------------------------------------


@pytest.mark.parametrize("reg_lambda", [0.0, 1.7])
@pytest.mark.parametrize("activation", ["logistic", "tanh"])
def test_equals_mlp_classifier_on_one_hot_targets(activation, reg_lambda):
    problem = random_problem((3, 5, 4, 3), 20, activation=activation)
    network, X, Y = problem.network, problem.X, problem.Y
    thetas = network.reshape(problem.theta)
    # One step of plain gradient descent with rate 1 tells its cost and its gradient.
    mlp = MLPClassifier(
        (5, 4),
        activation=activation,
        alpha=reg_lambda,
        solver="sgd",
        learning_rate_init=1.0,
        momentum=0.0,
        batch_size=20,
        shuffle=False,
    )
    mlp.partial_fit(X, Y, classes=[0, 1, 2])
    mlp.coefs_ = [Theta[:, 1:].T.copy() for Theta in thetas]
    mlp.intercepts_ = [Theta[:, 0].copy() for Theta in thetas]
    before = [A.copy() for A in (*mlp.coefs_, *mlp.intercepts_)]
    mlp.partial_fit(X, Y)
    steps = [old - new for old, new in zip(before, (*mlp.coefs_, *mlp.intercepts_), strict=True)]

    J, D = problem.objective(reg_lambda=reg_lambda)(problem.theta)
    assert_allclose(J, mlp.loss_, rtol=1e-12)
    for layer, D_layer in enumerate(network.reshape(D)):
        assert_allclose(D_layer[:, 1:].T, steps[layer], atol=1e-14)
        assert_allclose(D_layer[:, 0], steps[3 + layer], atol=1e-14)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X[:, :8]), y


@pytest.mark.parametrize(
    ("method", "options"), [("BFGS", {}), ("CG", {}), ("L-BFGS-B", {"ftol": 0})]
)
def test_scipy_minimises_it_to_logistic_regression(cancer, method, options):
    X, y = cancer
    objective = Objective(Network((8, 1)), X, y, reg_lambda=2.0)
    result = minimize(
        objective, np.zeros(9), jac=True, method=method, options={"gtol": 1e-9, **options}
    )
    regression = LogisticRegression(C=1 / 2.0, tol=1e-12, max_iter=10_000).fit(X, y)
    expected = np.concatenate([regression.intercept_, regression.coef_[0]])
    assert_allclose(result.x, expected, rtol=0, atol=1e-6)


# -- logits that no probability can represent ---------------------------------------------


@every_loss
def test_saturated_logits_have_finite_and_consistent_cost_and_gradient(output_activation, loss):
    network = Network((1, 2), output_activation=output_activation, loss=loss)
    theta = np.array([1e4, 0.0, -1e4, 0.0])
    right = Objective(network, [[1.0]], [0])
    wrong = Objective(network, [[1.0]], [1])
    cross_entropy = loss == "cross_entropy"
    assert right(theta)[0] == 0.0
    assert_array_equal(right(theta)[1], np.zeros(4))
    assert wrong(theta)[0] == (2e4 if cross_entropy else 2.0)
    slope = [1.0, 1.0, -1.0, -1.0] if cross_entropy else np.zeros(4)
    assert_array_equal(wrong(theta)[1], slope)
    # There the cost is a straight line, on which a wide difference is exact.
    numeric = numerical_gradient(lambda t: wrong(t)[0], theta, epsilon=1.0)
    assert_allclose(wrong(theta)[1], numeric, rtol=1e-12)


@every_loss
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_saturated_hidden_units_are_finite(activation, output_activation, loss):
    problem = random_problem(
        (3, 4, 5, 2), activation=activation, output_activation=output_activation, loss=loss
    )
    for dtype in (np.float32, np.float64):
        problem = problem._replace(X=problem.X.astype(dtype))
        J, D = problem.objective(reg_lambda=1)(1e4 * problem.theta)
        assert np.isfinite(J)
        assert np.isfinite(D).all()


# -- weights and targets -----------------------------------------------------------------------


@every_storage
def test_integer_weights_are_repeated_rows(sparse):
    problem = random_problem(m=6, sparse=sparse)
    repeats = np.array([1, 3, 0, 2, 5, 1])
    weighted = problem._replace(sample_weight=repeats).objective(reg_lambda=2)
    rows = np.repeat(np.arange(6), repeats)
    repeated = problem._replace(X=problem.X[rows], Y=problem.Y[rows]).objective(reg_lambda=2)
    assert repeated.weight == 12
    assert_allclose(weighted.weight, 12, rtol=1e-15)
    J, D = weighted(problem.theta)
    J_repeated, D_repeated = repeated(problem.theta)
    assert_allclose(J, J_repeated, rtol=1e-14)
    assert_allclose(D, D_repeated, rtol=0, atol=1e-15)


def test_weights_scale_with_lambda():
    problem = random_problem(weighted=True)
    J, D = problem.objective(reg_lambda=2)(problem.theta)
    scaled = problem._replace(sample_weight=10 * problem.sample_weight)
    J_scaled, D_scaled = scaled.objective(reg_lambda=20)(problem.theta)
    assert_allclose(J_scaled, J, rtol=1e-14)
    assert_allclose(D_scaled, D, rtol=0, atol=1e-15)


def test_unit_weights_are_no_weights():
    problem = random_problem()
    J, D = problem.objective(reg_lambda=2)(problem.theta)
    ones = problem._replace(sample_weight=np.ones(7, dtype=int)).objective(reg_lambda=2)
    assert_allclose(ones(problem.theta)[0], J, rtol=1e-15)
    assert_allclose(ones(problem.theta)[1], D, rtol=0, atol=1e-16)
    assert ones.weight == 7


@pytest.mark.parametrize("dtype", [int, np.int8, np.uint8, np.int32])
def test_class_indices_are_one_hot_targets(dtype):
    problem = random_problem((3, 4, 3))
    indices = problem.Y.argmax(axis=1).astype(dtype)
    J, D = Objective(problem.network, problem.X, indices)(problem.theta)
    expected_J, expected_D = problem.objective()(problem.theta)
    assert J == expected_J
    assert_array_equal(D, expected_D)


@pytest.mark.parametrize("dtype", [int, bool])
def test_one_output_unit_takes_zeros_and_ones(dtype):
    problem = random_problem((3, 4, 1))
    indices = problem.Y[:, 0].astype(dtype)
    J, D = Objective(problem.network, problem.X, indices)(problem.theta)
    expected_J, expected_D = problem.objective()(problem.theta)
    assert J == expected_J
    assert_array_equal(D, expected_D)


def test_several_labels_may_hold_for_an_example():
    problem = random_problem((3, 4, 3))
    Y = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 1], [0, 1, 1], [0, 0, 1], [1, 0, 0], [1, 1, 0]])
    problem = problem._replace(Y=Y)
    J, D = problem.objective()(problem.theta)
    expected_J, expected_D = problem.reference()
    assert_allclose(J, expected_J, rtol=1e-13)
    assert_allclose(D, expected_D, rtol=0, atol=1e-14)


# -- inputs of all kinds -----------------------------------------------------------------------


def strided(X):
    wide = np.zeros((2 * X.shape[0], 3 * X.shape[1]))
    wide[::2, ::3] = X
    return wide[::2, ::3]


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        strided,
        lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
        np.ndarray.tolist,
        csr_matrix,
        csc_matrix,
        coo_matrix,
    ],
    ids=["fortran", "strided", "reversed", "list", "csr", "csc", "coo"],
)
def test_the_layout_of_the_examples_does_not_matter(layout):
    problem = random_problem()
    J, D = problem.objective(reg_lambda=1)(problem.theta)
    other = problem._replace(X=layout(problem.X)).objective(reg_lambda=1)
    assert_allclose(other(problem.theta)[0], J, rtol=1e-14)
    assert_allclose(other(problem.theta)[1], D, rtol=0, atol=1e-15)


def test_integer_examples_are_not_rounded_away():
    problem = random_problem()
    X = np.random.RandomState(0).randint(-3, 4, size=(7, 3))
    J, D = problem._replace(X=X).objective()(problem.theta)
    expected_J, expected_D = problem._replace(X=X).reference()
    assert_allclose(J, expected_J, rtol=1e-13)
    assert_allclose(D, expected_D, rtol=0, atol=1e-14)


@every_storage
@every_loss
def test_float32_examples_give_float64_sums(output_activation, loss, sparse):
    problem = random_problem(
        (3, 4, 5, 3), 40, output_activation=output_activation, loss=loss, sparse=sparse
    )
    single = problem._replace(X=problem.X.astype(np.float32)).objective(reg_lambda=1)
    J, D = single(problem.theta)
    expected_J, expected_D = problem.objective(reg_lambda=1)(problem.theta)
    assert isinstance(J, float)
    assert D.dtype == np.float64
    assert_allclose(J, expected_J, rtol=1e-6)
    assert_allclose(D, expected_D, rtol=0, atol=1e-6)
    # Not merely converted: the arithmetic over rows is that of the examples.
    assert single.dtype == np.float32
    assert np.any(D != expected_D)


@every_storage
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nothing_that_comes_in_is_changed(activation, sparse):
    problem = random_problem((3, 4, 5, 2), activation=activation, weighted=True, sparse=sparse)
    theta, Y, weight = problem.theta.copy(), problem.Y.copy(), problem.sample_weight.copy()
    X = problem.X.copy()
    for array in (theta, Y, weight, *((X.data, X.indices, X.indptr) if sparse else (X,))):
        array.flags.writeable = False
    objective = Objective(problem.network, X, Y, reg_lambda=1, penalty="l1", sample_weight=weight)
    objective(theta)
    objective.batch(theta, np.array([4, 0, 2]))
    assert_array_equal(theta, problem.theta)
    assert_array_equal(Y, problem.Y)
    assert_array_equal(weight, problem.sample_weight)
    difference = X - problem.X
    assert (difference.nnz if sparse else np.count_nonzero(difference)) == 0


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_every_call_returns_a_new_gradient(penalty):
    problem = random_problem()
    objective = problem.objective(reg_lambda=1, penalty=penalty)
    with objective.running() as running:
        _, first = running(problem.theta)
        kept = first.copy()
        _, second = running(2 * problem.theta)
        assert not np.shares_memory(first, second)
        assert_array_equal(first, kept)
        first[:] = np.nan
        assert_array_equal(running(problem.theta)[1], kept)
    assert not np.shares_memory(second, problem.theta)


def test_the_same_theta_has_the_same_bits():
    objective = random_problem().objective(reg_lambda=1)
    theta = random_problem().theta
    J, D = objective(theta)
    again_J, again_D = objective(theta.tolist())
    assert J == again_J
    assert D.tobytes() == again_D.tobytes()


def state(objective):
    """Everything that an objective and its rows hold, by identity and by value."""
    rows, penalty = objective.rows, objective.penalty
    held = [vars(objective), vars(rows), vars(penalty), vars(objective.network)]
    held.append(rows.examples._asdict())
    parts = [part for attributes in held for part in attributes.items()]
    return [name for name, _ in parts], [id(value) for _, value in parts], pickle.dumps(objective)


@every_storage
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_an_objective_does_not_change(penalty, sparse):
    problem = random_problem(weighted=True, sparse=sparse)
    objective = problem.objective(reg_lambda=1, penalty=penalty, n_jobs=2)
    before = state(objective)
    masks = [np.full((7, 4), 2.0)]
    objective(problem.theta)
    objective.smooth(problem.theta)
    objective.batch(problem.theta, slice(None), dropout=masks)
    objective.on(objective.rows.every_nth(2))(problem.theta)
    objective.astype(np.float32)(problem.theta)
    with objective.running() as running:
        assert running is not objective
        running(problem.theta)
        objective(problem.theta)
        assert state(objective) == before
    with pytest.raises(ValueError, match="unrolled"):
        objective(problem.theta[1:])
    assert state(objective) == before


@every_storage
@every_weighting
def test_the_same_objective_in_another_precision(weighted, sparse):
    problem = random_problem((3, 4, 5, 3), 40, weighted=weighted, sparse=sparse)
    objective = problem.objective(reg_lambda=1)
    single = objective.astype(np.float32)
    assert (objective.dtype, single.dtype) == (np.float64, np.float32)
    given = problem._replace(X=problem.X.astype(np.float32)).objective(reg_lambda=1)
    J, D = single(problem.theta)
    given_J, given_D = given(problem.theta)
    assert J == given_J
    assert D.tobytes() == given_D.tobytes()
    assert D.tobytes() != objective(problem.theta)[1].tobytes()
    # Nothing is lost on the way to float32 and back.
    again = single.astype(np.float64)
    assert again(problem.theta)[1].tobytes() == objective(problem.theta)[1].tobytes()


@every_weighting
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_an_objective_from_rows_is_that_of_their_examples(penalty, weighted):
    problem = random_problem(weighted=weighted)
    examples = RowBlock(problem.X, problem.Y, problem.sample_weight)
    options = {"reg_lambda": 1.3, "penalty": penalty}
    objective = Objective.from_rows(problem.network, ArrayRows.of(examples), **options)
    expected = problem.objective(**options)
    assert objective.weight == expected.weight
    assert objective(problem.theta)[0] == expected(problem.theta)[0]
    assert_array_equal(objective(problem.theta)[1], expected(problem.theta)[1])


@every_weighting
def test_an_objective_from_some_of_all_rows_has_the_penalty_of_all(weighted):
    problem = random_problem(m=30, weighted=weighted)
    some = problem._replace(
        X=problem.X[:11],
        Y=problem.Y[:11],
        sample_weight=problem.sample_weight[:11] if weighted else None,
    )
    examples = RowBlock(some.X, some.Y, some.sample_weight)
    m = problem.sample_weight.sum() if weighted else 30
    rows = ArrayRows.of(examples, mean_weight=m / 30)
    objective = Objective.from_rows(problem.network, rows, reg_lambda=2, weight=m)
    J, D = objective(problem.theta)
    mean_J, mean_D = some.reference()
    w = problem.theta * objective.penalty.penalised
    assert objective.weight == m
    assert_allclose(J, mean_J + 2 / (2 * m) * (w @ w), rtol=1e-13)
    assert_allclose(D, mean_D + 2 / m * w, rtol=0, atol=1e-14)


def test_an_objective_tells_its_sizes():
    problem = random_problem((3, 5, 4, 2))
    objective = problem.objective()
    assert objective.n_rows == 7
    assert objective.n_parameters == 3 * 5 + 5 + 5 * 4 + 4 + 4 * 2 + 2
    assert objective.hidden_units == (5, 4)
    assert random_problem((3, 2)).objective().hidden_units == ()


def test_an_objective_can_be_pickled():
    problem = random_problem(weighted=True)
    objective = problem.objective(reg_lambda=1)
    copy = pickle.loads(pickle.dumps(objective))
    assert copy(problem.theta)[0] == objective(problem.theta)[0]


# -- zero start -----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_units_that_start_at_zero_stay_identical(activation):
    problem = random_problem((3, 4, 2), 20, activation=activation)
    network, objective = problem.network, problem.objective(reg_lambda=0.1)
    theta = np.zeros(network.n_parameters)
    _, D = objective(theta)
    # All weights to the outputs are zero, so the deltas of the hidden layer are too.
    assert not network.reshape(D)[0].any()
    for _ in range(300):
        theta -= 0.5 * objective(theta)[1]
    Theta1, Theta2 = network.reshape(theta)
    assert_allclose(Theta1, np.tile(Theta1[0], (4, 1)), rtol=0, atol=1e-15)
    assert_allclose(Theta2[:, 1:], np.tile(Theta2[:, [1]], 4), rtol=0, atol=1e-15)
    if activation == "logistic":
        # They have moved, all four to the same place.
        assert np.abs(Theta1).min() > 1e-3
    # A random start tells them apart.
    theta = network.initialize(random_state=0)
    for _ in range(300):
        theta -= 0.5 * objective(theta)[1]
    assert np.ptp(network.reshape(theta)[0], axis=0).min() > 1e-2


# -- batches ------------------------------------------------------------------------------------


@every_storage
@every_weighting
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_the_batch_of_all_rows_is_the_smooth_part(penalty, weighted, sparse):
    problem = random_problem(m=30, weighted=weighted, sparse=sparse)
    objective = problem.objective(reg_lambda=2, penalty=penalty)
    J, D = objective.smooth(problem.theta)
    for rows in (slice(None), np.random.RandomState(0).permutation(30)):
        batch_J, batch_D = objective.batch(problem.theta, rows)
        assert_allclose(batch_J, J, rtol=1e-13)
        assert_allclose(batch_D, D, rtol=0, atol=1e-14)


@every_weighting
def test_the_penalty_of_a_batch_has_the_full_m(weighted):
    problem = random_problem(m=30, weighted=weighted)
    rows = np.array([3, 17, 4])
    some = problem._replace(
        X=problem.X[rows],
        Y=problem.Y[rows],
        sample_weight=problem.sample_weight[rows] if weighted else None,
    )
    mean_J, mean_D = some.reference()
    m = problem.sample_weight.sum() if weighted else 30
    # How much more or less than three average rows the batch weighs.
    share = problem.sample_weight[rows].sum() / (3 * m / 30) if weighted else 1
    objective = problem.objective(reg_lambda=2)
    w = problem.theta * objective.penalty.penalised
    J, D = objective.batch(problem.theta, rows)
    assert_allclose(J, share * mean_J + 2 / (2 * m) * (w @ w), rtol=1e-13)
    assert_allclose(D, share * mean_D + 2 / m * w, rtol=0, atol=1e-14)


@every_storage
def test_every_nth_row_estimates_the_same_j(sparse):
    problem = random_problem(m=30, weighted=True, sparse=sparse)
    objective = problem.objective(reg_lambda=2)
    taken = problem._replace(
        X=problem.X[::4], Y=problem.Y[::4], sample_weight=problem.sample_weight[::4]
    )
    mean_J, mean_D = taken.objective(reg_lambda=0)(problem.theta)
    w, m = problem.theta * objective.penalty.penalised, problem.sample_weight.sum()
    some = objective.on(objective.rows.every_nth(4))
    J, D = some(problem.theta)
    assert_allclose(J, mean_J + 2 / (2 * m) * (w @ w), rtol=1e-14)
    assert_allclose(D, mean_D + 2 / m * w, rtol=0, atol=1e-15)
    # The penalty is that of all rows, and the objective of all rows is left as it was.
    assert some.weight == objective.weight
    assert objective(problem.theta)[0] == problem.objective(reg_lambda=2)(problem.theta)[0]


@pytest.mark.parametrize("batch_size", [1, 5, 30])
@every_weighting
def test_batches_are_on_average_the_whole(weighted, batch_size):
    problem = random_problem(m=30, weighted=weighted)
    objective = problem.objective(reg_lambda=2)
    order = np.random.RandomState(1).permutation(30).reshape(-1, batch_size)
    results = [objective.batch(problem.theta, rows) for rows in order]
    J, D = objective(problem.theta)
    assert_allclose(np.mean([J for J, _ in results]), J, rtol=1e-13)
    assert_allclose(np.mean([D for _, D in results], axis=0), D, atol=1e-14)


# -- dropout --------------------------------------------------------------------------------------


def masks_of(network, n_rows, dropout, rng, dtype=np.float64):
    hidden_units = network.layer_sizes[1:-1]
    return dropout_masks(hidden_units, n_rows, dtype, dropout_rates(hidden_units, dropout), rng)


def test_masks_are_zero_or_one_over_the_keep_probability():
    network = Network((3, 400, 300, 2))
    masks = masks_of(network, 200, (0.2, 0.5), np.random.RandomState(0), np.float32)
    for mask, rate, units in zip(masks, (0.2, 0.5), (400, 300), strict=True):
        assert mask.shape == (200, units)
        assert mask.dtype == np.float32
        kept = mask != 0
        assert_allclose(mask[kept], 1 / (1 - rate), rtol=1e-6)
        # Binomial: five standard deviations.
        bound = 5 * np.sqrt(rate * (1 - rate) / mask.size)
        assert abs(kept.mean() - (1 - rate)) < bound
        assert abs(mask.mean(dtype=float) - 1) < bound / (1 - rate)
        # Drawn for each example and each unit by itself.
        assert kept.any(axis=0).all()
        assert not kept.all(axis=0).any()
        assert not kept.all(axis=1).any()


def test_no_dropout_needs_no_masks():
    network = Network((3, 4, 2))
    assert masks_of(network, 5, 0.0, None) is None
    assert masks_of(Network((3, 2)), 5, 0.0, None) is None


def test_one_layer_may_be_without_dropout():
    first, second = masks_of(Network((3, 4, 5, 2)), 20, (0.0, 0.5), np.random.RandomState(0))
    assert_array_equal(first, np.ones((20, 4)))
    assert set(second.ravel()) == {0.0, 2.0}


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8])
def test_the_expected_pre_activation_is_the_full_networks(rate):
    problem = random_problem((3, 6, 2), 5, seed=2)
    network, n_draws = problem.network, 4000
    thetas = network.reshape(problem.theta)
    full = network.propagate(thetas, problem.X)
    # Every example n_draws times, each time with other units dropped.
    X = np.repeat(problem.X, n_draws, axis=0)
    masks = masks_of(network, len(X), rate, np.random.RandomState(0))
    Z = network.propagate(thetas, X, dropout=masks).logits.reshape(5, n_draws, 2)
    # A unit kept with probability p and divided by p has the variance a^2 (1 - p) / p.
    variance = (full.activations[0] ** 2 @ thetas[1][:, 1:].T ** 2) * rate / (1 - rate)
    deviation = np.abs(Z.mean(axis=1) - full.logits) / np.sqrt(variance / n_draws)
    assert deviation.max() < 4.5
    # And that is the variance: without scaling, or with other masks, it is another.
    assert_allclose(Z.var(axis=1), variance, rtol=0.15)


@every_weighting
@every_storage
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_with_dropped_units_is_that_of_the_thinned_network(
    activation, sparse, weighted
):
    # Dropped units move the kinks of a second hidden layer, and only of that.
    hidden = (6,) if activation == "relu" else (6, 5)
    problem = random_problem(
        (3, *hidden, 2), activation=activation, sparse=sparse, weighted=weighted
    )
    objective = problem.objective(reg_lambda=1)
    rates = (0.3, 0.5)[: len(hidden)]
    masks = masks_of(problem.network, 7, rates, np.random.RandomState(3))

    def thinned(theta):
        return objective.batch(theta, slice(None), dropout=masks)

    assert check_gradient(thinned, problem.theta) < 1e-8
    assert thinned(problem.theta)[0] != objective(problem.theta)[0]


def test_thinned_networks_by_hand():
    problem = random_problem((3, 4, 2))
    network = problem.network
    (masks,) = masks_of(network, 7, 0.5, np.random.RandomState(0))
    assert np.any(masks == 0)
    J, D = problem.objective().batch(problem.theta, slice(None), dropout=[masks])
    # For one example a mask is the same as other weights out of the hidden units.
    Theta1, Theta2 = network.reshape(problem.theta)
    costs, gradients = [], []
    for i, mask in enumerate(masks):
        factor = np.concatenate([[1.0], mask])
        cost, (D1, D2) = reference.cost_and_gradient(
            [Theta1, Theta2 * factor],
            problem.X[[i]],
            problem.Y[[i]],
            activations=network.activation,
        )
        costs.append(cost)
        gradients.append(reference.unroll([D1, D2 * factor]))
    assert_allclose(J, np.mean(costs), rtol=1e-13)
    assert_allclose(D, np.mean(gradients, axis=0), rtol=0, atol=1e-14)


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"X": np.zeros((7, 2))}, r"X must have shape \(m, 3\); got \(7, 2\)"),
        ({"X": np.zeros(3)}, r"X must have shape \(m, 3\)"),
        ({"X": csr_matrix((7, 4))}, r"X must have shape \(m, 3\)"),
        ({"X": np.zeros((0, 3)), "y": np.zeros(0, int)}, "no rows"),
        ({"X": np.full((7, 3), np.nan)}, "X contains NaN"),
        ({"X": np.full((7, 3), np.inf, dtype=np.float32)}, "X contains infinity"),
        ({"X": csr_matrix(np.diag([1.0] * 6 + [np.nan])[:, 4:])}, "X contains NaN"),
        ({"y": [0, 1, 1]}, "X has 7 rows, y has 3"),
        ({"y": [0, 1, 2, 1, 0, 1, 0]}, "0 to 1"),
        ({"y": [0, 1, -1, 1, 0, 1, 0]}, "0 to 1"),
        ({"y": [0.0, 0.5, 1, 1, 0, 1, 0]}, "integers"),
        ({"y": list("abababa")}, "integers"),
        ({"y": np.zeros((7, 3))}, r"\(m, 2\).*\(7, 3\)"),
        ({"y": np.zeros((7, 2, 1))}, r"\(m, 2\)"),
        ({"y": np.full((7, 2), 1.5)}, r"\[0, 1\]"),
        ({"y": np.full((7, 2), -0.5)}, r"\[0, 1\]"),
        ({"y": np.full((7, 2), np.nan)}, r"\[0, 1\]"),
        ({"reg_lambda": -1e-3}, "reg_lambda must be"),
        ({"reg_lambda": np.nan}, "reg_lambda must be"),
        ({"reg_lambda": np.inf}, "reg_lambda must be"),
        ({"reg_lambda": 10**400}, "reg_lambda must be"),
        ({"reg_lambda": -(10**400)}, "reg_lambda must be"),
        ({"reg_lambda": "1"}, "reg_lambda must be"),
        ({"reg_lambda": 1 + 0j}, "reg_lambda must be"),
        ({"penalty": "elastic"}, "'elastic'.*'l2'.*'l1'"),
        ({"sample_weight": np.ones(6)}, "sample_weight has 6 entries for 7 rows"),
        ({"sample_weight": [1, 1, 1, 1, 1, 1, -1]}, "sample_weight has negative"),
        ({"sample_weight": [1, 1, 1, 1, 1, 1, np.nan]}, "sample_weight contains NaN"),
        ({"sample_weight": [1, 1, 1, 1, 1, 1, np.inf]}, "sample_weight contains NaN or inf"),
        ({"sample_weight": np.zeros(7)}, "sample_weight is zero for every example"),
        ({"sample_weight": 0.0}, "sample_weight is zero for every example"),
        ({"sample_weight": np.ones((7, 1))}, "sample_weight.*one-dimensional"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"n_jobs": 1.5}, "n_jobs"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_bad_input_is_a_clear_error(changed, message):
    arguments = {"X": np.zeros((7, 3)), "y": [0, 1, 1, 1, 0, 1, 0], **changed}
    with pytest.raises(ValueError, match=message):
        Objective(Network((3, 4, 2)), **arguments)


@pytest.mark.parametrize(("reg_lambda", "weight"), [(1.0, 1e-320), (1e300, 1e-10)])
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_weights_too_small_for_lambda_are_a_clear_error(penalty, reg_lambda, weight):
    problem = random_problem()._replace(sample_weight=np.full(7, weight))
    with pytest.raises(ValueError, match=r"over the sum of the weights.*not a finite number"):
        problem.objective(reg_lambda=reg_lambda, penalty=penalty)
    # Without a penalty nothing is divided by their sum.
    problem.objective(penalty=penalty)


@pytest.mark.parametrize(
    ("dropout", "message"),
    [
        (1.0, r"probability in \[0, 1\)"),
        (-0.1, r"probability in \[0, 1\)"),
        (np.nan, r"probability in \[0, 1\)"),
        ((0.2, 0.3), "2 probabilities.*1 hidden"),
    ],
    ids=str,
)
def test_dropout_is_a_probability_for_each_hidden_layer(dropout, message):
    with pytest.raises(ValueError, match=message):
        dropout_rates((4,), dropout)


def test_dropout_needs_hidden_units():
    with pytest.raises(ValueError, match="hidden units"):
        dropout_rates((), 0.5)
    assert dropout_rates((), 0.0).shape == (0,)


def test_one_probability_is_for_every_hidden_layer():
    assert dropout_rates((4, 5, 6), 0.3).tolist() == [0.3, 0.3, 0.3]
    assert dropout_rates((4, 5), (0.1, 0.2)).tolist() == [0.1, 0.2]


def test_the_targets_of_a_softmax_must_sum_to_one():
    network = Network((3, 2), output_activation="softmax")
    with pytest.raises(ValueError, match="sum to one"):
        Objective(network, np.zeros((2, 3)), [[1, 0], [1, 1]])


@pytest.mark.parametrize("shape", [(25,), (1, 26)], ids=str)
def test_theta_of_another_length_is_a_clear_error(shape):
    problem = random_problem()
    objective = problem.objective()
    with pytest.raises(ValueError, match="26 unrolled"):
        objective(np.zeros(shape))
    with pytest.raises(ValueError, match="26 unrolled"):
        objective.batch(np.zeros(shape), slice(None))


# -- the parts of a sum -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "n_outputs", "expected"),
    [
        ([2, 0], 3, [[0, 0, 1], [1, 0, 0]]),
        ([1, 0], 2, [[0, 1], [1, 0]]),
        ([1, 0], 1, [[1], [0]]),
        ([[0.5, 0.25], [0, 1]], 2, [[0.5, 0.25], [0, 1]]),
        ([[0.5], [1]], 1, [[0.5], [1]]),
    ],
)
def test_targets_by_hand_new_or_in_a_given_array(y, n_outputs, expected):
    y = np.array(y)
    assert_array_equal(one_hot(y, n_outputs, np.float32), np.array(expected, np.float32))
    out = np.full((2, n_outputs), np.nan)
    assert one_hot(y, n_outputs, np.float64, out=out) is out
    assert_array_equal(out, expected)


def test_sums_are_added_entry_by_entry():
    sums = BlockSums(2.0, 3.0, np.array([1.0, -1.0]))
    added = sums.add_(BlockSums(0.5, 0.25, np.array([0.5, 4.0])))
    assert (added.weight, added.cost, added.gradient.tolist()) == (2.5, 3.25, [1.5, 3.0])
    assert Costs(2.0, 3.0).add_(Costs(0.5, 0.25)) == (2.5, 3.25)


def test_an_objective_from_rows_has_no_penalty_unless_one_is_given():
    problem = random_problem()
    plain = problem.objective()
    assert (
        Objective.from_rows(problem.network, plain.rows)(problem.theta)[0]
        == plain(problem.theta)[0]
    )


def test_a_cost_needs_no_buffers():
    problem = random_problem()
    block = RowBlock(problem.X, problem.Y)
    found = Cost(problem.network, problem.theta)(block)
    assert found.weight == 7
    assert_allclose(found.cost / 7, problem.reference()[0], rtol=1e-13)
