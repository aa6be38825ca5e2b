"""Mini-batches in kept buffers, and when a stochastic solver computes J over all rows."""

import contextlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.dropout import dropout_masks
from skbackprop.monitoring import Progress, StoppingRule
from skbackprop.solvers import SGD, Adam, Adaptive, TimeDecay
from skbackprop.solvers import batches as batches_module
from skbackprop.solvers.batches import Batches
from skbackprop.solvers.steps import AdamStep, MomentumStep

SIZES = (4, 5, 3)
LAMBDA = 2.0


@pytest.fixture(scope="module")
def start():
    return Network(SIZES).initialize(random_state=3)


STORAGE = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "CSR": csr_array,
}


# -- one batch after another ---------------------------------------------------------------


@pytest.mark.parametrize("few", [0, 8], ids=["columns", "rows"])  # how sparse batches store theta
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("store", STORAGE.values(), ids=STORAGE.keys())
def test_every_batch_has_the_gradient_of_its_rows(iris, start, store, weighted, few, monkeypatch):
    monkeypatch.setattr(batches_module, "BATCHES_FOR_COLUMNS", few)
    X, y = iris
    w = np.random.RandomState(0).uniform(0.5, 2, 150) if weighted else np.ones(150)
    objective = Objective(
        Network(SIZES), store(X), y, reg_lambda=LAMBDA, sample_weight=w if weighted else None
    )
    batches = Batches(objective, start, 40)
    order = np.random.RandomState(1).permutation(150)
    penalty = LAMBDA / w.sum() * start * objective.penalty.penalised
    for rows in (order[:40], order[40:80], slice(80, 110), order[110:113]):  # fewer, too
        some = Objective(Network(SIZES), X[rows], y[rows], sample_weight=w[rows])
        share = w[rows].mean() / w.mean()
        gradient = batches.unrolled(batches.gradient(rows))
        assert_allclose(gradient, share * some(start)[1] + penalty, atol=1e-15)


def test_batches_that_make_up_all_rows_have_j_and_its_gradient_as_their_mean(iris, start):
    objective = Objective(Network(SIZES), *iris, reg_lambda=LAMBDA)
    batches = Batches(objective, start, 40)
    J, D = objective(start)
    for _ in range(2):
        for first in range(0, 150, 40):  # the last has 30 rows
            batches.gradient(slice(first, min(first + 40, 150)))
        mean_J, mean_D = batches.mean(start)
        assert_allclose(mean_J, J, rtol=1e-13)
        assert_allclose(mean_D, D, atol=1e-15)
        assert mean_D.dtype == np.float64


def test_nothing_that_comes_in_is_changed(iris, start):
    X, y = (part.copy() for part in iris)
    theta = start.copy()
    for part in (X, y, theta):
        part.flags.writeable = False
    batches = Batches(Objective(Network(SIZES), X, y), theta, 40)
    batches.theta -= batches.gradient(np.arange(40))
    assert_array_equal(theta, start)


def test_the_precision_is_that_of_the_rows(iris, start):
    X, y = iris
    objective = Objective(Network(SIZES), X.astype(np.float32), y, reg_lambda=LAMBDA)
    batches = Batches(objective, start, 40)
    assert batches.theta.dtype == np.float32
    gradient = batches.gradient(np.arange(40))
    assert gradient.dtype == np.float32
    exact = Batches(Objective(Network(SIZES), X, y, reg_lambda=LAMBDA), start, 40)
    assert_allclose(gradient, exact.gradient(np.arange(40)), atol=1e-6)


def test_masks_of_a_batch(iris, start):
    objective = Objective(Network(SIZES), *iris, reg_lambda=LAMBDA)
    rows = np.arange(20, 60)
    masks = dropout_masks((5,), 40, np.float64, np.array([0.5]), np.random.RandomState(0))
    dropped = Batches(objective, start, 40).gradient(rows, masks)
    assert_allclose(dropped, objective.batch(start, rows, dropout=masks)[1], rtol=1e-13)
    assert np.abs(dropped - Batches(objective, start, 40).gradient(rows)).max() > 1e-3


@pytest.mark.parametrize("rule", [MomentumStep(0.9, True), AdamStep(0.9, 0.999, 1e-8)])
def test_a_step_of_float32_is_float32(rule):
    theta, gradient = np.ones(5, dtype=np.float32), np.full(5, 0.5, dtype=np.float32)
    kept = theta
    for _ in range(3):
        rule(theta, gradient.copy(), 0.1)
    assert kept is theta
    assert theta.dtype == np.float32
    assert rule.kept.dtype == np.float32


