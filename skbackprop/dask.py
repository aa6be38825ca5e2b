"""`DaskBackpropClassifier`: the same fit over Dask collections, on one machine or on many.

J and its gradient are sums over rows, so each partition adds up its own: theta goes out once an
evaluation, and what comes back is one sum, folded in an order fixed by the partitions. Rows stay
where they are.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from math import ceil
from operator import attrgetter, methodcaller
from threading import Event
from time import monotonic, sleep
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import DTypeLike, NDArray
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from skbackprop.classifier import BackpropClassifier
from skbackprop.fitted import FEATURE_ATTRIBUTES
from skbackprop.interrupts import Cancellation
from skbackprop.labels import Labels
from skbackprop.parameter_names import accepts_lambda
from skbackprop.partitions import (
    Facts,
    Job,
    as_floats,
    code,
    concatenated,
    examine,
    pick,
    quotas,
    totals,
)
from skbackprop.preparation import (
    X_FORMAT,
    Examples,
    class_factors,
    network_of,
    validation_examples,
    weigh_classes,
)
from skbackprop.rows import ArrayRows, BlockFunction, RowBlock, check_weights
from skbackprop.solvers import Solver
from skbackprop.threads import resolve_n_jobs, single_threaded_blas

try:
    import dask
    import dask.array as da
    from dask import delayed, is_dask_collection
    from dask.delayed import Delayed
except ImportError as error:
    raise ImportError(
        "skbackprop.dask needs Dask. It comes with the extra 'dask': in a checkout, "
        'pip install ".[dask]".'
    ) from error

# How many sums are added up at a time on their way back.
FAN_IN = 8
# Seconds between two looks at whether a fit was interrupted and the cluster is still there.
WAIT = 0.1
# Seconds without any worker after which a fit gives up. Dask's own configuration may say
# otherwise: dask.config.set({"skbackprop.no-workers-timeout": "5 minutes"}).
NO_WORKERS_TIMEOUT = "60 s"


# -- who computes ------------------------------------------------------------------------------


class Threads(NamedTuple):
    """Dask's scheduler of this process; partitions are read again at each pass.

    Parameters
    ----------
    n_threads : int
        How many partitions are worked on at a time.
    """

    n_threads: int

    def persist(self, tasks: list[Delayed]) -> list[Delayed]:
        """Compute small things once, to be kept in memory."""
        return list(dask.persist(*tasks, **self._options))

    def keep_rows(self, tasks: list[Delayed]) -> list[Delayed]:
        """The rows themselves are not kept."""
        return tasks

    def places(self, Xs: list[Delayed]) -> list:
        """What a task should be near to: nothing, everything is near."""
        return [None] * len(Xs)

    def compute(self, task: Delayed, cancellation: Cancellation | None = None) -> Any:
        """The result of a task, which itself looks for a cancellation."""
        return task.compute(**self._options)

    def to_task(self, cancellation: Cancellation) -> Cancellation | None:
        """What tasks know of a request to end."""
        return cancellation

    @property
    def _options(self) -> dict:
        # Another scheduler may be chosen as for anything else, such as "synchronous" to debug; a
        # client that was closed may have left its name.
        scheduler = dask.config.get("scheduler", "threads")
        if scheduler in (None, "dask.distributed", "distributed"):
            scheduler = "threads"
        return {"scheduler": scheduler, "num_workers": self.n_threads}


@dataclass(frozen=True)
class Cluster:
    """The workers of a `distributed.Client`, which keep the rows.

    Parameters
    ----------
    client : Client
        A synchronous client.
    kept : set of str
        The keys of what is kept.
    """

    client: Any
    kept: set = field(default_factory=set)

    def persist(self, tasks: list[Delayed]) -> list[Delayed]:
        """Compute once and keep the results where they are."""
        persisted = self.client.persist(tasks)
        self.kept.update(task.key for task in persisted)
        return persisted

    def keep_rows(self, tasks: list[Delayed]) -> list[Delayed]:
        """The workers keep the rows, too."""
        return self.persist(tasks)

    def places(self, Xs: list[Delayed]) -> list:
        """What a task should be near to: the rows."""
        return Xs

    def compute(self, task: Delayed, cancellation: Cancellation | None = None) -> Any:
        """The result of a task; no longer wanted after a cancellation, or without a cluster."""
        from distributed import CancelledError

        patience, done = Patience(self.client), Event()
        future = None
        try:
            # The parameters of a large network are not what Dask warns of: they change each time.
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
                future = self.client.compute(task)
            # Not future.result(timeout): a timeout may hit the moment in which the result comes.
            future.add_done_callback(lambda _: done.set())
            while not done.wait(WAIT):
                if cancellation:
                    cancellation.check()
                patience.check()
            return future.result()
        except (CancelledError, OSError) as error:
            self._raise_cause(task.key)
            raise RuntimeError(f"The cluster is gone, or what it held: {error}") from error
        finally:
            if future is not None:
                future.release()  # what nobody wants is no longer computed

    def _raise_cause(self, key: str) -> None:
        """Raise the error of a task or of what was kept, which says more than its loss."""
        from distributed import Future

        for _ in range(10):
            for known in {key, *self.kept} & self.client.futures.keys():
                if self.client.futures[known].status == "error":
                    Future(known, self.client).result()
            sleep(WAIT)  # it may be on its way

    def to_task(self, cancellation: Cancellation) -> Cancellation | None:
        """A request to end does not reach the workers."""
        return None


class Patience:
    """Whether to go on waiting for a cluster."""

    def __init__(self, client: Any):
        self.client = client
        self.limit = dask.utils.parse_timedelta(
            dask.config.get("skbackprop.no-workers-timeout", NO_WORKERS_TIMEOUT)
        )
        self.last_look = self.last_seen = monotonic()

    def check(self) -> None:
        """Raise RuntimeError where there has been nobody to wait for."""
        if self.client.status in ("closing", "closed"):
            raise RuntimeError("The client of the cluster was closed.")
        now = monotonic()
        if now - self.last_look < 1.0:
            return
        self.last_look = now
        if self.client.scheduler_info().get("workers"):
            self.last_seen = now
        elif now - self.last_seen > self.limit:
            raise RuntimeError(f"The cluster has had no workers for {self.limit:g} seconds.")


def scheduler_of(client: Any, n_jobs: int | None) -> Threads | Cluster:
    """The given client, else the one that was started last, else threads."""
    if client is None:
        try:
            from distributed import default_client

            client = default_client()
        except (ImportError, ValueError):
            return Threads(resolve_n_jobs(n_jobs))
    if client.asynchronous:
        raise ValueError("DaskBackpropClassifier needs a client with asynchronous=False.")
    return Cluster(client)


# -- the rows of partitions --------------------------------------------------------------------


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


# -- collections as partitions -----------------------------------------------------------------


class Parts(NamedTuple):
    """The partitions of what a method is given, in order.

    Parameters
    ----------
    names : list of str
        What they are called in messages.
    Xs, ys, ws : list of Delayed
        Features, labels, and weights, which are None where none are given.
    floats : bool
        Whether the features are arrays of floats already.
    """

    names: list[str]
    Xs: list
    ys: list
    ws: list
    floats: bool

    @classmethod
    def of(cls, X, y, sample_weight, which: str = "") -> "Parts":
        """Partitions that belong together.

        Raises
        ------
        TypeError
            For what is no Dask collection.
        ValueError
            If the collections are not divided alike.
        """
        given = {"X": X, "y": y, "sample_weight": sample_weight}
        columns = {}
        for key, value in given.items():
            if key == "sample_weight" and value is None:
                continue
            if not is_dask_collection(value):
                raise TypeError(
                    f"{key}{which} must be a Dask array, DataFrame or Series; got "
                    f"{type(value).__name__}. For data in memory there is BackpropClassifier."
                )
            if isinstance(value, da.Array) and value.ndim == 2:
                value = value.rechunk({1: -1})
            if isinstance(value, da.Array) and key != "X" and _knows_rows(value, X):
                value = value.rechunk({0: X.chunks[0]})
            columns[key] = list(np.ravel(value.to_delayed()))
        numbers = {f"{key}{which}": len(parts) for key, parts in columns.items()}
        if len(set(numbers.values())) > 1:
            raise ValueError(f"Partitions do not belong together; their numbers are {numbers}.")
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
        """Those that are not empty, which the scheduler keeps if it can, and their facts."""
        n, to_floats = len(self.names), delayed(as_floats, pure=False)
        Xs = self.Xs if self.floats else [to_floats(X) for X in self.Xs]
        ws = [w for w in self.ws if w is not None]
        # In one go, so that what is read from the same file is read once.
        kept = scheduler.keep_rows([*Xs, *self.ys, *self.map(examine), *ws])
        found = scheduler.compute(delayed(list)(kept[2 * n : 3 * n]))
        chosen = [i for i, fact in enumerate(found) if fact]
        for i in chosen[1:]:
            _require_same_features(self.names[i], found[i].features, found[chosen[0]].features)
        columns = self.names, kept[:n], kept[n : 2 * n], kept[3 * n :] or self.ws
        names, Xs, ys, ws = ([column[i] for i in chosen] for column in columns)
        return Parts(names, Xs, ys, ws, True), [found[i] for i in chosen]

    def coded(
        self, labels: Labels, facts: list[Facts], scheduler: Threads | Cluster
    ) -> list[Partition]:
        """The partitions with their labels encoded, which are kept."""
        placed = self._replace(Xs=scheduler.places(self.Xs))
        kept = scheduler.persist(placed.map(code, labels))
        found = zip(self.Xs, kept, facts, strict=True)
        return [Partition(X, coded, fact.n_rows) for X, coded, fact in found]


def _knows_rows(value: da.Array, X) -> bool:
    known = isinstance(X, da.Array) and not np.isnan(X.shape[0] + value.shape[0])
    if known and X.shape[0] != value.shape[0]:
        raise ValueError(
            f"X and what belongs to it have inconsistent numbers of rows: {X.shape[0]} and "
            f"{value.shape[0]}."
        )
    return known


def _require_same_features(name: str, features: dict, expected: dict) -> None:
    for key, value in expected.items():
        here = features.get(key, "unknown")
        if not np.array_equal(here, value):
            raise ValueError(
                f"{name} has other features than the first one: {key} is {here}, there {value}."
            )


# -- the estimator -----------------------------------------------------------------------------


class DaskBackpropClassifier(BackpropClassifier):
    """`BackpropClassifier` for Dask arrays, DataFrames and Series.

    J is the same sum over rows and is minimised in the same way, by every solver over all rows.
    With a `distributed.Client` the workers keep the rows, add up their own and send back the
    sums; without one the partitions are read at each pass by threads of this process, so that
    they need not fit its memory.

    Predictions are lazy and divided like X. `X_val` and `y_val` of `fit` may be Dask collections
    or in memory. The mini-batches of "sgd" and "adam" pick single rows, which partitions do not
    allow, and there is no `partial_fit`.

    Parameters
    ----------
    hidden_layer_sizes, reg_lambda, init_epsilon, solver, activation, output_activation, loss, \
