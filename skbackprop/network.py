"""The network of the notes: shapes, unrolling, initialisation, forward and back propagation."""

import math
import sys
from collections.abc import Iterable, Sequence
from itertools import accumulate
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from skbackprop.activations import ACTIVATIONS, Activation
from skbackprop.losses import LOSSES, Loss

# The width of [-epsilon, epsilon] is a float, too.
LARGEST_EPSILON = sys.float_info.max / 2


class Propagation(NamedTuple):
    """What forward propagation leaves behind for back propagation.

    Parameters
    ----------
    inputs : list of arrays
        What each Theta^(l) was multiplied with, l = 1..L-1: X, then the hidden layers'
        activations after dropout, shapes (m, s_l).
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
    r"""A feed-forward network: the functions of its parameters, without any data.

    .. math::

        A^{(1)} &= X, & Z^{(l+1)} &= [1, A^{(l)}] \, \Theta^{(l)T}, \\
        A^{(l)} &= g(Z^{(l)}), & h_\Theta(X) &= A^{(L)}

    :math:`\Theta^{(l)}` has shape :math:`(s_{l+1}, s_l + 1)`; its column 0 multiplies the
    bias unit. Examples are rows: X is (m, n), the activations of layer l are
    :math:`(m, s_l)`.

    Parameters
    ----------
    layer_sizes : sequence of int
        Units per layer without the bias unit, from the n inputs to the K outputs:
        ``(n, s_2, ..., K)``, at least two of them.
    activation : str or sequence of str, default="logistic"
        g of the hidden layers, one for all or one for each: "logistic", "tanh", "relu" or
        "identity".
    output_activation : {"logistic", "softmax"}, default="logistic"
        What the last layer puts out: K separate logistic units (one-vs-all), or one
        softmax over all K.
    loss : {"cross_entropy", "squared_error"}, default="cross_entropy"
        The cost of one example, see `Objective`.

    Attributes
    ----------
    shapes : tuple of pairs of int
        The shapes of Theta^(1)..Theta^(L-1).
    n_parameters : int
        The number of entries of all Theta together.

    Raises
    ------
    ValueError
        If a size is not a positive integer or a name is unknown.

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
        activation: str | Sequence[str] = "logistic",
        output_activation: str = "logistic",
        loss: str = "cross_entropy",
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
        # Where each unrolled Theta^(l) begins and ends.
        self._ends = list(accumulate((r * c for r, c in self.shapes), initial=0))
        self.n_parameters = self._ends[-1]

    def _key(self) -> tuple:
        return self.layer_sizes, self.activation, self.output_activation, self.loss

    def __eq__(self, other: object) -> bool:
        """Whether two networks are the same functions of their parameters."""
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
        """The record of g and g' of each hidden layer."""
        return [ACTIVATIONS[name] for name in self.activation]

    @property
    def loss_record(self) -> Loss:
        """The record of the output activation and the loss."""
        return LOSSES[self.output_activation, self.loss]

    # -- unrolled parameters ---------------------------------------------------------------

    def unroll(self, thetas: Sequence[ArrayLike]) -> NDArray:
        """Matrices to vector: ``[Theta1.ravel(), Theta2.ravel(), ...]``, row by row.

        Parameters
        ----------
        thetas : sequence of array-likes
            One matrix per pair of layers, of shape (s_{l+1}, s_l + 1).

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

    def reshape(self, theta: NDArray) -> list[NDArray]:
        """Vector to matrices: the inverse of `unroll`, as views without a copy.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters, or anything of their length, such as a gradient.

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
            theta[start:stop].reshape(shape)
            for start, stop, shape in zip(self._ends, self._ends[1:], self.shapes, strict=False)
        ]

    def initialize(
        self, init_epsilon="auto", random_state=None, *, centre: NDArray | None = None
    ) -> NDArray:
        """Random initialisation: every entry uniform on [-epsilon, epsilon].

        Parameters
        ----------
        init_epsilon : float or "auto", default="auto"
            The half-width, from 0 to half the largest float; "auto" takes
            ``sqrt(6) / sqrt(s_l + s_{l+1})`` for Theta^(l).
        random_state : int, RandomState instance or None, default=None
            The source of the random numbers.
        centre : ndarray of shape (n,), optional
            Where the features are measured from: the bias of Theta^(1) takes up
            ``-W centre``, so that the first layer starts as it would for ``X - centre``. Units
            for which this is not finite keep the bias that was drawn.

        Returns
        -------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters. They must differ from each other: hidden units that
            start out equal have equal gradients and stay equal for ever.

        Raises
        ------
        ValueError
            If `init_epsilon` is out of its range.
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
        """A starting point that a user gives, as an unrolled vector of its own.

        Parameters
        ----------
        theta_init : sequence of array-likes, or array-like of shape (n_parameters,)
            Theta^(l) of shape (s_{l+1}, s_l + 1), or the same unrolled.

        Returns
        -------
        theta : ndarray of shape (n_parameters,), float64

        Raises
        ------
        ValueError
            If it does not fit the network, or has entries that are not real numbers or not
            finite.
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
        # float64 would drop an imaginary part, and read numbers from texts.
        other = [part.dtype for part in parts if part.dtype.kind not in "biuf"]
        if other:
            raise ValueError(f"theta_init must hold real numbers; got entries of type {other[0]}.")
        with np.errstate(over="ignore"):  # entries of a wider type that are too large
            theta = parts[0].astype(np.float64) if unrolled else self.unroll(parts)
        self.reshape(theta)
        if not np.isfinite(theta).all():
            raise ValueError("theta_init has entries that are not finite.")
        return theta

    def check_inputs(self, X):
        """Examples as a two-dimensional float array or sparse matrix of n columns.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n)
            Examples as rows.

        Raises
        ------
        ValueError
            If `X` has another shape.
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
        """The activations of every layer.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters.
        X : {array-like, sparse matrix} of shape (m, n)
            Examples as rows.

        Returns
        -------
        activations : list
            [A^(1), ..., A^(L)]: X itself, the hidden layers, h(X) of shape (m, K).
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
            Float examples as rows; not changed.
        out : list of L - 1 ndarrays, optional
            Where to write A^(2)..A^(L-1) and Z^(L), of shapes (m, s_l).
        dropout : list of L - 2 ndarrays, optional
            Masks to multiply the hidden activations with, of shapes (m, s_l).

        Returns
        -------
        propagation : Propagation
        """
        if out is None:
            out = [
                np.empty((X.shape[0], rows), dtype=X.dtype, order="F") for rows, _ in self.shapes
            ]
        inputs, activations = [X], []
        for layer, (Theta, Z) in enumerate(zip(thetas, out, strict=True)):
            _multiply(inputs[-1], Theta[:, 1:].T, out=Z)
            Z += np.ascontiguousarray(Theta[:, 0])
            if layer == len(thetas) - 1:
                break
            self.hidden_activations[layer].function(Z)
            activations.append(Z)
            inputs.append(Z if dropout is None else Z * dropout[layer])
        return Propagation(inputs, activations, out[-1])

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
            Of the same rows. Its hidden activations are used up.
        delta : ndarray of shape (m, s_L)
            delta^(L), already multiplied by the examples' weights.
        out : list of ndarrays
            Delta^(l), overwritten, of the shapes of Theta^(l).
        deltas : list of L - 2 ndarrays, optional
            Where to write delta^(2)..delta^(L-1), of shapes (m, s_l).
        dropout : list of ndarrays, optional
            The masks that forward propagation used.

        Returns
        -------
        deltas : list of ndarrays
            delta^(2)..delta^(L), of shapes (m, s_l).
        """
        if deltas is None:
            deltas = [np.empty_like(a) for a in propagation.activations]
        deltas = [*deltas, delta]
        ones = np.ones(len(delta), dtype=delta.dtype)
        for layer in reversed(range(len(thetas))):
            delta, Delta = deltas[layer], out[layer]
            Delta[:, 0] = ones @ delta
            _multiply_transposed(delta, propagation.inputs[layer], out=Delta[:, 1:])
            if layer == 0:
                break
            a, below = propagation.activations[layer - 1], deltas[layer - 1]
            _multiply(delta, thetas[layer][:, 1:], out=below)
            self.hidden_activations[layer - 1].times_derivative(below, a)
            if dropout is not None:
                below *= dropout[layer - 1]
        return deltas


def is_positive_integer(value) -> bool:
    """Whether a value counts something, such as the units of a layer."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


def as_float(value) -> float:
    """A real number as a float, infinite where it is too large; NaN for anything else."""
    if not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return -math.inf if value < 0 else math.inf


def _multiply(A, B: NDArray, out: NDArray) -> None:
    """A B into `out`, A dense or sparse."""
    if issparse(A):
        out[...] = A @ np.ascontiguousarray(B)
    elif A.shape[1] == 1:
        # An outer product; as a matrix product it is several times slower.
        np.multiply(A, B, out=out)
    else:
        np.matmul(A, B, out=out)


def _multiply_transposed(delta: NDArray, A, out: NDArray) -> None:
    """delta^T A into `out`, A dense or sparse."""
    if issparse(A):
        out[...] = (A.T @ delta).T
    else:
        np.matmul(delta.T, A, out=out)


def _one_per_hidden_layer(activation: str | Sequence[str], n_hidden: int) -> tuple[str, ...]:
    """The names of the hidden layers' activations."""
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
