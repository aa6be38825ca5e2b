"""`DaskBackpropClassifier`: the estimator for Dask collections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from operator import getitem
from typing import Any, Literal, TypeVar

import dask.array as da
import numpy as np
from dask import is_dask_collection
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from skbackprop.activations import ActivationName
from skbackprop.classifier import BackpropClassifier
from skbackprop.dask.collections import Parts, require_same_features
from skbackprop.dask.rows import Partition, PartitionedRows
from skbackprop.dask.schedulers import Cluster, Threads, as_task, scheduler_of
from skbackprop.fitted import FEATURE_ATTRIBUTES
from skbackprop.interrupts import Cancellation, shielded
from skbackprop.labels import Labels
from skbackprop.losses import LossName, OutputName
from skbackprop.parameter_names import accepts_lambda
from skbackprop.partitions import Facts, as_floats, pick, quotas, totals
from skbackprop.penalties import PenaltyName
from skbackprop.preparation import (
    Examples,
    class_factors,
    network_of,
    validation_examples,
    weigh_classes,
)
from skbackprop.rows import ArrayRows, RowBlock, check_weights
from skbackprop.solvers import Solver, SolverName
from skbackprop.threads import resolve_n_jobs

T = TypeVar("T")


class DaskBackpropClassifier(BackpropClassifier):
    """`BackpropClassifier` for Dask arrays, DataFrames and Series.

    J is the same sum over rows and is minimised in the same way, by every solver but "sgd" and
    "adam". With a `distributed.Client` the workers keep the rows, compute their sums and return
    them. Without a client, threads of this process read the partitions in each pass, so that the
    rows need not fit into memory.

    Predictions are lazy, with the partitions of X. `X_val` and `y_val` of `fit` may be Dask
    collections or in memory. "sgd" and "adam" are not available, because their mini-batches need
    single rows, nor is `partial_fit`.

    Parameters
    ----------
    hidden_layer_sizes, reg_lambda, init_epsilon, solver, activation, output_activation, loss, \
