"""A better start for L-BFGS on many rows: a few epochs of Adam.

A network soon learns a small sample of the rows by heart, and J of the sample then says little
about J over all rows. A hundred and more steps an epoch, each on other rows, use all of them at
the cost of a few passes.

Adam's steps do not depend on the scale of the gradient, so the size of a layer's inputs decides
how far a step moves its outputs. Therefore

- features and logistic units are centred, with b' = b + W mu instead of b: mu is the mean of the
  features, and 1/2 for logistic units. J and the penalty are the same;
- the learning rate of the weights of a feature is divided by its spread, and by the length of
  the features in these units (`feature_divisors`);
- logistic units, (1 + tanh(z/2)) / 2, have the steps of a network of tanh units with the same
  outputs, which are twice as long in z and in the weights above.
"""

from copy import copy
from dataclasses import dataclass, fields
from math import ceil
from typing import cast

import numpy as np
from numpy.typing import NDArray

from skbackprop.activations import ACTIVATIONS, Activation, ActivationName
from skbackprop.change_of_variables import ChangeOfVariables, LayerChange
from skbackprop.monitoring import Iterate, Progress
from skbackprop.network import Network
from skbackprop.objective import Objective
from skbackprop.rows import ArrayRows, RowBlock
from skbackprop.solvers.batches import Batches
from skbackprop.solvers.gradient_solvers import Adam
from skbackprop.solvers.learning_rates import OneCycle
from skbackprop.solvers.steps import AdamStep

# Number of rows from which an epoch has steps enough.
MANY_STEPS_ROWS = 20_000
EPOCHS = 4
BATCH_ROWS = 200
RATE = 0.02
# How much longer the steps of logistic units are.
LOGISTIC_FACTOR = 2.0
# A file is read in pieces of so many rows, and the rows of so many pieces are shuffled together.
PIECE_ROWS = 200
PIECES = 50
# Length of the centred features to which `RATE` belongs: a step of all weights of a unit changes
# its z by about RATE * FEATURE_LENGTH, whatever the units and the number of the features.
FEATURE_LENGTH = 7.0
# Number of rows from which the spreads are computed.
SPREAD_ROWS = 5_000
SEED = 0


def centred_logistic(z: NDArray) -> None:
    """g(z) - 1/2 = tanh(z/2) / 2 for the logistic g, in place."""
    z *= 0.5
    np.tanh(z, out=z)
    z *= 0.5


def times_centred_logistic_derivative(delta: NDArray, a: NDArray) -> None:
    """Multiply delta by g'(z) = 1/4 - a^2, in place."""
    np.multiply(a, a, out=a)
    np.subtract(0.25, a, out=a)
    delta *= a


CENTRED_LOGISTIC = Activation(centred_logistic, times_centred_logistic_derivative)


class CentredNetwork(Network):
    """A network with 1/2 subtracted from the activations of logistic units."""

    @classmethod
    def like(cls, network: Network) -> "CentredNetwork":
        """A network of the same shape and units."""
        units = cast("tuple[ActivationName, ...]", network.activation)
        return cls(network.layer_sizes, units, network.output_activation, network.loss)

    @property
    def hidden_activations(self) -> list[Activation]:
        """The activation function, with its derivative, of each hidden layer."""
        return [
            CENTRED_LOGISTIC if name == "logistic" else ACTIVATIONS[name]
            for name in self.activation
        ]


@dataclass(frozen=True, eq=False, kw_only=True)
class CentredRows(ArrayRows):
    """Rows of an array with centred features, which are never copied as a whole.

    Parameters
    ----------
    mu : ndarray of shape (n,)
        What is subtracted from each row.
    """

    mu: NDArray

    @classmethod
    def at(cls, rows: ArrayRows, mu: NDArray) -> "CentredRows":
        """The same rows around mu."""
        same = {field.name: getattr(rows, field.name) for field in fields(rows)}
        return cls(**same, mu=mu.astype(rows.dtype))

    def block(self, rows: slice | NDArray, out: NDArray | None = None) -> RowBlock:
        """The examples selected by a slice or an array of row numbers, centred."""
        block = super().block(rows, out)
        # A slice is a view of the rows, other selections are copies.
        copied = None if isinstance(rows, slice) else block.X
        return block._replace(X=np.subtract(block.X, self.mu, out=copied))


class AdamByPieces(Adam):
    """Adam whose batches take the rows of random pieces, not of the whole file at once."""

    def row_order(self, n_rows: int, random_state: np.random.RandomState) -> NDArray:
        """The order of the rows in an epoch."""
        starts = PIECE_ROWS * random_state.permutation(ceil(n_rows / PIECE_ROWS))
        order, end = np.empty(n_rows, dtype=np.intp), 0
        # Groups of equal size: one of a single piece might be of a single class.
        for some in np.array_split(starts, ceil(len(starts) / PIECES)):
            pieces = [np.arange(i, min(i + PIECE_ROWS, n_rows)) for i in some]
            rows = random_state.permutation(np.concatenate(pieces))
            begin, end = end, end + len(rows)
            order[begin:end] = rows
        return order


