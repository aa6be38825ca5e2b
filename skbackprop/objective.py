"""The cost J and its gradient D: a sum over row blocks, divided and penalised once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from math import ceil
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.sparse import csr_array, issparse

from skbackprop.blocks import ArrayRows, Map, RowBlock
from skbackprop.dropout import dropout_masks
from skbackprop.network import Network
from skbackprop.penalties import PENALTIES, minimum_norm_subgradient, soft_threshold
from skbackprop.threads import resolve_n_jobs, row_threads
from skbackprop.workspace import Workspace, Workspaces

# A block's activations of all layers: about what a core's second-level cache holds.
BLOCK_BYTES = 2**22
# A block's features, which are read twice, while they are still in the third-level cache.
FEATURE_BYTES = 2**23
SPARSE_BLOCK_ROWS = 4096
# Lanes: enough for the cores of a workstation, fewer where each holds a large gradient.
MAX_LANES = 16
LANE_PARAMETERS = 2**23
# Multiplications of one forward propagation, times the bytes of a number, from which threads
# win more than they cost.
THREADING_BYTES = 2**26


class BlockSums(NamedTuple):
    """Raw sums over some examples; sums of disjoint examples add up.

    Parameters
    ----------
    weight : float
        The number of examples, or the sum of their weights.
    cost : float
        The sum of their (weighted) costs, without penalty.
    gradient : ndarray of shape (n_parameters,), float64
        The unrolled Delta^(l), the derivative of ``cost``.
    """

    weight: float
    cost: float
    gradient: NDArray

    def plus(self, other: "BlockSums") -> "BlockSums":
        """The sums over both sets of examples; uses up the gradient of `self`."""
        np.add(self.gradient, other.gradient, out=self.gradient)
        return BlockSums(self.weight + other.weight, self.cost + other.cost, self.gradient)

    def kept(self) -> "BlockSums":
        """The same sums with a float64 gradient of their own, which others can be added to."""
        return self._replace(gradient=self.gradient.astype(np.float64))


def one_hot(y: NDArray, n_outputs: int, dtype) -> NDArray:
    """Targets for the output units, shape (m, n_outputs).

    Class indices become rows with a single 1, or one column of 0 and 1 for one output unit;
    what is two-dimensional already are targets.
    """
    if y.ndim == 2:
        return y.astype(dtype, order="F", copy=False)
    if n_outputs == 1:
        return y[:, np.newaxis].astype(dtype)
    Y = np.zeros((len(y), n_outputs), dtype=dtype, order="F")
    Y[np.arange(len(y)), y] = 1.0
    return Y


def block_sums(
    network: Network,
    theta: NDArray,
    block: RowBlock,
    *,
    dropout: list[NDArray] | None = None,
    workspace: Workspace | None = None,
) -> BlockSums:
    """The summed cost of some examples and its gradient, in one pass.

    Forward propagation, the cost and delta^(L) from the logits, back propagation. Nothing
    is divided by m and nothing is penalised: that happens once, in `Objective`.

    Parameters
    ----------
    network : Network
        The functions.
    theta : ndarray of shape (n_parameters,)
        The unrolled parameters.
    block : RowBlock
        The examples; the arithmetic is done in the precision of its X.
    dropout : list of ndarrays of shape (rows, s_l), optional
        Masks for the hidden layers: 0 for a unit that is dropped, 1 / keep probability for
        one that stays.
    workspace : Workspace, optional
        Buffers to work in, of the precision of X and at least as many rows.

    Returns
    -------
    sums : BlockSums
        Its gradient is in the precision of X, and overwritten when the workspace is used
        again.
    """
    X, y, sample_weight = block
    workspace = workspace or Workspace.of(network, X.shape[0], X.dtype)
    layers, deltas, gradient = workspace.first(X.shape[0])
    thetas = network.reshape(theta.astype(X.dtype, copy=False))
    propagation = network.propagate(thetas, X, out=layers, dropout=dropout)
    delta = propagation.logits
    costs = network.loss_record.cost_and_delta(delta, one_hot(y, network.n_outputs, X.dtype))
    weight = float(X.shape[0])
    if sample_weight is not None:
        weight = float(sample_weight.sum())
        costs = costs * sample_weight
        delta *= sample_weight[:, np.newaxis]
    network.back_propagate(
        thetas, propagation, delta, out=network.reshape(gradient), deltas=deltas, dropout=dropout
    )
    return BlockSums(weight, float(costs.sum(dtype=np.float64)), gradient)


class Objective:
    r"""The regularised cost J of a network on given examples, and its gradient D.

    .. math::

        J(\Theta) &= \frac{1}{m} \sum_i \mathrm{cost}(h_\Theta(x_i), y_i)
            + \frac{\lambda}{2m} \sum_l \|\Theta^{(l)}_{:,1:}\|_F^2, \\
        D^{(l)} &= \frac{1}{m} \Delta^{(l)} + \frac{\lambda}{m} [0, \Theta^{(l)}_{:,1:}]

    with the cross-entropy
    :math:`\mathrm{cost}(h, y) = -\sum_k [y_k \log h_k + (1 - y_k) \log(1 - h_k)]` of
    logistic units. With weights :math:`w_i`, m is their sum and each example's term is
    multiplied by its weight.

    An objective is what ``scipy.optimize.minimize(objective, theta, jac=True)`` takes.

    Parameters
    ----------
    network : Network
        The network whose parameters are looked for.
    X : {array-like, sparse matrix} of shape (m, n)
        Examples as rows, finite. float32 is kept for the arithmetic over rows; sums and
        parameters are float64.
    y : array-like of shape (m,) or (m, K)
        Class indices 0..K-1 (0 and 1 with one output unit), or targets in [0, 1] for each
        output unit.
    reg_lambda : float, default=0.0
        lambda, at least 0.
    penalty : {"l2", "l1"}, default="l2"
        "l1" takes :math:`\frac{\lambda}{m} \sum |\Theta_{:,1:}|`.
    sample_weight : array-like of shape (m,), optional
        Non-negative weights of the examples, not all zero.
    n_jobs : int, optional
        Threads over row blocks; None for as many as the BLAS may use, -1 for all
        processors. The result has the same bits for any number.

    Attributes
    ----------
    weight : float
        m, or the sum of the weights: what lambda is divided by.
    mean_weight : float
        The mean weight of an example.
    penalised : ndarray of shape (n_parameters,), bool
        Which entries of theta are penalised: all but the bias columns.
    n_evaluations : int
        How often J and D were computed on all rows.

    Raises
    ------
    ValueError
        If shapes or class indices do not fit the network, lambda is negative, or a weight
        is negative or all of them are zero.

    Examples
    --------
    >>> import numpy as np
    >>> from skbackprop import Network, Objective
    >>> network = Network((2, 2, 4))
    >>> theta = network.unroll([[[.1, .3, .5], [.2, .4, .6]],
    ...     [[.7, 1.1, 1.5], [.8, 1.2, 1.6], [.9, 1.3, 1.7], [1.0, 1.4, 1.8]]])
    >>> X = np.cos([[1, 2], [3, 4], [5, 6]])
    >>> J, D = Objective(network, X, [3, 1, 2], reg_lambda=4)(theta)
    >>> round(J, 8), D.shape
    (19.47363652, (18,))
    """

    def __init__(
        self,
        network: Network,
        X,
        y: ArrayLike,
        *,
        reg_lambda: float = 0.0,
        penalty: str = "l2",
        sample_weight: ArrayLike | None = None,
        n_jobs: int | None = None,
    ):
        examples = RowBlock(_float_rows(X, network), _targets(y, network), _weights(sample_weight))
        m = examples.X.shape[0]
        lengths = {len(part) for part in examples[1:] if part is not None}
        if lengths != {m}:
            raise ValueError(
                f"X has {m} rows; y and sample_weight must have as many, got {sorted(lengths)}."
            )
        strength: Any = reg_lambda
        if not (isinstance(strength, Real) and 0 <= float(strength) < np.inf):
            raise ValueError(f"reg_lambda must be finite and at least 0; got {reg_lambda!r}.")
        if penalty not in PENALTIES:
            raise ValueError(f"Unknown penalty {penalty!r}; known are {list(PENALTIES)}.")
        self.network = network
        self.rows = ArrayRows(examples)
        self.reg_lambda = float(reg_lambda)
        self.penalty = penalty
        self.n_threads = resolve_n_jobs(n_jobs)
        self.weight = self.rows.weight
        self.mean_weight = self.rows.weight / self.rows.n_rows
        self.penalised = np.concatenate(
            [np.tile(np.arange(columns) > 0, units) for units, columns in network.shapes]
        )
        self.n_evaluations = 0
        self._running: tuple[Map, Workspaces] | None = None

    def __call__(self, theta: NDArray) -> tuple[float, NDArray]:
        """J and its gradient D at `theta`.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.

        Returns
        -------
        J : float
        gradient : ndarray of shape (n_parameters,), float64
            The unrolled D^(l), a new array. With the penalty "l1" it is the subgradient of
            smallest norm, which is zero at a minimum.
        """
        return self.add_l1(theta, *self.smooth(theta))

    @property
    def l1(self) -> float:
        """The strength of the sum of absolute weights, 0 where the penalty is smooth."""
        return PENALTIES[self.penalty].l1 * self.reg_lambda / self.weight

    @property
    def l2(self) -> float:
        """The strength of half the sum of squared weights."""
        return PENALTIES[self.penalty].l2 * self.reg_lambda / self.weight

    def smooth(self, theta: NDArray) -> tuple[float, NDArray]:
        """J and its gradient without the part of the penalty that has a kink.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.
        """
        theta = np.asarray(theta, dtype=np.float64)
        self.n_evaluations += 1
        with self._threads() as (lanes, workspaces):
            sums = self.rows.add_up(
                partial(block_sums, self.network, theta),
                *self._partition(),
                map=lanes,
                borrow=workspaces.borrow,
            )
            return self._mean(theta, sums)

    def add_l1(self, theta: NDArray, cost: float, gradient: NDArray) -> tuple[float, NDArray]:
        """J and its subgradient from the smooth part's cost and gradient.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.
        cost : float
            The smooth part of J.
        gradient : ndarray of shape (n_parameters,)
            Its gradient; not changed.
        """
        if not self.l1:
            return cost, gradient
        w = theta[self.penalised]
        gradient = gradient.copy()
        gradient[self.penalised] = minimum_norm_subgradient(w, gradient[self.penalised], self.l1)
        return cost + self.l1 * float(np.abs(w).sum()), gradient

    def proximal(self, theta: NDArray, step: float | NDArray) -> NDArray:
        """What a gradient step of length `step` leaves to do for the kink of the penalty.

        Minimises ``||v - theta||^2 / (2 step) + l1 sum |v|`` over the penalised entries.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            Where the gradient step has led.
        step : float or ndarray of shape (n_parameters,)
            Its length, the learning rate.
        """
        if not self.l1:
            return theta
        return np.where(self.penalised, soft_threshold(theta, step * self.l1), theta)

    def batch(
        self,
        theta: NDArray,
        rows: slice | NDArray,
        *,
        dropout: float | Sequence[float] = 0.0,
        random_state: np.random.RandomState | None = None,
    ) -> tuple[float, NDArray]:
        """The estimate of `smooth` from some of the rows.

        Its costs, divided by the number of its rows times the mean weight of all rows, stand
        for the mean cost; the penalty stays lambda/m with the full m. Over batches of one size
        that make up all rows the mean of the estimates is J.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.
        rows : slice or array of int
            The rows of the batch.
        dropout : float or sequence of float, default=0.0
            The probability that a hidden unit is dropped for an example, one for all
            hidden layers or one for each.
        random_state : RandomState, optional
            Where the units to drop are drawn from.
        """
        theta = np.asarray(theta, dtype=np.float64)
        block = self.rows.block(rows)
        masks = dropout_masks(self.network, block.X, dropout, random_state)
        sums = block_sums(self.network, theta, block, dropout=masks)
        # Not the weight that the batch happens to have: that would make each batch count the
        # same, whatever its examples weigh, and the mean over the batches would not be J.
        weight = block.X.shape[0] * self.mean_weight
        return self._mean(theta, sums._replace(weight=weight))

    def every_nth(self, n: int) -> "Objective":
        """The estimate of J from every n-th row, with the penalty of all of them.

        Made while this objective is running, it runs in the same threads.

        Parameters
        ----------
        n : int
            1 in n rows is taken.
        """
        some = copy(self)
        some.rows = self.rows.every_nth(n)
        return some

    @property
    def dtype(self) -> np.dtype:
        """The precision of the arithmetic over rows; sums and theta are float64 always."""
        return self.rows.dtype

    @dtype.setter
    def dtype(self, dtype) -> None:
        self.rows = self.rows.astype(dtype)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep the row threads and the limit on BLAS threads for several evaluations.

        A direct call opens and closes them by itself; a solver holds them for its whole
        run. None outlives this context, so a process may fork afterwards.
        """
        around = self._running
        with self._threads() as self._running:
            try:
                yield
            finally:
                self._running = around

    @contextmanager
    def _threads(self) -> Iterator[tuple[Map, Workspaces]]:
        """What an evaluation runs in: that of the context around it, or one of its own."""
        if self._running is not None:
            yield self._running
            return
        large = self.n_products * self.dtype.itemsize > THREADING_BYTES
        with row_threads(min(self.n_threads, MAX_LANES) if large else 1) as lanes:
            yield lanes, Workspaces(self.network)

    def _partition(self) -> tuple[int, int]:
        return partition(self.network, self.rows.n_rows, self.dtype, self.rows.sparse)

    @property
    def n_products(self) -> int:
        """Multiplications of one forward propagation, what an evaluation costs."""
        return self.rows.n_rows * self.network.n_parameters

    def _mean(self, theta: NDArray, sums: BlockSums) -> tuple[float, NDArray]:
        """Divide the sums by their weight and add the smooth penalty: once, here."""
        cost = sums.cost / sums.weight
        gradient = sums.gradient.astype(np.float64, copy=False)
        gradient /= sums.weight
        if self.l2:
            w = np.where(self.penalised, theta, 0.0)
            cost += 0.5 * self.l2 * float(w @ w)
            w *= self.l2
            gradient += w
        return cost, gradient


