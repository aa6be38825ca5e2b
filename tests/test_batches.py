"""Mini-batches in kept buffers, and when a stochastic solver computes J over all rows."""

import contextlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.dropout import dropout_masks, dropout_rates
from skbackprop.interrupts import Cancellation
from skbackprop.monitoring import Progress, StoppingRule
from skbackprop.solvers import SGD, Adam, Adaptive, TimeDecay
from skbackprop.solvers import batches as batches_module
from skbackprop.solvers import layout as layout_module
from skbackprop.solvers import loader as loader_module
from skbackprop.solvers.batches import Batches
from skbackprop.solvers.layout import Layout
from skbackprop.solvers.loader import Loader
from skbackprop.solvers.steps import AdamStep, MomentumStep, StepRule

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


class Recorded(StepRule):
    """Not a step: keeps the gradient."""

    n_kept = 1

    def move(self, part, theta, gradient, rate, proximal=None):
        self.kept[0, part] = gradient


def gradient_of(batches, rows, dropout=None):
    """The gradient of a batch, in the order of `Network.unroll` and the precision of theta."""
    rule = Recorded()
    for _ in batches.each([rows]):
        batches.evaluate(dropout)
        batches.step(rule, np.nan)
    assert rule.kept.dtype == batches.theta.dtype
    return batches.layout.unrolled(rule.kept[0])


def divide_small_batches(monkeypatch, n_ranges=4):
    """Divide every batch by features, as only large and many batches are otherwise."""
    monkeypatch.setattr(layout_module, "MAX_RANGES", n_ranges)
    monkeypatch.setattr(batches_module, "MANY_BATCHES", 0)
    monkeypatch.setattr(layout_module, "RANGE_OPERATIONS", 1)


# -- one batch after another ---------------------------------------------------------------


