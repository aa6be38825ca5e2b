"""Activation functions: for each name, g and the product with its derivative g'.

Both functions work element-wise and in place, because a temporary array would cost as much
as the arithmetic. The derivative is written in terms of the activation ``a = g(z)``, which
is what forward propagation stores.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Activation(NamedTuple):
    """An activation function g and its derivative.

    Parameters
    ----------
    function : callable
        ``function(z)`` replaces z by g(z) in place.
    times_derivative : callable
        ``times_derivative(delta, a)`` multiplies delta by g'(z) in place, given the
        activation ``a = g(z)``, which it may overwrite.
    """

    function: Callable[[NDArray], None]
    times_derivative: Callable[[NDArray, NDArray], None]


def logistic(z: NDArray) -> None:
    """g(z) = 1 / (1 + e^-z), in place."""
    # (1 + tanh(z/2)) / 2 is the same function; tanh is vectorised in NumPy and cannot overflow.
    z *= 0.5
    np.tanh(z, out=z)
    z += 1.0
    z *= 0.5


def times_logistic_derivative(delta: NDArray, a: NDArray) -> None:
    """Multiply delta by g'(z) = a (1 - a), in place."""
    delta *= a
    np.subtract(1.0, a, out=a)
    delta *= a


def tanh(z: NDArray) -> None:
    """g(z) = tanh(z), in place."""
    np.tanh(z, out=z)


def times_tanh_derivative(delta: NDArray, a: NDArray) -> None:
    """Multiply delta by g'(z) = 1 - a^2, in place."""
    np.multiply(a, a, out=a)
    np.subtract(1.0, a, out=a)
    delta *= a


def relu(z: NDArray) -> None:
    """g(z) = max(0, z), in place."""
    np.maximum(z, 0.0, out=z)


def times_relu_derivative(delta: NDArray, a: NDArray) -> None:
    """Multiply delta by g'(z): 1 where z > 0, else 0 (0 at the kink), in place."""
    np.greater(a, 0.0, out=a)
    delta *= a


def identity(z: NDArray) -> None:
    """g(z) = z."""


def times_identity_derivative(delta: NDArray, a: NDArray) -> None:
    """Multiply delta by g'(z) = 1: delta is unchanged."""


# The names that type checkers know; the table may have more.
ActivationName = Literal["logistic", "tanh", "relu", "identity"]

ACTIVATIONS: dict[str, Activation] = {
    "logistic": Activation(logistic, times_logistic_derivative),
    "tanh": Activation(tanh, times_tanh_derivative),
    "relu": Activation(relu, times_relu_derivative),
    "identity": Activation(identity, times_identity_derivative),
}
