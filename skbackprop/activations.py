"""Activation functions: one record per name, g and the product with its derivative g'.

Both functions work element by element and in place, because the rows of a network pass
through them once per evaluation and a temporary costs as much as the arithmetic. The
derivative is written in terms of the activation ``a = g(z)``: that is what forward
propagation keeps.
"""

from collections.abc import Callable
from typing import NamedTuple

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
        activation ``a = g(z)``, which it may use up.
    """

    function: Callable[[NDArray], None]
    times_derivative: Callable[[NDArray, NDArray], None]


def logistic(z: NDArray) -> None:
    """g(z) = 1 / (1 + e^-z), in place."""
    # (1 + tanh(z/2)) / 2 is the same function; NumPy vectorises tanh, and it cannot overflow.
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
    """Multiply delta by g'(z) = 1: it stays as it is."""


ACTIVATIONS: dict[str, Activation] = {
    "logistic": Activation(logistic, times_logistic_derivative),
    "tanh": Activation(tanh, times_tanh_derivative),
    "relu": Activation(relu, times_relu_derivative),
    "identity": Activation(identity, times_identity_derivative),
}