@pytest.mark.parametrize("divided", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("store", STORAGE.values(), ids=STORAGE.keys())
def test_every_batch_has_the_gradient_of_its_rows(
    iris, start, store, weighted, divided, monkeypatch
):
    if divided:
        divide_small_batches(monkeypatch)
    X, y = iris
    w = np.random.RandomState(0).uniform(0.5, 2, 150) if weighted else np.ones(150)
    objective = Objective(
        Network(SIZES), store(X), y, reg_lambda=LAMBDA, sample_weight=w if weighted else None
    )
    batches = Batches(objective, start, 40)
    assert batches.layout.n_ranges == (4 if divided else 1)
    order = np.random.RandomState(1).permutation(150)
    penalty = LAMBDA / w.sum() * start * objective.penalty.penalised
    for rows in (order[:40], order[40:80], slice(80, 110), order[110:113]):  # fewer, too
        some = Objective(Network(SIZES), X[rows], y[rows], sample_weight=w[rows])
        share = w[rows].mean() / w.mean()
        gradient = gradient_of(batches, rows)
        assert_allclose(gradient, share * some(start)[1] + penalty, atol=1e-15)


def test_batches_that_make_up_all_rows_have_j_and_its_gradient_as_their_mean(iris, start):
    objective = Objective(Network(SIZES), *iris, reg_lambda=LAMBDA)
    signs = set()
    for theta in (start, start - 1.0):
        batches = Batches(objective, theta, 40)
        J, D = objective(theta)
        signs.add(np.sign(D[np.abs(D).argmax()]))
        for _ in range(2):
            for first in range(0, 150, 40):  # the last has 30 rows
                gradient_of(batches, slice(first, min(first + 40, 150)))
            assert_allclose(batches.mean(), (J, np.abs(D).max()), rtol=1e-13)
    assert signs == {-1.0, 1.0}


def test_the_penalty_of_float32_weights_whose_squares_overflow():
    network, X, y = Network((4, 3)), np.zeros((6, 4), dtype=np.float32), np.arange(6) % 3
    theta = network.unroll([np.tile([0.0, 1e20, 1e20, 1e20, 1e20], (3, 1))])
    objective = Objective(network, X, y, reg_lambda=LAMBDA)
    batches = Batches(objective, theta, 6)
    gradient_of(batches, slice(0, 6))
    loss, gradient_max = batches.mean()
    assert_allclose(loss, LAMBDA / 12 * 12 * 1e40, rtol=1e-6)
    assert_allclose(gradient_max, LAMBDA / 6 * 1e20, rtol=1e-6)


def test_nothing_that_comes_in_is_changed(iris, start):
    X, y = (part.copy() for part in iris)
    theta = start.copy()
    for part in (X, y, theta):
        part.flags.writeable = False
    batches = Batches(Objective(Network(SIZES), X, y), theta, 40)
    for _ in batches.each([np.arange(40)]):
        batches.evaluate()
        batches.step(AdamStep(0.9, 0.999, 1e-8), 0.1)
    assert_array_equal(theta, start)


def test_the_precision_is_that_of_the_rows(iris, start):
    X, y = iris
    objective = Objective(Network(SIZES), X.astype(np.float32), y, reg_lambda=LAMBDA)
    batches = Batches(objective, start, 40)
    assert batches.theta.dtype == np.float32
    gradient = gradient_of(batches, np.arange(40))
    exact = Batches(Objective(Network(SIZES), X, y, reg_lambda=LAMBDA), start, 40)
    assert_allclose(gradient, gradient_of(exact, np.arange(40)), atol=1e-6)


def test_masks_of_a_batch(iris, start):
    objective = Objective(Network(SIZES), *iris, reg_lambda=LAMBDA)
    rows = np.arange(20, 60)
    masks = dropout_masks((5,), 40, np.float64, np.array([0.5]), np.random.RandomState(0))
    dropped = gradient_of(Batches(objective, start, 40), rows, masks)
    assert_allclose(dropped, objective.batch(start, rows, dropout=masks)[1], rtol=1e-13)
    assert np.abs(dropped - gradient_of(Batches(objective, start, 40), rows)).max() > 1e-3


@pytest.mark.parametrize("rule", [MomentumStep(0.9, True), AdamStep(0.9, 0.999, 1e-8)])
def test_a_step_of_float32_is_float32(rule):
    theta, gradient = np.ones(5, dtype=np.float32), np.full(5, 0.5, dtype=np.float32)
    kept = theta
    for _ in range(3):
        rule(theta, gradient.copy(), 0.1)
    assert kept is theta
    assert theta.dtype == np.float32
    assert rule.kept.dtype == np.float32


LARGE = Network((3000, 200, 3))  # more entries than are worked on at a time


@pytest.mark.parametrize("rule", [SGD(nesterov=True), Adam()], ids=["momentum", "Adam"])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("n_rows", [11, 60])  # few batches, or so many that features are divided
@pytest.mark.parametrize("store", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_steps_in_parts_are_those_of_the_whole_vector(store, n_rows, rule, penalty, monkeypatch):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(n_rows, 3000)), rng.randint(3, size=n_rows)
    theta = LARGE.initialize(random_state=0)
    found, means = [], []
    for n_jobs, cached in ((1, 2**16), (2, 2**16), (3, 2**16), (1, LARGE.n_parameters)):
        monkeypatch.setattr(batches_module, "CACHED", cached)
        objective = Objective(LARGE, store(X), y, reg_lambda=0.1, penalty=penalty, n_jobs=n_jobs)
        step = rule.step_rule()
        with objective.running() as running:
            batches = Batches(running, theta, 4)
            for _ in batches.each([slice(0, 4), np.arange(4, 8), np.arange(8, 11)]):
                batches.evaluate()
                batches.step(step, 0.01)
            after = batches.unrolled()
            found.append([after, *map(batches.layout.unrolled, step.kept)])
            means.append(batches.mean())
    for in_parts in found[:3]:
        for part, whole in zip(in_parts, found[3], strict=True):
            assert_array_equal(part, whole)
    assert means[0] == means[1] == means[2]
    assert_allclose(means[0], means[3], rtol=1e-14)
    whole, plain = rule.step_rule(), theta.copy()
    objective = Objective(LARGE, X, y, reg_lambda=0.1, penalty=penalty)
    for rows in (slice(0, 4), slice(4, 8), slice(8, 11)):
        _, gradient = objective.batch(plain, rows)
        whole(plain, gradient, 0.01, objective.penalty.proximal_step)
    assert_allclose(after, plain, rtol=0, atol=1e-12)
    assert np.abs(after - theta).max() > 0.01


@pytest.mark.parametrize(
    ("sizes", "dropout", "n_ranges"),
    [
        ((8, 3), 0.0, 4),
        ((8, 5, 3), 0.0, 4),
        ((8, 5, 3), 0.3, 2),
        ((8, 5, 4, 3), 0.3, 4),
    ],
)
@pytest.mark.parametrize("store", STORAGE.values(), ids=STORAGE.keys())
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_threads_that_share_batches_change_no_bit(
    sizes, store, dtype, dropout, n_ranges, monkeypatch
):
    divide_small_batches(monkeypatch, n_ranges)
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(50, 8)).astype(dtype), rng.randint(3, size=50)
    network, solver = Network(sizes), Adam(0.01, batch_size=8, dropout=dropout)
    theta = network.initialize(random_state=0)
    data = {"X": store(X), "y": y, "sample_weight": rng.uniform(1, 2, 50), "reg_lambda": 0.1}
    found = []
    for n_jobs in (1, 2, 3):
        objective = Objective(network, **data, n_jobs=n_jobs)
        run = solver.new_run(np.random.RandomState(5))
        with objective.running() as running:
            batches = Batches(running, theta, 8)
            assert batches.layout.n_ranges == n_ranges
            for _ in range(3):
                solver.epoch(batches, run, Cancellation())
            found.append(batches.unrolled())
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])
    # The same steps one after the other, from the estimates of J's gradient.
    random_state, step = np.random.RandomState(5), solver.step_rule()
    plain = theta.copy()
    for _ in range(3):
        order = random_state.permutation(50)
        for first in range(0, 50, 8):
            rows = order[first : first + 8]
            masks = dropout_masks(
                sizes[1:-1], len(rows), dtype, dropout_rates(sizes[1:-1], dropout), random_state
            )
            _, gradient = objective.batch(plain, rows, dropout=masks)
            step(plain, gradient, 0.01)
    assert_allclose(found[0], plain, rtol=0, atol=1e-12 if dtype == np.float64 else 1e-5)
    assert np.abs(plain - theta).max() > 0.01


