"""What a fit to partitions reads, and what it keeps in the memory of this process."""

import threading
import tracemalloc
import warnings
from collections import Counter

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

da = pytest.importorskip("dask.array", reason="Dask is the extra 'dask'")
dd = pytest.importorskip("dask.dataframe", reason="Dask is the extra 'dask'")
pd = pytest.importorskip("pandas", reason="pandas comes with Dask's DataFrames")
import dask

from skbackprop import Objective
from skbackprop.dask import DaskBackpropClassifier

pytestmark = pytest.mark.filterwarnings(
    # A cluster that is closed leaves sockets to the garbage collector.
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
ROWS, FEATURES = 4000, 50


def generated(seed):
    return np.random.RandomState(seed).standard_normal((ROWS, FEATURES))


def label(block):
    return (block[:, 0] > 0).astype(int)


def collections(n_partitions):
    blocks = [dask.delayed(generated, pure=False)(seed) for seed in range(n_partitions)]
    X = da.concatenate([da.from_delayed(b, (ROWS, FEATURES), float) for b in blocks])
    return X, X.map_blocks(label, drop_axis=1, dtype=int)


def fit_briefly(clf, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clf.fit(X, y)


def peak_of_fit(n_partitions, client=None):
    """The peak of the memory that Python and NumPy allocate in this process."""
    clf = DaskBackpropClassifier(
        4, solver="gradient_descent", max_iter=1, n_jobs=1, random_state=0, client=client
    )
    tracemalloc.start()
    try:
        fit_briefly(clf, *collections(n_partitions))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cluster", [False, True], ids=["threads", "processes"])
def test_memory_of_the_client_does_not_grow_with_the_rows(cluster):
    fewer, more = 4, 16
    if cluster:
        pytest.importorskip("distributed", reason="distributed is part of the extra 'dask'")
        from clusters import at_most, two_processes

        with at_most(), two_processes() as client:
            peak_of_fit(2, client)
            # What the client does in between adds a megabyte now and then, and takes none away.
            before, after = (min(peak_of_fit(n, client) for _ in range(3)) for n in (fewer, more))
    else:
        _, before, after = (peak_of_fit(n) for n in (2, fewer, more))
    features = 8 * ROWS * FEATURES
    # Labels are in memory where there is no cluster; a task is some kilobytes.
    labels_and_tasks = (more - fewer) * (2 * 8 * ROWS + 50_000)
    assert after - before < labels_and_tasks < (more - fewer) * features / 10


def test_files_are_read_at_each_pass_unless_they_are_persisted(tmp_path, monkeypatch):
    X = generated(0)[:900, :5]
    for i in range(3):
        part = pd.DataFrame(X[i::3], columns=list("abcde")).assign(y=label(X[i::3]))
        part.to_csv(tmp_path / f"{i}.csv", index=False)
    read, lock = Counter(), threading.Lock()

    class Load:
        def __call__(self, path):
            with lock:
                read[path.name] += 1
            return pd.read_csv(path)

        def __dask_tokenize__(self):
            return "load"

    passes, smooth = [], Objective.smooth

    def counted(self, theta):
        passes.append(None)
        return smooth(self, theta)

    monkeypatch.setattr(Objective, "smooth", counted)
    table = dd.from_map(Load(), sorted(tmp_path.glob("*.csv")))
    read.clear()
    clf = DaskBackpropClassifier(3, max_iter=2, random_state=0)
    fit_briefly(clf, table[list("abcde")], table["y"])
    n_passes = len(passes)
    assert set(read) == {"0.csv", "1.csv", "2.csv"}
    assert min(read.values()) >= n_passes > 2
    read.clear()
    table = table.persist()
    again = fit_briefly(
        DaskBackpropClassifier(3, max_iter=2, random_state=0), table[list("abcde")], table["y"]
    )
    assert read == {"0.csv": 1, "1.csv": 1, "2.csv": 1}
    assert again.loss_ == clf.loss_
