"""n_init: several starts, of which the best is kept."""

import warnings
from copy import deepcopy
from unittest import mock

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, Network
from skbackprop.monitoring import Progress

HIDDEN = 2
NETWORK = Network((13, HIDDEN, 3))


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def small(**params):
    """Few units and little penalty: the starts end at different minima."""
    return BackpropClassifier((HIDDEN,), 0.1, **params)


def generators(n):
    """The random numbers as they are before each of the starts that random_state=0 gives."""
    drawn = []
    rng = np.random.RandomState(0)
    for _ in range(n):
        drawn.append(deepcopy(rng))
        NETWORK.initialize(random_state=rng)
    return drawn


@pytest.fixture(scope="module")
def separate(wine):
    """A fit from each of these starts, one at a time."""
    return [small(random_state=rng).fit(*wine) for rng in generators(6)]


def test_the_starts_end_at_different_minima(separate):
    losses = [clf.loss_ for clf in separate]
    assert max(losses) > 1.01 * min(losses)
    assert np.argmin(losses) != 0  # so that one start would not do


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 4])
@pytest.mark.parametrize("n_init", [1, 2, 6])
def test_the_lowest_of_separate_runs_is_kept(wine, separate, n_init, n_jobs):
    best = min(separate[:n_init], key=lambda clf: clf.loss_)
    clf = small(n_init=n_init, n_jobs=n_jobs, random_state=0).fit(*wine)
    assert clf.loss_ == best.loss_
    assert clf.loss_curve_ == best.loss_curve_
    assert clf.n_iter_ == best.n_iter_
    assert clf.optimize_result_.nfev == best.optimize_result_.nfev
    for ours, theirs in zip(clf.theta_, best.theta_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_stochastic_runs_do_not_depend_on_each_other_or_on_threads(wine, solver):
    clf = small(n_init=4, solver=solver, max_iter=20, tol=1e-9)
    fits = []
    for n_jobs in (1, 2, 3, 1):
        with pytest.warns(ConvergenceWarning):
            fits.append(clone(clf).set_params(random_state=0, n_jobs=n_jobs).fit(*wine))
    for other in fits[1:]:
        assert other.loss_curve_ == fits[0].loss_curve_
        np.testing.assert_array_equal(other.theta_[0], fits[0].theta_[0])


def test_more_starts_are_never_worse(wine):
    gains = []
    for seed in range(4):
        losses = [small(n_init=n, random_state=seed).fit(*wine).loss_ for n in (1, 2, 4)]
        assert losses == sorted(losses, reverse=True)
        gains.append(losses[0] - losses[-1])
    assert max(gains) > 0.0


def test_random_state_decides(wine):
    one, same, other, instance = [
        small(n_init=3, random_state=seed).fit(*wine)
        for seed in (1, 1, 2, np.random.RandomState(1))
    ]
    np.testing.assert_array_equal(one.theta_[0], same.theta_[0])
    np.testing.assert_array_equal(one.theta_[0], instance.theta_[0])
    assert np.abs(one.theta_[0] - other.theta_[0]).max() > 1e-3


def test_theta_init_takes_the_place_of_the_first_start(wine, separate):
    best = min(separate, key=lambda clf: clf.loss_)
    # Started at the best minimum there is, nothing else is lower.
    clf = small(n_init=3, random_state=1).fit(*wine, theta_init=best.theta_)
    assert clf.loss_ == pytest.approx(best.loss_, rel=1e-12)
    assert clf.n_iter_ == 0
    # And the other starts are random: with a hopeless first start they are what is kept.
    hopeless = np.zeros(NETWORK.n_parameters)
    alone = small(solver="gradient_descent", max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning):
        alone.fit(*wine, theta_init=hopeless)
    clf = small(n_init=3, random_state=0).fit(*wine, theta_init=hopeless)
    assert clf.loss_ < alone.loss_
    assert clf.loss_ == min(fit.loss_ for fit in separate[:2])


def test_warm_start_is_the_first_start(wine):
    clf = small(n_init=4, warm_start=True, random_state=0).fit(*wine)
    lowest = clf.loss_
    clf.set_params(random_state=5).fit(*wine)
    assert clf.loss_ <= lowest


def test_the_lowest_validation_cost_decides_where_there_is_one(wine):
    X, y = wine
    X_train, y_train, X_val, y_val = X[::2], y[::2], X[1::2], y[1::2]
    validation = {"X_val": X_val, "y_val": y_val}

    def cost(clf):
        Z = clf.decision_function(X_val)
        Y = y_val[:, np.newaxis] == clf.classes_
        return np.logaddexp(0.0, np.where(Y, -Z, Z)).sum(axis=1).mean()

    runs = [small(random_state=rng).fit(X_train, y_train, **validation) for rng in generators(6)]
    by_cost, by_loss = min(runs, key=cost), min(runs, key=lambda clf: clf.loss_)
    assert by_cost is not by_loss
    clf = small(n_init=6, random_state=0).fit(X_train, y_train, **validation)
    np.testing.assert_array_equal(clf.theta_[0], by_cost.theta_[0])
    without = small(n_init=6, random_state=0).fit(X_train, y_train)
    np.testing.assert_array_equal(without.theta_[0], by_loss.theta_[0])


def test_the_kept_run_is_the_one_that_warns(wine):
    clf = small(n_init=3, max_iter=5, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter=5") as caught:
        clf.fit(*wine)
    assert len(caught) == 1


def test_starts_that_diverge_are_not_kept(wine):
    X, y = wine
    bad = np.full(NETWORK.n_parameters, 1e308)
    clf = BackpropClassifier((HIDDEN,), 0.1, activation="identity", n_init=2, random_state=0)
    clf.fit(X, y, theta_init=bad)
    alone = BackpropClassifier((HIDDEN,), 0.1, activation="identity", random_state=0).fit(X, y)
    np.testing.assert_array_equal(clf.theta_[0], alone.theta_[0])


@pytest.mark.parametrize("solver", ["cg", "bfgs"])
def test_starts_whose_line_search_changes_the_filters_of_warnings_take_turns(wine, solver):
    before = list(warnings.filters)
    running, most = [0], [0]
    evaluate = Progress.evaluate

    def counted(self, theta):
        running[0] += 1
        most[0] = max(most[0], running[0])
        try:
            return evaluate(self, theta)
        finally:
            running[0] -= 1

    with mock.patch.object(Progress, "evaluate", counted):
        small(n_init=6, n_jobs=3, solver=solver, tol=1e-2, random_state=0).fit(*wine)
    assert most[0] == 1
    assert warnings.filters == before