def test_batches_go_on_after_an_error_while_rows_are_copied_ahead(monkeypatch):
    divide_small_batches(monkeypatch)
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(40, 8)), rng.randint(3, size=40)
    network = Network((8, 5, 3))
    theta = network.initialize(random_state=0)
    selections = [np.arange(first, first + 8) for first in range(0, 40, 8)]
    step = MomentumStep(0.0, False)
    with Objective(network, X, y, n_jobs=2).running() as running:
        batches, fresh = Batches(running, theta, 8), Batches(running, theta, 8)

        def run(batches, selections, rate):
            for _ in batches.each(selections):
                batches.evaluate()
                batches.step(step, rate)

        with pytest.raises(ValueError, match=r"broadcast|match"):
            run(batches, [*selections[:2], slice(16, 24), np.array([[40]])], 0.0)
        run(batches, selections[2:], 0.1)
        run(fresh, selections[2:], 0.1)
    assert_array_equal(batches.unrolled(), fresh.unrolled())
    assert np.abs(fresh.unrolled() - theta).max() > 0.01


@pytest.mark.parametrize("kind", [np.int8, np.int64])
def test_a_batch_size_may_be_a_numpy_integer(iris, kind):
    fits = [fit(iris, Adam(0.01, batch_size=size), max_iter=2) for size in (4, kind(4))]
    for one, other in zip(*(clf.theta_ for clf in fits), strict=True):
        assert_array_equal(one, other)


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
    monkeypatch.setattr(batches_module, "MANY_BATCHES", few)
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
        gradient = gradient_of(sparse, rows)
        assert_allclose(gradient, gradient_of(dense, rows), rtol=0, atol=1e-14)
    assert_array_equal(sparse.unrolled(), theta)
    assert_allclose(sparse.mean(), dense.mean(), rtol=1e-13)


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


# -- how theta is stored ---------------------------------------------------------------------


def test_only_many_sparse_batches_are_stored_by_columns():
    def order(X, source=lambda rows: rows):
        objective = Objective(Network((3, 1)), X, np.zeros(X.shape[0], int))
        return Batches(objective.on(source(objective.rows)), np.zeros(4), 10).layout.order

    assert order(csr_array((81, 3))) == "F"
    assert order(csr_array((80, 3))) == "C"  # 8 batches
    assert order(np.zeros((81, 3))) == "C"
    # A source of rows need not say whether they are sparse.
    assert order(np.zeros((81, 3)), SingleRows) == "C"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_ranges", [1, 2, 4])
