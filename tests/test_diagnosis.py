"""What a fit that ended badly says: the cause that is measured, and a remedy that fits it."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.ensemble import AdaBoostClassifier
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier
from skbackprop.diagnosis import spreads
from skbackprop.exceptions import CollapsedFitWarning
from skbackprop.solvers import SGD


def fitted(clf, *args, **kwargs):
    """The estimator and the one warning of its fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(*args, **kwargs)
    assert len(caught) == 1
    # At the line that called fit.
    assert caught[0].filename == __file__
    return clf, caught[0].category, str(caught[0].message)


def spread_of_probabilities(clf, X):
    return np.ptp(clf.predict_proba(X), axis=0).max()


# -- a network that predicts the same for every row ----------------------------------------------


def test_weights_that_sum_to_one_are_named_with_both_remedies(iris):
    X, y = iris
    weights = np.full(150, 1 / 150)
    clf, category, message = fitted(
        BackpropClassifier(10, random_state=0), X, y, sample_weight=weights
    )
    assert category is CollapsedFitWarning
    assert spread_of_probabilities(clf, X) < 0.01
    assert "of the 150 rows sum to 1" in message
    assert "multiply the weights by 150" in message
    assert "set reg_lambda to 0.00667" in message
    # Each of them is one.
    for remedied in (
        BackpropClassifier(10, random_state=0).fit(X, y, sample_weight=150 * weights),
        BackpropClassifier(10, 0.00667, random_state=0).fit(X, y, sample_weight=weights),
    ):
        assert remedied.score(X, y) > 0.95


def test_adaboost_works_with_the_remedy(iris):
    X, y = iris
    boosted = AdaBoostClassifier(BackpropClassifier(5, random_state=0), n_estimators=3)
    with pytest.warns(CollapsedFitWarning, match="lambda is divided by this sum"):
        boosted.fit(X, y)
    boosted.set_params(estimator__reg_lambda=1 / 150, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        boosted.fit(X, y)
    assert boosted.score(X, y) > 0.95


@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
def test_deep_logistic_layers_are_named(iris, output_activation):
    clf = BackpropClassifier((6, 5, 4), 3.0, output_activation=output_activation, random_state=0)
    clf, category, message = fitted(clf, *iris)
    assert category is CollapsedFitWarning
    assert "logistic layer" in message
    assert "each of the 3" in message
    assert "tanh" in message
    tanh = BackpropClassifier((6, 5, 4), 3.0, activation="tanh", random_state=0).fit(*iris)
    assert tanh.score(*iris) > 0.9


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_a_lambda_that_outweighs_the_costs_is_named(iris, penalty):
    X, y = iris[0][:70], iris[1][:70]  # more of one class than of the other
    clf = BackpropClassifier((), 1e6, penalty=penalty)
    clf, category, message = fitted(clf, X, y)
    assert category is CollapsedFitWarning
    assert "smaller than 1e+06" in message
    assert len(np.unique(clf.predict(X))) == 1


def test_probabilities_that_hardly_differ_but_tell_the_classes_apart_are_no_collapse(iris):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = BackpropClassifier((), 1e6).fit(*iris)
    assert spread_of_probabilities(clf, iris[0]) < 0.01
    assert clf.score(*iris) > 0.7


def test_units_that_are_off_for_every_row_are_named(iris):
    X, y = iris
    theta = [np.column_stack([np.full(5, -100.0), np.ones((5, 4))]), np.zeros((3, 6))]
    clf = BackpropClassifier(5, 0.0, activation="relu", tol=0.4)
    _, category, message = fitted(clf, X, y, theta_init=theta)
    assert category is CollapsedFitWarning
    assert "'relu' of hidden layer 1 is 0 for more than 90%" in message


def test_saturated_units_are_named(iris):
    X, y = iris
    theta = [np.column_stack([np.full(5, 1e3), np.ones((5, 4))]), np.zeros((3, 6))]
    clf = BackpropClassifier(5, 0.0, tol=0.4)
    _, category, message = fitted(clf, X, y, theta_init=theta)
    assert category is CollapsedFitWarning
    assert "'logistic' of hidden layer 1 is at the end of its range" in message


@pytest.mark.parametrize("make", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_features_that_do_not_vary_are_named(make):
    X, y = make(np.full((40, 3), 0.1)), np.arange(40) % 2
    _, category, message = fitted(BackpropClassifier(3, random_state=0), X, y)
    assert category is CollapsedFitWarning
    assert "No feature varies" in message


def test_several_labels(iris):
    X, y = iris
    Y = np.column_stack([y == 0, y > 0, X[:, 0] > 0]).astype(int)
    _, category, _ = fitted(BackpropClassifier((), 1e5), X, Y)
    assert category is CollapsedFitWarning


def test_a_rare_class_that_is_never_predicted_is_no_collapse():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3))
    y = (rng.uniform(size=2000) < 1 / (1 + np.exp(4 - X[:, 0]))).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = BackpropClassifier((), 1.0).fit(X, y)
    assert (clf.predict(X) == 0).mean() > 0.99
    assert spread_of_probabilities(clf, X) > 0.1


