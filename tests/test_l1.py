"""The penalty lambda/m sum |Theta|: exact zeros, optimality, and scikit-learn's L1."""

import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.solvers import SGD, Adam, Adaptive, GradientDescent, TimeDecay

# scikit-learn 1.8 has taken the place of penalty="l1" by a ratio.
L1 = (
    {"l1_ratio": 1.0}
    if parse_version(sklearn.__version__) >= parse_version("1.8")
    else {"penalty": "l1"}
)


def scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def cancer():
    return scaled(load_breast_cancer)


@pytest.fixture(scope="module")
def wine():
    return scaled(load_wine)


def l1_logistic_regression(reg_lambda, **params):
    """saga, which leaves the intercept without penalty, as we do (liblinear does not)."""
    return LogisticRegression(
        C=1 / reg_lambda, solver="saga", tol=1e-9, max_iter=20_000, random_state=0, **L1, **params
    )


def assert_optimal(clf, X, y):
    """Zero is in the subdifferential of J: by the conditions of each entry, not by a solver.

    With the gradient g of the mean cost and the strength s = lambda/m: bias units g = 0,
    weights that are not zero g = -s sign(w), weights that are zero |g| <= s. All to tol.
    """
    network = Network(clf.network_.layer_sizes, clf.activation, clf.output_activation)
    theta = network.unroll(clf.theta_)
    indices = np.searchsorted(clf.classes_, y)
    _, gradient = Objective(network, X, indices, reg_lambda=0.0)(theta)
    s = clf.reg_lambda / len(y)
    for Theta, D in zip(clf.theta_, network.reshape(gradient), strict=True):
        assert np.abs(D[:, 0]).max() <= clf.tol
        W, D = Theta[:, 1:], D[:, 1:]
        zero = W == 0.0
        assert np.abs(D[zero]).max(initial=0.0) <= s + clf.tol
        assert np.abs(D[~zero] + s * np.sign(W[~zero])).max(initial=0.0) <= clf.tol


@pytest.mark.parametrize("reg_lambda", [2.0, 10.0])
def test_no_hidden_layer_is_l1_logistic_regression(cancer, reg_lambda):
    X, y = cancer
    X = X[:, 1::2]  # fewer columns that are nearly the same, which saga is slow at
    ours = BackpropClassifier((), reg_lambda, penalty="l1", tol=1e-8).fit(X, y)
    theirs = l1_logistic_regression(reg_lambda).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercepts_[0], theirs.intercept_, atol=1e-5)
    np.testing.assert_array_equal(ours.coefs_[0].T == 0.0, theirs.coef_ == 0.0)
    assert 5 < np.count_nonzero(ours.coefs_[0] == 0.0) < 15


def test_softmax_is_multinomial_l1_logistic_regression(wine):
    X, y = wine
    ours = BackpropClassifier((), 3.0, penalty="l1", output_activation="softmax", tol=1e-8).fit(
        X, y
    )
    theirs = l1_logistic_regression(3.0).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-4)
    np.testing.assert_array_equal(ours.coefs_[0].T == 0.0, theirs.coef_ == 0.0)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("output", ["logistic", "softmax"])
@pytest.mark.parametrize(
    ("hidden", "activation"), [((), "logistic"), ((6,), "logistic"), ((5, 4), "tanh")]
)
@pytest.mark.parametrize("reg_lambda", [1.0, 5.0])
def test_the_optimality_conditions_hold(wine, output, hidden, activation, reg_lambda):
    X, y = wine
    clf = BackpropClassifier(
        hidden,
        reg_lambda,
        penalty="l1",
        activation=activation,
        output_activation=output,
        tol=1e-5,
        random_state=0,
    ).fit(X, y)
    assert_optimal(clf, X, y)
    weights = np.concatenate([coef.ravel() for coef in clf.coefs_])
    assert np.count_nonzero(weights == 0.0) > 0.3 * weights.size
    assert clf.score(X, y) > 0.95


