"""The cost J and its gradient D: sums over row blocks, then divided by m and penalised once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.sparse import csr_array, issparse
from sklearn.utils import assert_all_finite

from skbackprop.interrupts import Cancellation
from skbackprop.network import Network, as_float
from skbackprop.penalties import PENALTIES, PenaltyName, PenaltyTerm
from skbackprop.rows import ArrayRows, RowBlock, check_weights
from skbackprop.threads import resolve_n_jobs, single_threaded_blas
from skbackprop.workspace import Workspace


class BlockSums(NamedTuple):
    """Sums over some examples; sums over disjoint sets of examples can be added.

    Parameters
    ----------
    weight : float
        The number of examples, or the sum of their weights.
    cost : float
        The sum of their (weighted) costs, without penalty.
    gradient : ndarray of shape (n_parameters,)
        The unrolled Delta^(l), the derivative of ``cost``.
    """

    weight: float
    cost: float
    gradient: NDArray

    def copy(self) -> BlockSums:
        """A copy with a float64 gradient, to which other sums can be added."""
        return self._replace(gradient=self.gradient.astype(np.float64))

    def add_(self, other: BlockSums) -> BlockSums:
        """The sums over both sets of examples; the gradient of `self` is changed in place."""
        np.add(self.gradient, other.gradient, out=self.gradient)
        return BlockSums(self.weight + other.weight, self.cost + other.cost, self.gradient)


def one_hot(y: NDArray, n_outputs: int, dtype, out: NDArray | None = None) -> NDArray:
    """Targets for the output units, of shape (m, n_outputs).

    Class indices become rows with a single 1, or, for one output unit, one column of 0 and 1.
    A two-dimensional `y` holds targets already. They are written to
    `out` if it is given.
    """
    if out is not None:
        if n_outputs == 1 or y.ndim == 2:
            out[...] = y.reshape(out.shape)
        else:
            out.fill(0.0)
            out[np.arange(len(y)), y] = 1.0
        return out
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

    Runs forward propagation, the cost and delta^(L) from the logits, and back propagation.
    Division by m and the penalty are left to `Objective`.

    Parameters
    ----------
    network : Network
        The network.
    theta : ndarray of shape (n_parameters,)
        The unrolled parameters.
    block : RowBlock
        The examples; the arithmetic is done in the precision of its X.
    dropout : list of ndarrays of shape (rows, s_l), optional
        Masks for the hidden layers: 0 for a dropped unit, else 1 / keep probability.
    workspace : Workspace, optional
        Buffers with the precision of X and at least as many rows; new ones if None.

    Returns
    -------
    sums : BlockSums
        The gradient is in the precision of X, and is overwritten when the workspace is used
        again.
    """
    X, y, sample_weight = block
    workspace = workspace or Workspace.of(network, X.shape[0], X.dtype)
    workspace = workspace.first(X.shape[0])
    thetas = network.reshape(theta.astype(X.dtype, copy=False))
    Y = one_hot(y, network.n_outputs, X.dtype)
    propagation = network.propagate(thetas, X, out=workspace.layers, dropout=dropout)
    delta = propagation.logits
    cost = weighted_cost_and_delta(network, delta, Y, sample_weight)
    network.back_propagate(
        thetas,
        propagation,
        delta,
        out=network.reshape(workspace.gradient),
        deltas=workspace.deltas,
        dropout=dropout,
    )
    weight = float(X.shape[0] if sample_weight is None else sample_weight.sum())
    return BlockSums(weight, cost, workspace.gradient)


def weighted_cost_and_delta(
    network: Network, logits: NDArray, Y: NDArray, factors: NDArray | None
) -> float:
    """The sum of the costs times the factors; delta^(L) times the factors replaces the logits."""
    costs = network.loss_record.cost_and_delta(logits, Y)
    if factors is not None:
        costs = costs * factors
        logits *= factors[:, np.newaxis]
    return float(costs.sum(dtype=np.float64))