penalty, max_iter, tol, early_stopping, validation_fraction, n_iter_no_change, n_init, \
class_weight, warm_start : object
        As for `BackpropClassifier`.
    n_jobs : int or None, default=None
        Number of threads if there is no client.
    random_state, verbose : object
        As for `BackpropClassifier`.
    client : distributed.Client or None, default=None
        The client of the cluster; None uses the client that was started last or, without a client,
        threads of this process. It is not pickled.

    See Also
    --------
    skbackprop.BackpropClassifier : Has the same fitted attributes; `to_local` returns one.

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
        init_epsilon: float | Literal["auto"] = "auto",
        solver: SolverName | Solver = "lbfgs",
        *,
        activation: ActivationName | Sequence[ActivationName] = "logistic",
        output_activation: OutputName = "logistic",
        loss: LossName = "cross_entropy",
        penalty: PenaltyName = "l2",
        max_iter: int = 1000,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        n_init: int = 1,
        class_weight: dict | Literal["balanced"] | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
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
        def examine(scheduler: Threads | Cluster):
            return self._examined(X, y, sample_weight, validation, rng, scheduler)

        return self._scheduled(examine)

    def _scheduled(self, work: Callable[[Threads | Cluster], T]) -> T:
        """The result of ``work(scheduler)``, which Ctrl-C ends between two tasks."""

        def run(cancellation: Cancellation) -> T:
            with scheduler_of(self.client, self.n_jobs).running(cancellation) as scheduler:
                return work(scheduler)

        return shielded(run)

    def _examined(
        self,
        X,
        y,
        sample_weight,
        validation: tuple,
        rng: np.random.RandomState,
        scheduler: Threads | Cluster,
    ) -> tuple[Examples, PartitionedRows, PartitionedRows | ArrayRows | None]:
        """What `_sources` returns."""
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
                require_same_features(name, fact.features, facts[0].features)
            held_out = parts.coded(labels, facts_val, scheduler)
        else:
            held_in_memory = validation_examples(examples, *validation)
        if self.early_stopping and not held_out and held_in_memory is None:
            partitions, held_out = self._set_aside(labels, partitions, scheduler, rng)
        dtype = np.result_type(*(fact.dtype for fact in facts))
        weighted = sample_weight is not None or self.class_weight is not None
        source = partial(self._rows, examples, scheduler, dtype, weighted)
        training = source(partitions, "training")
        if held_in_memory is not None:
            block = weigh_classes(held_in_memory, training.factors, "validation")
            return examples, training, ArrayRows.of(block, resolve_n_jobs(self.n_jobs))
        if not held_out:
            return examples, training, None
        return examples, training, source(held_out, "validation", training.factors)

    def _examples_of(self, facts: list[Facts]) -> Examples:
        """The labels, features and network of a fit, without the rows."""
        seen = copy(self)
        others = {k: v for k, v in vars(self).items() if k not in FEATURE_ATTRIBUTES}
        seen.__dict__ = others | facts[0].features
        found = [fact.labels for fact in facts]
        # Of a multilabel target, some rows are enough. Otherwise the labels are repeated, because
        # labels that are all different would not be recognised as classes.
        y = found[0] if found[0].ndim == 2 else np.tile(np.concatenate(found), 3)
        labels = Labels.of(y, self.output_activation == "softmax")
        network = network_of(self, seen.n_features_in_, labels)
        return Examples(seen, labels, network, RowBlock(None))

    def _set_aside(
        self,
        labels: Labels,
        partitions: list[Partition],
        scheduler: Threads | Cluster,
        rng: np.random.RandomState,
    ) -> tuple[list[Partition], list[Partition]]:
        """Partitions of the rows for training, and of those set aside."""
        counted = _totals(labels, partitions, scheduler, weigh=False)
        quota = quotas(counted, self.validation_fraction)
        seeds = rng.randint(np.iinfo(np.int32).max, size=len(partitions))
        shared = scheduler.share(labels, len(partitions))
        chosen: list = []
        for partition, n_aside, seed in zip(partitions, quota, seeds, strict=True):
            both = scheduler.task(pick, shared, partition.coded, n_aside, seed, near=partition.X)
            chosen += (scheduler.task(getitem, both, i, near=partition.X) for i in (0, 1))
        chosen = scheduler.persist(chosen)
        parts: tuple[list[Partition], list[Partition]] = [], []
        numbers = zip(chosen[::2], chosen[1::2], strict=True)
        for partition, both, n_aside in zip(partitions, numbers, quota.sum(axis=1), strict=True):
            sizes = partition.n_rows - n_aside, n_aside
            for part, rows, size in zip(parts, both, sizes, strict=True):
                if size:
                    part.append(partition._replace(n_rows=int(size), picked=rows))
        return parts

    def _rows(
        self,
        examples: Examples,
        scheduler: Threads | Cluster,
        dtype: np.dtype,
        weighted: bool,
        partitions: list[Partition],
        name: str,
        factors: NDArray | None = None,
    ) -> PartitionedRows:
        """A source of rows, weighted by class; the training rows determine the factors."""
        labels = examples.labels
        weights = _totals(labels, partitions, scheduler, weigh=True)
        check_weights(weights.sum(axis=1), len(partitions), f"sample_weight of the {name} rows")
        # One example for each class, with the weight of all its examples.
        classes = RowBlock(weights, np.arange(weights.shape[1]), weights.sum(axis=0))
        if name == "training":
            factors = class_factors(self.class_weight, labels, classes)
        weight = np.sum(np.asarray(weigh_classes(classes, factors, name).sample_weight))
        n_rows = sum(partition.n_rows for partition in partitions)
        mean_weight = float(weight / n_rows)
        return PartitionedRows(
            tuple(partitions),
            scheduler.idle(),
            mean_weight,
            dtype,
            examples.network.layer_sizes[0],
            resolve_n_jobs(self.n_jobs),
            factors,
            weighted,
        )

    def _no_partial_fit(self):
        """Not available."""
        raise AttributeError(
            "DaskBackpropClassifier has no partial_fit, because its solvers need all rows. Use "
            "partial_fit of BackpropClassifier on one partition after the other."
        )

    partial_fit: Any = property(_no_partial_fit)

    # -- fitted attributes -----------------------------------------------------------------

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
        """The state without the client, which is a connection of this process."""
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
            The weight of the correctly predicted rows (for a multilabel target, rows whose labels
            are all correct), divided by the weight of all rows.
        """
        if not is_dask_collection(X):
            return super().score(X, y, sample_weight)
        check_is_fitted(self)
        model = self.to_local().set_params(n_jobs=1)

        def count(scheduler: Threads | Cluster) -> list[tuple[float, float]]:
            return scheduler.compute(Parts.of(X, y, sample_weight).map(_n_right, model))

        right, weight = np.sum(self._scheduled(count), axis=0)
        return float(right / weight)


def _totals(
    labels: Labels, partitions: list[Partition], scheduler: Threads | Cluster, weigh: bool
) -> NDArray:
    """The number or the weight of the rows of each class in each partition."""
    shared = scheduler.share(labels, len(partitions))
    tasks = [
        scheduler.task(totals, shared, part.coded, part.picked, weigh, near=part.X)
        for part in partitions
    ]
    return np.array(scheduler.compute(tasks), dtype=np.float64)


def _outputs_of(X, model: BackpropClassifier, finish: Callable, none: NDArray) -> NDArray:
    return model._outputs(X, finish) if X.shape[0] else none


def _n_right(name: str, X, y, sample_weight, model: BackpropClassifier) -> tuple[float, float]:
    """The weight of the correctly predicted rows, and of all rows."""
    n = X.shape[0]
    if not n:
        return 0.0, 0.0
    weight = n if sample_weight is None else np.sum(sample_weight)
    right = accuracy_score(y, model.predict(X), normalize=False, sample_weight=sample_weight)
    return float(right), float(weight)
