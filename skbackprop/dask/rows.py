"""Rows in partitions, each of which computes its own sums."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from math import ceil
from operator import attrgetter, methodcaller
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skbackprop.dask.schedulers import FAN_IN, Cluster, Threads
from skbackprop.interrupts import Cancellation, shielded
from skbackprop.partitions import Job, concatenated
from skbackprop.rows import ArrayRows, BlockFunction, RowBlock
from skbackprop.threads import single_threaded_blas

# Memory for a sample of the rows in this process: passes over it need no messages, and partitions
# are not read again.
SAMPLE_BYTES = 2**26

T = TypeVar("T")


class Partition(NamedTuple):
    """A partition of the rows.

    Parameters
    ----------
    X : task of the scheduler
        The features.
    coded : task
        Class indices (or targets), and the weights as given, or None.
    n_rows : int
        Number of rows.
    picked : task, optional
        Row numbers, if only these rows are used; `n_rows` is then their number.
    """

    X: Any
    coded: Any
    n_rows: int
    picked: Any = None


@dataclass(frozen=True, eq=False)
class PartitionedRows:
    """Rows in partitions, each of which computes its own sums: a source of rows like `ArrayRows`.

    Parameters
    ----------
    partitions : tuple of Partition
        The partitions, in order.
    scheduler : Threads or Cluster
        Computes the tasks.
    mean_weight : float
        The mean weight of all rows.
    dtype : dtype
        The precision of the arithmetic.
    n_features : int
        Number of features.
    n_threads_here : int
        Number of threads for a sample of the rows in this process.
    factors : ndarray of shape (n_classes,), optional
        The factor for the weights of each class.
    weighted : bool, default=False
        Whether there are weights, which may be zero.
    step : int, default=1
        Only one in `step` rows is used.
    """

    partitions: tuple[Partition, ...]
    scheduler: Threads | Cluster
    mean_weight: float
    dtype: np.dtype
    n_features: int
    n_threads_here: int
    factors: NDArray | None = None
    weighted: bool = False
    step: int = 1
    # Runs from several starts follow each other: partitions already run in parallel.
    n_threads = 1

    @property
    def n_rows(self) -> int:
        """Number of rows, regardless of their weights."""
        return ceil(sum(partition.n_rows for partition in self.partitions) / self.step)

    @property
    def weight(self) -> float:
        """m, or the sum of the weights as given."""
        return self.mean_weight * self.n_rows

    @property
    def has_weight(self) -> bool:
        """Whether any row has a weight above 0."""
        if not self.weighted:
            return True
        return self._pass(lambda rows: any(rows._each(attrgetter("has_weight"))))

    def astype(self, dtype: DTypeLike) -> "PartitionedRows":
        """The same rows with arithmetic in another precision."""
        return replace(self, dtype=np.dtype(dtype))

    def on_threads(self, n_threads: int) -> "PartitionedRows":
        """The same rows: the scheduler decides the number of threads."""
        return self

    def every_nth(self, n: int) -> "PartitionedRows | ArrayRows":
        """One in n rows, the same ones as for an array; in memory if they are few."""
        some = replace(self, step=self.step * n)
        if some.n_rows * some.n_features * some.dtype.itemsize > SAMPLE_BYTES:
            return some
        return ArrayRows(some._gathered(), some.mean_weight, some.dtype, some.n_threads_here)

    def gather(self, n: int) -> RowBlock:
        """At most n rows in memory, the same ones as for an array."""
        return replace(self, step=self.step * (ceil(self.n_rows / n) | 1))._gathered()

    def _gathered(self) -> RowBlock:
        """All rows in memory, with weights relative to `mean_weight`."""
        blocks = self._pass(lambda rows: rows._each(_copied))
        return RowBlock(*(concatenated(parts) for parts in zip(*blocks, strict=True)))

    @contextmanager
    def running(self, cancellation: Cancellation | None = None) -> Iterator["PartitionedRows"]:
        """Context manager for passes that check for a request to end."""
        if self.scheduler.cancellation:
            yield self
            return
        # Between two passes: the bits of a matrix product depend on the number of threads.
        with (
            single_threaded_blas(),
            self.scheduler.running(cancellation or Cancellation()) as scheduler,
        ):
            yield replace(self, scheduler=scheduler)

    def add_up(self, function: BlockFunction) -> Any:
        """The sum of a function of blocks over all rows, in an order fixed by where they are."""
        return self._pass(lambda rows: rows._add_up(function))

    def _pass(self, task: Callable[["PartitionedRows"], T]) -> T:
        """Run a task, in a direct call such that Ctrl-C does not interrupt Dask's own code."""
        if self.scheduler.cancellation:
            return task(self)

        def run(cancellation: Cancellation) -> T:
            with self.running(cancellation) as rows:
                return task(rows)

        return shielded(run)

    def _add_up(self, function: BlockFunction) -> Any:
        sums, _ = self._tasks(methodcaller("add_up", function), added)
        while len(sums) > FAN_IN:
            groups = (sums[i : i + FAN_IN] for i in range(0, len(sums), FAN_IN))
            sums = [self.scheduler.task(added, group) for group in groups]
        return added(self.scheduler.compute(sums))

    def _each(self, function: Callable[[ArrayRows], Any]) -> list:
        """The values of a function of the rows of each partition."""
        tasks, groups = self._tasks(function, list)
        found = zip(groups, self.scheduler.compute(tasks), strict=True)
        results = {i: r for group, rs in found for i, r in zip(group, rs, strict=True)}
        return [results[i] for i in sorted(results)]

    def _tasks(
        self, function: Callable[[ArrayRows], Any], combine: Callable[[Iterable], Any]
    ) -> tuple[list, list[list[int]]]:
        """Tasks that combine the function's values over a group of partitions, and the groups."""
        cancellation = self.scheduler.cancellation_in_tasks
        job = Job(function, self.factors, self.mean_weight, self.dtype, self.step, cancellation)
        parts, sizes, n_before = [], [], 0
        for X, coded, n_rows, picked in self.partitions:
            first = -n_before % self.step
            n_before += n_rows
            if first < n_rows:
                parts.append((first, X, coded, picked))
                sizes.append(n_rows)
        groups = self.scheduler.groups([X for _, X, _, _ in parts], sizes)
        shared = self.scheduler.share(job, len(groups))
        tasks = []
        for group in groups:
            some = [parts[i] for i in group]
            tasks.append(self.scheduler.task(_call, shared, combine, some, near=some[0][1]))
        return tasks, groups


def _copied(rows: ArrayRows) -> RowBlock:
    """A copy of all rows: a view would keep the partition in memory."""
    block = rows.block(slice(None))
    return RowBlock(*(part if part is None else part.copy() for part in block))


def _call(function: Callable, combine: Callable[[Iterable], Any], parts: list[tuple]) -> Any:
    return combine(function(*part) for part in parts)


def added(sums: Iterable) -> Any:
    """The sum of some sums."""
    sums = iter(sums)
    # The arguments of a task must not change: they may be used again.
    return reduce(lambda total, other: total.add_(other), sums, next(sums).copy())