@pytest.mark.parametrize("sizes", [(7, 5, 4, 3), (7, 2), (4, 1)])
def test_a_layout_keeps_every_entry(sizes, n_ranges, order):
    network = Network(sizes)
    layout = Layout(network, n_ranges, order)
    theta = np.arange(1.0, network.n_parameters + 1)
    vector = layout.stored(theta, np.float32)
    assert vector.dtype == np.float32
    assert_array_equal(layout.unrolled(vector), theta)
    assert layout.unrolled(vector).dtype == np.float64
    assert np.array_equal(vector, theta) == (n_ranges == 1 and order == "C")
    first, *above = network.reshape(theta)
    views = layout.views(vector)
    assert len(views.weights) == len(layout.features) == n_ranges
    assert_array_equal(np.hstack(views.weights), first[:, 1:])
    assert_array_equal(views.biases, first[:, 0])
    for ours, theirs in zip(views.above, above, strict=True):
        assert_array_equal(ours, theirs)
    # Each range has entries of its own, and there are others: together the whole vector.
    *ranges, others = layout.entries
    for entries, weights in zip(ranges, views.weights, strict=True):
        assert np.isin(weights, vector[entries]).all()
    assert_array_equal(np.hstack([vector[e] for e in layout.entries]), vector)
    if others.stop > 0:
        assert sum(vector[e].size for e in ranges) == first[:, 1:].size
    views.biases[:] = 0.0  # views, not copies
    assert (layout.unrolled(vector) == 0).sum() == sizes[1]


@pytest.mark.parametrize(
    ("sizes", "rows", "sparse", "many", "expected"),
    [
        ((784, 100, 10), 200, False, True, 2),
        ((784, 100, 10), 20, False, True, 1),
        ((784, 1000, 10), 200, False, True, 4),
        ((784, 1000, 10), 200, False, False, 1),
        ((20_000, 100, 2), 200, True, True, 4),
        ((20_000, 100, 2), 200, True, False, 1),
        ((784, 10_000, 10), 2**22 // 10_000, False, True, 4),
        ((784, 10_000, 10), 2**22 // 10_000 + 1, False, True, 1),  # large sums, for each range
    ],
)
def test_a_large_batch_is_divided_into_ranges(sizes, rows, sparse, many, expected):
    layout = Layout.of(Network(sizes), rows, sparse=sparse, many=many)
    assert layout.n_ranges == expected
    assert layout.features[0].start == 0
    assert layout.features[-1].stop == sizes[0]


def test_there_are_no_more_ranges_than_features(monkeypatch):
    monkeypatch.setattr(layout_module, "RANGE_OPERATIONS", 1)
    for n_features, expected in ((1, 1), (2, 2), (3, 2), (4, 4), (9, 4)):
        layout = Layout.of(Network((n_features, 2)), 3, sparse=False, many=True)
        assert layout.n_ranges == expected


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("store", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_batches_come_in_order_with_their_own_rows(store, ahead):
    X = np.arange(60.0).reshape(20, 3)
    rows = Objective(Network((3, 1)), store(X), np.arange(20) % 2, sample_weight=X[:, 0] + 1).rows
    loader = Loader(rows, [slice(0, 1), slice(1, 3)], 6, ahead=ahead)
    selections = [np.array([7, 2, 9, 4, 1, 0]), np.array([3]), slice(5, 9), np.array([19, 18])]
    for _ in range(2):  # again, in the same buffers
        seen = 0
        for batch, selection in zip(loader.each(iter(selections)), selections, strict=True):
            following = loader.following
            assert (following is not None) == (ahead and seen < 3)
            if ahead:
                loader.load()
            parts = [part.toarray() if store is csr_array else part for part in batch.X]
            assert_array_equal(np.hstack(parts), X[selection])
            assert_array_equal(batch.y, np.arange(20)[selection] % 2)
            assert_allclose(batch.weights, (X[selection, 0] + 1) / (X[:, 0] + 1).mean())
            if following:
                assert_array_equal(following.y, np.arange(20)[selections[seen + 1]] % 2)
            seen += 1
        assert seen == 4


def test_large_dense_batches_are_not_loaded_ahead(monkeypatch):
    def n_ahead(n_rows, store=np.asarray, source=lambda rows: rows):
        rows = Objective(Network((3, 1)), store(np.zeros((20, 3))), np.zeros(20, int)).rows
        return Loader(source(rows), [slice(0, 1), slice(1, 3)], n_rows, ahead=True).n_ahead

    monkeypatch.setattr(loader_module, "FEATURE_BYTES", 10 * 3 * 8)
    assert (n_ahead(10), n_ahead(11)) == (2, 0)
    assert n_ahead(11, csr_array) == 2  # their entries are few
    assert n_ahead(11, csr_array, SingleRows) == 0  # which this source does not say