def test_one_row_that_is_told_apart_is_no_collapse():
    """Also where it is not among the rows that are looked at first."""
    X, y = np.zeros((9001, 1)), np.arange(9001) % 2
    X[4000], y[4000] = 50.0, 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = BackpropClassifier((), 0.01, tol=1e-6).fit(X, y)
    assert spread_of_probabilities(clf, X) > 0.1


def test_weight_on_one_class_only_is_no_collapse(iris):
    X, y = iris
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = BackpropClassifier((), random_state=0).fit(X, y, sample_weight=(y == 1) + 0.0)
    assert (clf.predict(X) == 1).all()


def test_a_fit_that_neither_converges_nor_predicts_says_both_in_one_warning(iris):
    X, y = iris[0][:70], iris[1][:70]
    clf = BackpropClassifier((), 1e6, max_iter=20, tol=0.0)
    _, category, message = fitted(clf, X, y, theta_init=np.zeros(5))
    assert category is ConvergenceWarning
    assert "has not converged" in message
    assert "Besides, the network predicts the same for every row" in message


# -- features of unlike spreads ----------------------------------------------------------------


@pytest.mark.parametrize("solver", ["lbfgs", "cg", SGD(1e-6)])
def test_scaling_is_advised_only_where_spreads_are_a_thousandfold_apart(iris, solver):
    X, y = iris
    clf = BackpropClassifier(5, solver=solver, max_iter=3, tol=1e-9, random_state=0)
    _, _, message = fitted(clf, X, y)
    assert "Scaler" not in message
    _, _, message = fitted(clf, X * [1.0, 900.0, 1.0, 1.0], y)
    assert "Scaler" not in message
    _, _, message = fitted(clf, X * [1.0, 2000.0, 1.0, 1.0], y)
    assert "StandardScaler" in message
    assert "from 1 to 2e+03" in message


def test_constant_features_have_no_spread_to_be_compared(iris):
    X, y = iris
    X = np.column_stack([X, np.full(150, 1e5), np.zeros(150)])
    clf = BackpropClassifier(5, max_iter=3, tol=1e-9, random_state=0)
    _, _, message = fitted(clf, X, y)
    assert "Scaler" not in message


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_spreads_of_sparse_features(iris, scale):
    X, y = iris
    X = csr_matrix(np.where(X > 0, X, 0.0) * [1.0, 1.0, scale, 1.0])
    clf = BackpropClassifier(5, max_iter=3, tol=1e-9, random_state=0)
    _, _, message = fitted(clf, X, y)
    assert ("MaxAbsScaler" in message) == (scale > 1.0)


def test_a_line_search_that_fails_on_scaled_rows_does_not_ask_for_scaling(iris):
    _, _, message = fitted(BackpropClassifier(3, tol=0.0, random_state=0), *iris)
    assert "line search" in message
    assert "Scaler" not in message
    assert "max_iter" not in message
    assert "increase tol" in message


def test_features_whose_squares_overflow_have_a_finite_or_infinite_spread(iris):
    X, y = iris
    huge = X * [1e200, 1.0, 1.0, 1.0] + [1e250, 0.0, 0.0, 0.0]
    assert np.isfinite(spreads(huge)[1:]).all()  # and no RuntimeWarning, an error here
    _, category, _ = fitted(BackpropClassifier((), max_iter=1), huge, y)
    assert category is ConvergenceWarning
