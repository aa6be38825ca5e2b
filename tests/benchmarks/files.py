"""One cost and gradient over a file of rows, beside reading the file alone.

With a size in gigabytes also a fit to a file of that size, in a process of its own: how much
memory it takes beyond what the process had before, and whether a part of the file gives the same
theta, to the bit, as the same rows in memory.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import data
import numpy as np
from peers import LAMBDA, silently
from settings import Settings
from timing import Comparison, Contestant, compare, in_turn

from skbackprop import BackpropClassifier, Network
from skbackprop.objective import Objective
from skbackprop.rows import ArrayRows, RowBlock
from skbackprop.threads import resolve_n_jobs

PIECE = 2**23


def run(settings: Settings) -> Iterator[Comparison]:
    problem = data.mnist(settings.data, settings.rows(60_000))
    for dtype in (np.float64, np.float32):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "X.npy"
            np.save(path, problem.X.astype(dtype))
            for cached in (True, False):
                yield from _beside_reading(settings, problem, path, cached)
    if settings.gigabytes:
        with tempfile.TemporaryDirectory() as folder:
            yield from _larger_file(settings, problem, Path(folder))


def _larger_file(settings: Settings, problem: data.Problem, folder: Path) -> Iterator[Comparison]:
    X, path = problem.X.astype(np.float32), folder / "X.npy"
    n_copies = max(1, round(settings.gigabytes * 1e9 / X.nbytes))
    larger = np.lib.format.open_memmap(path, "w+", X.dtype, (n_copies * len(X), X.shape[1]))
    for i in range(n_copies):
        # The images, each time shifted by another number of pixels.
        larger[i * len(X) : (i + 1) * len(X)] = np.roll(X, i, axis=1)
    larger.flush()
    del larger
    np.save(folder / "y.npy", np.tile(problem.y, n_copies))
    found = json.loads(
        subprocess.check_output([sys.executable, __file__, str(folder), str(len(X))], text=True)
    )
    size = path.stat().st_size / 1e6
    what = f"{problem.name} {n_copies * len(X)}x{X.shape[1]}, float32, {size:.0f} MB, on the disk"
    same = "the same" if found["same"] else "another"
    note = f"theta of {len(X)} of the rows is {same} in memory, to the bit"
    memory = found["memory"]
    yield Comparison(
        "own memory of a fit to a file", what, "the file", [memory], [size], "MB", note
    )
    times = found["times"]
    note = ", ".join(f"{name} {size / median(found):.0f} MB/s" for name, found in times.items())
    yield from compare("one cost and gradient over a memory-mapped file", what, times, note)


def fit_to(folder: str, n_rows: str) -> dict:
    """What a process finds that was started for it."""
    path, n_part = Path(folder) / "X.npy", int(n_rows)
    X, y = np.load(path, mmap_mode="r"), np.load(Path(folder) / "y.npy")

    def fit(X, y, max_iter: int = 1) -> BackpropClassifier:
        clf = BackpropClassifier(reg_lambda=LAMBDA, max_iter=max_iter, random_state=0)
        return silently(clf.fit, X, y)

    fit(np.array(X[:500]), y[:500])  # the first fit loads libraries
    own, over = [own_memory()], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            own.append(own_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    fit(X, y)
    over.set()
    watcher.join()
    parts = X[:n_part], np.array(X[:n_part])
    thetas = [fit(part, y[:n_part], 3).theta_ for part in parts]
    same = all(np.array_equal(a, b) for a, b in zip(*thetas, strict=True))
    network = Network((X.shape[1], 100, int(y.max()) + 1))
    del X, parts  # a file that is mapped cannot be dropped from the cache

    def evaluate() -> None:
        rows = ArrayRows.of(RowBlock(np.load(path, mmap_mode="r"), y), resolve_n_jobs(None))
        objective = Objective.from_rows(network, rows, reg_lambda=LAMBDA)
        objective(network.initialize(random_state=0))

    contestants = [
        Contestant("ours", lambda: (drop_from_cache(path), evaluate())),
        Contestant("reading the file", lambda: (drop_from_cache(path), read(path))),
    ]
    return {
        "memory": (max(own) - own[0]) / 1e6,
        "same": same,
        "times": in_turn(contestants, 3, at_least=0.0),
    }


def own_memory() -> int:
    """Bytes of this process, without the pages of files, which the system may drop at any time."""
    status = Path("/proc/self/status")
    if not status.exists():
        raise SystemExit("files: --gigabytes needs /proc, which only Linux has")
    found = re.search(r"RssAnon:\s+(\d+)", status.read_text())
    return 1024 * int(found[1]) if found else 0


def _beside_reading(
    settings: Settings, problem: data.Problem, path: Path, cached: bool
) -> Iterator[Comparison]:
    network = Network(problem.layer_sizes)
    theta = network.initialize(random_state=0)
    in_memory = np.load(path)

    def evaluate(X) -> None:
        rows = ArrayRows.of(RowBlock(X, problem.y), resolve_n_jobs(None))
        Objective.from_rows(network, rows, reg_lambda=LAMBDA)(theta)

    def first(call: Callable[[], object]) -> Callable[[], object]:
        # Each call finds the file on the disk: what is mapped cannot be dropped.
        return call if cached else lambda: (drop_from_cache(path), call())

    contestants = [
        Contestant("ours", first(lambda: evaluate(np.load(path, mmap_mode="r")))),
        Contestant("reading the file", first(lambda: read(path))),
        Contestant("rows in memory", lambda: evaluate(in_memory)),
    ]
    times = in_turn(contestants, settings.rounds(5), at_least=0.0)
    size = path.stat().st_size / 1e6
    where = "cached by the system" if cached else "on the disk"
    what = f"{problem}, {in_memory.dtype}, {size:.0f} MB, {where}"
    note = ", ".join(f"{name} {size / median(found):.0f} MB/s" for name, found in times.items())
    yield from compare("one cost and gradient over a memory-mapped file", what, times, note)


def read(path: Path) -> None:
    piece = bytearray(PIECE)
    with path.open("rb", buffering=0) as file:
        while file.readinto(piece):
            pass


def drop_from_cache(path: Path) -> None:
    """Make the system forget the file, where it can be asked to."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    print(json.dumps(fit_to(*sys.argv[1:])))
