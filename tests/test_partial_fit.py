"""partial_fit: rows that come a chunk at a time."""

import re
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.solvers import SGD, Adam, Adaptive, Cosine, OneCycle, TimeDecay, batches, layout

M = 150
LAMBDA = 5.0


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(M)
    return StandardScaler().fit_transform(X)[order], y[order]


def stream(clf, X, y, size, **first):
    """One pass over the rows in chunks."""
    for start in range(0, X.shape[0], size):
        clf.partial_fit(X[start : start + size], y[start : start + size], **first)
    return clf


def start_of(clf):
    """Where partial_fit starts: a step that is too small to move anything."""
    return clone(clf).set_params(solver__learning_rate=1e-300)


STOCHASTIC = {
    "plain": SGD(0.1, momentum=0.0, batch_size=30, shuffle=False, n_samples=M),
    "momentum": SGD(0.1, batch_size=30, shuffle=False, n_samples=M),
    "Nesterov": SGD(0.1, nesterov=True, batch_size=30, shuffle=False, n_samples=M),
    "time decay": SGD(TimeDecay(0.3, 0.2), batch_size=30, shuffle=False, n_samples=M),
    "adam": Adam(0.01, batch_size=30, shuffle=False, n_samples=M),
}


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("chunk", [30, 60, M])
@pytest.mark.parametrize("solver", STOCHASTIC.values(), ids=STOCHASTIC.keys())
def test_chunks_in_one_pass_are_sgd_over_the_same_batches(iris, solver, chunk, penalty):
    X, y = iris
    clf = BackpropClassifier((4,), LAMBDA, solver=solver, penalty=penalty, random_state=0)
    streamed = stream(clone(clf), X, y, chunk, classes=[0, 1, 2])
    start = start_of(clf).partial_fit(X[:30], y[:30], classes=[0, 1, 2]).theta_
    whole = clf.set_params(max_iter=1, tol=1e-12)
    with pytest.warns(ConvergenceWarning):
        whole.fit(X, y, theta_init=start)
    assert whole.n_iter_ == 1
    assert np.abs(streamed.theta_[0] - start[0]).max() > 0.01
    for ours, theirs in zip(streamed.theta_, whole.theta_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


def test_steps_of_a_stream_by_hand(iris):
    X, y = iris
    solver = SGD(0.1, momentum=0.0, batch_size=50, shuffle=False, n_samples=M)
    clf = BackpropClassifier((4,), LAMBDA, solver=solver, random_state=0)
    network = Network((4, 4, 3))
    theta = network.unroll(start_of(clf).partial_fit(X, y, classes=[0, 1, 2]).theta_)
    for rows in (slice(0, 50), slice(50, 100), slice(100, 150)):
        _, D = Objective(network, X[rows], y[rows], reg_lambda=LAMBDA * 50 / M)(theta)
        theta = theta - 0.1 * D
    stream(clf, X, y, 50, classes=[0, 1, 2])
    np.testing.assert_allclose(network.unroll(clf.theta_), theta, rtol=1e-10, atol=1e-13)


def test_without_n_samples_m_is_the_rows_so_far(iris):
    X, y = iris
    solver = SGD(0.1, momentum=0.0, batch_size=50, shuffle=False)
    clf = BackpropClassifier((4,), LAMBDA, solver=solver, random_state=0)
    network = Network((4, 4, 3))
    theta = network.unroll(start_of(clf).partial_fit(X, y, classes=[0, 1, 2]).theta_)
    for seen, rows in ((50, slice(0, 50)), (100, slice(50, 100)), (150, slice(100, 150))):
        _, D = Objective(network, X[rows], y[rows], reg_lambda=LAMBDA * 50 / seen)(theta)
        theta = theta - 0.1 * D
    stream(clf, X, y, 50, classes=[0, 1, 2])
    np.testing.assert_allclose(network.unroll(clf.theta_), theta, rtol=1e-10, atol=1e-13)


def test_many_passes_learn(iris):
    X, y = iris
    clf = BackpropClassifier((5,), solver=SGD(0.5, batch_size=10), random_state=0)
    for _ in range(30):
        stream(clf, X, y, 25, classes=[0, 1, 2])
    assert clf.score(X, y) > 0.95


def test_fitted_attributes(iris):
    X, y = iris
    clf = BackpropClassifier((4,), LAMBDA, solver=SGD(n_samples=M), random_state=0)
    assert clf.partial_fit(X[:70], y[:70], classes=[0, 1, 2]) is clf
    before = clf.network_.unroll(clf.theta_)
    clf.partial_fit(X[70:], y[70:])
    assert clf.classes_.tolist() == [0, 1, 2]
    assert clf.n_features_in_ == 4
    assert clf.n_iter_ == len(clf.loss_curve_) == 2
    assert clf.loss_curve_[-1] == clf.loss_
    assert clf.validation_loss_curve_ == []
    # J over the rows of the last call, one batch, before its step: the cost there, and the
    # penalty of all rows at theta as it is.
    free = Objective(clf.network_, X[70:], y[70:])
    penalised = Objective(clf.network_, X[70:], y[70:], reg_lambda=LAMBDA * 80 / M)
    after = clf.network_.unroll(clf.theta_)
    J = free(before)[0] + penalised(after)[0] - free(after)[0]
    np.testing.assert_allclose(clf.loss_, J, rtol=1e-12)


def test_the_rows_of_a_call_are_evaluated_batch_by_batch(iris):
    X, y = iris
    solver = SGD(1e-300, momentum=0.0, batch_size=40, n_samples=M)  # theta does not move
    clf = BackpropClassifier((4,), LAMBDA, solver=solver, random_state=0)
    clf.partial_fit(X, y, classes=[0, 1, 2])  # batches of 40, 40, 40 and 30 rows
    J, D = Objective(clf.network_, X, y, reg_lambda=LAMBDA)(clf.network_.unroll(clf.theta_))
    np.testing.assert_allclose(clf.loss_, J, rtol=1e-12)
    np.testing.assert_allclose(clf.history_["gradient_max"], np.abs(D).max(), rtol=1e-12)


# -- classes -----------------------------------------------------------------------------


def test_classes_that_come_later(iris):
    X, y = iris
    names = np.array(["c", "a", "b"])[y]
    clf = BackpropClassifier((4,), solver=SGD(), random_state=0)
    one = names == "b"
    clf.partial_fit(X[one], names[one], classes=["c", "b", "a"])
    assert clf.classes_.tolist() == ["a", "b", "c"]
    assert clf.predict_proba(X).shape == (M, 3)
    for _ in range(200):
        clf.partial_fit(X, names)
    assert clf.score(X, names) > 0.9


def test_the_first_call_needs_classes(iris):
    X, y = iris
    clf = BackpropClassifier(solver="sgd")
    before = joblib.hash(vars(clf))
    with pytest.raises(ValueError, match="first call to partial_fit needs classes"):
        clf.partial_fit(X, y)
    assert joblib.hash(vars(clf)) == before
    with pytest.raises(NotFittedError):
        clf.predict(X)


@pytest.mark.parametrize(
    ("y", "classes", "match"),
    [
        ([0, 1, 2], [0, 1], r"labels \[2\] that are not among the classes \[0, 1\]"),
        ([0, 0, 0], [0], "one class"),
        ([0, 1, 0], ["a", "b"], "labels|classes"),
    ],
)
def test_labels_that_are_not_among_the_classes(y, classes, match):
    clf = BackpropClassifier((2,), solver="sgd")
    with pytest.raises(ValueError, match=match):
        clf.partial_fit(np.eye(3), y, classes=classes)
    assert not hasattr(clf, "classes_")


def test_classes_may_be_told_again_but_not_changed(iris):
    X, y = iris
    clf = BackpropClassifier((2,), solver="sgd", random_state=0)
    clf.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y, classes=[2, 1, 0])
    before = joblib.hash(vars(clf))
    with pytest.raises(ValueError, match=r"\[0, 1, 2\] in the first call.*\[0, 1\]"):
        clf.partial_fit(X, y, classes=[0, 1])
    assert joblib.hash(vars(clf)) == before


