"""The head start of L-BFGS on many rows: four epochs of Adam on centred features."""

import warnings
from math import ceil

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, Network, Objective, numerical_gradient
from skbackprop.activations import ACTIVATIONS
from skbackprop.interrupts import Cancelled
from skbackprop.monitoring import Iterate, Progress, StoppingRule
from skbackprop.rows import RowBlock
from skbackprop.solvers import LBFGS, OneCycle, head_start, layout
from skbackprop.solvers.batches import Batches
from skbackprop.solvers.head_start import (
    AdamByPieces,
    CentredRows,
    allows_mini_batches,
    centred,
    centring,
    descend_in_mini_batches,
    feature_divisors,
    rate_divisors,
)
from skbackprop.solvers.steps import AdamStep

M, SIZES, LAMBDA = 450, (5, 4, 3), 3.0


def examples(m=M, n=SIZES[0], dtype=np.float64):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(m, n)) * [1.0, 0.1, 5.0, 1.0, 2.0] + 3.0).astype(dtype)
    return X, (X[:, 0] > 3.0).astype(int) + (X[:, 2] > 6.0)


def objective_of(m=M, *, dtype=np.float64, make=np.asarray, **options):
    X, y = examples(m, dtype=dtype)
    return Objective(Network(SIZES), make(X), y, **{"reg_lambda": LAMBDA, **options})


def theta_of(seed=1):
    return Network(SIZES).initialize(random_state=seed)


def progress_of(objective, start):
    progress = Progress(StoppingRule(1e-9, 100, 100))
    progress.enter("head start", objective, sampled=True)
    progress.start(start)
    return progress


# -- centred inputs ------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", ("logistic", "identity")])
@pytest.mark.parametrize("weighted", [False, True])
def test_j_of_centred_inputs_is_j(activation, weighted):
    X, y = examples()
    weight = np.random.default_rng(1).uniform(0, 2, M) if weighted else None
    sizes = (5, 4, 6, 3) if isinstance(activation, tuple) else SIZES
    network = Network(sizes, activation)
    objective = Objective(network, X, y, reg_lambda=LAMBDA, sample_weight=weight)
    mu, theta = np.arange(5.0), network.initialize(random_state=1)
    change = centring(network, mu)
    z = change.from_theta(theta)
    assert_allclose(change.to_theta(z), theta, rtol=1e-12, atol=1e-14)
    first, second, *_ = network.reshape(theta)
    # b + W mu; mu is 1/2 for logistic units.
    assert_allclose(network.reshape(z)[0][:, 0], first[:, 0] + first[:, 1:] @ mu)
    half = 0.5 if network.activation[0] == "logistic" else 0.0
    assert_allclose(network.reshape(z)[1][:, 0], second[:, 0] + half * second[:, 1:].sum(axis=1))
    J, _ = objective(theta)
    J_centred, D_centred = centred(objective, mu)(z)
    assert_allclose(J_centred, J, rtol=1e-13)
    assert_allclose(
        D_centred,
        numerical_gradient(lambda z: objective(change.to_theta(z))[0], z),
        rtol=1e-6,
        atol=1e-8,
    )
    assert objective.network is network


