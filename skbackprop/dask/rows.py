"""Rows in partitions, each of which computes its own sums."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from math import ceil
from operator import attrgetter, methodcaller
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
from dask import delayed
from dask.delayed import Delayed
from numpy.typing import DTypeLike, NDArray

from skbackprop.dask.schedulers import Cluster, Threads
from skbackprop.interrupts import Cancellation
from skbackprop.partitions import Job, concatenated
from skbackprop.rows import ArrayRows, BlockFunction, RowBlock
from skbackprop.threads import single_threaded_blas

# Number of sums that one task adds.
FAN_IN = 8


class Partition(NamedTuple):
    """A partition of the rows.

    Parameters
    ----------
    X : Delayed
        The features.
    coded : Delayed
        Class indices (or targets), and the weights as given, or None.
    n_rows : int
        Number of rows.
    picked : Delayed, optional
        Row numbers, if only these rows are used; `n_rows` is then their number.
    """

    X: Delayed
    coded: Delayed
    n_rows: int
    picked: Delayed | None = None


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
    factors : ndarray of shape (n_classes,), optional
        The factor for the weights of each class.
    weighted : bool, default=False
        Whether there are weights, which may be zero.
    step : int, default=1
        Only one in `step` rows is used.
    cancellation : Cancellation, optional
        A request to end.
    """

    partitions: tuple[Partition, ...]
    scheduler: Threads | Cluster
    mean_weight: float
    dtype: np.dtype
    factors: NDArray | None = None
    weighted: bool = False
    step: int = 1
    cancellation: Cancellation = field(default_factory=Cancellation)
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
        return not self.weighted or any(self._each(attrgetter("has_weight")))

    def astype(self, dtype: DTypeLike) -> "PartitionedRows":
        """The same rows with arithmetic in another precision."""
        return replace(self, dtype=np.dtype(dtype))

    def on_threads(self, n_threads: int) -> "PartitionedRows":
        """The same rows: the scheduler decides the number of threads."""
        return self

    def every_nth(self, n: int) -> "PartitionedRows":
        """One in n rows, the same ones as for an array."""
        return replace(self, step=self.step * n)

    def gather(self, n: int) -> RowBlock:
        """At most n rows in memory, the same ones as for an array."""
        some = self.every_nth(ceil(self.n_rows / n) | 1)
        blocks = some._each(methodcaller("block", slice(None)))
        return RowBlock(*(concatenated(parts) for parts in zip(*blocks, strict=True)))

    @contextmanager
    def running(self, cancellation: Cancellation | None = None) -> Iterator["PartitionedRows"]:
        """Context manager for passes that check for a request to end."""
        # Between two passes: the bits of a matrix product depend on the number of threads.
        with single_threaded_blas():
            yield replace(self, cancellation=cancellation or self.cancellation)

    def add_up(self, function: BlockFunction) -> Any:
        """The sum of a function of blocks over all rows, in an order fixed by the partitions."""
        sums = self._tasks(methodcaller("add_up", function))
        while len(sums) > 1:
            groups = (sums[i : i + FAN_IN] for i in range(0, len(sums), FAN_IN))
            sums = [delayed(_add_up, pure=False)(*group) for group in groups]
        return self._compute(sums[0])

    def _each(self, function: Callable[[ArrayRows], Any]) -> list:
        """The values of a function of the rows of each partition."""
        return self._compute(delayed(list)(self._tasks(function)))

    def _compute(self, task: Delayed) -> Any:
        self.cancellation.check()
        return self.scheduler.compute(task, self.cancellation)

    def _tasks(self, function: Callable[[ArrayRows], Any]) -> list[Delayed]:
        cancellation = self.scheduler.to_task(self.cancellation)
        job = Job(function, self.factors, self.mean_weight, self.dtype, self.step, cancellation)
        # A single task contains theta; workers copy it from each other.
        call = delayed(_call, pure=False)
        shared = as_task(job)
        tasks, n_before = [], 0
        for X, coded, n_rows, picked in self.partitions:
            first = -n_before % self.step
            n_before += n_rows
            if first < n_rows:
                tasks.append(call(shared, first, X, coded, picked))
        return tasks


def as_task(value: Any) -> Delayed:
    """A value as a separate task, which Dask neither traverses nor compares with others."""
    return delayed(value, name=f"{type(value).__name__}-{uuid4().hex}", traverse=False)


def _call(function: Callable, *arguments) -> Any:
    return function(*arguments)


def _add_up(*sums) -> Any:
    first, *others = sums
    # The arguments of a task must not change: they may be used again.
    return reduce(lambda total, other: total.add_(other), others, first.copy())
