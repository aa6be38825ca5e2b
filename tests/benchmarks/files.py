"""One cost and gradient over a file of rows, beside reading the file alone."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import data
import numpy as np
from peers import LAMBDA
from settings import Settings
from timing import Comparison, Contestant, compare, in_turn

from skbackprop import Network
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
