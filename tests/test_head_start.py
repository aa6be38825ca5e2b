"""The head start of L-BFGS on many rows: a few epochs of spectral steps in mini-batches."""

import warnings
from math import ceil

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.activations import ACTIVATIONS
from skbackprop.interrupts import Cancelled
from skbackprop.monitoring import Iterate, Progress, StoppingRule
from skbackprop.rows import RowBlock
from skbackprop.solvers import LBFGS, OneCycle, head_start
from skbackprop.solvers.head_start import (
    EPOCHS,
    allows_mini_batches,
    descend_in_mini_batches,
    feature_scales,
    layer_scales,
    row_order,
    tells_apart,
)
from skbackprop.solvers.spectral_step import SpectralStep, orthogonalised

M, SIZES, LAMBDA = 450, (5, 4, 3), 3.0


def examples(m=M, n=SIZES[0], dtype=np.float64):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(m, n)) * [1.0, 0.1, 5.0, 1.0, 2.0] + 3.0).astype(dtype)
    return X, (X[:, 0] > 3.0).astype(int) + (X[:, 2] > 6.0)


def objective_of(m=M, *, dtype=np.float64, make=np.asarray, **options):
    X, y = examples(m, dtype=dtype)
    return Objective(Network(SIZES), make(X), y, **{"reg_lambda": LAMBDA, **options})


def scales_of(X, weights=None):
    return feature_scales(RowBlock(X, None, weights))


def theta_of(seed=1):
    return Network(SIZES).initialize(random_state=seed)


def progress_of(objective, start):
    progress = Progress(StoppingRule(1e-9, 100, 100))
    progress.enter("head start", objective, sampled=True)
    progress.start(start)
    return progress


# -- the scales of the inputs --------------------------------------------------------------


def test_the_scales_as_their_docstring_writes_them():
    X = np.array([[0.0, 4.0, 7.0], [0.0, -4.0, 7.0], [0.0, 4.0, 7.0], [8.0, -4.0, 7.0]])
    deviation = np.array([np.sqrt(12.0), 4.0])  # more than a quarter of the range, 2 and 2
    length = np.sqrt(2.0)
    assert_allclose(scales_of(X), [*(deviation * length), 1.0], rtol=1e-14)


def test_a_feature_that_is_rarely_on_has_a_quarter_of_its_range():
    X = np.zeros((1000, 2))
    X[0, 0], X[:, 1] = 1.0, np.arange(1000) % 2
    deviation = np.sqrt(1e-3 - 1e-6)
    length = np.hypot(deviation / 0.25, 1.0)
    assert_allclose(scales_of(X), np.array([0.25, 0.5]) * length, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("constant", [0.1, 1000.1, 0.0])
def test_a_constant_has_the_scale_one(constant, dtype):
    """Its standard deviation is not 0, but a rounding."""
    X, _ = examples(5000, dtype=dtype)
    with_constant = np.hstack([X, np.full((5000, 1), constant, dtype=dtype)])
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    assert_allclose(scales_of(with_constant), [*scales_of(X), 1.0], rtol=rtol)


@pytest.mark.parametrize("weight", [0.0, 3.0])
def test_scales_of_weighted_rows_are_those_of_repeated_ones(weight):
    X, _ = examples()
    X[7] = 1e6
    weights = np.ones(M)
    weights[7] = weight
    repeated = np.repeat(X, weights.astype(int), axis=0)
    assert_allclose(scales_of(X, weights), scales_of(repeated), rtol=1e-9)
    # A sample without any weight.
    assert_allclose(scales_of(X, np.zeros(M)), scales_of(X))


def test_scales_follow_the_units_of_the_features():
    X, _ = examples()
    units = np.array([1e-3, 1.0, 1e4, 255.0, 7.0])
    assert_allclose(scales_of(X * units), scales_of(X) * units, rtol=1e-10)


def test_the_scales_of_the_layers():
    network = Network((5, 4, 9, 16, 2), ("tanh", "logistic", "relu"))
    features = np.arange(5.0), np.arange(1.0, 6.0)
    centres, lengths, reaches = zip(*layer_scales(network, *features), strict=True)
    assert centres[0] is features[0]
    assert lengths[0] is features[1]
    assert [len(mu) for mu in centres] == [len(s) for s in lengths] == [5, 4, 9, 16]
    assert [set(mu) for mu in centres[1:]] == [{0.0}, {0.5}, {0.0}]
    assert [set(s) for s in lengths[1:]] == [{1.0}, {0.75}, {2.0}]
    assert reaches == (0.25, 1.0, 0.25, 1.0)


# -- which rows ----------------------------------------------------------------------------


def test_many_dense_rows():
    def of(m, X=None, sizes=(1, 1, 1)):
        X = np.zeros((m, 1)) if X is None else X
        return Objective(Network(sizes), X, np.arange(m) % 2)

    assert allows_mini_batches(of(20_000))
    assert not allows_mini_batches(of(19_999))
    assert not allows_mini_batches(of(20_000, sizes=(1, 1)))
    assert not allows_mini_batches(of(20_000, csr_array((20_000, 1))))


# -- the epochs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_rows", "groups"),
    [(1, [1]), (200, [1]), (10_000, [50]), (10_001, [26, 25]), (41_234, [42, 42, 41, 41, 41])],
)
def test_the_rows_of_a_batch_are_from_few_pieces(n_rows, groups):
    rng = np.random.RandomState(0)
    first, second = (row_order(n_rows, rng) for _ in range(2))
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