def test_several_labels_need_no_classes():
    X, Y = make_multilabel_classification(60, 5, n_classes=3, random_state=0)
    X = StandardScaler().fit_transform(X)
    clf = BackpropClassifier((4,), solver=SGD(0.5), random_state=0)
    for _ in range(100):
        clf.partial_fit(X[:30], Y[:30]).partial_fit(X[30:], Y[30:])
    assert clf.predict(X).shape == (60, 3)
    assert np.mean(clf.predict(X) == Y) > 0.8
    with pytest.raises(ValueError, match="3 columns"):
        clf.partial_fit(X, Y[:, :2])


# -- which solvers -----------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["lbfgs", "bfgs", "cg", "gradient_descent"])
def test_a_solver_over_all_rows_has_no_partial_fit(iris, solver):
    clf = BackpropClassifier(solver=solver)
    assert not hasattr(clf, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as caught:
        clf.partial_fit(*iris, classes=[0, 1, 2])
    assert "stochastic" in f"{caught.value}{caught.value.__cause__}"


@pytest.mark.parametrize("solver", ["sgd", "adam", SGD(0.1), Adam()])
def test_a_stochastic_solver_has(solver):
    assert hasattr(BackpropClassifier(solver=solver), "partial_fit")


REFUSED = [
    ({"solver": SGD(Adaptive(0.1))}, "Adaptive.*partial_fit.*TimeDecay"),
    ({"solver": Adam(Adaptive(0.1))}, "Adaptive.*partial_fit.*TimeDecay"),
    ({"solver": SGD(Cosine(0.1))}, "Cosine.*max_iter.*TimeDecay"),
    ({"solver": Adam(OneCycle(0.1))}, "OneCycle.*max_iter.*TimeDecay"),
    ({"solver": "sgd", "class_weight": "balanced"}, "balanced.*dict"),
    ({"solver": Adam(), "early_stopping": True}, "cannot stop early"),
]


@pytest.mark.parametrize(("params", "match"), REFUSED)
def test_what_needs_all_rows_has_no_partial_fit(iris, params, match):
    clf = BackpropClassifier((2,), **params)
    before = joblib.hash(vars(clf))
    assert not hasattr(clf, "partial_fit")
    with pytest.raises(AttributeError) as caught:
        clf.partial_fit(*iris, classes=[0, 1, 2])
    assert re.search(match, str(caught.value.__cause__))
    assert joblib.hash(vars(clf)) == before
    # It is a matter of the parameters of the moment.
    plain = clf.set_params(solver="sgd", early_stopping=False, class_weight={0: 1, 1: 2, 2: 1})
    plain.partial_fit(*iris, classes=[0, 1, 2])


# -- refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"solver": SGD(n_samples=-5)}, "n_samples"),
        ({"solver": SGD(n_samples=0)}, "n_samples"),
        ({"solver": SGD(batch_size=0)}, "batch_size"),
        ({"solver": SGD(0.1, momentum=1.0)}, "momentum"),
        ({"solver": SGD(dropout=0.5), "hidden_layer_sizes": ()}, "dropout"),
        ({"reg_lambda": -1.0}, "reg_lambda"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_changes(iris, params, match):
    X, y = iris
    clf = BackpropClassifier(**{"hidden_layer_sizes": (2,), "solver": SGD(), **params})
    before = joblib.hash(vars(clf))
    with pytest.raises(ValueError, match=match):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    assert joblib.hash(vars(clf)) == before


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X, y: {"X": np.where(X > 2, np.nan, X), "y": y}, "NaN"),
        (lambda X, y: {"X": X[:, :3], "y": y}, "3 features.*4"),
        (lambda X, y: {"X": X, "y": y[:-1]}, "inconsistent"),
        (lambda X, y: {"X": X, "y": y + 1}, "not among the classes"),
        (lambda X, y: {"X": X, "y": y, "sample_weight": -np.ones(M)}, "negative"),
        (lambda X, y: {"X": X, "y": y, "sample_weight": np.zeros(M)}, "zero"),
        (lambda X, y: {"X": pd.DataFrame(X, columns=list("abdc")), "y": y}, "feature names"),
    ],
)
@pytest.mark.parametrize("solver", [SGD(), SGD(TimeDecay()), Adam()])
def test_a_failed_call_leaves_the_stream_as_it_was(iris, change, match, solver):
    X, y = iris
    clf = BackpropClassifier((3,), solver=solver, random_state=0)
    frame = pd.DataFrame(X, columns=list("abcd"))
    clf.partial_fit(frame, y, classes=[0, 1, 2])
    before = joblib.hash(vars(clf))
    arguments = change(X, y)
    if isinstance(arguments["X"], np.ndarray) and arguments["X"].shape[1] == 4:
        arguments["X"] = pd.DataFrame(arguments["X"], columns=list("abcd"))
    elif isinstance(arguments["X"], np.ndarray):
        arguments["X"] = pd.DataFrame(arguments["X"], columns=list("abc"))
        match = "feature names"
    with pytest.raises(ValueError, match=match):
        clf.partial_fit(**arguments)
    assert joblib.hash(vars(clf)) == before


