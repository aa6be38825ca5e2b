"""Large fits of float64 rows begin in float32; what they end with is float64."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, Objective
from skbackprop.solvers import BFGS, CG, LBFGS
from skbackprop.solvers.stages import FLOAT32_PRODUCTS

M, N, HIDDEN = 2500, 60, 165


@pytest.fixture(scope="module")
def large():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((M, N))
    y = (X[:, :5].prod(axis=1) + X[:, 5] + 0.3 * rng.standard_normal(M) > 0).astype(int)
    return X, y


def classifier(**params):
    return BackpropClassifier(HIDDEN, 50.0, random_state=0, **params)


def objective(clf, X, y):
    return Objective(clf.network_, X, y, reg_lambda=clf.reg_lambda)


def fitted(clf, X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clf.fit(X, y, **options)


def stages(clf):
    """The stages of a fit in the order of their first iterations."""
    return list(dict.fromkeys(clf.history_["stage"]))


@pytest.fixture(scope="module")
def converged(large):
    return classifier(tol=1e-6).fit(*large)


def test_the_fit_is_large_enough(large):
    clf = fitted(classifier(max_iter=1), *large)
    J = objective(clf, *large)
    assert J.n_rows * J.n_parameters >= FLOAT32_PRODUCTS


@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_it_converges_in_float64(large, converged, tol):
    clf = converged if tol == 1e-6 else classifier(tol=tol).fit(*large)
    J, D = objective(clf, *large)(clf.optimize_result_.x)
    assert np.abs(D).max() <= tol
    assert clf.optimize_result_.gradient_max == pytest.approx(np.abs(D).max(), rel=1e-6)
    assert clf.loss_ == clf.loss_curve_[-1] == J
    assert len(clf.loss_curve_) == clf.n_iter_


def test_the_history_tells_the_precision_of_each_iteration(converged):
    assert stages(converged) == ["head start", "float32", "float64"]
    history = converged.history_
    counted = np.array(history["iteration"]) > 0
    assert counted.sum() == converged.n_iter_
    # One after the other, and not in vain.
    first = history["stage"].index("float32")
    last = history["stage"].index("float64")
    assert last - first > 20
    assert set(history["stage"][first:last]) == {"float32"}
    assert set(history["stage"][last:]) == {"float64"}
    assert history["loss"][last - 1] < 0.99 * history["loss"][first]
    assert set(np.array(history["rows"])[counted]) == {M}
    assert max(np.array(history["rows"])[~counted]) < M


def test_it_can_be_switched_off_and_ends_at_the_same_cost(large, converged):
    clf = classifier(tol=1e-6, solver=LBFGS(float32_stage=False)).fit(*large)
    assert "float32" not in stages(clf)
    J, D = objective(clf, *large)(clf.optimize_result_.x)
    assert np.abs(D).max() <= 1e-6
    assert clf.loss_ == J
    assert clf.loss_ == pytest.approx(converged.loss_, rel=1e-6)


@pytest.mark.parametrize("stage", [True, False], ids=["on", "off"])
def test_conjugate_gradients_have_the_stage_too(large, stage):
    clf = fitted(classifier(max_iter=3, solver=CG(float32_stage=stage)), *large)
    assert ("float32" in stages(clf)) == stage
    J, _ = objective(clf, *large)(clf.optimize_result_.x)
    assert clf.loss_ == J


def test_a_small_fit_is_float64_throughout(large):
    X, y = large
    for solver in (LBFGS(), BFGS(), CG()):
        clf = BackpropClassifier(3, 3.0, random_state=0, solver=solver)
        fitted(clf, X[:300], y[:300])
        assert "float32" not in stages(clf)


@pytest.mark.parametrize("solver", [LBFGS(), LBFGS(float32_stage=False)], ids=["on", "off"])
def test_float32_rows_begin_in_float32_whatever_their_number(large, solver):
    X, y = large
    X = X[:300].astype(np.float32)
    clf = fitted(BackpropClassifier(3, 3.0, random_state=0, solver=solver, tol=1e-6), X, y[:300])
    assert stages(clf)[0] == "float32"
    # The convergence that float32 cannot show is that of float64.
    _, D = objective(clf, X.astype(np.float64), y[:300])(clf.optimize_result_.x)
    assert clf.optimize_result_.success
    assert np.abs(D).max() <= 2e-6


@pytest.mark.parametrize("params", [{"max_iter": 7}, {"early_stopping": True}])
def test_a_fit_that_ends_early_states_its_cost_in_float64(large, params):
    X, y = large
    n = M * 3 // 4  # still enough for the stage
    clf = fitted(classifier(**params), X[:n], y[:n], X_val=X[n:], y_val=y[n:])
    assert "float32" in stages(clf)
    J, _ = objective(clf, X[:n], y[:n])(clf.optimize_result_.x)
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
    # Its float32 is of no use.
    assert clf.history_["stage"][-1] in ("float64", "plain")