def allows_mini_batches(objective: Objective) -> bool:
    """Whether there is a hidden layer, and many dense rows, in memory or in a file.

    Without a hidden layer J is convex, and L-BFGS on some of the rows is the better start.
    """
    rows = objective.rows
    many = isinstance(rows, ArrayRows) and not rows.sparse and rows.n_rows >= MANY_STEPS_ROWS
    return many and bool(objective.hidden_units)


def descend_in_mini_batches(
    objective: Objective, start: Iterate, mu: NDArray, progress: Progress
) -> Iterate:
    """A few epochs of one-cycle Adam; returns the start if J is not lower at their end.

    Parameters
    ----------
    objective : Objective
        J, for which `allows_mini_batches` holds.
    start : Iterate
        Where to begin.
    mu : ndarray of shape (n,)
        The origin of the features.
    progress : Progress
        Receives an iterate for each epoch, with the batches' estimate of J.

    Returns
    -------
    iterate : Iterate
    """
    rows = objective.rows
    mu = mu.astype(rows.dtype).astype(np.float64)  # as the rows are rounded
    change = centring(objective.network, mu)
    solver = AdamByPieces(OneCycle(RATE), batch_size=BATCH_ROWS)
    batches = Batches(centred(objective, mu), change.from_theta(start.theta), BATCH_ROWS)
    # Not that of the fit, which may be None: the same start leads to the same end.
    random_state = np.random.RandomState(SEED)
    run = solver.new_run(random_state, EPOCHS * ceil(rows.n_rows / BATCH_ROWS))
    run.adopt(batches.layout)
    divisors = rate_divisors(objective.network, rows.gather(SPREAD_ROWS))
    # In the layout that the run has adopted.
    divisors = batches.layout.stored(divisors, rows.dtype)
    run.step = AdamStep(solver.beta_1, solver.beta_2, solver.epsilon, divisors)
    before, found = progress.evaluate_loss(start), start
    for _ in range(EPOCHS):
        solver.epoch(batches, run, progress.cancellation)
        theta = change.to_theta(batches.unrolled())
        found = Iterate.of(theta, objective, *batches.mean(theta), estimated=True)
        progress.advance(found)
    return found if progress.evaluate_loss(found).loss < before.loss else start


def centring(network: Network, mu: NDArray) -> ChangeOfVariables:
    """The map between theta and theta', the parameters for centred inputs of each layer."""
    means = [
        np.full(units, 0.5) if name == "logistic" else None
        for units, name in zip(network.layer_sizes[1:-1], network.activation, strict=True)
    ]
    return ChangeOfVariables(network, [LayerChange(mean) for mean in (mu, *means)])


def centred(objective: Objective, mu: NDArray) -> Objective:
    """The same J as a function of theta'."""
    same = copy(objective)
    same.rows = CentredRows.at(objective.rows, mu)
    same.network = CentredNetwork.like(objective.network)
    return same


def rate_divisors(network: Network, sample: RowBlock) -> NDArray:
    """What the learning rate is divided by, for each entry of theta'.

    Parameters
    ----------
    network : Network
        The network.
    sample : RowBlock
        Some of the rows.

    Returns
    -------
    divisors : ndarray of shape (n_parameters,)
        Above 0.
    """
    divisors = np.ones(network.n_parameters)
    layers = network.reshape(divisors)
    layers[0][:, 1:] = feature_divisors(sample.X, sample.sample_weight)
    for name, to_layer, from_layer in zip(network.activation, layers, layers[1:], strict=False):
        if name == "logistic":
            to_layer /= LOGISTIC_FACTOR
            from_layer[:, 1:] /= LOGISTIC_FACTOR
    return divisors


def feature_divisors(X: NDArray, sample_weight: NDArray | None = None) -> NDArray:
    """What the learning rate of the weights of each feature is divided by.

    That is ``spread * length / 7``. The spread of a feature is its standard deviation, or a
    quarter of its range if that is larger, as for a pixel that is rarely on. The length is that
    of all features in these units: the root of the summed squares of deviation / spread.

    Parameters
    ----------
    X : ndarray of shape (m, n)
        A sample of the rows.
    sample_weight : ndarray of shape (m,), optional
        Their weights.

    Returns
    -------
    divisors : ndarray of shape (n,)
        Above 0; 1 for a feature that does not vary but for rounding.
    """
    w = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    if w.any():
        X, w = X[w > 0.0], w[w > 0.0]
    else:
        w = np.ones(X.shape[0])
    extent = np.float64(X.max(axis=0)) - X.min(axis=0)
    varies = extent > 100.0 * np.finfo(X.dtype).eps * np.abs(X).max(axis=0)
    shares = (w / w.sum()).astype(X.dtype)
    squares = X - shares @ X
    np.square(squares, out=squares)
    deviation = np.sqrt(np.float64(shares @ squares))
    spread = np.maximum(deviation, extent / 4.0)
    relative = np.divide(deviation, spread, out=np.zeros_like(spread), where=varies)
    return np.where(varies, spread * np.linalg.norm(relative) / FEATURE_LENGTH, 1.0)
