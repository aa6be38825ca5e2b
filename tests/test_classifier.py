"""The estimator: what it minimises, when it has converged, how it starts, what it keeps."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.solvers import SGD, GradientDescent

BUNDLED = [load_digits, load_breast_cancer, load_wine, load_iris]


def scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def iris():
    return scaled(load_iris)


@pytest.fixture(scope="module")
def cancer():
    return scaled(load_breast_cancer)


def cost_and_largest_gradient(clf, X, y, sample_weight=None):
    """J and its largest gradient entry at `theta_`, in float64 and apart from the fit."""
    objective = Objective(
        Network(
            clf.network_.layer_sizes,
            clf.activation,
            clf.output_activation,
            clf.loss,
        ),
        X.astype(np.float64),
        np.searchsorted(clf.classes_, y),
        reg_lambda=clf.reg_lambda,
        penalty=clf.penalty,
        sample_weight=sample_weight,
    )
    loss, gradient = objective(clf.network_.unroll(clf.theta_))
    return loss, np.abs(gradient).max()


# -- against scikit-learn ----------------------------------------------------------------


@pytest.mark.parametrize("reg_lambda", [0.5, 1.0, 20.0])
@pytest.mark.parametrize("weights", [None, "random"])
def test_no_hidden_layer_is_logistic_regression(cancer, reg_lambda, weights):
    X, y = cancer
    w = None if weights is None else np.random.default_rng(0).uniform(0.0, 2.0, size=len(y))
    ours = BackpropClassifier((), reg_lambda=reg_lambda, tol=1e-9).fit(X, y, sample_weight=w)
    theirs = LogisticRegression(
        C=1 / reg_lambda, solver="newton-cholesky", tol=1e-12, max_iter=1000
    ).fit(X, y, sample_weight=w)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(ours.intercepts_[0], theirs.intercept_, atol=1e-6)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("reg_lambda", [1.0, 20.0])
@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_softmax_without_hidden_layer_is_multinomial(load, reg_lambda):
    X, y = scaled(load)
    ours = BackpropClassifier(
        (), reg_lambda=reg_lambda, output_activation="softmax", tol=1e-8
    ).fit(X, y)
    theirs = LogisticRegression(C=1 / reg_lambda, solver="newton-cg", tol=1e-10, max_iter=1000)
    theirs.fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-5)
    # A softmax does not see what is added to all its biases.
    np.testing.assert_allclose(
        ours.intercepts_[0] - ours.intercepts_[0].mean(),
        theirs.intercept_ - theirs.intercept_.mean(),
        atol=1e-5,
    )
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


def test_softmax_of_two_classes_is_logistic_regression_of_half_the_penalty(cancer):
    X, y = cancer
    # The minimum has w_1 = -w_0 = w / 2, so lambda (|w_0|^2 + |w_1|^2) / 2 = lambda |w|^2 / 4.
    ours = BackpropClassifier((), reg_lambda=4.0, output_activation="softmax", tol=1e-8).fit(X, y)
    theirs = LogisticRegression(C=2 / 4.0, solver="newton-cholesky", tol=1e-12).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


def test_the_cost_is_that_of_mlp_classifier_on_one_hot_targets(iris):
    X, y = iris
    ours = BackpropClassifier((6,), reg_lambda=2.0, tol=1e-6, random_state=0).fit(X, y)
    theirs = MLPClassifier(
        (6,), activation="logistic", alpha=2.0, solver="lbfgs", max_iter=1, warm_start=True
    )
    with pytest.warns(ConvergenceWarning):
        theirs.fit(X, np.eye(3, dtype=int)[y])
    theirs.coefs_ = [coef.copy() for coef in ours.coefs_]
    theirs.intercepts_ = [intercept.copy() for intercept in ours.intercepts_]
    theirs.set_params(tol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(X, np.eye(3, dtype=int)[y])  # one more iteration, from our minimum
    np.testing.assert_allclose(theirs.loss_, ours.loss_, rtol=1e-9)
    np.testing.assert_allclose(theirs.predict_proba(X).argmax(1), ours.predict(X))


# -- convergence -------------------------------------------------------------------------


@pytest.mark.parametrize("load", BUNDLED)
def test_bundled_sets_converge_with_the_defaults(load):
    X, y = scaled(load)
    clf = BackpropClassifier(random_state=0).fit(X, y)  # a warning would be an error
    assert clf.optimize_result_.success
    loss, largest = cost_and_largest_gradient(clf, X, y)
    np.testing.assert_allclose(clf.loss_, loss, rtol=1e-12)
    assert largest <= clf.tol == 1e-4


def test_digits_are_read():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    scaler = MinMaxScaler().fit(X_train)
    clf = BackpropClassifier((25,), random_state=0).fit(scaler.transform(X_train), y_train)
    assert clf.score(scaler.transform(X_test), y_test) > 0.96


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-8])
def test_tol_is_the_largest_gradient_entry(iris, tol):
    X, y = iris
    clf = BackpropClassifier((4,), tol=tol, random_state=0).fit(X, y)
    largest = cost_and_largest_gradient(clf, X, y)[1]
    assert clf.optimize_result_.success
    assert largest <= tol
    np.testing.assert_allclose(clf.optimize_result_.gradient_max, largest, rtol=1e-3)
    # It does not go on for longer than asked.
    with pytest.warns(ConvergenceWarning):
        before = BackpropClassifier((4,), tol=tol, random_state=0, max_iter=clf.n_iter_ - 1).fit(
            X, y
        )
    assert cost_and_largest_gradient(before, X, y)[1] > tol


@pytest.mark.parametrize("solver", ["lbfgs", "bfgs", "cg", "gradient_descent", "sgd", "adam"])
@pytest.mark.parametrize("max_iter", [1, 3, 10, 30, 100])
def test_success_is_a_gradient_within_tol_and_nothing_else(iris, solver, max_iter):
    X, y = iris
    clf = BackpropClassifier(
        (3,), solver=solver, tol=1e-2, max_iter=max_iter, reg_lambda=3.0, random_state=0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, y)
    largest = cost_and_largest_gradient(clf, X, y)[1]
    assert clf.optimize_result_.success == (largest <= 1e-2)
    categories = [warning.category for warning in caught]
    assert categories == ([] if largest <= 1e-2 else [ConvergenceWarning])
    assert clf.n_iter_ <= max_iter


@pytest.mark.parametrize("solver", ["lbfgs", "bfgs", "cg", "gradient_descent", "sgd", "adam"])
def test_a_start_at_the_minimum_needs_no_iteration(iris, solver):
    X, y = iris
    first = BackpropClassifier((4,), random_state=0, tol=1e-6).fit(X, y)
    again = BackpropClassifier((4,), tol=1e-5, solver=solver).fit(X, y, theta_init=first.theta_)
    assert again.n_iter_ == 0
    assert again.loss_curve_ == []
    assert again.optimize_result_.success
    for ours, theirs in zip(again.theta_, first.theta_, strict=True):
        # To the rounding of a change of variables and back.
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("tol", [1e-6, 1e-8])
def test_float32_rows_reach_a_small_tol_in_float64(container, tol):
    X, y = scaled(load_wine)
    X32 = X.astype(np.float32)
    clf = BackpropClassifier((5,), tol=tol, random_state=0).fit(container(X32), y)
    assert clf.optimize_result_.success
    assert cost_and_largest_gradient(clf, X32, y)[1] <= tol
    assert clf.predict_proba(X32).dtype == np.float32


def test_float32_rows_lead_where_float64_rows_do():
    X, y = scaled(load_wine)
    X = X.astype(np.float32)
    single = BackpropClassifier((), tol=1e-7).fit(X, y)
    double = BackpropClassifier((), tol=1e-7).fit(X.astype(np.float64), y)
    # A gradient of 1e-7 and a curvature of at least 1/178.
    np.testing.assert_allclose(single.theta_[0], double.theta_[0], atol=4e-5)


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
@pytest.mark.parametrize("output", ["logistic", "softmax"])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_every_activation_output_and_cost(iris, activation, output, loss):
    X, y = iris
    clf = BackpropClassifier(
        (6, 5), activation=activation, output_activation=output, loss=loss, random_state=1
    )
    with warnings.catch_warnings():
        if activation == "relu":  # J has kinks, and the gradient need not vanish at a minimum
            warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y)
    cost, largest = cost_and_largest_gradient(clf, X, y)
    np.testing.assert_allclose(clf.loss_, cost, rtol=1e-12)
    assert clf.optimize_result_.success == (largest <= clf.tol)
    assert clf.score(X, y) > 0.9


def test_one_activation_for_each_layer(iris):
    X, y = iris
    clf = BackpropClassifier((5, 4), activation=["tanh", "relu"], max_iter=9, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter=9"):
        clf.fit(X, y)
    A = np.tanh(X @ clf.coefs_[0] + clf.intercepts_[0])
    A = np.maximum(A @ clf.coefs_[1] + clf.intercepts_[1], 0.0)
    np.testing.assert_allclose(
        clf.decision_function(X), A @ clf.coefs_[2] + clf.intercepts_[2], atol=1e-12
    )


# -- layers and starts -------------------------------------------------------------------


# Too deep for its few rows, or without a random start: of no use, but fitted.
@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
@pytest.mark.parametrize(
    ("sizes", "shapes"),
    [
        ((), [(3, 5)]),
        (7, [(7, 5), (3, 8)]),
        (np.int64(7), [(7, 5), (3, 8)]),
        ([4], [(4, 5), (3, 5)]),
        ((4, 2), [(4, 5), (2, 5), (3, 3)]),
        (np.array([4, 2]), [(4, 5), (2, 5), (3, 3)]),
        ((4, 3, 2), [(4, 5), (3, 5), (2, 4), (3, 3)]),
    ],
)
def test_hidden_layer_sizes(iris, sizes, shapes):
    clf = BackpropClassifier(sizes, tol=0.1, random_state=0).fit(*iris)
    assert [Theta.shape for Theta in clf.theta_] == shapes


def test_an_all_zero_start_leaves_the_hidden_units_identical(iris):
    X, y = iris
    clf = BackpropClassifier((4,), solver=GradientDescent(1.0), max_iter=300, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter=300"):
        clf.fit(X, y, theta_init=np.zeros(35))
    first, *others = clf.theta_[0]
    assert np.abs(first).max() > 0.1  # it did learn
    for unit in others:
        np.testing.assert_array_equal(unit, first)
    zero_start = clf.loss_
    with pytest.warns(ConvergenceWarning, match="max_iter=300"):
        clf.fit(X, y)
    assert np.ptp(clf.theta_[0], axis=0).max() > 0.1
    assert clf.loss_ < zero_start


# Too deep for its few rows, or without a random start: of no use, but fitted.
@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
@pytest.mark.parametrize("epsilon", [0.0, 0.12, "auto"])
def test_init_epsilon_bounds_the_start(iris, epsilon):
    X, y = iris
    # tol so large that the fit ends where it starts.
    clf = BackpropClassifier((400,), init_epsilon=epsilon, tol=1e6, random_state=0).fit(X, y)
    assert clf.n_iter_ == 0
    for Theta, (fan_in, fan_out) in zip(clf.theta_, [(4, 400), (400, 3)], strict=True):
        bound = np.sqrt(6 / (fan_in + fan_out)) if epsilon == "auto" else epsilon
        assert np.abs(Theta).max() <= bound * (1 + 1e-12)
        assert np.abs(Theta).max() >= 0.98 * bound
        assert abs(Theta.mean()) <= 0.1 * bound
        np.testing.assert_allclose(Theta.std(), bound / np.sqrt(3), rtol=0.05)


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        lambda thetas: [Theta.tolist() for Theta in thetas],
        lambda thetas: np.concatenate([Theta.ravel() for Theta in thetas]),
        lambda thetas: np.concatenate([Theta.ravel() for Theta in thetas]).tolist(),
    ],
    ids=["list of matrices", "tuple", "nested lists", "unrolled", "unrolled list"],
)
def test_theta_init_in_every_form(iris, form):
    X, y = iris
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(4, 5)), rng.normal(size=(3, 5))]
    copies = [Theta.copy() for Theta in start]
    # tol so large that the fit ends where it starts.
    for solver in ("lbfgs", "gradient_descent"):
        stays = BackpropClassifier((4,), tol=1e6, solver=solver)
        stays.fit(X, y, theta_init=form(start))
        for ours, given in zip(stays.theta_, start, strict=True):
            np.testing.assert_allclose(ours, given, rtol=1e-12)
            assert not np.shares_memory(ours, given)
    BackpropClassifier((4,)).fit(X, y, theta_init=form(start))
    for given, copy in zip(start, copies, strict=True):
        np.testing.assert_array_equal(given, copy)


def test_warm_start_goes_on_from_the_fit_before(iris):
    X, y = iris
    whole = BackpropClassifier((4,), tol=1e-6, random_state=0).fit(X, y)
    clf = BackpropClassifier((4,), tol=1e-6, random_state=0, max_iter=5, warm_start=True)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y)
    after_five = clf.loss_
    assert after_five == pytest.approx(whole.loss_curve_[4])
    thetas = [Theta.copy() for Theta in clf.theta_]
    explicit = BackpropClassifier((4,), tol=1e-6).fit(X, y, theta_init=thetas)
    clf.set_params(max_iter=1000).fit(X, y)
    assert clf.loss_curve_ == explicit.loss_curve_
    assert clf.loss_ < after_five
    for ours, theirs in zip(clf.theta_, explicit.theta_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_without_warm_start_a_fit_starts_anew(iris):
    X, y = iris
    clf = BackpropClassifier((4,), random_state=0).fit(X, y)
    curve = clf.loss_curve_
    assert clf.fit(X, y).loss_curve_ == curve


def test_warm_start_does_not_change_what_was_fitted_before(iris):
    X, y = iris
    clf = BackpropClassifier((4,), random_state=0, tol=1e-2, warm_start=True).fit(X, y)
    kept = clf.theta_
    copies = [Theta.copy() for Theta in kept]
    clf.set_params(tol=1e-5).fit(X, y)
    for Theta, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(Theta, copy)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
def test_random_state_decides_everything_random(iris, solver):
    X, y = iris

    def loss(random_state):
        clf = BackpropClassifier((4,), solver=solver, max_iter=3, random_state=random_state)
        with pytest.warns(ConvergenceWarning):
            return clf.fit(X, y).loss_curve_

    assert loss(0) == loss(0)
    assert loss(0) == loss(np.random.RandomState(0))
    assert loss(0) != loss(1)
    assert loss(None) != loss(None)


# -- weights -----------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["logistic", "softmax"])
def test_integer_weights_are_repeated_rows(iris, output):
    X, y = iris
    w = np.random.default_rng(0).integers(0, 4, size=len(y))
    clf = BackpropClassifier((), output_activation=output, tol=1e-8)
    weighed = clf.fit(X, y, sample_weight=w).predict_proba(X)
    repeated = clf.fit(np.repeat(X, w, axis=0), np.repeat(y, w)).predict_proba(X)
    np.testing.assert_allclose(weighed, repeated, atol=1e-5)


def test_repeated_rows_have_the_same_cost_with_hidden_units(iris):
    X, y = iris
    w = np.random.default_rng(0).integers(0, 4, size=len(y))
    clf = BackpropClassifier((4,), random_state=0).fit(X, y, sample_weight=w)
    loss, largest = cost_and_largest_gradient(clf, np.repeat(X, w, axis=0), np.repeat(y, w))
    np.testing.assert_allclose(clf.loss_, loss, rtol=1e-12)
    assert largest <= clf.tol


@pytest.mark.parametrize("scalar", [2, 0.5])
def test_one_number_is_the_weight_of_all(iris, scalar):
    X, y = iris
    # J is a mean: twice the weight is half the lambda.
    weighed = BackpropClassifier((), tol=1e-8, reg_lambda=3.0).fit(X, y, sample_weight=scalar)
    plain = BackpropClassifier((), tol=1e-8, reg_lambda=3.0 / scalar).fit(X, y)
    np.testing.assert_allclose(weighed.theta_[0], plain.theta_[0], atol=1e-5)


def test_weights_are_not_changed(iris):
    X, y = iris
    w = np.arange(150.0)
    BackpropClassifier((3,), class_weight="balanced", random_state=0).fit(X, y, sample_weight=w)
    np.testing.assert_array_equal(w, np.arange(150.0))


# -- threads -----------------------------------------------------------------------------


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
def test_the_bits_do_not_depend_on_the_number_of_threads(container, solver):
    X, y = make_classification(
        9000, 30, n_informative=10, n_classes=3, class_sep=2.0, random_state=0
    )
    X = container(X)

    def fit(n_jobs):
        clf = BackpropClassifier(
            (20,), solver=solver, max_iter=3, tol=1e-9, random_state=0, n_jobs=n_jobs
        )
        with pytest.warns(ConvergenceWarning):
            return clf.fit(X, y)

    one, *others = [fit(n_jobs) for n_jobs in (1, 2, 3, -1, None)]
    for other in others:
        assert other.loss_curve_ == one.loss_curve_
        for ours, theirs in zip(other.theta_, one.theta_, strict=True):
            np.testing.assert_array_equal(ours, theirs)


# -- parameters --------------------------------------------------------------------------


def test_positional_arguments_are_the_first_four():
    clf = BackpropClassifier((3,), 0.5, 0.12, "cg")
    assert (clf.hidden_layer_sizes, clf.reg_lambda) == ((3,), 0.5)
    assert (clf.init_epsilon, clf.solver) == (0.12, "cg")
    with pytest.raises(TypeError, match="positional"):
        BackpropClassifier((3,), 0.5, 0.12, "cg", "tanh")


def test_fit_does_not_change_the_parameters(iris):
    solver = SGD(learning_rate=0.5)
    sizes = [3]
    clf = BackpropClassifier(sizes, solver=solver, tol=0.1, random_state=0)
    before = clf.get_params()
    clf.fit(*iris)
    assert clf.get_params() == before
    assert clf.solver is solver
    assert clf.hidden_layer_sizes is sizes
    assert vars(solver) == vars(SGD(learning_rate=0.5))


def test_fit_returns_the_estimator(iris):
    clf = BackpropClassifier((2,), tol=0.1)
    assert clf.fit(*iris) is clf


def test_a_fit_of_other_rows_replaces_everything(iris, cancer):
    clf = BackpropClassifier((3,), random_state=0).fit(*iris)
    clf.fit(*cancer)
    fresh = BackpropClassifier((3,), random_state=0).fit(*cancer)
    assert vars(clf).keys() == vars(fresh).keys()
    assert clf.n_features_in_ == 30
    assert clf.classes_.tolist() == [0, 1]
    np.testing.assert_array_equal(clf.predict_proba(cancer[0]), fresh.predict_proba(cancer[0]))


def test_saturated_units_stay_finite(iris):
    X, y = iris
    start = [np.full((4, 5), 1e4), np.full((3, 5), -1e4)]
    clf = BackpropClassifier((4,), max_iter=3, solver="gradient_descent")
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y, theta_init=start)
    assert np.isfinite(clf.loss_)
    assert all(np.isfinite(Theta).all() for Theta in clf.theta_)
    assert np.isfinite(clf.predict_log_proba(X)).all()


@pytest.mark.parametrize("weighted", [slice(1, None, 8), slice(0, 40)])
def test_many_rows_of_weight_zero(weighted):
    """A head start on some of the rows may find none that weighs anything."""
    X, y = load_digits(return_X_y=True)
    w = np.zeros(len(y))
    w[weighted] = 1.0
    clf = BackpropClassifier(10, random_state=0).fit(X / 16, y, sample_weight=w)
    _, D = Objective(clf.network_, X / 16, y, reg_lambda=1.0, sample_weight=w)(
        clf.optimize_result_.x
    )
    assert np.abs(D).max() <= clf.tol


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_solver_by_name_with_its_options(name):
    clf = BackpropClassifier().set_params(solver=name, solver__learning_rate=0.2)
    assert type(clf.solver).__name__.lower() == name
    assert clf.get_params()["solver__learning_rate"] == 0.2
