"""Costs computed from logits, for each pair (output activation, loss).

A `Loss` computes the output h(x) and, in one pass, the cost of every example together with
``delta^(L)``, its derivative with respect to the logits ``Z^(L)``. Everything is computed
from the logits and never from a rounded probability, so costs stay finite and exact where
a probability would round to 0 or 1.

Y is an array of targets in [0, 1], of the same shape as Z.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skbackprop.activations import logistic, times_logistic_derivative


class Loss(NamedTuple):
    """The output activation and the cost of the last layer, as functions of its logits.

    Parameters
    ----------
    output : callable
        ``output(Z)`` replaces the logits by h(x) in place.
    cost_and_delta : callable
        ``cost_and_delta(Z, Y)`` returns the cost of each example, shape (rows,), and
        replaces Z by ``delta^(L) = d cost / d Z`` in place.
    """

    output: Callable[[NDArray], None]
    cost_and_delta: Callable[[NDArray, NDArray], NDArray]


def softmax(Z: NDArray) -> None:
    """h_k = e^{z_k} / sum_j e^{z_j}, in place."""
    Z -= Z.max(axis=1, keepdims=True)
    np.exp(Z, out=Z)
    Z /= Z.sum(axis=1, keepdims=True)


def logistic_cross_entropy(Z: NDArray, Y: NDArray) -> NDArray:
    """-sum_k [y_k log h_k + (1 - y_k) log(1 - h_k)] and delta = h - y."""
    # log(1 + e^z) - y z = log(1 + e^-|z|) + (max(z, 0) - y z): no overflow, and for y = 0 or 1
    # the bracket is exact, so there is no cancellation.
    cost = np.copysign(Z, -1.0)
    np.exp(cost, out=cost)
    np.log1p(cost, out=cost)
    excess = np.maximum(Z, 0.0)
    excess -= Y * Z
    cost += excess
    logistic(Z)
    Z -= Y
    return cost.sum(axis=1)


def logistic_squared_error(Z: NDArray, Y: NDArray) -> NDArray:
    """sum_k (h_k - y_k)^2 and delta = 2 (h - y) g'(z)."""
    logistic(Z)
    error = Z - Y
    cost = np.einsum("ik,ik->i", error, error)
    error *= 2.0
    times_logistic_derivative(error, Z)
    Z[...] = error
    return cost


def softmax_cross_entropy(Z: NDArray, Y: NDArray) -> NDArray:
    """-sum_k y_k log h_k and delta = h - y, for targets that sum to one."""
    Z -= Z.max(axis=1, keepdims=True)
    cost = -np.einsum("ik,ik->i", Y, Z)
    np.exp(Z, out=Z)
    total = Z.sum(axis=1)
    cost += np.log(total)
    Z /= total[:, np.newaxis]
    Z -= Y
    return cost


def softmax_squared_error(Z: NDArray, Y: NDArray) -> NDArray:
    """sum_k (h_k - y_k)^2 = sum_k e_k^2 and delta_k = 2 h_k (e_k - sum_j e_j h_j)."""
    softmax(Z)
    error = Z - Y
    cost = np.einsum("ik,ik->i", error, error)
    error -= np.einsum("ik,ik->i", error, Z)[:, np.newaxis]
    Z *= error
    Z *= 2.0
    return cost


# The names that type checkers know; the table may have more.
OutputName = Literal["logistic", "softmax"]
LossName = Literal["cross_entropy", "squared_error"]

LOSSES: dict[tuple[str, str], Loss] = {
    ("logistic", "cross_entropy"): Loss(logistic, logistic_cross_entropy),
    ("logistic", "squared_error"): Loss(logistic, logistic_squared_error),
    ("softmax", "cross_entropy"): Loss(softmax, softmax_cross_entropy),
    ("softmax", "squared_error"): Loss(softmax, softmax_squared_error),
}