@pytest.mark.parametrize("rule", [SGD(nesterov=True), Adam()], ids=["momentum", "Adam"])
@pytest.mark.parametrize(("penalty", "n_jobs"), [("l2", 1), ("l1", 2), ("l2", 3)])
def test_steps_in_parts_are_those_of_the_whole_vector(rule, penalty, n_jobs):
    # More entries than are worked on at a time, and enough for threads.
    rng = np.random.RandomState(0)
    network = Network((3000, 200, 3))
    X, y = rng.normal(size=(12, 3000)), rng.randint(3, size=12)
    objective = Objective(network, X, y, reg_lambda=0.1, penalty=penalty, n_jobs=n_jobs)
    theta = network.initialize(random_state=0)
    in_parts, whole = rule.step_rule(), rule.step_rule()
    with objective.running() as running:
        batches, steps = Batches(running, theta, 4), Batches(objective, theta, 4)
        for rows in (slice(0, 4), slice(4, 8), slice(8, 11)):
            batches.evaluate(rows)
            batches.step(in_parts, 0.01)
            whole(steps.theta, steps.gradient(rows), 0.01, objective.penalty.proximal_step)
    assert_array_equal(batches.theta, steps.theta)
    assert_array_equal(in_parts.kept, whole.kept)
    assert_array_equal(batches.mean(theta)[1], steps.mean(theta)[1])
    assert np.abs(batches.theta - theta).max() > 0.01


def test_float32_rows_learn_what_float64_rows_do(iris):
    X, y = iris
    scores = []
    for dtype in (np.float32, np.float64):
        clf = BackpropClassifier(5, solver=Adam(0.02), max_iter=60, random_state=0)
        with pytest.warns(ConvergenceWarning):
            clf.fit(X.astype(dtype), y)
        assert all(Theta.dtype == np.float64 for Theta in clf.theta_)
        scores.append(clf.loss_)
    assert_allclose(scores[0], scores[1], rtol=1e-3)


# -- J over all rows -----------------------------------------------------------------------


def fit(iris, solver, **params):
    clf = BackpropClassifier(
        (5,), LAMBDA, solver=solver, **{"tol": 1e-9, "random_state": 0, **params}
    )
    with pytest.warns(ConvergenceWarning):
        return clf.fit(*iris)


def loss_of(clf, iris):
    objective = Objective(clf.network_, *iris, reg_lambda=LAMBDA)
    return objective(clf.network_.unroll(clf.theta_))[0]


@pytest.mark.parametrize("n_epochs", [1, 3, 5, 7, 12])
@pytest.mark.parametrize("solver", [SGD(0.05, batch_size=40), Adam(batch_size=40)])
def test_j_over_all_rows_comes_every_few_epochs_and_at_the_end(iris, solver, n_epochs):
    clf = fit(iris, solver, max_iter=n_epochs)
    each = fit(
        iris, type(solver)(**{**solver.get_params(), "evaluate_every": 1}), max_iter=n_epochs
    )
    assert clf.n_iter_ == len(clf.loss_curve_) == n_epochs
    # The same steps, with or without looking.
    for ours, theirs in zip(clf.theta_, each.theta_, strict=True):
        assert_array_equal(ours, theirs)
    for epoch in range(1, n_epochs + 1):
        if epoch % 5 == 0 or epoch == n_epochs:
            assert clf.loss_curve_[epoch - 1] == each.loss_curve_[epoch - 1]
        else:
            assert_allclose(clf.loss_curve_[epoch - 1], each.loss_curve_[epoch - 1], rtol=0.2)
    assert clf.loss_ == clf.loss_curve_[-1]
    assert_allclose(clf.loss_, loss_of(clf, iris), rtol=1e-12)
    assert clf.optimize_result_.nfev == 1 + n_epochs // 5 + (n_epochs % 5 > 0)


@pytest.mark.parametrize("solver", [SGD(0.05, dropout=0.2), Adam(Adaptive(0.01))])
def test_dropout_and_adaptive_rates_have_j_after_each_epoch(iris, solver):
    clf = fit(iris, solver, max_iter=7)
    assert clf.optimize_result_.nfev == 1 + 7


def test_convergence_is_noticed_in_any_epoch_and_is_real(iris):
    ends = []
    for every in (1, 1000):
        solver = SGD(0.5, momentum=0.0, batch_size=50, evaluate_every=every)
        solver.set_params(learning_rate=TimeDecay(0.5, decay=0.005))
        clf = BackpropClassifier(
            (), 50.0, solver=solver, max_iter=5000, n_iter_no_change=5000, tol=2e-4, random_state=0
        ).fit(*iris)
        objective = Objective(clf.network_, *iris, reg_lambda=50.0)
        assert clf.optimize_result_.status == "converged"
        assert np.abs(objective(clf.network_.unroll(clf.theta_))[1]).max() <= 2e-4
        ends.append(clf.n_iter_)
    # The estimate of an epoch is about the thetas before: it may come a little late.
    assert ends[0] <= ends[1] <= ends[0] + 2


