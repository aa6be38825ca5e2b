"""The network: shapes, unrolling, initialisation, forward and back propagation."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from itertools import accumulate
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from skbackprop.activations import ACTIVATIONS, Activation, ActivationName
from skbackprop.losses import LOSSES, Loss, LossName, OutputName
from skbackprop.products import multiply, multiply_transposed, sum_of_rows

# The width of [-epsilon, epsilon] must not overflow.
LARGEST_EPSILON = sys.float_info.max / 2


class Propagation(NamedTuple):
    """Intermediate results of forward propagation that back propagation needs.

    Parameters
    ----------
    inputs : list of arrays
        The inputs of each Theta^(l), l = 1..L-1: X, then the hidden layers' activations after
        dropout, of shapes (m, s_l).
    activations : list of arrays
        The hidden layers' activations A^(2)..A^(L-1) before dropout; the same arrays as in
        ``inputs`` where there is no dropout.
    logits : array of shape (m, s_L)
        Z^(L).
    """

    inputs: list
    activations: list[NDArray]
    logits: NDArray


class Network:
    r"""A feed-forward network as a function of its parameters, which it does not store.

    .. math::

        A^{(1)} &= X, & Z^{(l+1)} &= [1, A^{(l)}] \, \Theta^{(l)T}, \\
        A^{(l)} &= g(Z^{(l)}), & h_\Theta(X) &= A^{(L)}

    :math:`s_l` is the number of units in layer l = 1..L, without the bias unit.
    :math:`\Theta^{(l)}` has shape :math:`(s_{l+1}, s_l + 1)`; its column 0 multiplies the
    bias unit. Examples are rows: X has shape (m, n), the activations of layer l have shape
    :math:`(m, s_l)`.

    Parameters
    ----------
    layer_sizes : sequence of int
        Number of units in each layer, without the bias unit, from the n inputs to the K
        outputs: ``(n, s_2, ..., K)``, at least two layers.
    activation : str or sequence of str, default="logistic"
        Activation function g of the hidden layers: "logistic", "tanh", "relu" or "identity",
        one for all layers or one for each.
    output_activation : {"logistic", "softmax"}, default="logistic"
        Activation of the last layer: K separate logistic units (one-vs-all), or one softmax
        over all K units.
    loss : {"cross_entropy", "squared_error"}, default="cross_entropy"
        Cost of one example: :math:`-\sum_k [y_k \log h_k + (1 - y_k) \log(1 - h_k)]` (for a
        softmax, :math:`-\sum_k y_k \log h_k`), or :math:`\sum_k (h_k - y_k)^2`.

    Attributes
    ----------
    shapes : tuple of pairs of int
        The shapes of Theta^(1)..Theta^(L-1).
    n_parameters : int
        Total number of entries of Theta^(1)..Theta^(L-1).

    Raises
    ------
    ValueError
        If a size is not a positive integer, a name is unknown, the number of activations is
        not the number of hidden layers, or a softmax has a single output unit.

    Examples
    --------
    >>> import numpy as np
    >>> from skbackprop import Network
    >>> xnor = Network((2, 2, 1))
    >>> theta = xnor.unroll([[[-30, 20, 20], [10, -20, -20]], [[-10, 20, 20]]])
    >>> h = xnor.forward_propagate(theta, np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))[-1]
    >>> h.round(3).ravel()
    array([1., 0., 0., 1.])
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activation: ActivationName | Sequence[ActivationName] = "logistic",
        output_activation: OutputName = "logistic",
        loss: LossName = "cross_entropy",
    ):
        sizes = tuple(layer_sizes) if isinstance(layer_sizes, Iterable) else ()
        if len(sizes) < 2 or not all(is_positive_integer(size) for size in sizes):
            raise ValueError(
                "layer_sizes must be at least two positive integers (inputs, hidden units..., "
                f"outputs); got {layer_sizes!r}."
            )
        self.layer_sizes = tuple(int(s) for s in sizes)
        self.activation = _one_per_hidden_layer(activation, len(sizes) - 2)
        if (output_activation, loss) not in LOSSES:
            raise ValueError(
                f"Unknown pair output_activation={output_activation!r}, loss={loss!r}; "
                f"known are {sorted(LOSSES)}."
            )
        if output_activation == "softmax" and self.layer_sizes[-1] == 1:
            raise ValueError("A softmax needs at least two output units; got 1.")
        self.output_activation = output_activation
        self.loss = loss
        self.shapes = tuple(
            (fan_out, fan_in + 1)
            for fan_in, fan_out in zip(self.layer_sizes, self.layer_sizes[1:], strict=False)
        )
        # Offsets of each Theta^(l) in the unrolled vector.
        self._ends = list(accumulate((r * c for r, c in self.shapes), initial=0))
        self.n_parameters = self._ends[-1]

    def _key(self) -> tuple:
        return self.layer_sizes, self.activation, self.output_activation, self.loss

    def __eq__(self, other: object) -> bool:
        """Whether two networks are the same function of their parameters."""
        return isinstance(other, Network) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.layer_sizes))
        return f"<Network {sizes}, {self.n_parameters} parameters>"

    @property
    def n_outputs(self) -> int:
        """K, the number of output units."""
        return self.layer_sizes[-1]

    @property
    def hidden_activations(self) -> list[Activation]:
        """The activation function, with its derivative, of each hidden layer."""
        return [ACTIVATIONS[name] for name in self.activation]

    @property
    def loss_record(self) -> Loss:
        """The output activation and the loss as functions of the logits."""
        return LOSSES[self.output_activation, self.loss]

    # -- unrolled parameters ---------------------------------------------------------------

    def unroll(self, thetas: Sequence[ArrayLike]) -> NDArray:
        """Join the matrices into one vector: ``[Theta1.ravel(), Theta2.ravel(), ...]``.

        Parameters
        ----------
        thetas : sequence of array-likes
            Theta^(l) of shape (s_{l+1}, s_l + 1), for l = 1..L-1.

        Returns
        -------
        theta : ndarray of shape (n_parameters,), float64

        Raises
        ------
        ValueError
            If the number of matrices or one of their shapes is wrong.
        """
        matrices = [np.asarray(Theta, dtype=np.float64) for Theta in thetas]
        if tuple(Theta.shape for Theta in matrices) != self.shapes:
            raise ValueError(
                f"A network of layers {self.layer_sizes} needs Theta matrices of shapes "
                f"{list(self.shapes)} (units of the next layer, bias + units of this layer); "
                f"got {[Theta.shape for Theta in matrices]}."
            )
        return np.concatenate([Theta.ravel() for Theta in matrices])

    def reshape(self, theta: NDArray, order: Literal["C", "F"] = "C") -> list[NDArray]:
        """Split a vector into matrices: the inverse of `unroll`, without a copy.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters, or another vector of this length, such as a gradient.
        order : {"C", "F"}, default="C"
            Whether each matrix is unrolled row by row, as `unroll` does it, or column by column.

        Returns
        -------
        thetas : list of ndarrays
            Theta^(l) of shape (s_{l+1}, s_l + 1), views of `theta`.

        Raises
        ------
        ValueError
            If `theta` does not have the shape (n_parameters,).
        """
        theta = np.asarray(theta)
        if theta.shape != (self.n_parameters,):
            raise ValueError(
                f"A network of layers {self.layer_sizes} has {self.n_parameters} unrolled "
                f"parameters; got an array of shape {theta.shape}."
            )
        return [
            theta[start:stop].reshape(shape, order=order)
            for start, stop, shape in zip(self._ends, self._ends[1:], self.shapes, strict=False)
        ]

    def initialize(
        self, init_epsilon="auto", random_state=None, *, centre: NDArray | None = None
    ) -> NDArray:
        """Draw random parameters, uniform on [-epsilon, epsilon].

        Random values break the symmetry between hidden units: units with equal parameters have
        equal gradients and never become different.

        Parameters
        ----------
        init_epsilon : float or "auto", default="auto"
            The half-width epsilon, from 0 to half the largest float; "auto" uses
            ``sqrt(6) / sqrt(s_l + s_{l+1})`` for Theta^(l).
        random_state : int, RandomState instance or None, default=None
            Seed or generator of the random numbers.
        centre : ndarray of shape (n,), optional
            Origin of the features: ``-W centre`` is added to the biases of Theta^(1) with
            weights W, so that the first layer starts as it would for ``X - centre``. Units
            for which this is not finite keep the bias that was drawn.

        Returns
        -------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.

        Raises
        ------
        ValueError
            If `init_epsilon` is out of range.
        """
        if init_epsilon != "auto" and not 0 <= as_float(init_epsilon) <= LARGEST_EPSILON:
            raise ValueError(
                f'init_epsilon must be "auto" or a number from 0 to {LARGEST_EPSILON:.4g}; got '
                f"{init_epsilon!r}."
            )
        rng = check_random_state(random_state)
        matrices = []
        for fan_out, columns in self.shapes:
            if init_epsilon == "auto":
                epsilon = np.sqrt(6.0 / (fan_out + columns - 1))
            else:
                epsilon = float(init_epsilon)
            matrices.append(rng.uniform(-epsilon, epsilon, size=(fan_out, columns)))
        if centre is not None:
            bias, W = matrices[0][:, 0], matrices[0][:, 1:]
            with np.errstate(over="ignore", invalid="ignore"):
                shifted = bias - W @ centre
            np.copyto(bias, shifted, where=np.isfinite(shifted))
        return self.unroll(matrices)

    def check_theta(self, theta_init: Any) -> NDArray:
        """Check initial parameters and return them as a new unrolled vector.

        Parameters
        ----------
        theta_init : sequence of array-likes, or array-like of shape (n_parameters,)
            Theta^(l) of shape (s_{l+1}, s_l + 1), or the unrolled vector.

        Returns
        -------
        theta : ndarray of shape (n_parameters,), float64

        Raises
        ------
        ValueError
            If the shapes do not fit the network, or entries are not real numbers or not finite.
        """
        if not isinstance(theta_init, Sequence | np.ndarray) or (
            isinstance(theta_init, np.ndarray) and theta_init.ndim == 0
        ):
            raise ValueError(
                "theta_init must be a list of matrices or the unrolled vector; got "
                f"{theta_init!r}."
            )
        unrolled = len(theta_init) > 0 and np.ndim(theta_init[0]) == 0
        parts = [np.asarray(part) for part in ([theta_init] if unrolled else theta_init)]
        # A conversion to float64 would drop imaginary parts and parse strings.
        other = [part.dtype for part in parts if part.dtype.kind not in "biuf"]
        if other:
            raise ValueError(f"theta_init must hold real numbers; got entries of type {other[0]}.")
        with np.errstate(over="ignore"):  # entries of a wider type may exceed float64
            theta = parts[0].astype(np.float64) if unrolled else self.unroll(parts)
        self.reshape(theta)
        if not np.isfinite(theta).all():
            raise ValueError("theta_init has entries that are not finite.")
        return theta

    def check_inputs(self, X):
        """Check examples and convert them to a float array or sparse matrix.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n)
            Examples as rows.

        Returns
        -------
        X : {ndarray, sparse matrix} of shape (m, n), float32 or float64
            Not copied if it has one of these types already.

        Raises
        ------
        ValueError
            If `X` does not have two dimensions and n columns.
        """
        X = X if issparse(X) else np.asarray(X)
        n = self.layer_sizes[0]
        if X.ndim != 2 or X.shape[1] != n:
            raise ValueError(
                f"The network has {n} inputs, so X must have shape (m, {n}); got {X.shape}."
            )
        return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)

    # -- propagation -----------------------------------------------------------------------

    def forward_propagate(self, theta: NDArray, X) -> list:
        """Compute the activations of every layer.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.
        X : {array-like, sparse matrix} of shape (m, n)
            Examples as rows.

        Returns
        -------
        activations : list
            [A^(1), ..., A^(L)] of shapes (m, s_l): X itself, the hidden layers, and h(X) of
            shape (m, K).

        Raises
        ------
        ValueError
            If the shape of `theta` or `X` does not fit the network.
        """
        X = self.check_inputs(X)
        propagation = self.propagate(self.reshape(np.asarray(theta, dtype=X.dtype)), X)
        self.loss_record.output(propagation.logits)
        return [X, *propagation.activations, propagation.logits]

    def propagate(
        self,
        thetas: list[NDArray],
        X,
        *,
        out: list[NDArray] | None = None,
        dropout: list[NDArray] | None = None,
    ) -> Propagation:
        """Forward propagation up to the logits Z^(L).

        Parameters
        ----------
        thetas : list of ndarrays
            Theta^(l), in the dtype of X.
        X : {ndarray, CSR} of shape (m, n)
            Examples as rows, float32 or float64; not changed.
        out : list of L - 1 ndarrays, optional
            Output arrays for A^(2)..A^(L-1) and Z^(L), of shapes (m, s_l); new ones if None.
        dropout : list of L - 2 ndarrays, optional
            Masks to multiply the hidden activations by, of shapes (m, s_l).

        Returns
        -------
        propagation : Propagation
        """
        if out is None:
            out = [
                np.empty((X.shape[0], rows), dtype=X.dtype, order="F") for rows, _ in self.shapes
            ]
        first, *above = thetas
        multiply(X, first[:, 1:].T, out=out[0])
        out[0] += np.ascontiguousarray(first[:, 0])
        found = self.propagate_above(above, out=out, dropout=dropout)
        return found._replace(inputs=[X, *found.inputs])

    def propagate_above(
        self, thetas: list[NDArray], *, out: list[NDArray], dropout: list[NDArray] | None = None
    ) -> Propagation:
        """Forward propagation from Z^(2) to Z^(L).

        Parameters
        ----------
        thetas : list of ndarrays
            Theta^(l) for l > 1.
        out : list of L - 1 ndarrays
            Z^(2), which A^(2) replaces, and output arrays for A^(3)..A^(L-1) and Z^(L).
        dropout : list of L - 2 ndarrays, optional
            As for `propagate`.

        Returns
        -------
        propagation : Propagation
            Its inputs are those of the given Theta^(l), without X.
        """
        *activations, logits = out
        inputs = []
        for layer, (Theta, a, Z) in enumerate(zip(thetas, activations, out[1:], strict=True)):
            self.hidden_activations[layer].function(a)
            inputs.append(a if dropout is None else a * dropout[layer])
            multiply(inputs[-1], Theta[:, 1:].T, out=Z)
            Z += np.ascontiguousarray(Theta[:, 0])
        return Propagation(inputs, activations, logits)

    def back_propagate(
        self,
        thetas: list[NDArray],
        propagation: Propagation,
        delta: NDArray,
        *,
        out: list[NDArray],
        deltas: list[NDArray] | None = None,
        dropout: list[NDArray] | None = None,
    ) -> list[NDArray]:
        r"""Back propagation: from :math:`\delta^{(L)}` to the summed gradients.

        .. math::

            \Delta^{(l)} = \delta^{(l+1)T} [1, A^{(l)}], \quad
            \delta^{(l)} = (\delta^{(l+1)} \Theta^{(l)}_{:,1:}) * g'(Z^{(l)})

        Parameters
        ----------
        thetas : list of ndarrays
            Theta^(l), in the dtype of X.
        propagation : Propagation
            Result of `propagate` for the same rows. Its hidden activations are overwritten.
        delta : ndarray of shape (m, s_L)
            delta^(L), already multiplied by the examples' weights.
        out : list of ndarrays
            Output arrays for Delta^(l), of the shapes of Theta^(l).
        deltas : list of L - 2 ndarrays, optional
            Output arrays for delta^(2)..delta^(L-1), of shapes (m, s_l); new ones if None.
        dropout : list of ndarrays, optional
            The masks that were given to `propagate`.

        Returns
        -------
        deltas : list of ndarrays
            delta^(2)..delta^(L), of shapes (m, s_l).
        """
        if deltas is None:
            deltas = [np.empty_like(a) for a in propagation.activations]
        X, *inputs = propagation.inputs
        above = propagation._replace(inputs=inputs)
        deltas = self.back_propagate_above(
            thetas[1:], above, delta, out=out[1:], deltas=deltas, dropout=dropout
        )
        out[0][:, 0] = sum_of_rows(deltas[0])
        multiply_transposed(deltas[0], X, out=out[0][:, 1:])
        return deltas

    def back_propagate_above(
        self,
        thetas: list[NDArray],
        propagation: Propagation,
        delta: NDArray,
        *,
        out: list[NDArray],
        deltas: list[NDArray],
        dropout: list[NDArray] | None = None,
    ) -> list[NDArray]:
        """Back propagation from delta^(L) to delta^(2).

        Parameters
        ----------
        thetas : list of ndarrays
            Theta^(l) for l > 1.
        propagation : Propagation
            Result of `propagate_above`. Its activations are overwritten.
        delta : ndarray of shape (m, s_L)
            delta^(L), already multiplied by the examples' weights.
        out : list of ndarrays
            Output arrays for Delta^(l) for l > 1.
        deltas : list of L - 2 ndarrays
            Output arrays for delta^(2)..delta^(L-1).
        dropout : list of ndarrays, optional
            The masks that were given to `propagate_above`.

        Returns
        -------
        deltas : list of ndarrays
            delta^(2)..delta^(L), of shapes (m, s_l).
        """
        deltas = [*deltas, delta]
        for layer in reversed(range(len(thetas))):
            delta, below, Delta = deltas[layer + 1], deltas[layer], out[layer]
            Delta[:, 0] = sum_of_rows(delta)
            multiply_transposed(delta, propagation.inputs[layer], out=Delta[:, 1:])
            multiply(delta, thetas[layer][:, 1:], out=below)
            self.hidden_activations[layer].times_derivative(below, propagation.activations[layer])
            if dropout is not None:
                below *= dropout[layer]
        return deltas


def is_positive_integer(value) -> bool:
    """Whether a value is an integer above 0, and not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


def as_float(value) -> float:
    """A real number as a float, infinite if it is too large; NaN for any other object."""
    if not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return -math.inf if value < 0 else math.inf


def _one_per_hidden_layer(activation: str | Sequence[str], n_hidden: int) -> tuple[str, ...]:
    """The name of the activation of each hidden layer."""
    names = (activation,) * n_hidden if isinstance(activation, str) else tuple(activation)
    unknown = {activation} if isinstance(activation, str) else set(names)
    unknown -= set(ACTIVATIONS)
    if unknown:
        raise ValueError(
            f"Unknown activation {', '.join(map(repr, sorted(unknown, key=str)))}; "
            f"known are {', '.join(map(repr, ACTIVATIONS))}."
        )
    if len(names) != n_hidden:
        raise ValueError(
            f"activation names {len(names)} hidden layers but the network has {n_hidden}; "
            "give one name for all of them or one for each."
        )
    return names
