"""Rows in partitions, each of which adds up its own."""

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

# How many sums are added up at a time on their way back.
FAN_IN = 8


class Partition(NamedTuple):
    """Some rows, wherever they are.

    Parameters
    ----------
    X : Delayed
        Their features.
    coded : Delayed
        Class indices (or targets) and weights as they are given, or None.
    n_rows : int
        How many there are.
    picked : Delayed, optional
        Row numbers, where only these of them are meant; then `n_rows` is their number.
    """

    X: Delayed
    coded: Delayed
    n_rows: int
    picked: Delayed | None = None


@dataclass(frozen=True, eq=False)
class PartitionedRows:
    """Rows in partitions, each of which adds up its own; a source of rows like `ArrayRows`.

    Parameters
    ----------
    partitions : tuple of Partition
        Where the rows are, in order.
    scheduler : Threads or Cluster
        Who computes.
    mean_weight : float
        The mean weight of all rows.
    dtype : dtype
        The precision of the arithmetic.
    factors : ndarray of shape (n_classes,), optional
        What the weights of each class are multiplied by.
    weighted : bool, default=False
        Whether there are weights, which may be zero.
    step : int, default=1
        Only one in so many rows is meant.
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
    # Runs from several starts take turns: partitions work at the same time already.
    n_threads = 1

    @property
    def n_rows(self) -> int:
        """The number of rows, whatever they weigh."""
        return ceil(sum(partition.n_rows for partition in self.partitions) / self.step)

    @property
    def weight(self) -> float:
        """m, or the sum of the weights as they were given."""
        return self.mean_weight * self.n_rows

    @property
    def has_weight(self) -> bool:
        """Whether any row weighs something."""
        return not self.weighted or any(self._each(attrgetter("has_weight")))

    def astype(self, dtype: DTypeLike) -> "PartitionedRows":
        """The same rows for arithmetic of another precision."""
        return replace(self, dtype=np.dtype(dtype))

    def on_threads(self, n_threads: int) -> "PartitionedRows":
        """The same rows: their number of threads is the scheduler's affair."""
        return self

    def every_nth(self, n: int) -> "PartitionedRows":
        """One in n rows, the same ones as of an array."""
        return replace(self, step=self.step * n)

    def gather(self, n: int) -> RowBlock:
        """At most n rows in memory, the same ones as of an array."""
        some = self.every_nth(ceil(self.n_rows / n) | 1)
        blocks = some._each(methodcaller("block", slice(None)))
        return RowBlock(*(concatenated(parts) for parts in zip(*blocks, strict=True)))

    @contextmanager
    def running(self, cancellation: Cancellation | None = None) -> Iterator["PartitionedRows"]:
        """The same rows, for passes that look for a request to end."""
        # For the products of what is between two passes, whose bits depend on their threads.
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
        """A function of the rows of each partition."""
        return self._compute(delayed(list)(self._tasks(function)))

    def _compute(self, task: Delayed) -> Any:
        self.cancellation.check()
        return self.scheduler.compute(task, self.cancellation)

    def _tasks(self, function: Callable[[ArrayRows], Any]) -> list[Delayed]:
        cancellation = self.scheduler.to_task(self.cancellation)
        job = Job(function, self.factors, self.mean_weight, self.dtype, self.step, cancellation)
        # One task that holds theta, which workers fetch from each other.
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
    """A value as a task of its own, not looked into and not compared with others."""
    return delayed(value, name=f"{type(value).__name__}-{uuid4().hex}", traverse=False)


def _call(function: Callable, *arguments) -> Any:
    return function(*arguments)


def _add_up(*sums) -> Any:
    first, *others = sums
    # What a task is given stays as it is: it may be asked for again.
    return reduce(lambda total, other: total.add_(other), others, first.copy())