def test_the_cost_counts_absolute_weights_and_no_bias(wine):
    X, y = wine
    clf = BackpropClassifier((4,), 3.0, penalty="l1", random_state=0).fit(X, y)
    A = 1 / (1 + np.exp(-(X @ clf.coefs_[0] + clf.intercepts_[0])))
    Z = A @ clf.coefs_[1] + clf.intercepts_[1]
    Y = y[:, np.newaxis] == clf.classes_
    cost = np.logaddexp(0.0, np.where(Y, -Z, Z)).sum() / 178
    penalty = 3.0 / 178 * sum(np.abs(coef).sum() for coef in clf.coefs_)
    np.testing.assert_allclose(clf.loss_, cost + penalty, rtol=1e-12)


ALL_ROWS = 178
PROXIMAL = {
    "gradient descent": GradientDescent(1.0),
    "gradient descent with momentum": GradientDescent(0.3, momentum=0.8),
    "gradient descent with Nesterov momentum": GradientDescent(0.3, momentum=0.8, nesterov=True),
    "adaptive gradient descent": GradientDescent(Adaptive(0.3)),
    "sgd with all rows": SGD(0.3, batch_size=ALL_ROWS),
    "adam with all rows": Adam(TimeDecay(0.05, decay=0.005), batch_size=ALL_ROWS),
}


@pytest.mark.parametrize("solver", PROXIMAL.values(), ids=PROXIMAL.keys())
def test_proximal_steps_come_to_the_minimum_of_lbfgs(wine, solver):
    X, y = wine
    clf = BackpropClassifier(
        (), 3.0, penalty="l1", max_iter=5000, n_iter_no_change=5000, tol=1e-5, random_state=0
    )
    lbfgs = clone(clf).set_params(tol=1e-8).fit(X, y)
    other = clf.set_params(solver=solver).fit(X, y)
    np.testing.assert_allclose(other.loss_, lbfgs.loss_, rtol=1e-6)
    assert_optimal(other, X, y)
    np.testing.assert_array_equal(other.coefs_[0] == 0.0, lbfgs.coefs_[0] == 0.0)


def soft_threshold(w, t):
    """By cases, as in the books."""
    return np.array([x - t if x > t else x + t if x < -t else 0.0 for x in w])


@pytest.mark.parametrize("solver", ["gradient_descent", "sgd"])
def test_one_proximal_step_by_its_formula(wine, solver):
    X, y = wine
    rate, reg_lambda = 0.1, 20.0
    network = Network((13, 3, 3))
    start = network.initialize(init_epsilon=0.05, random_state=0)
    penalised = np.concatenate([np.arange(3 * 14) % 14 > 0, np.arange(3 * 4) % 4 > 0])
    moved = start - rate * Objective(network, X, y)(start)[1]
    expected = np.where(penalised, soft_threshold(moved, rate * reg_lambda / 178), moved)
    assert np.count_nonzero(expected == 0.0) > 0
    solver = (
        GradientDescent(rate)
        if solver == "gradient_descent"
        else SGD(rate, momentum=0.0, batch_size=178, shuffle=False)
    )
    clf = BackpropClassifier((3,), reg_lambda, penalty="l1", solver=solver, max_iter=1)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y, theta_init=start)
    theta = network.unroll(clf.theta_)
    np.testing.assert_allclose(theta, expected, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(theta == 0.0, expected == 0.0)


def test_one_proximal_step_of_adam_by_its_formula(wine):
    X, y = wine
    rate, reg_lambda, epsilon = 0.001, 400.0, 1e-3
    network = Network((13, 3))
    start = network.initialize(init_epsilon=0.01, random_state=0)
    gradient = Objective(network, X, y)(start)[1]
    # The first step of Adam: both means are the gradient and its square.
    lengths = rate / (np.abs(gradient) + epsilon)
    moved = start - lengths * gradient
    thresholds = lengths * reg_lambda / 178
    expected = np.array(
        [soft_threshold([w], t)[0] for w, t in zip(moved, thresholds, strict=True)]
    )
    bias = np.arange(3 * 14) % 14 == 0
    expected[bias] = moved[bias]
    assert 0 < np.count_nonzero(expected == 0.0) < 39
    solver = Adam(rate, epsilon=epsilon, batch_size=178)
    clf = BackpropClassifier((), reg_lambda, penalty="l1", solver=solver, max_iter=1)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y, theta_init=start)
    np.testing.assert_allclose(clf.network_.unroll(clf.theta_), expected, rtol=1e-9, atol=1e-14)