def test_a_rate_that_is_too_large_is_named_and_nothing_changes(iris):
    X, y = iris
    clf = BackpropClassifier((3,), solver=SGD(0.1), activation="identity", random_state=0)
    clf.partial_fit(X, y, classes=[0, 1, 2])
    clf.set_params(solver__learning_rate=1e200)
    before = joblib.hash(vars(clf))
    with pytest.raises(ValueError, match=r"learning rate.*1e\+200"):
        clf.partial_fit(X, y)
    assert joblib.hash(vars(clf)) == before
    fresh = clone(clf)
    with pytest.raises(ValueError, match=r"learning rate.*1e\+200"):
        fresh.partial_fit(X, y, classes=[0, 1, 2])
    assert not hasattr(fresh, "theta_")


def test_options_changed_between_calls_hold_from_the_next_step_on(iris):
    X, y = iris
    network = Network((4, 3, 3))
    solver = SGD(0.1, momentum=0.0, batch_size=M, shuffle=False, n_samples=M)
    clf = BackpropClassifier((3,), LAMBDA, solver=solver, random_state=0)
    theta = network.unroll(clf.partial_fit(X, y, classes=[0, 1, 2]).theta_)
    D = Objective(network, X, y, reg_lambda=LAMBDA)(theta)[1]
    clf.set_params(solver__learning_rate=0.02).partial_fit(X, y)
    moved = network.unroll(clf.theta_) - theta
    np.testing.assert_allclose(moved, -0.02 * D, rtol=1e-6, atol=1e-12)