def test_the_best_that_was_evaluated_is_kept(iris):
    # Far too large a rate: J jumps.
    clf = fit(iris, SGD(3.0, batch_size=10), max_iter=20, n_iter_no_change=20)
    exact = clf.loss_curve_[4::5]
    assert clf.loss_ == min(exact) < max(exact)
    assert_allclose(clf.loss_, loss_of(clf, iris), rtol=1e-12)
    # Its epoch evaluated J alone, the gradient comes at the end of the fit.
    assert clf.loss_curve_.index(clf.loss_) + 1 < clf.n_iter_
    objective = Objective(clf.network_, *iris, reg_lambda=LAMBDA)
    _, D = objective(clf.network_.unroll(clf.theta_))
    assert_allclose(clf.optimize_result_.gradient_max, np.abs(D).max(), rtol=1e-9)


def test_early_stopping_looks_at_every_epoch(iris):
    clf = BackpropClassifier(
        (5,), LAMBDA, solver=SGD(3.0, batch_size=10), early_stopping=True, random_state=0
    ).fit(*iris, X_val=iris[0][::3], y_val=iris[1][::3])
    assert len(clf.validation_loss_curve_) == clf.n_iter_
    best = int(np.argmin(clf.validation_loss_curve_))
    assert clf.n_iter_ == best + 1 + clf.n_iter_no_change
    # J at the parameters that are kept is exact, also if that epoch had an estimate.
    assert_allclose(clf.loss_, loss_of(clf, iris), rtol=1e-12)


def test_evaluate_every_is_checked(iris):
    for value in (0, -1, 2.5, True, None):
        with pytest.raises(ValueError, match="evaluate_every"):
            BackpropClassifier(solver=SGD(evaluate_every=value)).fit(*iris)


# -- sparse rows ---------------------------------------------------------------------------


@pytest.mark.parametrize("few", [0, 8], ids=["columns", "rows"])
@pytest.mark.parametrize("n_features", [30, 2000])  # many entries for each column, or few
def test_sparse_batches_are_those_of_the_same_dense_rows(n_features, few, monkeypatch):
    monkeypatch.setattr(batches_module, "BATCHES_FOR_COLUMNS", few)
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, n_features)) * (rng.uniform(size=(60, n_features)) < 0.1)
    y = rng.randint(3, size=60)
    network = Network((n_features, 5, 3))
    theta = network.initialize(random_state=0)
    dense, sparse = (
        Batches(Objective(network, rows, y, reg_lambda=1.0), theta, 40)
        for rows in (X, csr_array(X))
    )
    for rows in (slice(0, 40), rng.permutation(60)[:13]):
        gradient = sparse.unrolled(sparse.gradient(rows))
        assert_allclose(gradient, dense.gradient(rows), rtol=0, atol=1e-14)
    assert_array_equal(sparse.unrolled(sparse.theta), theta)
    assert_allclose(sparse.mean(theta)[1], dense.mean(theta)[1], rtol=0, atol=1e-14)


# -- another source of rows ----------------------------------------------------------------


class SingleRows:
    """What `skbackprop.rows` requires of a source for stochastic solvers, and nothing else."""

    def __init__(self, rows):
        self.rows = rows
        self.n_rows, self.weight, self.has_weight = rows.n_rows, rows.weight, rows.has_weight
        self.dtype = rows.dtype

    def add_up(self, function):
        return self.rows.add_up(function)

    def block(self, indices):
        return self.rows.block(indices)

    def running(self, cancellation=None):
        return contextlib.nullcontext(self)


@pytest.mark.parametrize("solver", [SGD(0.1, batch_size=40), Adam(batch_size=40)])
def test_a_source_of_rows_needs_only_its_documented_interface(iris, start, solver):
    array = Objective(Network(SIZES), *iris, reg_lambda=LAMBDA)
    thetas = []
    for objective in (array, array.on(SingleRows(array.rows))):
        progress = Progress(StoppingRule(tol=1e-9, max_iter=7, n_iter_no_change=7))
        rng = np.random.RandomState(0)
        solver.check(objective)
        solver.minimize(objective, start, progress, solver.prepare(objective), rng)
        thetas.append(progress.best.theta)
    assert_array_equal(*thetas)
    assert np.abs(thetas[0] - start).max() > 0.01


def test_only_many_sparse_batches_are_stored_by_columns():
    def order(X, source=lambda rows: rows):
        objective = Objective(Network((3, 1)), X, np.zeros(X.shape[0], int))
        return Batches(objective.on(source(objective.rows)), np.zeros(4), 10).order

    assert order(csr_array((81, 3))) == "F"
    assert order(csr_array((80, 3))) == "C"  # 8 batches
    assert order(np.zeros((81, 3))) == "C"
    # A source of rows need not say whether they are sparse.
    assert order(np.zeros((81, 3)), SingleRows) == "C"