def partition(
    network: Network, n_rows: int, dtype: DTypeLike = np.float64, sparse: bool = False
) -> tuple[int, int]:
    """Rows of a block and number of lanes, from shapes and types alone.

    A block's activations should fill a core's cache and no more: with smaller ones threads
    wait for each other between the operations. Blocks are of equal size and their number is
    even, so that two threads end together. Sparse rows take larger blocks: each block adds
    up a whole gradient, which has more entries than a few sparse rows have work.

    Parameters
    ----------
    network : Network
        The network.
    n_rows : int
        Rows in all.
    dtype : dtype, default=float64
        The precision of the blocks.
    sparse : bool, default=False
        Whether the rows are sparse.
    """
    n_features, *units = network.layer_sizes
    entry = np.dtype(dtype).itemsize
    most = min(BLOCK_BYTES // (sum(units) * entry), FEATURE_BYTES // (n_features * entry))
    most = min(max(most, 256), 4096)
    n_blocks = ceil(n_rows / (max(most, SPARSE_BLOCK_ROWS) if sparse else most))
    if n_rows * network.n_parameters * entry > THREADING_BYTES:
        n_blocks += n_blocks % 2
    n_lanes = min(max(LANE_PARAMETERS // network.n_parameters, 2), MAX_LANES)
    return ceil(n_rows / n_blocks), n_lanes


def _float_rows(X, network: Network):
    X = csr_array(X) if issparse(X) and X.format != "csr" else X
    X = network.check_inputs(X)
    if not X.shape[0]:
        raise ValueError("X has no rows.")
    return X


def _targets(y: ArrayLike, network: Network) -> NDArray:
    y, K = np.asarray(y), network.n_outputs
    if y.ndim == 1:
        y = y.astype(int) if y.dtype == bool else y
        last = max(K, 2) - 1
        if not np.issubdtype(y.dtype, np.integer):
            raise ValueError(f"Class indices must be integers; got {y.dtype}.")
        if np.any((y < 0) | (y > last)):
            raise ValueError(
                f"Class indices must be from 0 to {last}; got {y.min()} to {y.max()}."
            )
        return y
    if y.ndim != 2 or y.shape[1] != K:
        raise ValueError(
            f"y must be class indices of shape (m,) or targets of shape (m, {K}), one "
            f"for each output unit; got shape {y.shape}."
        )
    if not (np.min(y, initial=0.0) >= 0 and np.max(y, initial=1.0) <= 1):
        raise ValueError("Targets must lie in [0, 1].")
    if network.output_activation == "softmax" and not np.allclose(y.sum(axis=1), 1.0):
        raise ValueError("The targets of a softmax must sum to one in every row.")
    return y


def _weights(sample_weight: ArrayLike | None) -> NDArray | None:
    if sample_weight is None:
        return None
    w = np.asarray(sample_weight, dtype=np.float64)
    if w.ndim != 1 or not ((w >= 0) & (w < np.inf)).all() or not w.any():
        raise ValueError(
            "sample_weight must be one-dimensional, finite, non-negative and not zero everywhere."
        )
    return w
