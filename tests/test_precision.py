"""Large fits of float64 rows begin in float32; what they end with is float64."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, Objective
from skbackprop.solvers.scipy_solvers import FLOAT32_PRODUCTS

M, N, HIDDEN = 6000, 60, 190


@pytest.fixture(scope="module")
def large():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((M, N))
    y = (X[:, :5].prod(axis=1) + X[:, 5] + 0.3 * rng.standard_normal(M) > 0).astype(int)
    return X, y


def classifier(**params):
    return BackpropClassifier(HIDDEN, 30.0, random_state=0, **params)


def objective(clf, X, y):
    return Objective(clf.network_, X, y, reg_lambda=clf.reg_lambda)


def test_the_fit_is_large_enough(large):
    clf = classifier(max_iter=1)
    with pytest.warns(ConvergenceWarning):
        clf.fit(*large)
    assert objective(clf, *large).n_products >= FLOAT32_PRODUCTS


@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_it_converges_in_float64(large, tol):
    clf = classifier(tol=tol).fit(*large)
    J, D = objective(clf, *large)(clf.optimize_result_.x)
    assert np.abs(D).max() <= tol
    assert clf.optimize_result_.gradient_max == pytest.approx(np.abs(D).max(), rel=1e-6)
    assert clf.loss_ == clf.loss_curve_[-1] == J
    assert len(clf.loss_curve_) == clf.n_iter_


@pytest.mark.parametrize("params", [{"max_iter": 7}, {"early_stopping": True}])
def test_a_fit_that_ends_early_states_its_cost_in_float64(large, params):
    X, y = large
    clf = classifier(**params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X[:4500], y[:4500], X_val=X[4500:], y_val=y[4500:])
    J, _ = objective(clf, X[:4500], y[:4500])(clf.optimize_result_.x)
    assert clf.loss_ == J


def test_features_beyond_the_range_of_float32(large):
    X, y = large
    scaled = X.copy()
    scaled[:, 0] *= 1e60
    clf = classifier(max_iter=5)
    with pytest.warns(ConvergenceWarning):
        clf.fit(scaled, y)
    assert np.isfinite(clf.loss_)
    assert clf.n_iter_ > 0