class CostAndGradient(NamedTuple):
    """`block_sums` at a fixed theta, as a function of the block."""

    network: Network
    theta: NDArray

    def __call__(self, block: RowBlock, workspace: Workspace | None = None) -> BlockSums:
        return block_sums(self.network, self.theta, block, workspace=workspace)


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

    An objective can be passed to ``scipy.optimize.minimize(objective, theta, jac=True)``. It is
    immutable: `on`, `astype` and `running` return a new one.

    Parameters
    ----------
    network : Network
        The network whose parameters are to be found.
    X : {array-like, sparse matrix} of shape (m, n)
        Examples as rows, finite. float32 is kept for the arithmetic over rows; sums and
        parameters are float64.
    y : array-like of shape (m,) or (m, K)
        Class indices 0..K-1 (0 and 1 with one output unit), or targets in [0, 1] for each
        output unit.
    reg_lambda : float, default=0.0
        Regularisation strength lambda, at least 0.
    penalty : {"l2", "l1"}, default="l2"
        "l2" is the penalty above, "l1" is :math:`\frac{\lambda}{m} \sum |\Theta_{:,1:}|`.
    sample_weight : array-like of shape (m,), optional
        Non-negative weights of the examples, not all zero.
    n_jobs : int, optional
        Number of threads over row blocks; None for as many as the BLAS may use, -1 for all
        processors. The result is bitwise identical for any number.

    Attributes
    ----------
    n_rows : int
        Number of rows.
    n_parameters : int
        Length of theta.
    hidden_units : tuple of int
        Number of units in each hidden layer.
    dtype : dtype
        The precision of the arithmetic over rows.
    weight : float
        The divisor of lambda: m, or the sum of the weights.
    penalty : PenaltyTerm
        The penalty: its strengths, which include the factor lambda/m, and a mask of the
        penalised entries of theta.

    Raises
    ------
    ValueError
        If shapes, class indices or targets do not fit the network, X has NaN or infinite
        entries, lambda is negative or not finite, or weights are negative, not finite or all
        zero.

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
        penalty: PenaltyName = "l2",
        sample_weight: ArrayLike | None = None,
        n_jobs: int | None = None,
    ):
        X, y = _float_rows(X, network), _targets(y, network)
        if len(y) != X.shape[0]:
            raise ValueError(f"X has {X.shape[0]} rows, y has {len(y)}.")
        examples = RowBlock(X, y, check_weights(sample_weight, X.shape[0]))
        rows = ArrayRows.of(examples, resolve_n_jobs(n_jobs))
        self._set(network, rows, reg_lambda, penalty, rows.weight)

    @classmethod
    def from_rows(
        cls,
        network: Network,
        rows: ArrayRows,
        *,
        reg_lambda: float = 0.0,
        penalty: PenaltyName = "l2",
        weight: float | None = None,
    ) -> Objective:
        """J over a source of rows, which may be user-defined.

        Parameters
        ----------
        network : Network
            The network whose parameters are to be found.
        rows : ArrayRows, or another source of rows
            The examples, which are not checked; `skbackprop.rows` describes the interface.
        reg_lambda : float, default=0.0
            Regularisation strength lambda, at least 0.
        penalty : {"l2", "l1"}, default="l2"
            As for `Objective`.
        weight : float, optional
            The divisor m of lambda, if `rows` is only a part of all rows; by default the weight
            of `rows`.

        Returns
        -------
        objective : Objective

        Raises
        ------
        ValueError
            If lambda is negative or not finite, or the penalty is unknown.
        """
        objective = cls.__new__(cls)
        objective._set(
            network, rows, reg_lambda, penalty, rows.weight if weight is None else weight
        )
        return objective

    def _set(
        self, network: Network, rows: ArrayRows, reg_lambda: Any, penalty: str, weight: float
    ) -> None:
        if not (isinstance(reg_lambda, Real) and 0 <= as_float(reg_lambda) < np.inf):
            raise ValueError(f"reg_lambda must be finite and at least 0; got {reg_lambda!r}.")
        if penalty not in PENALTIES:
            raise ValueError(f"Unknown penalty {penalty!r}; known are {list(PENALTIES)}.")
        strength = float(reg_lambda) / weight
        if not np.isfinite(strength):
            raise ValueError(
                f"reg_lambda={reg_lambda!r} over the sum of the weights, {weight:.3g}, is not a "
                "finite number; scale the weights or choose a smaller reg_lambda."
            )
        self.network = network
        self.rows = rows
        self.weight = weight
        self.penalty = PenaltyTerm(
            PENALTIES[penalty].l1 * strength,
            PENALTIES[penalty].l2 * strength,
            np.concatenate(
                [np.tile(np.arange(columns) > 0, units) for units, columns in network.shapes]
            ),
        )

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.rows.n_rows

    @property
    def n_parameters(self) -> int:
        """Length of theta."""
        return self.network.n_parameters

    @property
    def hidden_units(self) -> tuple[int, ...]:
        """Number of units in each hidden layer."""
        return self.network.layer_sizes[1:-1]

    @property
    def dtype(self) -> np.dtype:
        """The precision of the arithmetic over rows; sums over all rows are always float64."""
        return self.rows.dtype

    def __call__(self, theta: NDArray) -> tuple[float, NDArray]:
        """J and its gradient D at `theta`.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.

        Returns
        -------
        J : float
            The regularised cost.
        gradient : ndarray of shape (n_parameters,), float64
            The unrolled D^(l), a new array. With the penalty "l1" it is the subgradient of
            smallest norm, which is zero at a minimum.

        Raises
        ------
        ValueError
            If `theta` does not have the shape (n_parameters,).
        """
        return self.penalty.add_kink(theta, *self.smooth(theta))

    def smooth(self, theta: NDArray) -> tuple[float, NDArray]:
        """J and its gradient without the non-smooth part of the penalty, which only "l1" has.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.

        Returns
        -------
        cost : float
            The smooth part of J.
        gradient : ndarray of shape (n_parameters,), float64
            Its gradient.
        """
        theta = np.asarray(theta, dtype=np.float64)
        # Also around the penalty: BLAS threads would change the rounding of a long dot product.
        with single_threaded_blas():
            sums = self.rows.add_up(CostAndGradient(self.network, theta))
            return self._mean(theta, sums, sums.weight)

    def cost(self, theta: NDArray) -> float:
        """J without its gradient: forward propagation only, a third of the time.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.

        Returns
        -------
        J : float
            The regularised cost.
        """
        theta = np.asarray(theta, dtype=np.float64)
        with single_threaded_blas():
            weight, cost = self.rows.add_up(Cost(self.network, theta))
            return self.penalty.add_value(theta, cost / weight)

    def batch(
        self, theta: NDArray, rows: slice | NDArray, *, dropout: list[NDArray] | None = None
    ) -> tuple[float, NDArray]:
        """Estimate `smooth` from a batch of rows, with the penalty of all rows.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.
        rows : slice or array of int
            The rows of the batch.
        dropout : list of ndarrays of shape (rows, s_l), optional
            Masks for the hidden layers, see `block_sums`.

        Returns
        -------
        cost : float
            The estimate of the smooth part of J.
        gradient : ndarray of shape (n_parameters,), float64
            Its gradient.
        """
        theta, block = np.asarray(theta, dtype=np.float64), self.rows.block(rows)
        sums = block_sums(self.network, theta, block, dropout=dropout)
        # Weights are relative to their mean. Dividing by the sum of the batch's weights would give
        # each batch the same influence, whatever its weights.
        return self._mean(theta, sums, block.X.shape[0])

    def on(self, rows: ArrayRows) -> Objective:
        """The same J on other rows, with the same penalty.

        Parameters
        ----------
        rows : ArrayRows, or another source of rows
            The other rows.

        Returns
        -------
        objective : Objective
            A new objective.
        """
        other = copy(self)
        other.rows = rows
        return other

    def astype(self, dtype: DTypeLike) -> Objective:
        """The same J with arithmetic in another precision.

        Parameters
        ----------
        dtype : dtype
            float32 or float64.

        Returns
        -------
        objective : Objective
            A new objective.
        """
        return self.on(self.rows.astype(dtype))

    @contextmanager
    def running(self, cancellation: Cancellation | None = None) -> Iterator[Objective]:
        """Context manager for several evaluations that share threads and buffers.

        Without it, each evaluation creates and releases its own. No thread outlives the context,
        so a process may fork afterwards.

        Parameters
        ----------
        cancellation : Cancellation, optional
            A request to end, checked between blocks of rows.

        Yields
        ------
        objective : Objective
            The same J.
        """
        with self.rows.running(cancellation) as rows:
            yield self.on(rows)

    def _mean(self, theta: NDArray, sums: BlockSums, weight: float) -> tuple[float, NDArray]:
        """Divide the sums by a weight and add the smooth part of the penalty."""
        gradient = sums.gradient.astype(np.float64, copy=False)
        gradient /= weight
        return self.penalty.add_smooth(theta, sums.cost / weight, gradient)


