"""Ctrl-C while Dask's threads are at work: it ends between two tasks and leaves no thread."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("dask.array", reason="Dask is the extra 'dask'")

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="a process cannot send itself an interrupt here"
)
BOUND = 60.0  # seconds, for what should take much less
PARTITIONS = 40

# A process in which reading a partition presses Ctrl-C. It prints what the call left behind.
INTERRUPTED = f"""
import os, signal, sys, threading, time
import dask, dask.array as da
import numpy as np
from skbackprop import Network, Objective
from skbackprop.dask import DaskBackpropClassifier

at, what, n_read = int(sys.argv[1]), sys.argv[2], 0
handled, lock = threading.Event(), threading.Lock()

def press(number, frame):
    handled.set()
    raise KeyboardInterrupt

def read(shape):
    global n_read
    with lock:
        n_read += 1
        now = n_read
    if now == at:
        os.kill(os.getpid(), signal.SIGINT)
        assert handled.wait({BOUND})
    if now > at > 0:
        time.sleep(0.02)
    return np.random.RandomState(now).randint(2, size=shape)

def lazy(*shape):
    parts = [dask.delayed(read, pure=False)((10, *shape)) for _ in range({PARTITIONS})]
    return da.concatenate([da.from_delayed(part, (10, *shape), int) for part in parts])

signal.signal(signal.SIGINT, press)
X, y = np.eye(10), np.arange(10) % 2
clf = DaskBackpropClassifier(2, random_state=0, n_jobs=2)
clf.fit(da.from_array(X, chunks=5), da.from_array(y, chunks=5))
before = dict(vars(clf))
calls = {{
    "fit": lambda: clf.fit(da.zeros((10 * {PARTITIONS}, 3), chunks=(10, 3)), lazy()),
    "score": lambda: clf.score(da.zeros((10 * {PARTITIONS}, 10), chunks=(10, 10)), lazy()),
}}
if what == "objective":
    given = lazy(3), da.from_array(np.arange(10 * {PARTITIONS}) % 2, chunks=10)
    at, press_at = 0, at  # not while the partitions are examined
    _, rows, _ = clf._sources(*given, None, (None, None, None), np.random.RandomState(0))
    n_read, at = 0, press_at
    network = Network((3, 2, 1))
    objective = Objective.from_rows(network, rows)
    calls["objective"] = lambda: objective(network.initialize(random_state=0))
try:
    calls[what]()
except KeyboardInterrupt:
    print("interrupted")
print(n_read)
print(vars(clf) == before)
print([t.name for t in threading.enumerate() if not t.name.startswith(("Main", "Dummy"))])
"""


@pytest.mark.parametrize(
    ("what", "at"),
    [
        ("fit", 5),  # while the partitions are examined
        ("fit", PARTITIONS + 5),  # while labels are encoded
        ("score", 5),
        ("objective", 5),
    ],
)
def test_ctrl_c_ends_dasks_threads_between_two_partitions(what, at):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(at), what],
        stdout=subprocess.PIPE, text=True, timeout=BOUND, check=True,
    )  # fmt: skip
    interrupted, n_read, unchanged, threads = done.stdout.splitlines()
    assert interrupted == "interrupted"
    assert at <= int(n_read) < at + PARTITIONS - 5
    assert unchanged == "True"
    assert threads == "[]"