def by_the_book(network, X, y, mu, theta, penalty):
    """The same as a loop over batches, with J of each batch and the step as its page writes it."""
    m, rng = len(X), np.random.RandomState(0)
    n_batches, t = ceil(m / 800), 0
    mus = [mu, *(np.full(s, 0.5 * (g == "logistic")) for s, g in layers_of(network))]
    length = np.sqrt(np.sum((X.std(axis=0) / spreads(X)) ** 2))
    scales = [spreads(X) * length]
    scales += [
        np.full(s, np.sqrt(s) / (4 if g == "logistic" else 2)) for s, g in layers_of(network)
    ]
    reaches = [*(1.0 if g == "logistic" else 0.25 for _, g in layers_of(network)), 1.0]
    means = [np.zeros(shape) for shape in network.shapes]
    rates = OneCycle(1.0, warm_up=0.1)
    for _ in range(5):
        for some in np.array_split(row_order(m, rng), n_batches):
            # lambda/m is that of all rows.
            strength = LAMBDA * len(some) / m
            batch = Objective(network, X[some], y[some], reg_lambda=strength, penalty=penalty)
            gradients = network.reshape(batch(theta)[1])
            thetas = [Theta.copy() for Theta in network.reshape(theta)]
            alpha = rates.after_step(0.0, t, 5 * n_batches)
            t += 1
            for l, (Theta, D) in enumerate(zip(thetas, gradients, strict=True)):
                # Theta = [b, W] as a linear function of Theta' = [4 (b + W mu), s W].
                to_theta = np.vstack([np.zeros(len(mus[l])), np.diag(1.0 / scales[l])])
                to_theta = np.column_stack([np.r_[0.25, -mus[l] / scales[l]], to_theta])
                means[l] = 0.9 * means[l] + 0.1 * D @ to_theta.T
                Theta -= reaches[l] * alpha * orthogonalised(means[l]) @ to_theta
            theta = network.unroll(thetas)
    return theta


def layers_of(network):
    return zip(network.layer_sizes[1:-1], network.activation, strict=True)


def spreads(X):
    return np.maximum(X.std(axis=0), np.ptp(X, axis=0) / 4.0)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("activation", ["logistic", "relu", ("tanh", "logistic")])
def test_the_epochs_by_the_book(activation, penalty):
    m = 1850
    X, y = examples(m)
    network = Network((5, 4, 3) if isinstance(activation, str) else (5, 4, 6, 3), activation)
    objective = Objective(network, X, y, reg_lambda=LAMBDA, penalty=penalty, n_jobs=2)
    mu, theta = X.mean(axis=0), network.initialize(random_state=1)
    start = Iterate.at(theta, objective)
    progress = progress_of(objective, start)
    found = descend_in_mini_batches(objective, start, mu, progress)
    expected = by_the_book(network, X, y, mu, theta, penalty)
    assert_allclose(found.theta, expected, rtol=1e-7, atol=1e-9)
    assert objective(found.theta)[0] < start.loss
    assert_array_equal(start.theta, network.initialize(random_state=1))
    assert [(e.iteration, e.rows) for e in progress.entries] == [(0, m)] * EPOCHS
    assert progress.candidate is found.theta
    assert progress.n_evaluations == 0


def test_j_of_an_epoch_is_the_mean_of_the_batches(monkeypatch):
    """Where theta does not change, that is J."""
    monkeypatch.setattr(head_start, "RATE", OneCycle(1e-12))
    X, y = examples(1850)
    weight = np.random.default_rng(1).uniform(0, 2, 1850)
    network = Network(SIZES)
    for penalty in ("l2", "l1"):
        # So strong a penalty that it changes the largest entry of the gradient.
        options = {"reg_lambda": 300.0, "penalty": penalty, "sample_weight": weight}
        objective = Objective(network, X, y, **options)
        start = Iterate.at(5.0 * theta_of(), objective)
        progress = progress_of(objective, start)
        found = descend_in_mini_batches(objective, start, X.mean(axis=0), progress)
        assert_allclose(found.loss, start.loss, rtol=1e-9)
        assert_allclose(found.gradient_max, start.gradient_max, rtol=1e-6)
        assert found.loss_estimated


