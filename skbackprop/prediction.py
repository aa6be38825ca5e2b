"""Outputs of a network for given rows, and cost and accuracy on validation rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skbackprop.interrupts import Cancellation
from skbackprop.labels import Labels
from skbackprop.monitoring import Validation
from skbackprop.network import Network
from skbackprop.objective import one_hot
from skbackprop.rows import ArrayRows, RowBlock, row_by_row
from skbackprop.threads import resolve_n_jobs
from skbackprop.workspace import Workspace

# Up to this many float32 rows, converting them to float64 is faster than Theta to float32.
FEW_ROWS = 16


class Outputs(NamedTuple):
    """The result of `finish` for the logits of a block of rows."""

    network: Network
    thetas: list[NDArray]
    finish: Callable[[NDArray], NDArray]

    def __call__(self, block: RowBlock, workspace: Workspace | None = None) -> NDArray:
        out = workspace.first(block.X.shape[0]).layers if workspace else None
        return self.finish(self.network.propagate(self.thetas, block.X, out=out).logits)


def outputs(
    network: Network,
    thetas: list[NDArray],
    X,
    finish: Callable[[NDArray], NDArray],
    n_jobs: int | None = None,
) -> NDArray:
    """Apply `finish` to the logits of all rows, block by block.

    Parameters
    ----------
    network : Network
        The network.
    thetas : list of ndarrays
        Theta^(l), float64.
    X : {ndarray, CSR} of shape (m, n)
        Examples as rows, float32 or float64.
    finish : callable
        ``finish(Z)`` returns an array with one row for each row of the logits Z^(L), which
        have the precision of X.
    n_jobs : int, optional
        Number of threads over row blocks, see `resolve_n_jobs`.

    Returns
    -------
    finished : ndarray of shape (m, ...)
    """
    # Weights and sums may overflow, in float32 long before float64: the latter decides then.
    overflows: list[bool] = []

    def finish_finite(Z: NDArray) -> NDArray:
        if not np.isfinite(Z).all():
            overflows.append(True)
        return finish(Z)

    with np.errstate(over="ignore", invalid="ignore"):
        if X.shape[0] <= FEW_ROWS:
            few = row_by_row(X.astype(np.float64, copy=False))
            Z = network.propagate(thetas, few).logits
            finished = np.ascontiguousarray(finish_finite(Z.astype(X.dtype, copy=False)))
            return finish(Z).astype(finished.dtype) if overflows else finished
        none = finish(np.empty((0, network.n_outputs), dtype=X.dtype))
        finished = np.empty((X.shape[0], *none.shape[1:]), dtype=none.dtype)
        rows = ArrayRows.of(RowBlock(X))
        if rows.is_large(network):
            rows = rows.on_threads(resolve_n_jobs(n_jobs))
        cast = [Theta.astype(X.dtype, copy=False) for Theta in thetas]
        rows.fill(Outputs(network, cast, finish_finite), finished)
        if overflows and X.dtype != np.float64:
            rows.astype(np.float64).fill(Outputs(network, thetas, finish), finished)
    return finished


class Scores(NamedTuple):
    """Sums over some validation examples; sums over disjoint sets of examples can be added.

    Parameters
    ----------
    weight : float
        The number of examples, or the sum of their weights.
    cost : float
        The sum of their (weighted) costs, without penalty.
    n_correct : float
        The number, or the sum of the weights, of the correctly predicted examples.
    """

    weight: float
    cost: float
    n_correct: float

    def copy(self) -> "Scores":
        """Self, which is immutable."""
        return self

    def add_(self, other: "Scores") -> "Scores":
        """The sums over both sets of examples."""
        return Scores(*(a + b for a, b in zip(self, other, strict=True)))


class Score(NamedTuple):
    """`Scores` of a block of validation examples at a fixed theta."""

    network: Network
    labels: Labels
    theta: NDArray

    def __call__(self, block: RowBlock, workspace: Workspace | None = None) -> Scores:
        X, y, sample_weight = block
        network = self.network
        out = workspace.first(X.shape[0]).layers if workspace else None
        thetas = network.reshape(self.theta.astype(X.dtype, copy=False))
        Z = network.propagate(thetas, X, out=out).logits
        correct = self.labels.indices(Z) == y
        correct = correct.all(axis=1) if correct.ndim == 2 else correct
        costs = network.loss_record.cost_and_delta(Z, one_hot(y, network.n_outputs, Z.dtype))
        weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        return Scores(float(weights.sum()), float(costs @ weights), float(correct @ weights))


@dataclass(frozen=True)
class Validator:
    """Cost and accuracy on validation rows, as a function of theta.

    Parameters
    ----------
    network : Network
        The network.
    labels : Labels
        The meaning of its outputs.
    rows : ArrayRows
        The validation examples.
    """

    network: Network
    labels: Labels
    rows: ArrayRows

    @contextmanager
    def running(self, cancellation: Cancellation) -> Iterator["Validator"]:
        """Context manager for several evaluations that share threads and buffers."""
        with self.rows.running(cancellation) as rows:
            yield replace(self, rows=rows)

    def __call__(self, theta: NDArray) -> Validation:
        """Mean cost without penalty, and accuracy, at a theta."""
        sums = self.rows.add_up(Score(self.network, self.labels, theta))
        cost = sums.cost / sums.weight
        # A cost that overflows is higher than any other: NaN would compare as neither.
        return Validation(np.inf if np.isnan(cost) else cost, sums.n_correct / sums.weight)