@pytest.mark.parametrize("selection", [slice(3, 90, 4), np.array([5, 2, 2, 71])])
@pytest.mark.parametrize("buffered", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_rows_themselves_do_not_change(selection, buffered, dtype):
    X, y = examples()
    rows = objective_of().rows.astype(dtype)
    mu = X.mean(axis=0)
    around_mu = CentredRows.at(rows, mu)
    out = around_mu.room(100) if buffered else None
    block = around_mu.block(selection, out)
    assert_array_equal(block.X, X[selection].astype(dtype) - mu.astype(dtype))
    assert_array_equal(block.y, y[selection])
    assert_array_equal(rows.examples.X, X)


# -- the learning rates --------------------------------------------------------------------


def test_the_divisors_as_their_docstring_writes_them():
    X = np.array([[0.0, 4.0, 7.0], [0.0, -4.0, 7.0], [0.0, 4.0, 7.0], [8.0, -4.0, 7.0]])
    deviation = np.array([np.sqrt(12.0), 4.0])  # more than a quarter of the range, 2 and 2
    length = np.sqrt(2.0)
    assert_allclose(feature_divisors(X), [*(deviation * length / 7.0), 1.0], rtol=1e-14)


def test_a_feature_that_is_rarely_on_has_a_quarter_of_its_range():
    X = np.zeros((1000, 2))
    X[0, 0], X[:, 1] = 1.0, np.arange(1000) % 2
    deviation = np.sqrt(1e-3 - 1e-6)
    length = np.hypot(deviation / 0.25, 1.0)
    assert_allclose(feature_divisors(X), np.array([0.25, 0.5]) * length / 7.0, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("constant", [0.1, 1000.1, 0.0])
def test_a_constant_has_the_divisor_one(constant, dtype):
    """Its standard deviation is not 0, but a rounding."""
    X, _ = examples(5000, dtype=dtype)
    with_constant = np.hstack([X, np.full((5000, 1), constant, dtype=dtype)])
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    assert_allclose(feature_divisors(with_constant), [*feature_divisors(X), 1.0], rtol=rtol)


@pytest.mark.parametrize("weight", [0.0, 3.0])
def test_divisors_of_weighted_rows_are_those_of_repeated_ones(weight):
    X, _ = examples()
    X[7] = 1e6
    weights = np.ones(M)
    weights[7] = weight
    repeated = np.repeat(X, weights.astype(int), axis=0)
    assert_allclose(feature_divisors(X, weights), feature_divisors(repeated), rtol=1e-9)
    # A sample without any weight.
    assert_allclose(feature_divisors(X, np.zeros(M)), feature_divisors(X))


def test_divisors_follow_the_units_of_the_features():
    X, _ = examples()
    units = np.array([1e-3, 1.0, 1e4, 255.0, 7.0])
    assert_allclose(feature_divisors(X * units), feature_divisors(X) * units, rtol=1e-10)


def test_logistic_units_have_the_steps_of_tanh_units():
    """(1 + tanh(z/2)) / 2: the same outputs have half the z, and half the weights above."""
    X, _ = examples()
    sizes = (5, 4, 4, 4, 2)
    logistic, tanh, mixed = (
        Network(sizes, name) for name in ("logistic", "tanh", ("tanh", "logistic", "tanh"))
    )
    expected = [np.ones(shape) for shape in tanh.shapes]
    expected[0][:, 1:] = feature_divisors(X)
    assert_allclose(rate_divisors(tanh, RowBlock(X)), tanh.unroll(expected))
    expected[1] /= 2.0
    expected[2][:, 1:] /= 2.0
    assert_allclose(rate_divisors(mixed, RowBlock(X)), tanh.unroll(expected))
    expected[0] /= 2.0
    expected[1][:, 1:] /= 2.0
    expected[2] /= 2.0
    expected[3][:, 1:] /= 2.0
    assert_allclose(rate_divisors(logistic, RowBlock(X)), tanh.unroll(expected))


@pytest.mark.parametrize("l1", [False, True])
def test_a_divisor_is_another_rate_for_each_entry(l1):
    rng = np.random.default_rng(2)
    theta, divisors = rng.normal(size=6), rng.uniform(0.1, 10.0, size=6)
    gradients = rng.normal(size=(4, 6))

    def proximal(v, step, out):
        out[...] = np.sign(v) * np.maximum(np.abs(v) - 0.3 * step, 0.0)

    def steps(entries, rate, divisors=None):
        rule, v = AdamStep(0.9, 0.99, 1e-12, divisors), theta[entries].copy()
        for gradient in gradients:
            rule(v, gradient[entries].copy(), rate, proximal if l1 else None)
        return v

    expected = [steps(slice(i, i + 1), 0.1 / divisors[i])[0] for i in range(6)]
    assert_allclose(steps(slice(None), 0.1, divisors), expected, rtol=1e-9)


# -- which rows ----------------------------------------------------------------------------


def test_many_dense_rows():
    def of(m, X=None, sizes=(1, 1, 1)):
        X = np.zeros((m, 1)) if X is None else X
        return Objective(Network(sizes), X, np.arange(m) % 2)

    assert allows_mini_batches(of(20_000))
    assert not allows_mini_batches(of(19_999))
    assert not allows_mini_batches(of(20_000, sizes=(1, 1)))
    assert not allows_mini_batches(of(20_000, csr_array((20_000, 1))))


# -- the four epochs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_rows", "groups"),
    [(1, [1]), (200, [1]), (10_000, [50]), (10_001, [26, 25]), (41_234, [42, 42, 41, 41, 41])],
)
def test_the_rows_of_a_batch_are_from_few_pieces(n_rows, groups):
    rng = np.random.RandomState(0)
    first, second = (AdamByPieces().row_order(n_rows, rng) for _ in range(2))
    for order in (first, second):
        assert_array_equal(np.sort(order), np.arange(n_rows))
        pieces, begin = order // 200, 0
        for n_pieces in groups:
            # The last piece of all rows may be shorter; then so is its group.
            found = list(dict.fromkeys(pieces[begin:]))[:n_pieces]
            end = begin + np.isin(pieces, found).sum()
            assert set(pieces[begin:end]) == set(found)
            begin = end
        assert begin == n_rows
    if n_rows > 200:
        assert (first != second).mean() > 0.9
        assert np.abs(np.diff(first[:200])).mean() > n_rows / 20


def by_the_book(network, X, y, mu, theta, batch_rows=200, rate=0.02):
    """The same as a loop over batches, with J of each batch and Adam as its authors write it."""
    m, rng, rates = len(X), np.random.RandomState(0), OneCycle(rate)
    divisors, change = rate_divisors(network, RowBlock(X)), centring(network, mu)
    z, mean, square, t = change.from_theta(theta), 0.0, 0.0, 0
    n_total = 4 * ceil(m / batch_rows)
    alpha = rates.after_step(0.0, 0, n_total)
    for _ in range(4):
        order = AdamByPieces().row_order(m, rng)
        for start in range(0, m, batch_rows):
            some = order[start : start + batch_rows]
            # lambda/m is that of all rows.
            batch = Objective(network, X[some], y[some], reg_lambda=LAMBDA * len(some) / m)
            theta = change.to_theta(z)
            _, g = change.pull_back(z, *batch(theta))
            t += 1
            mean = 0.9 * mean + 0.1 * g
            square = 0.999 * square + 0.001 * g**2
            step = (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
            z = z - alpha * step / divisors
            alpha = rates.after_step(alpha, t, n_total)
    return change.to_theta(z)


@pytest.mark.parametrize("activation", ["logistic", "relu"])
@pytest.mark.parametrize("n_ranges", [1, 4])
def test_the_epochs_of_adam_by_the_book(monkeypatch, activation, n_ranges):
    monkeypatch.setattr(layout, "RANGE_OPERATIONS", 1000 if n_ranges == 4 else 10**9)
    m = 1850  # more than eight batches, which threads may share
    X, y = examples(m)
    network = Network(SIZES, activation)
    objective = Objective(network, X, y, reg_lambda=LAMBDA, n_jobs=2)
    assert layout.Layout.of(network, 200, sparse=False, many=True).n_ranges == n_ranges
    mu, theta = X.mean(axis=0), theta_of()
    start = Iterate.at(theta, objective)
    progress = progress_of(objective, start)
    found = descend_in_mini_batches(objective, start, mu, progress)
    assert_allclose(found.theta, by_the_book(network, X, y, mu, theta), rtol=1e-8, atol=1e-10)
    assert objective(found.theta)[0] < start.loss
    assert_array_equal(start.theta, theta)
    assert [(e.iteration, e.rows) for e in progress.entries] == [(0, m)] * 4
    assert progress.candidate is found.theta
    assert progress.n_evaluations == 2  # before and after


def test_a_higher_j_leads_back_to_the_start():
    """At a minimum, every step leads to a higher J."""
    X, y = examples(3000)
    params = {"hidden_layer_sizes": SIZES[1], "tol": 1e-5, "random_state": 0}
    clf = BackpropClassifier(**params, reg_lambda=30.0).fit(X, y)
    objective = Objective(clf.network_, X, y, reg_lambda=30.0)
    start = Iterate.at(clf.optimize_result_.x, objective)
    progress = progress_of(objective, start)
    found = descend_in_mini_batches(objective, start, X.mean(axis=0), progress)
    assert found is start
    assert objective(progress.candidate)[0] > start.loss


# -- within a fit --------------------------------------------------------------------------


@pytest.fixture
def from_few_rows(monkeypatch):
    monkeypatch.setattr(head_start, "MANY_STEPS_ROWS", 1000)


def fitted(X, y, **params):
    defaults = {"hidden_layer_sizes": (7,), "max_iter": 15, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return BackpropClassifier(**defaults | params).fit(X, y)


def history_rows(clf):
    """The number of rows of each iteration of the head start."""
    entries = zip(clf.history_["rows"], clf.history_["iteration"], strict=True)
    return [n_rows for n_rows, iteration in entries if not iteration]


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_stages_of_a_fit(from_few_rows, dtype, penalty):
    X, y = examples(6500, dtype=dtype)
    history = fitted(X, y, penalty=penalty).history_
    began = [i for i, stage in enumerate(history["stage"]) if stage == "head start"]
    assert [history["rows"][i] for i in began] == [107] * 10 + [383] * 10 + [6500] * 4
    assert {history["iteration"][i] for i in began} == {0}
    assert history["loss"][began[-1]] < history["loss"][began[-2]]


def test_no_gradient_over_all_rows_is_computed_in_vain(from_few_rows, monkeypatch):
    seen = []
    smooth, epoch = Objective.smooth, AdamByPieces.epoch

    def noted(self, theta):
        seen.append(self.n_rows)
        return smooth(self, theta)

    def noted_epoch(self, *arguments):
        seen.append("epoch")
        epoch(self, *arguments)

    monkeypatch.setattr(Objective, "smooth", noted)
    monkeypatch.setattr(AdamByPieces, "epoch", noted_epoch)
    fitted(*examples(6500), max_iter=1)
    # The start; some of the rows; the epochs; the place that they have led to.
    first = seen.index("epoch")
    assert seen[0] == 6500
    assert set(seen[1:first]) == {107, 383}
    assert seen[first : first + 5] == ["epoch"] * 4 + [6500]


def test_the_docstring_has_the_numbers():
    doc = " ".join(LBFGS.__doc__.split())
    assert "From 20000 dense rows on, and with a hidden layer, it is 10 iterations each" in doc


def test_it_does_not_decide_where_a_fit_ends(from_few_rows):
    X, y = examples(6500)
    clf = fitted(X, y, reg_lambda=30.0, tol=1e-6, max_iter=1000)
    assert clf.optimize_result_.status == "converged"
    _, D = Objective(clf.network_, X, y, reg_lambda=30.0)(clf.optimize_result_.x)
    assert np.abs(D).max() <= 1e-6


def test_the_single_minimum_of_a_linear_network(from_few_rows):
    """J of identity units with this lambda: the minimum is that of all starts."""
    X, y = examples(6500)
    params = {"activation": "identity", "reg_lambda": 30.0, "tol": 1e-7, "max_iter": 1000}
    fits = [
        fitted((X - X.mean(axis=0)) / X.std(axis=0), y, solver=solver, **params)
        for solver in (LBFGS(), LBFGS(head_start=False))
    ]
    assert [clf.optimize_result_.status for clf in fits] == ["converged"] * 2
    assert_allclose(fits[0].loss_, fits[1].loss_, rtol=1e-8)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_order_and_files_change_nothing(from_few_rows, tmp_path, early_stopping, dtype):
    X, y = examples(6500, dtype=dtype)
    np.save(tmp_path / "X.npy", X)
    forms = [X, np.asfortranarray(X), np.load(tmp_path / "X.npy", mmap_mode="r")]
    fits = [
        fitted(given, y, n_jobs=n_jobs, early_stopping=early_stopping)
        for given in forms
        for n_jobs in (1, 2, 4)
    ]
    assert "head start" in fits[0].history_["stage"]
    for clf in fits[1:]:
        assert_array_equal(clf.optimize_result_.x, fits[0].optimize_result_.x)
        assert clf.loss_curve_ == fits[0].loss_curve_


def test_dead_units_do_not_begin_a_fit(from_few_rows, monkeypatch):
    """A network of relu units that are all off has a low J, and L-BFGS would end there."""
    X, y = examples(6500)
    expected = fitted(X, y, activation="relu").loss_
    monkeypatch.setattr(head_start, "RATE", 1e3)
    clf = fitted(X, y, activation="relu")
    assert clf.score(X, y) > 0.9
    assert clf.loss_ < 1.5 * expected


def test_the_same_start_leads_to_the_same_end(from_few_rows):
    X, y = examples(6500)
    start = [np.full((7, 6), 0.1) + np.eye(7, 6), np.full((3, 8), 0.1)]
    fits = []
    for _ in range(2):
        clf = BackpropClassifier((7,), max_iter=3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits.append(clf.fit(X, y, theta_init=start))
    assert_array_equal(fits[0].optimize_result_.x, fits[1].optimize_result_.x)


def test_an_activation_of_the_user(from_few_rows, monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "another", ACTIVATIONS["tanh"])
    X, y = examples(6500)
    fits = [fitted(X, y, activation=name) for name in ("another", "tanh")]
    assert_array_equal(fits[0].optimize_result_.x, fits[1].optimize_result_.x)


@pytest.mark.parametrize("every", [61, 17, 13])
def test_rows_without_weight(from_few_rows, every):
    X, y = examples(6500)
    weight = (np.arange(6500) % every != 0).astype(float)
    clf = BackpropClassifier((7,), max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y, sample_weight=weight)
    assert history_rows(clf)[-4:] == [6500] * 4
    assert clf.score(X, y) > 0.8


@pytest.mark.parametrize("n_batches", [5, 40])
def test_an_interrupt_keeps_the_best_so_far(from_few_rows, monkeypatch, n_batches):
    """In the first and in the second of the four epochs of 33 batches."""
    taken = []

    def step(self, rule, rate):
        taken.append(rate)
        if len(taken) > n_batches:
            raise Cancelled
        real(self, rule, rate)

    real = Batches.step
    monkeypatch.setattr(Batches, "step", step)
    X, y = examples(6500)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        clf = BackpropClassifier((7,), random_state=0).fit(X, y)
    assert clf.optimize_result_.status == "interrupted"
    objective = Objective(clf.network_, X, y, reg_lambda=1.0)
    assert clf.loss_ == objective(clf.optimize_result_.x)[0]
    assert history_rows(clf).count(6500) == n_batches // 33
    start = clf.network_.initialize(random_state=0, centre=X.mean(axis=0))
    assert clf.loss_ < 0.9 * objective(start)[0]


def test_overflow_in_the_features_does_not_stop_a_fit(from_few_rows):
    X, y = examples(6500)
    clf = fitted(X * 1e150, y, max_iter=3)
    assert np.isfinite(clf.loss_)
