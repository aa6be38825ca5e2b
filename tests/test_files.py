"""Rows in a file: memory-mapped, never loaded, and the same fit as in memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skbackprop import BackpropClassifier
from skbackprop.rows import ArrayRows, RowBlock, is_mapped

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="a process' own memory is read from /proc"
)
FILE_MB = 96
BOUND_MB = 48

# A fit and a prediction in a process of its own, which says how much memory they took beyond what
# was there before; pages of a mapped file are not its own, the system may drop them at any time.
# The same in memory follows, where there is something to compare with.
MEASURE = """
import json, re, sys, threading, warnings
from pathlib import Path
import numpy as np
from skbackprop import BackpropClassifier

folder, mode, parameters = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
own, stop = [], threading.Event()

def watch():
    while not stop.wait(0.002):
        own.append(int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))

def theta_and_labels(X, y):
    clf = estimator(8, random_state=0, **parameters).fit(X, y)
    return clf.network_.unroll(clf.theta_), np.asarray(clf.predict(X))

warnings.simplefilter("ignore")
y = np.load(folder / "y.npy")
warm = np.random.RandomState(0).rand(2000, 100)
BackpropClassifier(8, max_iter=1).fit(warm, warm[:, 0] > 0.5).predict(warm)
X = np.load(folder / "X.npy", mmap_mode="r")
estimator = BackpropClassifier
if mode == "dask":
    import dask.array as da
    from skbackprop.dask import DaskBackpropClassifier as estimator

    X, y = da.from_array(X, chunks=(10_000, 100)), da.from_array(y, chunks=10_000)
    estimator(8, max_iter=1).fit(X[:20_000], y[:20_000])
watcher = threading.Thread(target=watch)
watcher.start()
while not own:
    pass
before = own[-1]
found = theta_and_labels(X, y)
stop.set()
watcher.join()
same = mode == "dask" or all(
    map(np.array_equal, found, theta_and_labels(np.load(folder / "X.npy"), y))
)
print(json.dumps({"own_mb": (max(own) - before) / 1024, "same_in_memory": same}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file much larger than what a process may take, written a part at a time."""
    folder = tmp_path_factory.mktemp("rows")
    n_features, n_parts = 100, 8
    n_rows = FILE_MB * 2**20 // (8 * n_features)
    X = np.lib.format.open_memmap(
        folder / "X.npy", "w+", dtype=np.float64, shape=(n_rows, n_features)
    )
    rng = np.random.RandomState(0)
    for rows in np.array_split(np.arange(n_rows), n_parts):
        X[rows[0] : rows[-1] + 1] = rng.standard_normal((len(rows), n_features))
    np.save(folder / "y.npy", (X[:, 0] + X[:, 1] > 0).astype(np.int32))
    yield folder
    (folder / "X.npy").unlink()


def measured(folder, mode, parameters):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder), mode, json.dumps(parameters)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    return json.loads(done.stdout)


@linux_only
@pytest.mark.parametrize(
    "parameters",
    [
        {"max_iter": 3},
        {"max_iter": 3, "early_stopping": True, "class_weight": "balanced"},
        {"max_iter": 1, "solver": "sgd"},
    ],
    ids=["lbfgs", "early_stopping", "sgd"],
)
def test_a_fit_and_a_prediction_on_a_file_never_load_it(folder, parameters):
    found = measured(folder, "mapped", parameters)
    assert found["own_mb"] < BOUND_MB
    assert found["same_in_memory"]  # to the bit


@linux_only
def test_dask_reads_partitions_and_never_all_of_them(folder):
    pytest.importorskip("dask.array", reason="Dask is the extra 'dask'")
    # Two threads hold two partitions of 8 MB each, and copies of some of their rows.
    parameters = {"max_iter": 2, "early_stopping": True, "n_jobs": 2}
    assert measured(folder, "dask", parameters)["own_mb"] < BOUND_MB


@pytest.fixture
def small(tmp_path):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((300, 4))
    np.save(tmp_path / "X.npy", X)
    return X, np.load(tmp_path / "X.npy", mmap_mode="r"), (X[:, 0] > 0).astype(int)


def test_picked_rows_of_a_file_are_read_block_by_block(small):
    X, mapped, y = small
    picked = RowBlock(mapped, y).pick(np.arange(0, 300, 7))
    rows = ArrayRows.of(picked)
    assert not isinstance(rows.every_nth(2).examples.X, np.ndarray)
    assert_array_equal(rows.block(slice(3, 6)).X, X[::7][3:6])
    assert_array_equal(rows.every_nth(2).block(slice(None)).X, X[::14])
    assert_array_equal(rows.block(np.array([5, 0])).y, y[::7][[5, 0]])
    assert rows.gather(10).X.shape[0] <= 10


def test_a_mapped_array_is_known_as_one_through_views_and_checks(small):
    X, mapped, _ = small
    assert is_mapped(mapped)
    assert is_mapped(np.asarray(mapped)[::2])
    assert not is_mapped(X)
    assert not is_mapped(mapped * 1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_files_keep_their_type(small, tmp_path, dtype):
    X, _, y = small
    path: Path = tmp_path / "typed.npy"
    np.save(path, X.astype(dtype))
    mapped = np.load(path, mmap_mode="r")
    clf, other = (
        BackpropClassifier(3, early_stopping=True, random_state=0).fit(rows, y)
        for rows in (mapped, X.astype(dtype))
    )
    for Theta, expected in zip(clf.theta_, other.theta_, strict=True):
        assert_array_equal(Theta, expected)
    assert clf.predict_proba(mapped).dtype == dtype