def test_options_changed_between_calls_may_be_the_momentum(iris):
    X, y = iris
    network = Network((4, 3, 3))
    solver = SGD(0.1, momentum=0.9, batch_size=M, shuffle=False, n_samples=M)
    clf = BackpropClassifier((3,), LAMBDA, solver=solver, random_state=0)
    theta = network.unroll(clf.partial_fit(X, y, classes=[0, 1, 2]).theta_)
    D = Objective(network, X, y, reg_lambda=LAMBDA)(theta)[1]
    clf.set_params(solver__momentum=0.0).partial_fit(X, y)
    moved = network.unroll(clf.theta_) - theta
    np.testing.assert_allclose(moved, -0.1 * D, rtol=1e-6, atol=1e-12)


def test_options_changed_between_calls_may_be_the_solver_itself(iris):
    X, y = iris
    network = Network((4, 3, 3))
    clf = BackpropClassifier((3,), LAMBDA, solver=SGD(0.1, n_samples=M), random_state=0)
    theta = network.unroll(clf.partial_fit(X, y, classes=[0, 1, 2]).theta_)
    D = Objective(network, X, y, reg_lambda=LAMBDA)(theta)[1]
    clf.set_params(solver=Adam(0.01, n_samples=M)).partial_fit(X, y)
    moved = network.unroll(clf.theta_) - theta
    # The first step of Adam has the length of the rate, whatever the gradient.
    np.testing.assert_allclose(moved, -0.01 * np.sign(D), rtol=1e-3)


