"""Estimates of J and its gradient from mini-batches, and steps from them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skbackprop.blas import add_multiple
from skbackprop.objective import Objective, one_hot, weighted_cost_and_delta
from skbackprop.penalties import PenaltyTerm
from skbackprop.products import multiply, multiply_transposed, sum_of_rows
from skbackprop.solvers.layout import Layout
from skbackprop.solvers.loader import Batch, Loader
from skbackprop.solvers.steps import StepRule
from skbackprop.workspace import Workspace

# Number of entries that stay in a core's cache during all operations of a step.
CACHED = 2**16
# Number of such parts from which threads save more time than they cost.
PARTS_FOR_THREADS = 8
# Number of batches above which threads for the products and a rearranged theta repay starting and
# converting them.
MANY_BATCHES = 8


class Batches:
    """Estimates of J and its gradient from mini-batches, between which theta changes.

    The mean cost is estimated by the costs of the batch, divided by its number of rows times the
    mean weight of all rows. The penalty keeps the factor lambda/m with the full m. At a fixed
    theta, the mean of the estimates over batches of equal size that make up all rows is J.

    The arithmetic is in the precision of the rows; all batches use the same arrays. A large batch
    is divided by features (`Layout`). A task computes the gradient of the weights of its
    features, changes them by a step, and computes their part of the next batch's Z^(2). Meanwhile
    another task copies the rows of the batch after that. Threads then wait for each other once
    per batch. The result is bitwise identical for any number of threads.

    Parameters
    ----------
    objective : Objective
        J.
    theta : ndarray of shape (n_parameters,)
        The initial parameters; they are copied.
    batch_size : int
        The maximum number of rows in a batch.

    Attributes
    ----------
    layout : Layout
        The order of the entries of `theta`.
    theta : ndarray of shape (n_parameters,)
        The parameters at which the next batch is evaluated.
    """

    # Set by `each`: the batch, and whether the sums of its Z^(2) are known already.
    _batch: Batch
    _propagated: bool

    def __init__(self, objective: Objective, theta: NDArray, batch_size: int):
        network, rows = objective.network, objective.rows
        batch_rows = min(batch_size, rows.n_rows)
        self.network, self.n_rows = network, rows.n_rows
        # A source of rows must have `block`; what else saves a batch time is optional.
        sparse, workers = getattr(rows, "sparse", False), getattr(rows, "workers", None)
        many = are_many(rows.n_rows, batch_size)
        self.layout = layout = Layout.of(network, batch_rows, sparse=sparse, many=many)
        self.theta = layout.stored(theta, rows.dtype)
        self._workspace = Workspace.of(network, batch_rows, rows.dtype)
        self._gradient = self._workspace.gradient
        self._views, self._gradients = layout.views(self.theta), layout.views(self._gradient)
        penalised = layout.stored(objective.penalty.penalised, bool)
        penalty = replace(objective.penalty, penalised=penalised)
        *parts, self._other_parts = (_parts(entries, penalty) for entries in layout.entries)
        Z = self._workspace.layers[0]
        # Not Z itself if there are several: they may hold sums of the next batch.
        sums = [Z] if layout.n_ranges == 1 else [np.empty_like(Z) for _ in parts]
        self._ranges = [
            _Range(*of_range)
            for of_range in zip(
                self._views.weights, self._gradients.weights, sums, parts, strict=True
            )
        ]
        divided = layout.n_ranges > 1 or is_large(network.n_parameters)
        self._map: Callable = workers.map if divided and workers else map
        in_threads = layout.n_ranges > 1 and bool(workers) and getattr(rows, "n_threads", 1) > 1
        self._loader = Loader(rows, layout.features, batch_rows, ahead=in_threads)
        self._Y = np.empty((batch_rows, network.n_outputs), dtype=rows.dtype, order="F")
        self._factors = np.empty(batch_rows, dtype=rows.dtype)
        self._total = np.empty_like(self.theta)
        self._cost, self._n_added = 0.0, 0

    def each(self, selections: Iterable[slice | NDArray]) -> Iterator[int]:
        """Take one batch after the other; each must be evaluated once, and a step made.

        Parameters
        ----------
        selections : iterable of slices or arrays of int
            The rows of each batch.

        Yields
        ------
        n_rows : int
            The number of rows of the batch that `evaluate` and `step` use until the next.
        """
        self._propagated = False
        for batch in self._loader.each(selections):
            self._batch = batch
            yield batch.n_rows

    def evaluate(self, dropout: list[NDArray] | None = None) -> None:
        """Forward and back propagation of the batch, down to delta^(2).

        Parameters
        ----------
        dropout : list of ndarrays of shape (rows, s_l), optional
            Masks for the hidden layers, see `block_sums`.
        """
        n_rows, X, y, weights = self._batch
        if not self._propagated:
            pairs = zip(self._ranges, X, strict=True)
            _run(self._map, [partial(of_range.propagate, part) for of_range, part in pairs])
        workspace = self._workspace.first(n_rows)
        if len(self._ranges) > 1:
            first, second, *more = (of_range.Z[:n_rows] for of_range in self._ranges)
            Z = np.add(first, second, out=workspace.layers[0])
            for part in more:
                Z += part
        workspace.layers[0] += self._views.biases
        propagation = self.network.propagate_above(
            self._views.above, out=workspace.layers, dropout=dropout
        )
        delta = propagation.logits
        Y = one_hot(y, self.network.n_outputs, self.theta.dtype, out=self._Y[:n_rows])
        # As in `Objective.batch`, not divided by the sum of the batch's weights.
        factors = self._factors[:n_rows]
        factors[:] = 1.0 if weights is None else weights
        factors /= n_rows
        cost = weighted_cost_and_delta(self.network, delta, Y, factors)
        self._delta, *_ = self.network.back_propagate_above(
            self._views.above,
            propagation,
            delta,
            out=self._gradients.above,
            deltas=workspace.deltas,
            dropout=dropout,
        )
        self._gradients.biases[:] = sum_of_rows(self._delta)
        self._cost += n_rows * cost
        self._n_added += n_rows

    def step(self, rule: StepRule, rate: float) -> None:
        """Change theta by a step from the batch evaluated last.

        Parameters
        ----------
        rule : StepRule
            How the gradient becomes a step.
        rate : float
            The learning rate.
        """
        rule.begin(self.theta)
        X, following = self._batch.X, self._loader.following
        move = partial(self._move, rule, rate)

        def change(k: int) -> None:
            """A step of the weights of a range, and then the beginning of the next batch."""
            of_range = self._ranges[k]
            of_range.back_propagate(X[k], self._delta)
            for part in of_range.parts:
                move(part)
            if following is not None:
                of_range.propagate(following.X[k])

        tasks: list[Callable] = [partial(move, part) for part in self._other_parts]
        if len(self._ranges) > 1:
            tasks += [partial(change, k) for k in range(len(self._ranges))]
            if self._loader.n_ahead:
                tasks.append(self._loader.load)
        else:
            (whole,) = self._ranges
            whole.back_propagate(X[0], self._delta)
            tasks += [partial(move, part) for part in whole.parts]
        _run(self._map, tasks)
        self._propagated = following is not None

    def _move(self, rule: StepRule, rate: float, part: "_Part") -> None:
        """Add a part of the gradient to the total, and make a step of this part of theta."""
        entries, penalty = part
        theta, gradient = self.theta[entries], self._gradient[entries]
        total, n_rows = self._total[entries], self._batch.n_rows
        if self._n_added == n_rows:  # the first batch
            np.multiply(gradient, n_rows, out=total)
        else:
            add_multiple(total, n_rows, gradient)
        penalty.add_gradient(theta, gradient)
        rule.move(entries, theta, gradient, rate, penalty.proximal_step)

    def unrolled(self) -> NDArray:
        """A copy of theta, as float64 in the order of `Network.unroll`."""
        return self.layout.unrolled(self.theta)

    def mean(self) -> tuple[float, float]:
        """The mean of the estimates of J and its gradient since the last call.

        Estimates are weighted by their numbers of rows. Each was computed at the theta of its
        batch, so the mean over a pass is close to J and its gradient if theta has hardly changed.
        The penalty is that of the current theta.

        Returns
        -------
        loss : float
            The mean J.
        gradient_max : float
            The largest absolute entry of the mean gradient.
        """
        parts = [part for of_range in self._ranges for part in of_range.parts]
        found = self._map(self._mean_of, parts + self._other_parts)
        penalties, largest = zip(*found, strict=True)
        loss = self._cost / self._n_added + sum(penalties)
        self._cost, self._n_added = 0.0, 0
        return float(loss), float(np.max(largest))

    def _mean_of(self, part: "_Part") -> tuple[float, float]:
        """The penalty of a part of theta, and the largest absolute entry of its mean gradient."""
        entries, penalty = part
        theta, gradient = self.theta[entries], self._total[entries]
        gradient /= self._n_added
        penalty.add_gradient(theta, gradient)
        _, gradient = penalty.add_kink(theta, 0.0, gradient)
        # In float64, as J: squares of float32 entries may overflow.
        value = penalty.add_value(theta.astype(np.float64, copy=False), 0.0)
        return value, max(gradient.max(), -gradient.min())


def are_many(n_rows: int, batch_size: int) -> bool:
    """Whether threads may share the products of so many batches."""
    return n_rows > MANY_BATCHES * batch_size


def is_large(n_parameters: int) -> bool:
    """Whether threads may share a step of so many parameters."""
    return n_parameters > (PARTS_FOR_THREADS - 1) * CACHED


class _Part(NamedTuple):
    """Some entries of theta that are changed together, and their penalty."""

    entries: slice
    penalty: PenaltyTerm


@dataclass(frozen=True)
class _Range:
    """The weights of a range of features, which one thread at a time works on.

    Parameters
    ----------
    weights, gradient : ndarrays of shape (s_2, n_k)
        Their columns of Theta^(1), and of its gradient.
    Z : ndarray of shape (rows, s_2)
        Their part of the sums in Z^(2).
    parts : list of _Part
        The entries of theta that hold the weights.
    """

    weights: NDArray
    gradient: NDArray
    Z: NDArray
    parts: list[_Part]

    def propagate(self, X) -> None:
        """Write the products of the features with the weights to Z."""
        multiply(X, self.weights.T, out=self.Z[: X.shape[0]])

    def back_propagate(self, X, delta: NDArray) -> None:
        """Write the products of delta^(2) with the features to the gradient."""
        multiply_transposed(delta, X, out=self.gradient)


def _parts(entries: slice, penalty: PenaltyTerm) -> list[_Part]:
    """Entries in parts that stay in a core's cache."""
    starts = range(entries.start, entries.stop, CACHED)
    slices = [slice(start, min(start + CACHED, entries.stop)) for start in starts]
    return [_Part(part, penalty.part(part)) for part in slices]


def _run(map_: Callable, tasks: Iterable[Callable[[], None]]) -> None:
    """Run tasks that do not depend on each other."""
    for _ in map_(lambda task: task(), tasks):
        pass
