"""Activation functions: one record per name, g and its derivative g'.

Both functions work element by element and write into the array they are given, because
the rows of a network pass through them once per evaluation and a temporary costs as much
as the arithmetic. The derivative is written in terms of the activation ``a = g(z)``: that
is what forward propagation keeps.
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
    derivative : callable
        ``derivative(a)`` replaces the activation ``a = g(z)`` by g'(z) in place.
    """

    function: Callable[[NDArray], None]
    derivative: Callable[[NDArray], None]


def logistic(z: NDArray) -> None:
    """g(z) = 1 / (1 + e^-z), in place."""
    # (1 + tanh(z/2)) / 2 is the same function; NumPy vectorises tanh, and it cannot overflow.
    z *= 0.5
    np.tanh(z, out=z)
    z += 1.0
    z *= 0.5


def logistic_derivative(a: NDArray) -> None:
    """g'(z) = a (1 - a), in place."""
    # In one array: a - a^2 = 1/4 - (a - 1/2)^2 would lose the tails, a * (1 - a) does not.
    a *= 1.0 - a


def tanh(z: NDArray) -> None:
    """g(z) = tanh(z), in place."""
    np.tanh(z, out=z)


def tanh_derivative(a: NDArray) -> None:
    """g'(z) = 1 - a^2, in place."""
    np.multiply(a, a, out=a)
    np.subtract(1.0, a, out=a)


def relu(z: NDArray) -> None:
    """g(z) = max(0, z), in place."""
    np.maximum(z, 0.0, out=z)


def relu_derivative(a: NDArray) -> None:
    """g'(z) = 1 where z > 0, else 0, in place (0 at the kink)."""
    np.greater(a, 0.0, out=a)


def identity(z: NDArray) -> None:
    """g(z) = z."""


def identity_derivative(a: NDArray) -> None:
    """g'(z) = 1, in place."""
    a.fill(1.0)


ACTIVATIONS: dict[str, Activation] = {
    "logistic": Activation(logistic, logistic_derivative),
    "tanh": Activation(tanh, tanh_derivative),
    "relu": Activation(relu, relu_derivative),
    "identity": Activation(identity, identity_derivative),
}
