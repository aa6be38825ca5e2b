"""The estimator over Dask collections, by threads of this process."""

import io
import pickle
import warnings
from contextlib import redirect_stdout

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline

da = pytest.importorskip("dask.array", reason="Dask is the extra 'dask'")
dd = pytest.importorskip("dask.dataframe", reason="Dask is the extra 'dask'")
pd = pytest.importorskip("pandas", reason="pandas comes with Dask's DataFrames")

from skbackprop import BackpropClassifier
from skbackprop.dask import DaskBackpropClassifier
from skbackprop.partitions import quotas

X, Y = load_iris(return_X_y=True)
ORDER = np.random.RandomState(0).permutation(150)
X, Y = (X - X.mean(axis=0))[ORDER], Y[ORDER]
W = np.random.RandomState(1).uniform(0.5, 2.0, 150)
CHUNKS = (60, 1, 0, 50, 39)
PARAMETERS = {"hidden_layer_sizes": 4, "random_state": 0, "tol": 1e-5}


def chunked(values, chunks=CHUNKS):
    return da.from_array(values, chunks=(chunks, *values.shape[1:]))


def frame(n_partitions=4, **columns):
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"]).assign(**columns)
    return dd.from_pandas(table, npartitions=n_partitions, sort=False)


def unknown(values, chunks=CHUNKS):
    """Chunks whose sizes Dask does not know."""
    return dd.from_dask_array(chunked(values, chunks)).to_dask_array()


def pair(**parameters):
    parameters = PARAMETERS | parameters
    return DaskBackpropClassifier(**parameters), BackpropClassifier(**parameters)


def assert_same_fit(clf, local, rtol=1e-8):
    assert clf.optimize_result_.success
    assert_allclose(clf.loss_, local.loss_, rtol=rtol)
    assert_array_equal(clf.classes_, local.classes_)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"solver": "bfgs"},
        {"solver": "cg"},
        {"solver": "gradient_descent", "max_iter": 3000, "tol": 5e-2},
        {"penalty": "l1"},
        {"output_activation": "softmax", "activation": "tanh"},
        {"n_init": 2},
        {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}},
        {"class_weight": "balanced"},
        {"hidden_layer_sizes": ()},
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_it_fits_what_the_local_estimator_fits(parameters, weighted):
    clf, local = pair(**parameters)
    w = W if weighted else None
    clf.fit(chunked(X), chunked(Y), w if w is None else chunked(w))
    assert_same_fit(clf, local.fit(X, Y, w), 1e-6)


@pytest.mark.parametrize(
    "given",
    [
        lambda: (chunked(X), chunked(Y, (100, 50))),
        lambda: (chunked(X).rechunk((40, 2)), chunked(Y)),
        lambda: (chunked(X).map_blocks(csr_matrix), chunked(Y)),
        lambda: (unknown(X), unknown(Y)),
        lambda: (frame()[["a", "b", "c", "d"]], frame(y=Y)["y"]),
        lambda: (
            frame(),
            dd.from_pandas(pd.DataFrame({"y": Y}), npartitions=4)["y"].to_dask_array(),
        ),
    ],
    ids=["other chunks", "columns", "CSR", "unknown sizes", "frames", "frame and array"],
)
def test_collections_may_be_divided_in_any_way(given):
    clf, local = pair()
    X_, y_ = given()
    assert_same_fit(clf.fit(X_, y_), local.fit(X, Y))
    assert clf.score(X_, y_) == local.score(X, Y)
    if hasattr(X_, "columns"):
        assert clf.feature_names_in_.tolist() == ["a", "b", "c", "d"]


def test_partitions_without_rows_are_left_out():
    some = frame(y=Y)
    some = dd.concat([some[some["a"] > 100.0], some])
    table = some.compute()
    clf, local = pair(reg_lambda=0.1)
    names = ["a", "b", "c", "d"]
    clf.fit(some[names], some["y"])
    assert_same_fit(clf, local.fit(table[names], table["y"]))
    assert len(clf.predict(some[names]).compute()) == len(table)
    assert clf.score(some[names], some["y"]) == local.score(table[names], table["y"])