class Costs(NamedTuple):
    """The number or weight of some examples, and the sum of their costs."""

    weight: float
    cost: float

    def copy(self) -> Costs:
        """Self, which is immutable."""
        return self

    def add_(self, other: Costs) -> Costs:
        """The sums over both sets of examples."""
        return Costs(self.weight + other.weight, self.cost + other.cost)


class Cost(NamedTuple):
    """`Costs` at a fixed theta, as a function of the block."""

    network: Network
    theta: NDArray

    def __call__(self, block: RowBlock, workspace: Workspace | None = None) -> Costs:
        X, y, sample_weight = block
        out = workspace.first(X.shape[0]).layers if workspace else None
        thetas = self.network.reshape(self.theta.astype(X.dtype, copy=False))
        Z = self.network.propagate(thetas, X, out=out).logits
        Y = one_hot(y, self.network.n_outputs, X.dtype)
        costs = self.network.loss_record.cost_and_delta(Z, Y)
        if sample_weight is None:
            return Costs(float(X.shape[0]), float(costs.sum(dtype=np.float64)))
        costs = costs * sample_weight
        return Costs(float(sample_weight.sum()), float(costs.sum(dtype=np.float64)))


def _float_rows(X, network: Network):
    X = csr_array(X) if issparse(X) and X.format != "csr" else X
    X = network.check_inputs(X)
    if not X.shape[0]:
        raise ValueError("X has no rows.")
    assert_all_finite(X, input_name="X")
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
