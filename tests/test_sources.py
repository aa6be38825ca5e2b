"""Every source of rows gives the same J, the same gradient and the same end of a fit."""

import importlib
import importlib.util
import sys
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits

from skbackprop import BackpropClassifier, Objective
from skbackprop.objective import CostAndGradient
from skbackprop.preparation import weigh_classes
from skbackprop.rows import ArrayRows, RowBlock

pytestmark = pytest.mark.filterwarnings(
    # A cluster that is closed leaves sockets to the garbage collector.
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
PARAMETERS = {
    "hidden_layer_sizes": 8,
    "reg_lambda": 3.0,
    "tol": 1e-6,
    "random_state": 0,
    "class_weight": "balanced",
}
UNEVEN = (700, 1, 33, 500, 563)


@pytest.fixture(scope="module")
def data():
    """Digits, without the pixels that are always 0, and weights."""
    X, y = load_digits(return_X_y=True)
    X = X[:, X.std(axis=0) > 0] / 16.0
    return X, y, np.random.RandomState(0).uniform(0.5, 2.0, len(y))


@pytest.fixture(scope="module")
def reference(data):
    return BackpropClassifier(**PARAMETERS, n_jobs=1).fit(*data)


@pytest.fixture(scope="module")
def cluster():
    from clusters import at_most, two_processes

    with at_most(), two_processes() as client:
        yield client


def dask_collections(data, sparse=False, chunks=UNEVEN):
    import dask.array as da

    X, y, w = (da.from_array(part, chunks=(chunks, *part.shape[1:])) for part in data)
    return X.map_blocks(csr_matrix) if sparse else X, y, w


def of_array(data, tmp_path, convert=lambda X: X, n_jobs=1):
    X, y, w = data
    return BackpropClassifier(**PARAMETERS, n_jobs=n_jobs), (convert(X), y, w)


def of_file(data, tmp_path, order="C"):
    X, y, w = data
    np.save(tmp_path / "X.npy", np.asarray(X, order=order))
    return of_array((np.load(tmp_path / "X.npy", mmap_mode="r"), y, w), tmp_path)


def of_dask_threads(data, tmp_path, client=None, **options):
    pytest.importorskip("dask.array", reason="Dask is the extra 'dask'")
    from skbackprop.dask import DaskBackpropClassifier

    return DaskBackpropClassifier(**PARAMETERS, client=client), dask_collections(data, **options)


SOURCES = {
    "array": of_array,
    "CSR": partial(of_array, convert=csr_matrix),
    "memory map": of_file,
    "memory map by columns": partial(of_file, order="F"),
    "row threads": partial(of_array, n_jobs=3),
    "Dask threads": of_dask_threads,
    "Dask threads, CSR": partial(of_dask_threads, sparse=True),
    "Dask threads, one partition": partial(of_dask_threads, chunks=(1797,)),
    "Dask processes": of_dask_threads,
    "Dask processes, CSR": partial(of_dask_threads, sparse=True),
}


@pytest.fixture(params=SOURCES)
def source(request, data, tmp_path):
    """An estimator and what its `fit` is given."""
    options = {}
    if "processes" in request.param:
        pytest.importorskip("distributed", reason="distributed is part of the extra 'dask'")
        options["client"] = request.getfixturevalue("cluster")
    return SOURCES[request.param](data, tmp_path, **options)


def sources_of(clf, given):
    examples, rows, _ = clf._sources(*given, (None, None, None), np.random.RandomState(0))
    return examples.network, rows


def close(found, expected, rtol):
    assert_allclose(found, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def test_cost_and_gradient_are_those_of_the_array(source, data, reference):
    clf, given = source
    network, rows = sources_of(clf, given)
    X, y, w = data
    weighed = weigh_classes(RowBlock(X, y, w), balanced_factors(y, w), "training")
    expected = Objective(network, X, y, sample_weight=weighed.sample_weight, reg_lambda=3.0)
    objective = Objective.from_rows(network, rows, reg_lambda=3.0)
    for theta in (network.initialize(random_state=1), network.unroll(reference.theta_)):
        (J, D), (expected_J, expected_D) = objective(theta), expected(theta)
        assert_allclose(J, expected_J, rtol=1e-12)
        assert np.linalg.norm(D - expected_D) <= 1e-12 * np.linalg.norm(expected_D) or (
            # At the minimum D is a small difference of large sums.
            np.abs(D - expected_D).max() < 1e-14
        )
        again, same = objective(theta)
        assert_allclose(J, again, rtol=1e-15)
        assert np.abs(D - same).max() < 1e-15


def balanced_factors(y, w):
    """sum w / (K sum of the class), by scikit-learn's definition, with weights."""
    return w.sum() / (10 * np.array([w[y == k].sum() for k in range(10)]))


@pytest.fixture(params=["samples in memory", "samples in partitions"])
def samples(request, monkeypatch):
    """Whether samples of rows in partitions come into memory."""
    if request.param == "samples in partitions":
        if importlib.util.find_spec("dask") is None:
            pytest.skip("Dask is the extra 'dask'")
        monkeypatch.setattr("skbackprop.dask.rows.SAMPLE_BYTES", 0)


def test_number_weight_and_rows_at_hand_are_those_of_the_array(source, data, samples):
    _, rows = sources_of(*source)
    X, y, w = data
    factors = balanced_factors(y, w)
    expected = ArrayRows.of(weigh_classes(RowBlock(X, y, w), factors, "training"))
    assert rows.n_rows == expected.n_rows == len(y)
    assert_allclose(rows.weight, w.sum(), rtol=1e-13)
    assert rows.has_weight
    for some, expected_some in (
        (rows, expected),
        (rows.every_nth(5), expected.every_nth(5)),
        (rows.every_nth(61).astype(np.float32), expected.every_nth(61).astype(np.float32)),
    ):
        assert some.n_rows == expected_some.n_rows
        for n in (2000, 100, 7):
            found, wanted = some.gather(n), expected_some.gather(n)
            dense = found.X.toarray() if hasattr(found.X, "toarray") else found.X
            assert_array_equal(dense, wanted.X)
            assert_array_equal(found.y, wanted.y)
            assert_allclose(found.sample_weight, wanted.sample_weight, rtol=1e-13)


def test_one_row_in_several_adds_up_to_the_same(source, data, samples):
    network, rows = sources_of(*source)
    X, y, w = data
    expected = weigh_classes(RowBlock(X, y, w), balanced_factors(y, w), "training").take(
        slice(None, None, 17)
    )
    function = CostAndGradient(network, network.initialize(random_state=1))
    with rows.every_nth(17).running() as some:
        found = some.add_up(function)
    sums = function(expected._replace(sample_weight=expected.sample_weight / w.mean()))
    close(found.cost, sums.cost, 1e-12)
    close(found.weight, sums.weight, 1e-12)
    close(found.gradient, sums.gradient, 1e-12)


def test_few_rows_of_partitions_come_into_memory(source, data, monkeypatch):
    _, rows = sources_of(*source)
    some = rows.every_nth(5)
    assert isinstance(some, ArrayRows)
    if isinstance(rows, ArrayRows):
        return
    n_rows, n_features = data[0].shape
    size = -(-n_rows // 5) * n_features * 8
    for limit, few in ((size, True), (size - 1, False)):
        monkeypatch.setattr("skbackprop.dask.rows.SAMPLE_BYTES", limit)
        assert isinstance(rows.every_nth(5), ArrayRows) == few
    assert rows.every_nth(5).n_rows == some.n_rows
    # float32 takes half the memory.
    assert isinstance(rows.astype(np.float32).every_nth(5), ArrayRows)


def test_a_fit_that_converges_ends_at_the_same_cost(source, reference):
    clf, given = source
    clf.fit(*given)
    assert clf.optimize_result_.success
    assert_allclose(clf.loss_, reference.loss_, rtol=1e-8)


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "skbackprop.dask", raising=False)
    with pytest.raises(ImportError, match='in the extra "dask"'):
        importlib.import_module("skbackprop.dask")