def test_rows_that_a_network_tells_apart():
    X, _ = examples(50)
    network = Network(SIZES, "relu")
    theta = theta_of()
    assert tells_apart(network, theta, X)
    logits = network.forward_propagate(theta, X)[-2] @ network.reshape(theta)[-1][:, 1:].T
    for factor in (1.01, 0.99):
        almost = [Theta.copy() for Theta in network.reshape(theta)]
        almost[-1] *= 0.1 * factor / logits.std(axis=0).max()
        assert tells_apart(network, network.unroll(almost), X) == (factor > 1.0)
    dead = [Theta.copy() for Theta in network.reshape(theta)]
    dead[0][:, 0] = -1e4
    assert not tells_apart(network, network.unroll(dead), X)
    assert not tells_apart(network, np.full(len(theta), np.nan), X)


# -- within a fit --------------------------------------------------------------------------


@pytest.fixture
def from_few_rows(monkeypatch):
    monkeypatch.setattr(head_start, "MANY_STEPS_ROWS", 1000)


def fitted(X, y, theta_init=None, **params):
    defaults = {"hidden_layer_sizes": (7,), "max_iter": 15, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return BackpropClassifier(**defaults | params).fit(X, y, theta_init=theta_init)


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
    assert [history["rows"][i] for i in began] == [6500] * EPOCHS
    assert {history["iteration"][i] for i in began} == {0}
    assert history["loss"][began[-1]] < history["loss"][began[-2]]


def test_no_j_over_all_rows_is_computed_in_vain(from_few_rows, monkeypatch):
    seen = []
    smooth, cost = Objective.smooth, Objective.cost

    def noted(self, theta):
        seen.append(self.n_rows)
        return smooth(self, theta)

    def noted_cost(self, theta):
        seen.append("cost")
        return cost(self, theta)

    def noted_order(n_rows, random_state):
        seen.append("epoch")
        return row_order(n_rows, random_state)

    monkeypatch.setattr(Objective, "smooth", noted)
    monkeypatch.setattr(Objective, "cost", noted_cost)
    monkeypatch.setattr(head_start, "row_order", noted_order)
    fitted(*examples(6500), max_iter=1)
    # The start; the epochs; the place that they have led to; an iteration.
    assert seen[: EPOCHS + 2] == [6500, *["epoch"] * EPOCHS, 6500]
    assert "cost" not in seen


def test_the_docstring_has_the_numbers():
    doc = " ".join(LBFGS.__doc__.split())
    assert "From 20000 dense rows on, and with a hidden layer, it is five epochs of" in doc
    assert EPOCHS == 5


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


@pytest.mark.parametrize("peak", [1e3, 1e30])
def test_a_rate_that_is_too_high_does_no_harm(from_few_rows, monkeypatch, peak):
    """A network of relu units that are all off has a low J, and L-BFGS would end there."""
    X, y = examples(6500)
    expected = fitted(X, y, activation="relu", solver=LBFGS(head_start=False)).loss_
    monkeypatch.setattr(head_start, "RATE", OneCycle(peak))
    clf = fitted(X, y, activation="relu")
    assert_allclose(clf.loss_, expected, rtol=1e-10)


def test_a_higher_j_leads_back_to_the_start(from_few_rows, monkeypatch):
    X, y = examples(6500)
    clf = fitted(X, y, reg_lambda=30.0, tol=1e-4, max_iter=1000)
    minimum, loss = clf.optimize_result_.x, clf.loss_
    clf = fitted(X, y, reg_lambda=30.0, tol=1e-9, max_iter=2, theta_init=minimum)
    assert max(clf.loss_curve_) <= loss
    assert np.linalg.norm(clf.optimize_result_.x - minimum) < 0.05 * np.linalg.norm(minimum)


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
    assert history_rows(clf) == [6500] * EPOCHS
    assert clf.score(X, y) > 0.8


@pytest.mark.parametrize("n_batches", [5, 14])
def test_an_interrupt_keeps_the_best_so_far(from_few_rows, monkeypatch, n_batches):
    """In the first and in the second epoch of nine batches."""
    taken = []

    def step(self, theta, gradient, rate):
        taken.append(rate)
        if len(taken) > n_batches:
            raise Cancelled
        real(self, theta, gradient, rate)

    real = SpectralStep.__call__
    monkeypatch.setattr(SpectralStep, "__call__", step)
    X, y = examples(6500)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        clf = BackpropClassifier((7,), random_state=0).fit(X, y)
    assert clf.optimize_result_.status == "interrupted"
    objective = Objective(clf.network_, X, y, reg_lambda=1.0)
    assert clf.loss_ == objective(clf.optimize_result_.x)[0]
    assert history_rows(clf).count(6500) == n_batches // 9
    start = clf.network_.initialize(random_state=0, centre=X.mean(axis=0))
    limit = 0.9 if n_batches > 9 else 1.001
    assert clf.loss_ <= limit * objective(start)[0]


def test_overflow_in_the_features_does_not_stop_a_fit(from_few_rows):
    X, y = examples(6500)
    clf = fitted(X * 1e150, y, max_iter=3)
    assert np.isfinite(clf.loss_)
