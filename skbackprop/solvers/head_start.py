"""A better start for L-BFGS on many rows: a few epochs of spectral steps in mini-batches.

A network soon learns a small sample of the rows by heart, and J of the sample then says little
about J over all rows. Dozens of steps an epoch, each from other rows, use all of them at the cost
of little more than a pass (`spectral_step` describes a step).
"""

from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from skbackprop.monitoring import Iterate, Progress
from skbackprop.network import Network
from skbackprop.objective import CostAndGradient, Objective
from skbackprop.rows import ArrayRows, RowBlock
from skbackprop.solvers.learning_rates import OneCycle
from skbackprop.solvers.spectral_step import LayerScale, SpectralStep

# Number of rows from which an epoch has steps enough.
MANY_STEPS_ROWS = 20_000
EPOCHS = 5
# As many rows as two threads can share with profit.
BATCH_ROWS = 800
# How far the z of logistic units moves in a step.
RATE = OneCycle(1.0, warm_up=0.1)
# A file is read in pieces of so many rows, and the rows of so many pieces are shuffled together.
PIECE_ROWS = 200
PIECES = 50
# Number of rows from which the spreads of features and outputs are computed.
SAMPLE_ROWS = 5_000
# Standard deviation of the logits over the rows up to which they count as the same.
SAME_LOGITS = 0.1
SEED = 0


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
    """A few epochs of spectral steps with a one-cycle rate.

    Parameters
    ----------
    objective : Objective
        J, for which `allows_mini_batches` holds.
    start : Iterate
        Where to begin.
    mu : ndarray of shape (n,)
        The means of the features.
    progress : Progress
        Receives an iterate for each epoch, with the batches' estimate of J.

    Returns
    -------
    iterate : Iterate
        The last, or the start if the outputs became the same for all rows. J over all rows is
        unknown.
    """
    network, rows, penalty = objective.network, objective.rows, objective.penalty
    theta, found = start.theta.astype(rows.dtype), start
    sample = rows.gather(SAMPLE_ROWS)
    scales = layer_scales(network, mu, feature_scales(sample))
    step = SpectralStep(network, scales, rows.dtype)
    # Not that of the fit, which may be None: the same start leads to the same end.
    random_state = np.random.RandomState(SEED)
    n_batches = ceil(rows.n_rows / BATCH_ROWS)
    for epoch in range(EPOCHS):
        cost, total = 0.0, np.zeros(len(theta))
        batches = np.array_split(row_order(rows.n_rows, random_state), n_batches)
        for n_steps, batch in enumerate(batches, epoch * n_batches):
            sums = rows.pick(batch).add_up(CostAndGradient(network, theta))
            cost += sums.cost
            total += sums.gradient
            # As in `Objective.batch`, not divided by the sum of the batch's weights.
            gradient = (sums.gradient / len(batch)).astype(rows.dtype)
            penalty.add_gradient(theta, gradient)
            _, gradient = penalty.add_kink(theta, 0.0, gradient)
            step(theta, gradient, RATE.after_step(0.0, n_steps, EPOCHS * n_batches))
        now = theta.astype(np.float64)
        smooth = penalty.add_smooth(now, cost / rows.n_rows, total / rows.n_rows)
        loss, whole = penalty.add_kink(now, *smooth)
        found = Iterate.estimate(now, loss, float(np.abs(whole).max()))
        progress.advance(found)
    # L-BFGS could not leave a network whose units are all off, or on, although J is lower there.
    return found if tells_apart(network, theta, sample.X) else start


def row_order(n_rows: int, random_state: np.random.RandomState) -> NDArray:
    """The order of the rows in an epoch.

    It takes those of random pieces together, so that a file is not read row by row.
    """
    starts = PIECE_ROWS * random_state.permutation(ceil(n_rows / PIECE_ROWS))
    order = []
    # Groups of equal size: one of a single piece might be of a single class.
    for some in np.array_split(starts, ceil(len(starts) / PIECES)):
        pieces = [np.arange(start, min(start + PIECE_ROWS, n_rows)) for start in some]
        order.append(random_state.permutation(np.concatenate(pieces)))
    return np.concatenate(order)


def tells_apart(network: Network, theta: NDArray, X: NDArray) -> bool:
    """Whether any logit of a network differs between rows, by more than next to nothing."""
    logits = network.propagate(network.reshape(theta), X).logits
    return bool(logits.std(axis=0).max() > SAME_LOGITS)


def layer_scales(network: Network, mu: NDArray, scales: NDArray) -> list[LayerScale]:
    """The scales of each layer, by what its inputs and outputs typically are.

    Logistic units are 1/4 away from 1/2, others 1/2 away from 0. The slope of others at z = 0 is
    four times that of logistic ones: a quarter of the rate moves their outputs as far.

    Parameters
    ----------
    network : Network
        The network.
    mu, scales : ndarrays of shape (n,)
        The means and the scales of the features.
    """
    centres, lengths, reaches = [mu], [scales], []
    for units, name in zip(network.layer_sizes[1:-1], network.activation, strict=True):
        centre, distance, reach = (0.5, 0.25, 1.0) if name == "logistic" else (0.0, 0.5, 0.25)
        centres.append(np.full(units, centre))
        lengths.append(np.full(units, distance * sqrt(units)))
        reaches.append(reach)
    return list(map(LayerScale, centres, lengths, [*reaches, 1.0]))


def feature_scales(sample: RowBlock) -> NDArray:
    """The spreads of the features, times the typical length of a row in these units.

    The spread of a feature is its standard deviation, or a quarter of its range if that is
    larger, as for a pixel that is rarely on. The length is the root of the summed squares of
    deviation / spread.

    Parameters
    ----------
    sample : RowBlock
        Some of the rows.

    Returns
    -------
    scales : ndarray of shape (n,)
        Above 0; 1 for a feature that does not vary but for rounding.
    """
    X, _, weights = sample
    w = np.ones(X.shape[0]) if weights is None or not weights.any() else weights
    X, w = X[w > 0.0], w[w > 0.0]
    extent = np.float64(X.max(axis=0)) - X.min(axis=0)
    varies = extent > 100.0 * np.finfo(X.dtype).eps * np.abs(X).max(axis=0)
    shares = (w / w.sum()).astype(X.dtype)
    squares = X - shares @ X
    np.square(squares, out=squares)
    deviation = np.sqrt(np.float64(shares @ squares))
    spread = np.maximum(deviation, extent / 4.0)
    relative = np.divide(deviation, spread, out=np.zeros_like(spread), where=varies)
    return np.where(varies, spread * np.linalg.norm(relative), 1.0)
