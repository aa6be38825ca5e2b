"""What goes wrong on a cluster of worker processes: a fit goes on, or says why not."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits

da = pytest.importorskip("dask.array", reason="Dask is the extra 'dask'")
pytest.importorskip("distributed", reason="distributed is part of the extra 'dask'")
import dask
from clusters import at_most, two_processes
from distributed import Client, KilledWorker

from skbackprop import BackpropClassifier
from skbackprop.dask import DaskBackpropClassifier, PartitionedRows

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
    # Processes that are killed leave sockets and unfinished coroutines behind.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
]

TESTS = Path(__file__).parent
X, Y = load_digits(return_X_y=True)
X = X / 16.0
ROWS = 300
PARAMETERS = {"hidden_layer_sizes": 8, "reg_lambda": 3.0, "tol": 1e-6, "random_state": 0}


@pytest.fixture(autouse=True)
def bounded():
    with at_most(100):
        yield


@pytest.fixture(scope="module")
def client():
    with two_processes() as client:
        yield client


def load(i):
    """A partition from its source; Dask can call it again."""
    return X[ROWS * i : ROWS * (i + 1)]


def collections(load=load):
    y = da.from_array(Y, chunks=ROWS)
    parts = [
        da.from_delayed(dask.delayed(load, pure=False)(i), shape=(size, 64), dtype=float)
        for i, size in enumerate(y.chunks[0])
    ]
    return da.concatenate(parts), y


@pytest.fixture
def at_evaluation(monkeypatch):
    """Do something a little after an evaluation has begun, once."""
    threads = []

    def arrange(number, action):
        add_up, n_calls = PartitionedRows.add_up, []

        def watched(self, function):
            n_calls.append(None)
            if len(n_calls) == number:
                threads.append(threading.Timer(0.01, action))
                threads[-1].start()
            return add_up(self, function)

        monkeypatch.setattr(PartitionedRows, "add_up", watched)

    yield arrange
    for thread in threads:
        thread.join()


def fitted_before(client):
    """An estimator with a fit that a failure must leave as it is, and that state."""
    clf = DaskBackpropClassifier(2, max_iter=1, tol=1e9, client=client)
    clf.fit(*collections())
    clf.set_params(**PARAMETERS, max_iter=1000)
    return clf, dict(vars(clf))


def assert_nothing_is_computed(client):
    for _ in range(50):
        if not any(client.processing().values()):
            return
        time.sleep(0.1)
    raise AssertionError(f"still computed: {client.processing()}")


def test_a_worker_that_is_killed_changes_nothing(at_evaluation):
    with two_processes() as client:
        pids = list(client.run(os.getpid).values())
        at_evaluation(10, lambda: os.kill(pids[0], signal.SIGKILL))
        clf = DaskBackpropClassifier(**PARAMETERS, client=client).fit(*collections())
        # It was one of those that fitted.
        assert pids[0] not in client.run(os.getpid).values()
    expected = BackpropClassifier(**PARAMETERS).fit(X, Y)
    assert clf.optimize_result_.success
    assert_allclose(clf.loss_, expected.loss_, rtol=1e-8)


def test_ctrl_c_keeps_the_best_and_ends_the_work_of_the_cluster(client, at_evaluation):
    clf = DaskBackpropClassifier(**PARAMETERS, client=client)
    at_evaluation(15, lambda: os.kill(os.getpid(), signal.SIGINT))
    with (
        pytest.warns(UserWarning, match="interrupted"),
        pytest.raises(KeyboardInterrupt),
    ):
        clf.fit(*collections())
    assert clf.optimize_result_.status == "interrupted"
    local = BackpropClassifier(**PARAMETERS | {"max_iter": 1, "tol": 1e9})
    assert_allclose(clf.loss_, local.fit(X, Y, theta_init=clf.theta_).loss_, rtol=1e-10)
    assert_nothing_is_computed(client)


def fails(i):
    if i == 4:
        raise OSError("the disk of partition 4 is broken")
    return load(i)


def has_nan(i):
    part = load(i).copy()
    part[7, 7] = np.nan if i == 3 else 0.0
    return part


def has_fewer_columns(i):
    return load(i)[:, : 60 if i == 2 else 64]


@pytest.mark.parametrize(
    ("load", "error", "message"),
    [
        (fails, OSError, "the disk of partition 4 is broken"),
        (has_nan, ValueError, "Partition 3: Input X contains NaN"),
        (has_fewer_columns, ValueError, "Partition 2 has other features"),
    ],
)
def test_a_partition_that_is_wrong_is_told(client, load, error, message):
    clf, before = fitted_before(client)
    with pytest.raises(error, match=message):
        clf.fit(*collections(load))
    assert vars(clf) == before
    assert_nothing_is_computed(client)


def test_a_label_that_only_validation_rows_have_is_told(client):
    clf, before = fitted_before(client)
    X_, y_ = collections()
    y_val = da.from_array(np.append(Y[:-1], 11), chunks=ROWS)
    with pytest.raises(ValueError, match=r"Partition 5 of X_val: .*labels \[11\]"):
        clf.fit(X_, y_, X_val=X_, y_val=y_val)
    assert vars(clf) == before


def test_a_fit_without_workers_ends(at_evaluation):
    with (
        dask.config.set({"skbackprop.no-workers-timeout": "2 s"}),
        two_processes() as client,
    ):
        clf, before = fitted_before(client)
        at_evaluation(10, lambda: client.cluster.scale(0))
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="no workers for 2 seconds"):
            clf.fit(*collections())
        assert time.monotonic() - began < 60
        assert vars(clf) == before


def test_a_client_that_is_closed_ends_the_fit(at_evaluation):
    with two_processes() as client:
        clf, before = fitted_before(client)
        at_evaluation(10, client.close)
        with pytest.raises(RuntimeError, match=r"The cluster was lost|was closed"):
            clf.fit(*collections())
        assert vars(clf) == before


def too_large(i):
    block = np.ones(2**27)  # a gigabyte
    time.sleep(5.0)
    return load(i) * block[0]


def test_a_worker_without_memory_is_told():
    config = {"distributed.scheduler.allowed-failures": 0}
    with dask.config.set(config), two_processes(memory_limit="600 MB") as client:
        clf, before = fitted_before(client)
        with pytest.raises(KilledWorker):
            clf.fit(*collections(too_large))
        assert vars(clf) == before


@contextmanager
def processes_of_their_own(folder, path):
    """A client of "dask scheduler" and "dask worker", which import from this path."""
    file = str(folder / "scheduler.json")
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": env}
    parts = {
        "scheduler": ["--port", "0", "--scheduler-file", file, "--no-dashboard"],
        "worker": ["--nthreads", "1", "--scheduler-file", file, "--no-dashboard"],
    }
    started = {
        name: subprocess.Popen([sys.executable, "-m", "dask", name, *arguments], **options)
        for name, arguments in parts.items()
    }
    try:
        with dask.config.set({"distributed.comm.timeouts.connect": "5 s"}):
            client = Client(scheduler_file=file, timeout=30, set_as_default=False)
            client.wait_for_workers(1, timeout=30)
            yield client, started["scheduler"]
            client.close(timeout=2)
    finally:
        for process in started.values():
            process.kill()
            process.wait()


def test_a_scheduler_that_is_gone_ends_the_fit(tmp_path, at_evaluation):
    with processes_of_their_own(tmp_path, [TESTS, *sys.path]) as (client, scheduler):
        clf, before = fitted_before(client)
        at_evaluation(10, scheduler.kill)
        began = time.monotonic()
        with pytest.raises(RuntimeError, match=r"The cluster was lost|was closed"):
            clf.fit(*collections())
        assert time.monotonic() - began < 60
        assert vars(clf) == before


def test_a_scheduler_that_does_not_answer_ends_the_fit(tmp_path, at_evaluation):
    with processes_of_their_own(tmp_path, [TESTS, *sys.path]) as (client, scheduler):
        clf, before = fitted_before(client)
        at_evaluation(10, lambda: scheduler.send_signal(signal.SIGSTOP))
        began = time.monotonic()
        with (
            dask.config.set({"skbackprop.no-workers-timeout": "5 s"}),
            pytest.raises(RuntimeError, match="scheduler has not answered for 5 seconds"),
        ):
            clf.fit(*collections())
        assert time.monotonic() - began < 60
        assert vars(clf) == before


def test_a_module_that_the_cluster_does_not_have_is_named(tmp_path):
    elsewhere = [entry for entry in sys.path if Path(entry) != TESTS]
    with processes_of_their_own(tmp_path, elsewhere) as (client, _):
        clf = DaskBackpropClassifier(**PARAMETERS, client=client)
        with pytest.raises(Exception, match=r"deserialization|test_dask_faults"):
            clf.fit(*collections())
        assert not hasattr(clf, "theta_")
