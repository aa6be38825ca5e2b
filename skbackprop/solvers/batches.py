"""Estimates of J and its gradient from mini-batches, and steps from them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skbackprop.blas import add_multiple
from skbackprop.network import Network
from skbackprop.objective import Objective, cost_and_gradients, one_hot
from skbackprop.penalties import PenaltyTerm
from skbackprop.solvers.steps import StepRule
from skbackprop.workspace import Workspace

# Number of entries that stay in a core's cache during all operations of a step.
CACHED = 2**16
# Number of such parts from which threads save more time than they cost.
PARTS_FOR_THREADS = 8
# Number of sparse batches from which Theta^(l) stored column by column saves more time than the
# conversions at the beginning and the end cost.
BATCHES_FOR_COLUMNS = 8


class Batches:
    """Estimates of J and its gradient from mini-batches, between which theta changes.

    The mean cost is estimated by the costs of the batch, divided by its number of rows times the
    mean weight of all rows. The penalty keeps the factor lambda/m with the full m. At a fixed
    theta, the mean of the estimates over batches of equal size that make up all rows is J.

    The arithmetic is in the precision of the rows; all batches use the same arrays. For many
    batches of sparse rows each Theta^(l) is stored column by column: the weights of a feature are
    then adjacent, and products with a few entries per row need no transpose.

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
    theta : ndarray of shape (n_parameters,)
        The parameters at which the next batch is evaluated. The solver changes them in place.
        `unrolled` returns them in the order of `Network.unroll`.
    order : {"C", "F"}
        The order in which each Theta^(l) is stored.
    """

    def __init__(self, objective: Objective, theta: NDArray, batch_size: int):
        network, rows = objective.network, objective.rows
        n_rows = min(batch_size, rows.n_rows)
        self.network, self.rows = network, rows
        self.n_rows, self.hidden_units = rows.n_rows, objective.hidden_units
        # A source of rows must have `block`; what else saves a batch time is optional.
        sparse, workers = getattr(rows, "sparse", False), getattr(rows, "workers", None)
        many = rows.n_rows > BATCHES_FOR_COLUMNS * batch_size
        self.order: Literal["C", "F"] = "F" if sparse and many else "C"
        self.theta = reordered(network, theta.astype(rows.dtype), "C", self.order)
        self._unrolled_penalty = objective.penalty
        penalised = reordered(network, objective.penalty.penalised, "C", self.order)
        penalty = replace(objective.penalty, penalised=penalised)
        parts = [slice(i, i + CACHED) for i in range(0, len(self.theta), CACHED)]
        self._parts = [(part, penalty.part(part)) for part in parts]
        self._map: Callable = map
        self._n_lanes = 1
        if len(parts) >= PARTS_FOR_THREADS and workers is not None:
            self._map, self._n_lanes = workers.map, rows.n_threads
        self._X = rows.room(n_rows) if hasattr(rows, "room") else None
        self._Y = np.empty((n_rows, network.n_outputs), dtype=rows.dtype, order="F")
        self._factors = np.empty(n_rows, dtype=rows.dtype)
        self._workspace = Workspace.of(network, n_rows, rows.dtype)
        self._thetas = network.reshape(self.theta, self.order)
        self._gradients = network.reshape(self._workspace.gradient, self.order)
        self._total = np.zeros_like(self.theta)
        self._cost, self._n_added = 0.0, 0

    def evaluate(self, rows: slice | NDArray, dropout: list[NDArray] | None = None) -> None:
        """Forward and back propagation of a batch.

        Parameters
        ----------
        rows : slice or array of int
            The rows of the batch.
        dropout : list of ndarrays of shape (rows, s_l), optional
            Masks for the hidden layers, see `block_sums`.
        """
        buffer = () if self._X is None else (self._X,)
        X, y, weights = self.rows.block(rows, *buffer)
        n_rows = self._batch_rows = X.shape[0]
        Y = one_hot(y, self.network.n_outputs, X.dtype, out=self._Y[:n_rows])
        # As in `Objective.batch`, not divided by the sum of the batch's weights.
        factors = self._factors[:n_rows]
        factors[:] = 1.0 if weights is None else weights
        factors /= n_rows
        workspace = self._workspace.first(n_rows)
        cost = cost_and_gradients(
            self.network, self._thetas, X, Y, factors, workspace, self._gradients, dropout
        )
        self._cost += n_rows * cost
        self._n_added += n_rows

    def gradient(self, rows: slice | NDArray, dropout: list[NDArray] | None = None) -> NDArray:
        """Evaluate a batch; returns the gradient without the non-smooth part of the penalty.

        Parameters
        ----------
        rows, dropout
            As for `evaluate`.

        Returns
        -------
        gradient : ndarray of shape (n_parameters,)
            In the precision of the rows and the order of `theta`. The caller may change it; the
            next batch overwrites it.
        """
        self.evaluate(rows, dropout)
        for part, penalty in self._parts:
            self._gradient_of(part, penalty)
        return self._workspace.gradient

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

        def move(lane: int) -> None:
            for part, penalty in self._parts[lane :: self._n_lanes]:
                gradient = self._gradient_of(part, penalty)
                rule.move(part, self.theta[part], gradient, rate, penalty.proximal_step)

        # Parts do not depend on each other: the bits are the same for any number of threads.
        for _ in self._map(move, range(self._n_lanes)):
            pass

    def _gradient_of(self, part: slice, penalty: PenaltyTerm) -> NDArray:
        """Add a part of the gradient to the total, then the smooth part of the penalty to it."""
        gradient = self._workspace.gradient[part]
        add_multiple(self._total[part], self._batch_rows, gradient)
        penalty.add_gradient(self.theta[part], gradient)
        return gradient

    def unrolled(self, theta: NDArray) -> NDArray:
        """A copy of a vector like `theta`, as float64 in the order of `Network.unroll`."""
        return reordered(self.network, theta, self.order, "C").astype(np.float64)

    def mean(self, theta: NDArray) -> tuple[float, NDArray]:
        """The mean of the estimates of J and its gradient since the last call, in float64.

        Estimates are weighted by their numbers of rows. Each was computed at the theta of its
        batch, so the mean over a pass is close to J and its gradient if theta has hardly changed.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The current parameters as `unrolled` returns them, for the penalty.

        Returns
        -------
        cost : float
            The mean cost of the batches and the smooth part of the penalty.
        gradient : ndarray of shape (n_parameters,)
            The mean gradient, with that of the smooth part of the penalty.
        """
        cost = self._cost / self._n_added
        gradient = self.unrolled(self._total) / self._n_added
        self._total.fill(0.0)
        self._cost, self._n_added = 0.0, 0
        return self._unrolled_penalty.add_smooth(theta, cost, gradient)


def reordered(
    network: Network, theta: NDArray, before: Literal["C", "F"], after: Literal["C", "F"]
) -> NDArray:
    """A vector of `network` with its matrices stored in another order.

    Parameters
    ----------
    network : Network
        The network.
    theta : ndarray of shape (n_parameters,)
        A vector of the length of theta.
    before, after : {"C", "F"}
        Whether each matrix is stored row by row or column by column, now and in the result.

    Returns
    -------
    theta : ndarray of shape (n_parameters,)
        The same vector if the orders are the same, else a new one.
    """
    if before == after:
        return theta
    return np.concatenate([T.ravel(order=after) for T in network.reshape(theta, before)])