penalty, max_iter, tol, early_stopping, validation_fraction, n_iter_no_change, n_init, \
class_weight, warm_start : object
        As for `BackpropClassifier`.
    n_jobs : int or None, default=None
        Threads where there is no client.
    random_state, verbose : object
        As for `BackpropClassifier`.
    client : distributed.Client or None, default=None
        The cluster; None for the client that was started last, and for threads of this process
        where there is none. It is not pickled.

    See Also
    --------
    skbackprop.BackpropClassifier : What `to_local` gives, with the same fitted attributes.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_iris
    >>> from skbackprop.dask import DaskBackpropClassifier
    >>> X, y = (da.from_array(part, chunks=50) for part in load_iris(return_X_y=True))
    >>> clf = DaskBackpropClassifier(5, random_state=0).fit(X, y)
    >>> clf.predict(X).shape, clf.score(X, y) > 0.97
    ((150,), True)
    """

    @accepts_lambda
    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        reg_lambda: float = 1.0,
        init_epsilon: float | str = "auto",
        solver: str | Solver = "lbfgs",
        *,
        activation: str | Sequence[str] = "logistic",
        output_activation: str = "logistic",
        loss: str = "cross_entropy",
        penalty: str = "l2",
        max_iter: int = 1000,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        n_init: int = 1,
        class_weight: dict | str | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state=None,
        verbose: int = 0,
        client=None,
    ):
        super().__init__(
            hidden_layer_sizes,
            reg_lambda,
            init_epsilon,
            solver,
            activation=activation,
            output_activation=output_activation,
            loss=loss,
            penalty=penalty,
            max_iter=max_iter,
            tol=tol,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            n_init=n_init,
            class_weight=class_weight,
            warm_start=warm_start,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.client = client

    _parameter_constraints: dict = {
        **BackpropClassifier._parameter_constraints,
        "client": "no_validation",
    }

    # -- fitting ---------------------------------------------------------------------------

    def _sources(self, X, y, sample_weight, validation: tuple, rng: np.random.RandomState):
        scheduler = scheduler_of(self.client, self.n_jobs)
        parts, facts = Parts.of(X, y, sample_weight).examined(scheduler)
        if not facts:
            raise ValueError("X has no rows: all partitions are empty.")
        examples = self._examples_of(facts)
        labels = examples.labels
        partitions = parts.coded(labels, facts, scheduler)
        X_val, y_val, sample_weight_val = validation
        held_out: list[Partition] = []
        held_in_memory = None
        if is_dask_collection(X_val):
            parts, facts_val = Parts.of(X_val, y_val, sample_weight_val, "_val").examined(
                scheduler
            )
            for name, fact in zip(parts.names, facts_val, strict=True):
                _require_same_features(name, fact.features, facts[0].features)
            held_out = parts.coded(labels, facts_val, scheduler)
        else:
            held_in_memory = validation_examples(examples, *validation)
        if self.early_stopping and not held_out and held_in_memory is None:
            partitions, held_out = self._set_aside(labels, partitions, scheduler, rng)
        dtype = np.result_type(*(fact.dtype for fact in facts))
        weighted = sample_weight is not None or self.class_weight is not None
        source = partial(self._rows, labels, scheduler, dtype, weighted)
        training = source(partitions, "training")
        if held_in_memory is not None:
            block = weigh_classes(held_in_memory, training.factors, "validation")
            return examples, training, ArrayRows.of(block, resolve_n_jobs(self.n_jobs))
        if not held_out:
            return examples, training, None
        return examples, training, source(held_out, "validation", training.factors)

    def _examples_of(self, facts: list[Facts]) -> Examples:
        """What a fit knows of its examples, without the rows."""
        seen = copy(self)
        others = {k: v for k, v in vars(self).items() if k not in FEATURE_ATTRIBUTES}
        seen.__dict__ = others | facts[0].features
        found = [fact.labels for fact in facts]
        # A multilabel target is known by some rows; else each label comes several times, because
        # labels that are all different would be taken for numbers.
        y = found[0] if found[0].ndim == 2 else np.tile(np.concatenate(found), 3)
        labels = Labels.of(y, self.output_activation == "softmax")
        return Examples(
            seen, labels, network_of(self, seen.n_features_in_, labels), RowBlock(None)
        )

    def _set_aside(
        self,
        labels: Labels,
        partitions: list[Partition],
        scheduler: Threads | Cluster,
        rng: np.random.RandomState,
    ) -> tuple[list[Partition], list[Partition]]:
        """Partitions of row numbers: of the rows that stay, and of those set aside."""
        counted = _totals(labels, partitions, scheduler, weigh=False)
        quota = quotas(counted, self.validation_fraction)
        task = delayed(pick, pure=False, nout=2)
        seeds = rng.randint(np.iinfo(np.int32).max, size=len(partitions))
        shared = as_task(labels)
        chosen = scheduler.persist(
            [
                task(shared, partition.coded, n_aside, seed)
                for partition, n_aside, seed in zip(partitions, quota, seeds, strict=True)
            ]
        )
        parts: tuple[list[Partition], list[Partition]] = [], []
        for partition, numbers, n_aside in zip(partitions, chosen, quota.sum(axis=1), strict=True):
            sizes = partition.n_rows - n_aside, n_aside
            for part, rows, size in zip(parts, (numbers[0], numbers[1]), sizes, strict=True):
                if size:
                    part.append(partition._replace(n_rows=int(size), picked=rows))
        return parts

    def _rows(
        self,
        labels: Labels,
        scheduler: Threads | Cluster,
        dtype: np.dtype,
        weighted: bool,
        partitions: list[Partition],
        name: str,
        factors: NDArray | None = None,
    ) -> PartitionedRows:
        """A source of rows, with the factors of their classes, which training rows decide."""
        weights = _totals(labels, partitions, scheduler, weigh=True)
        check_weights(weights.sum(axis=1), len(partitions), f"sample_weight of the {name} rows")
        # All examples of a class as one, which weighs as much.
        classes = RowBlock(weights, np.arange(weights.shape[1]), weights.sum(axis=0))
        if name == "training":
            factors = class_factors(self.class_weight, labels, classes)
        weight = np.sum(np.asarray(weigh_classes(classes, factors, name).sample_weight))
        n_rows = sum(partition.n_rows for partition in partitions)
        return PartitionedRows(
            tuple(partitions), scheduler, float(weight / n_rows), dtype, factors, weighted
        )

    @property
    def partial_fit(self):
        """There is none."""
        raise AttributeError(
            "DaskBackpropClassifier has no partial_fit: its solvers look at all rows. Use "
            "partial_fit of BackpropClassifier on one partition after the other."
        )

    # -- what a fit has found --------------------------------------------------------------

    def to_local(self) -> BackpropClassifier:
        """A `BackpropClassifier` with the same parameters and fitted attributes.

        Returns
        -------
        clf : BackpropClassifier
        """
        own = self.get_params(deep=False)
        local = BackpropClassifier(**{k: v for k, v in own.items() if k != "client"})
        fitted = {key: value for key, value in vars(self).items() if key not in own}
        local.__dict__ = vars(local) | fitted
        return local

    def __getstate__(self):
        """A client is a connection of this process."""
        return {**super().__getstate__(), "client": None}

    def __sklearn_clone__(self):
        without_client = copy(self)
        clone = super(DaskBackpropClassifier, without_client).__sklearn_clone__()
        clone.client = self.client
        return clone

    # -- prediction ------------------------------------------------------------------------

    def _outputs(self, X, finish: Callable[[Labels, NDArray], NDArray]):
        if not is_dask_collection(X):
            return super()._outputs(X, finish)
        check_is_fitted(self)
        if isinstance(X, da.Array):
            dtype = np.float32 if X.dtype == np.float32 else np.float64
        else:
            dtype = as_floats(X._meta).dtype
        none = finish(self._labels, np.empty((0, self.network_.n_outputs), dtype=dtype))
        model = self.to_local().set_params(n_jobs=1)
        if not isinstance(X, da.Array):
            return X.map_partitions(_outputs_of, model, finish, none, meta=none)
        return X.rechunk({1: -1}).map_blocks(
            _outputs_of,
            as_task(model),
            finish,
            none,
            dtype=none.dtype,
            meta=none,
            chunks=(X.chunks[0], *((n,) for n in none.shape[1:])),
            drop_axis=[] if none.ndim == 2 else 1,
        )

    def score(self, X, y, sample_weight=None) -> float:
        """The accuracy.

        Parameters
        ----------
        X : Dask array or DataFrame of shape (m, n)
            Examples as rows.
        y : Dask array, DataFrame or Series
            Their labels.
        sample_weight : Dask array or Series of shape (m,), optional
            Their weights.

        Returns
        -------
        score : float
            The weight of the rows with the right label (all right labels, of a multilabel
            target), as a part of the weight of all.
        """
        if not is_dask_collection(X):
            return super().score(X, y, sample_weight)
        check_is_fitted(self)
        model = self.to_local().set_params(n_jobs=1)
        counted = Parts.of(X, y, sample_weight).map(_n_right, model)
        found = scheduler_of(self.client, self.n_jobs).compute(delayed(list)(counted))
        right, weight = np.sum(found, axis=0)
        return float(right / weight)


def _totals(
    labels: Labels, partitions: list[Partition], scheduler: Threads | Cluster, weigh: bool
) -> NDArray:
    """The number or the weight of the rows of each class in each partition."""
    task, shared = delayed(totals, pure=False), as_task(labels)
    tasks = [task(shared, part.coded, part.picked, weigh) for part in partitions]
    return np.array(scheduler.compute(delayed(list)(tasks)), dtype=np.float64)


def _outputs_of(X, model: BackpropClassifier, finish: Callable, none: NDArray) -> NDArray:
    return model._outputs(X, finish) if X.shape[0] else none


def _n_right(name: str, X, y, sample_weight, model: BackpropClassifier) -> tuple[float, float]:
    """The weight of the rows with the right label, and that of all."""
    n = X.shape[0]
    if not n:
        return 0.0, 0.0
    weight = n if sample_weight is None else np.sum(sample_weight)
    right = accuracy_score(y, model.predict(X), normalize=False, sample_weight=sample_weight)
    return float(right), float(weight)
