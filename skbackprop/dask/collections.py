"""Dask collections as corresponding partitions of X, y and sample_weight."""

from collections.abc import Callable
from typing import NamedTuple

import dask.array as da
import numpy as np
from dask import delayed, is_dask_collection
from dask.delayed import Delayed

from skbackprop.dask.rows import Partition
from skbackprop.dask.schedulers import Cluster, Threads, as_task
from skbackprop.labels import Labels
from skbackprop.partitions import Facts, as_floats, code, examine
from skbackprop.preparation import X_FORMAT


class Parts(NamedTuple):
    """The partitions of the arguments of a method, in order.

    Parameters
    ----------
    names : list of str
        Names of the partitions in messages.
    Xs, ys, ws : list of Delayed
        Features, labels and weights; None for weights that are not given.
    floats : bool
        Whether the features are already arrays of floats.
    """

    names: list[str]
    Xs: list
    ys: list
    ws: list
    floats: bool

    @classmethod
    def of(cls, X, y, sample_weight, which: str = "") -> "Parts":
        """Match the partitions of X, y and sample_weight.

        Raises
        ------
        TypeError
            If an argument is not a Dask collection.
        ValueError
            If the collections have different partitions.
        """
        given = {"X": X, "y": y, "sample_weight": sample_weight}
        columns = {}
        for key, value in given.items():
            if key == "sample_weight" and value is None:
                continue
            if not is_dask_collection(value):
                raise TypeError(
                    f"{key}{which} must be a Dask array, DataFrame or Series; got "
                    f"{type(value).__name__}. For data in memory use BackpropClassifier."
                )
            if isinstance(value, da.Array) and value.ndim == 2:
                value = value.rechunk({1: -1})
            if isinstance(value, da.Array) and key != "X" and _knows_rows(value, X):
                value = value.rechunk({0: X.chunks[0]})
            if hasattr(value, "simplify"):
                # A dataframe, whose file is read without the other columns. Further optimisations
                # would merge partitions of few columns: those of y were no longer those of X.
                parts = value.simplify().to_delayed(optimize_graph=False)
            else:
                parts = value.to_delayed()
            columns[key] = list(np.ravel(parts))
        numbers = {f"{key}{which}": len(parts) for key, parts in columns.items()}
        if len(set(numbers.values())) > 1:
            raise ValueError(f"Numbers of partitions differ: {numbers}.")
        n = len(columns["X"])
        names = [f"Partition {i}{' of X' + which if which else ''}" for i in range(n)]
        floats = isinstance(X, da.Array) and X.dtype in X_FORMAT["dtype"]
        ws = columns.get("sample_weight", [None] * n)
        return cls(names, columns["X"], columns["y"], ws, floats)

    def map(self, function: Callable, *shared) -> list[Delayed]:
        """A task for each partition: ``function(name, X, y, sample_weight, *shared)``."""
        task, rest = delayed(function, pure=False), [as_task(value) for value in shared]
        parts = zip(self.names, self.Xs, self.ys, self.ws, strict=True)
        return [task(*part, *rest) for part in parts]

    def examined(self, scheduler: Threads | Cluster) -> tuple["Parts", list[Facts]]:
        """The partitions that are not empty, with their facts; a cluster keeps their rows."""
        n, to_floats = len(self.names), delayed(as_floats, pure=False)
        Xs = self.Xs if self.floats else [to_floats(X) for X in self.Xs]
        ws = [w for w in self.ws if w is not None]
        # All at once, so that each file is read once.
        kept = scheduler.keep_rows([*Xs, *self.ys, *self.map(examine), *ws])
        found = scheduler.compute(kept[2 * n : 3 * n])
        chosen = [i for i, fact in enumerate(found) if fact]
        for i in chosen[1:]:
            require_same_features(self.names[i], found[i].features, found[chosen[0]].features)
        columns = self.names, kept[:n], kept[n : 2 * n], kept[3 * n :] or self.ws
        names, Xs, ys, ws = ([column[i] for i in chosen] for column in columns)
        facts = [found[i] for i in chosen]
        return Parts(names, scheduler.spread(Xs, facts), ys, ws, True), facts

    def coded(
        self, labels: Labels, facts: list[Facts], scheduler: Threads | Cluster
    ) -> list[Partition]:
        """The partitions with encoded labels, which are kept in memory."""
        shared = scheduler.share(labels, len(self.Xs))
        parts = zip(self.names, self.Xs, self.ys, self.ws, strict=True)
        tasks = [scheduler.task(code, name, y, w, shared, near=X) for name, X, y, w in parts]
        kept = scheduler.persist(tasks)
        found = zip(self.Xs, kept, facts, strict=True)
        return [Partition(X, coded, fact.n_rows) for X, coded, fact in found]


def _knows_rows(value: da.Array, X) -> bool:
    known = isinstance(X, da.Array) and not np.isnan(X.shape[0] + value.shape[0])
    if known and X.shape[0] != value.shape[0]:
        raise ValueError(
            f"X and y or sample_weight have inconsistent numbers of rows: {X.shape[0]} and "
            f"{value.shape[0]}."
        )
    return known


def require_same_features(name: str, features: dict, expected: dict) -> None:
    """Raise ValueError if a partition has other features than the first one."""
    for key, value in expected.items():
        here = features.get(key, "unknown")
        if not np.array_equal(here, value):
            raise ValueError(
                f"{name} has other features than the first one: {key} is {here}, there {value}."
            )