# All weights are zero, as they are meant to be.
@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
@pytest.mark.parametrize("solver", ["lbfgs", GradientDescent(0.5)])
def test_a_lambda_beyond_every_gradient_leaves_the_biases_alone(cancer, solver):
    X, y = cancer
    # With w = 0 the bias is the log odds, and w stays 0 if lambda is above every |X^T (h - y)|.
    largest = np.abs(X.T @ (y.mean() - y)).max()
    clf = BackpropClassifier((), 1.01 * largest, penalty="l1", solver=solver, tol=1e-7).fit(X, y)
    assert not clf.coefs_[0].any()
    np.testing.assert_allclose(clf.intercepts_[0], np.log(y.mean() / (1 - y.mean())), atol=1e-5)
    clf.set_params(reg_lambda=0.95 * largest).fit(X, y)
    assert np.count_nonzero(clf.coefs_[0]) == 1
    assert np.argmax(np.abs(clf.coefs_[0])) == np.argmax(np.abs(X.T @ (y.mean() - y)))


def test_more_lambda_more_zeros(cancer):
    X, y = cancer
    zeros = [
        np.count_nonzero(
            BackpropClassifier((), reg_lambda, penalty="l1").fit(X, y).coefs_[0] == 0.0
        )
        for reg_lambda in (0.1, 1.0, 10.0, 100.0)
    ]
    assert zeros == sorted(zeros)
    assert zeros[0] < zeros[-1]


@pytest.mark.parametrize("solver", ["lbfgs", "bfgs", "cg", "gradient_descent", "sgd", "adam"])
def test_lambda_zero_makes_no_difference_between_the_penalties(wine, solver):
    X, y = wine
    clf = BackpropClassifier((3,), 0.0, solver=solver, max_iter=5, tol=1e-9, random_state=0)
    with pytest.warns(ConvergenceWarning):
        l2 = clone(clf).fit(X, y)
    with pytest.warns(ConvergenceWarning):
        l1 = clone(clf).set_params(penalty="l1").fit(X, y)
    np.testing.assert_allclose(l1.loss_, l2.loss_, rtol=0.5)
    if solver in ("gradient_descent", "sgd", "adam"):
        assert l1.loss_curve_ == l2.loss_curve_


def test_weights_and_float32_rows(wine):
    X, y = wine
    w = np.random.default_rng(0).integers(0, 3, size=178)
    clf = BackpropClassifier((), 3.0, penalty="l1", tol=1e-7)
    weighed = clone(clf).fit(X.astype(np.float32), y, sample_weight=w)
    repeated = clone(clf).fit(np.repeat(X.astype(np.float32), w, axis=0), np.repeat(y, w))
    np.testing.assert_allclose(weighed.theta_[0], repeated.theta_[0], atol=1e-4)
    np.testing.assert_array_equal(weighed.theta_[0] == 0.0, repeated.theta_[0] == 0.0)
    assert_optimal(
        repeated, np.repeat(X.astype(np.float32), w, axis=0).astype(float), np.repeat(y, w)
    )


def test_unscaled_features_do_not_end_it_early():
    """The split cost falls while J does not: the run begins again from its best parameters."""
    X, y = load_wine(return_X_y=True)
    clf = BackpropClassifier(10, 1.0, penalty="l1", max_iter=2000, random_state=0)
    with warnings.catch_warnings():
        # How many iterations such features take depends on the version of SciPy.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y)
    assert clf.optimize_result_.status in ("converged", "max_iter")
    J, _ = Objective(clf.network_, X, y, reg_lambda=1.0, penalty="l1")(clf.optimize_result_.x)
    assert clf.loss_ == pytest.approx(J, rel=1e-12)
    # Where it ended before it began again, after 298 iterations, J was 0.5195.
    assert J < 0.4