def test_labels_may_be_strings_and_come_in_some_partitions_only():
    names = np.array(["setosa", "versicolor", "virginica"])[np.sort(Y)]
    rows = X[np.argsort(Y, kind="stable")]
    clf, local = pair()
    clf.fit(chunked(rows), chunked(names))
    local.fit(rows, names)
    assert_same_fit(clf, local)
    predicted = clf.predict(chunked(rows))
    assert predicted.dtype == clf.classes_.dtype
    assert_array_equal(predicted.compute(), local.predict(rows))


def test_multilabel_targets():
    Y2 = np.column_stack([Y == 0, X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    clf, local = pair(reg_lambda=2.0)
    assert_same_fit(clf.fit(chunked(X), chunked(Y2)), local.fit(X, Y2))
    predicted = clf.predict(chunked(X))
    assert predicted.shape == (150, 3)
    assert_array_equal(predicted.compute(), local.predict(X))
    assert_allclose(clf.score(chunked(X), chunked(Y2)), local.score(X, Y2))


@pytest.mark.parametrize("lazy", [True, False], ids=["Dask", "in memory"])
def test_validation_rows_may_be_collections_or_in_memory(lazy):
    of = chunked if lazy else np.asarray
    clf, local = pair(early_stopping=True, class_weight="balanced", reg_lambda=0.0)
    odd, even = slice(1, None, 2), slice(0, None, 2)
    sizes = (20, 0, 55)
    validation = (X[odd], Y[odd], W[odd])
    X_val, y_val, w_val = (of(part, sizes) if lazy else part for part in validation)
    clf.fit(
        chunked(X[even], sizes), chunked(Y[even], sizes),
        X_val=X_val, y_val=y_val, sample_weight_val=w_val,
    )  # fmt: skip
    local.fit(X[even], Y[even], X_val=X[odd], y_val=Y[odd], sample_weight_val=W[odd])
    assert_allclose(clf.validation_loss_curve_[:5], local.validation_loss_curve_[:5], rtol=1e-8)
    assert_allclose(clf.validation_scores_[:5], local.validation_scores_[:5], rtol=1e-12)
    assert clf.n_iter_ == local.n_iter_


def test_rows_are_set_aside_in_each_class_as_often():
    counts = np.array([[30, 0, 1], [0, 20, 1], [30, 20, 0], [1, 1, 1]])
    for fraction in (0.01, 0.1, 0.5, 0.99):
        quota = quotas(counts, fraction)
        assert (quota >= 0).all()
        assert (quota <= counts).all()
        expected = np.clip(np.round(fraction * counts.sum(axis=0)), 1, counts.sum(axis=0) - 1)
        assert_array_equal(quota.sum(axis=0), expected)
    with pytest.raises(ValueError, match="only 1 member"):
        quotas(np.array([[3, 1], [2, 0]]), 0.5)


def test_early_stopping_fits_to_the_rows_that_stay(monkeypatch):
    seen = {}
    clf, _ = pair(early_stopping=True, validation_fraction=0.3)
    sources = clf._sources

    def remembered(*given):
        seen["examples"], seen["training"], seen["held_out"] = sources(*given)
        return tuple(seen.values())

    monkeypatch.setattr(clf, "_sources", remembered)
    clf.fit(chunked(X), chunked(Y), chunked(W))
    training, held_out = (seen[name].gather(1000) for name in ("training", "held_out"))
    assert (len(training.y), len(held_out.y)) == (105, 45)
    assert_array_equal(np.bincount(held_out.y), [15, 15, 15])
    both = np.vstack([training.X, held_out.X])
    assert_array_equal(np.sort(both.ravel()), np.sort(X.ravel()))
    # J of the fit is that over the rows that stay.
    where = [int(np.flatnonzero((X == row).all(axis=1))[0]) for row in training.X]
    local = BackpropClassifier(4, max_iter=1, tol=1e9)
    local.fit(X[where], Y[where], W[where], theta_init=clf.theta_)
    assert_allclose(clf.loss_, local.loss_, rtol=1e-12)


def test_predictions_are_lazy_and_divided_like_the_rows():
    clf, local = pair()
    clf.fit(chunked(X), chunked(Y))
    local = clf.to_local()
    assert type(local) is BackpropClassifier
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        for rows in (X, X.astype(np.float32)):
            lazy, expected = getattr(clf, name)(chunked(rows)), getattr(local, name)(rows)
            assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype)
            assert lazy.chunks[0] == CHUNKS
            found = lazy.compute()
            assert found.dtype == expected.dtype
            assert_allclose(found, expected, rtol=1e-5 if rows.dtype == np.float32 else 1e-10)
        lazy = getattr(clf, name)(chunked(X).map_blocks(csr_matrix))
        assert_allclose(lazy.compute(), getattr(local, name)(X), rtol=1e-10)


def test_predictions_of_two_classes():
    clf, _ = pair()
    clf.fit(chunked(X), chunked((Y == 1).astype(int)))
    assert clf.decision_function(chunked(X)).compute().shape == (150,)
    assert clf.predict_proba(chunked(X)).compute().shape == (150, 2)


def test_predictions_of_frames():
    clf, _ = pair()
    clf.fit(frame(), frame(y=Y)["y"])
    assert clf.predict(frame()).compute().shape == (150,)
    assert clf.predict_proba(frame()).compute().shape == (150, 3)
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(frame()[["b", "a", "c", "d"]]).compute()
    # What is in memory is predicted at once.
    assert isinstance(clf.predict(pd.DataFrame(X, columns=list("abcd"))), np.ndarray)


def test_score_weighs_rows():
    clf, _ = pair(max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(chunked(X), chunked(Y))
    expected = accuracy_score(Y, clf.to_local().predict(X), sample_weight=W)
    assert_allclose(clf.score(chunked(X), chunked(Y), chunked(W)), expected, rtol=1e-13)


def test_it_is_an_estimator_like_others():
    clf, _ = pair(solver="cg")
    assert clone(clf).get_params() == clf.get_params()
    with pytest.raises(NotFittedError):
        clf.predict(chunked(X))
    clf.fit(chunked(X), chunked(Y))
    again = pickle.loads(pickle.dumps(clf))
    assert_array_equal(again.predict(chunked(X)), clf.predict(chunked(X)))
    assert DaskBackpropClassifier(**{"lambda": 3}).reg_lambda == 3
    assert not hasattr(DaskBackpropClassifier(solver="sgd"), "partial_fit")
    pipeline = make_pipeline(pair()[0]).fit(chunked(X), chunked(Y))
    assert pipeline.score(chunked(X), chunked(Y)) > 0.9


def test_a_client_is_shared_by_clones_and_not_pickled():
    connection = io.BytesIO()  # stands for what cannot be copied
    clf = DaskBackpropClassifier(client=memoryview(connection.getbuffer()))
    assert clone(clf).client is clf.client
    assert pickle.loads(pickle.dumps(clf)).client is None
    assert clf.client is not None


def test_warm_start_verbose_and_history():
    clf, _ = pair(warm_start=True, verbose=1)
    printed = io.StringIO()
    with redirect_stdout(printed):
        clf.fit(chunked(X), chunked(Y))
    assert len(clf.loss_curve_) == clf.n_iter_ < len(printed.getvalue().splitlines())
    with redirect_stdout(printed):
        clf.fit(chunked(X), chunked(Y))
    assert clf.n_iter_ == 0


def test_a_scheduler_of_one_thread_gives_the_same_bits():
    import dask

    clf, other = pair()[0], pair()[0]
    clf.fit(chunked(X), chunked(Y))
    with dask.config.set(scheduler="synchronous"):
        other.fit(chunked(X), chunked(Y))
    for Theta, expected in zip(clf.theta_, other.theta_, strict=True):
        assert_array_equal(Theta, expected)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_solvers_that_pick_rows_are_refused(solver):
    with pytest.raises(ValueError, match=r"single rows.*'lbfgs'"):
        DaskBackpropClassifier(solver=solver).fit(chunked(X), chunked(Y))


NAN = X.copy()
NAN[70, 2] = np.nan
Y2 = (Y == 1).astype(int)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: {"X": X}, "X must be a Dask.*BackpropClassifier"),
        (lambda: {"y": Y}, "y must be a Dask"),
        (lambda: {"X": chunked(NAN)}, "Partition 3: Input X contains NaN"),
        (lambda: {"y": chunked(Y[:149], (149,))}, "inconsistent numbers of rows: 150 and 149"),
        (lambda: {"y": dd.from_dask_array(chunked(Y, (75, 75)))}, "Numbers of partitions differ"),
        (lambda: {"y": unknown(Y, (59, 2, 0, 50, 39))}, "inconsistent numbers"),
        (lambda: {"sample_weight": chunked(-W)}, r"Partition \d: .*negative"),
        (lambda: {"sample_weight": chunked(0 * W)}, "zero for every example"),
        (lambda: {"y": chunked(0 * Y)}, "one class"),
        (lambda: {"y": chunked(Y + 0.5)}, "[Uu]nknown label type|continuous"),
        (lambda: {"X": chunked(X)[:0], "y": chunked(Y)[:0]}, "X has no rows"),
        (lambda: {"X_val": chunked(X), "y_val": chunked(Y + 1)}, r"of X_val: .*labels \[3\]"),
        (lambda: {"X_val": chunked(X)}, "y_val must be a Dask"),
        (lambda: {"X_val": chunked(X[:, :3]), "y_val": chunked(Y)}, "other features"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(given, message):
    clf, _ = pair()
    clf.fit(chunked(X), chunked(Y2))
    before = dict(vars(clf))
    with pytest.raises((TypeError, ValueError), match=message):
        clf.fit(**{"X": chunked(X), "y": chunked(Y), **given()})
    assert vars(clf) == before


def test_partitions_with_other_columns_are_named():
    import dask

    parts = [dask.delayed(X[:75]), dask.delayed(X[75:, :3])]
    uneven = da.concatenate(
        [da.from_delayed(part, shape=(75, 4), dtype=float) for part in parts], axis=0
    )
    with pytest.raises(ValueError, match=r"Partition 1 has other features.* 3, there 4"):
        pair()[0].fit(uneven, chunked(Y, (75, 75)))


def test_partitions_are_read_again_at_each_pass_and_never_all_at_once():
    import dask

    read = []

    def load(i):
        read.append(i)
        return X[15 * i : 15 * (i + 1)]

    lazy = da.concatenate(
        [da.from_delayed(dask.delayed(load)(i), shape=(15, 4), dtype=float) for i in range(10)]
    )
    clf, local = pair()
    with dask.config.set(scheduler="synchronous"):
        clf.fit(lazy, chunked(Y, (15,) * 10))
    assert_same_fit(clf, local.fit(X, Y))
    assert len(read) >= 10 * clf.optimize_result_.nfev
    assert_array_equal(np.bincount(read).min(), np.bincount(read).max())


def test_callbacks_see_each_iteration_and_may_stop():
    callback = pytest.importorskip("sklearn.callback", reason="callbacks need scikit-learn 1.9")
    assert callback

    class StopAfterThree:
        n_iterations = 0

        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name != "iteration":
                return None
            assert fitted_estimator.predict(X).shape == (150,)
            self.n_iterations += 1
            return self.n_iterations == 3

    clf, _ = pair()
    clf.set_callbacks(StopAfterThree()).fit(chunked(X), chunked(Y))
    assert clf.optimize_result_.status == "callback"
    assert clf.n_iter_ == 3