# -- together with the rest --------------------------------------------------------------


def test_weights_are_repeated_rows_in_a_batch(iris):
    X, y = iris
    w = np.random.default_rng(0).integers(1, 4, size=M)
    clf = BackpropClassifier((3,), LAMBDA, random_state=0)
    weighed = clone(clf).set_params(solver=SGD(batch_size=M, shuffle=False))
    weighed.partial_fit(X, y, classes=[0, 1, 2], sample_weight=w)
    repeated = clf.set_params(solver=SGD(batch_size=4 * M, shuffle=False))
    repeated.partial_fit(np.repeat(X, w, axis=0), np.repeat(y, w), classes=[0, 1, 2])
    for ours, theirs in zip(weighed.theta_, repeated.theta_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_dict_of_class_weights(iris):
    X, y = iris
    class_weight = {0: 1.0, 1: 3.0, 2: 0.5}
    clf = BackpropClassifier((3,), LAMBDA, solver=SGD(shuffle=False), random_state=0)
    explicit = clone(clf).partial_fit(
        X, y, classes=[0, 1, 2], sample_weight=[class_weight[k] for k in y]
    )
    clf.set_params(class_weight=class_weight).partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_allclose(clf.theta_[0], explicit.theta_[0], rtol=1e-12)


def test_sparse_chunks(iris):
    X, y = iris
    clf = BackpropClassifier((3,), solver=SGD(batch_size=20), random_state=0)
    dense = stream(clone(clf), X, y, 50, classes=[0, 1, 2])
    sparse = stream(clf, csr_array(X), y, 50, classes=[0, 1, 2])
    np.testing.assert_allclose(sparse.theta_[0], dense.theta_[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("solver", [SGD(nesterov=True, batch_size=20), Adam(batch_size=20)])
def test_chunks_may_be_dense_or_sparse_in_turn(iris, solver, penalty, monkeypatch):
    # So that theta is stored by columns for one chunk, by rows for the next.
    monkeypatch.setattr(batches, "MANY_BATCHES", 0)
    X, y = iris
    clf = BackpropClassifier((4,), 0.1, penalty=penalty, solver=solver, random_state=0)
    dense, mixed = clone(clf), clone(clf)
    for i, rows in enumerate(np.random.RandomState(0).permutation(M).reshape(5, -1)):
        dense.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        store = csr_array if i % 2 else np.asarray
        mixed.partial_fit(store(X[rows]), y[rows], classes=[0, 1, 2])
    for one, other in zip(mixed.theta_, dense.theta_, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


class Witness(TimeDecay):
    """A learning rate that notes in which threads steps are made."""

    def after_step(self, rate, n_steps, n_total):
        in_main.add(threading.current_thread() is threading.main_thread())
        return super().after_step(rate, n_steps, n_total)


in_main: set[bool] = set()


@pytest.mark.parametrize(("n_rows", "expected"), [(80, {True}), (90, {True, False})])
def test_an_interrupt_cannot_come_between_the_threads_of_a_large_chunk(n_rows, expected):
    # Signal handlers run in the main thread: where threads may share the work, it is elsewhere.
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(n_rows, 4)), np.arange(n_rows) % 2
    clf = BackpropClassifier((3,), solver=SGD(Witness(), batch_size=10), random_state=0)
    clf.partial_fit(X, y, classes=[0, 1])
    in_main.clear()
    clf.partial_fit(X, y)
    assert in_main == expected  # the rate is also asked for before the steps


def test_large_chunks_have_the_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(layout, "RANGE_OPERATIONS", 1)
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(300, 6)), np.arange(300) % 3
    fits = [
        BackpropClassifier((4,), solver=Adam(batch_size=10), n_jobs=n_jobs, random_state=0)
        for n_jobs in (1, 2, 3)
    ]
    for clf in fits:
        for rows in (slice(0, 150), slice(150, 200), slice(200, 300)):  # many, few, many batches
            clf.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    for one, two, three in zip(*(clf.theta_ for clf in fits), strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_goes_on_from_a_fit(iris):
    X, y = iris
    clf = BackpropClassifier((3,), solver=SGD(0.1, n_samples=M), tol=0.05, random_state=0)
    clf.fit(X, y)
    before = [Theta.copy() for Theta in clf.theta_]
    curve = list(clf.loss_curve_)
    clf.set_params(solver__learning_rate=1e-9).partial_fit(X, y)
    for ours, old in zip(clf.theta_, before, strict=True):
        np.testing.assert_allclose(ours, old, atol=1e-6)
    assert clf.loss_curve_[:-1] == curve


def test_a_fit_ends_the_stream(iris):
    X, y = iris
    clf = BackpropClassifier((3,), solver=SGD(0.1), tol=0.05, random_state=0)
    fresh = clone(clf).fit(X, y)
    stream(clf, X, y, 50, classes=[0, 1, 2])
    clf.fit(X, y)
    assert clf.loss_curve_ == fresh.loss_curve_
    np.testing.assert_array_equal(clf.theta_[0], fresh.theta_[0])
    # And the momentum of the stream before is forgotten.
    np.testing.assert_array_equal(
        clf.partial_fit(X, y).theta_[0], fresh.partial_fit(X, y).theta_[0]
    )


def test_the_stream_is_reproducible(iris):
    X, y = iris
    one, same, other = [
        stream(
            BackpropClassifier((3,), solver=SGD(batch_size=20, dropout=0.2), random_state=seed),
            X,
            y,
            50,
            classes=[0, 1, 2],
        )
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(one.theta_[0], same.theta_[0])
    assert np.abs(one.theta_[0] - other.theta_[0]).max() > 0.01


def test_a_constant_weight_is_as_many_rows(iris):
    X, y = iris
    solver = SGD(0.1, momentum=0.0, batch_size=M, shuffle=False, n_samples=M)
    weighed = BackpropClassifier((3,), 10.0, solver=solver, random_state=0)
    weighed.partial_fit(X, y, classes=[0, 1, 2], sample_weight=np.full(M, 7.0))
    repeated = BackpropClassifier((3,), 10.0, random_state=0)
    repeated.set_params(solver=SGD(0.1, momentum=0.0, batch_size=7 * M, shuffle=False))
    repeated.partial_fit(np.repeat(X, 7, axis=0), np.repeat(y, 7), classes=[0, 1, 2])
    np.testing.assert_allclose(weighed.theta_[0], repeated.theta_[0], rtol=1e-9)


def test_another_network_is_refused(iris):
    X, y = iris
    clf = BackpropClassifier((3,), solver="sgd").partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="require another network"):
        clf.set_params(hidden_layer_sizes=(4,)).partial_fit(X, y)


def test_a_step_whose_square_overflows_is_made_without_a_warning():
    X, y = np.array([[1e200], [-1e200]]), [0, 1]
    clf = BackpropClassifier((), 0.0, 0.0, solver=SGD(1.0)).partial_fit(X, y, classes=y)
    assert np.isfinite(clf.theta_[0]).all()
    assert np.array_equal(clf.predict(X), y)


def test_a_single_batch_is_not_shuffled(iris):
    X, y = iris
    fits = [
        BackpropClassifier((4,), solver=Adam(batch_size=M, shuffle=shuffle), random_state=0)
        for shuffle in (False, True)
    ]
    plain, shuffled = (stream(clf, X, y, M, classes=[0, 1, 2]) for clf in fits)
    for a, b in zip(plain.theta_, shuffled.theta_, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("batch_size", [7, M])
def test_the_random_state_of_the_user_is_left_as_it_was(iris, batch_size):
    X, y = iris
    rng, other = np.random.RandomState(3), np.random.RandomState(3)
    clf = BackpropClassifier((4,), solver=Adam(batch_size=batch_size), random_state=rng)
    stream(clf, X, y, 50, classes=[0, 1, 2])
    assert rng.randint(2**31) == other.randint(2**31)
