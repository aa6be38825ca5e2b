"""Penalties on the weights: lambda/m times ``l2 * sum w^2 / 2 + l1 * sum |w|``.

Bias columns are never penalised: `w` below are the penalised entries of theta alone.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Penalty(NamedTuple):
    """How much of lambda/m each kind of penalty gets.

    Parameters
    ----------
    l1 : float
        The share of ``sum |w|``, which has a kink at 0 and gives exact zeros.
    l2 : float
        The share of ``sum w^2 / 2``, which is smooth.
    """

    l1: float
    l2: float


PENALTIES: dict[str, Penalty] = {
    "l2": Penalty(l1=0.0, l2=1.0),
    "l1": Penalty(l1=1.0, l2=0.0),
}


def soft_threshold(w: NDArray, step: float | NDArray) -> NDArray:
    """The proximal step of ``step * |w|``: towards zero by `step`, and not beyond."""
    return np.sign(w) * np.maximum(np.abs(w) - step, 0.0)


def minimum_norm_subgradient(w: NDArray, gradient: NDArray, strength: float) -> NDArray:
    """The smallest element of ``gradient + strength * d|w|``: zero at the minimum.

    Where w is not 0 that is the derivative; at the kink every slope in
    [-strength, strength] is allowed, and the one nearest to ``-gradient`` is taken.
    """
    return np.where(w == 0.0, soft_threshold(gradient, strength), gradient + strength * np.sign(w))


@dataclass(frozen=True, eq=False)
class PenaltyTerm:
    """The last term of J: ``l2 * sum w^2 / 2 + l1 * sum |w|`` over the penalised entries.

    Parameters
    ----------
    l1, l2 : float
        The strengths, lambda/m included.
    penalised : ndarray of shape (n_parameters,), bool
        Which entries of theta are penalised: all but the bias columns.
    """

    l1: float
    l2: float
    penalised: NDArray

    def add_smooth(self, theta: NDArray, cost: float, gradient: NDArray) -> tuple[float, NDArray]:
        """The cost and the gradient, which is changed in place, with the squares added."""
        if self.l2:
            w = np.where(self.penalised, theta, 0.0)
            cost += 0.5 * self.l2 * float(w @ w)
            w *= self.l2
            gradient += w
        return cost, gradient

    def add_kink(self, theta: NDArray, cost: float, gradient: NDArray) -> tuple[float, NDArray]:
        """The cost with the absolute values added, and the subgradient of smallest norm."""
        if not self.l1:
            return cost, gradient
        w = theta[self.penalised]
        gradient = gradient.copy()
        gradient[self.penalised] = minimum_norm_subgradient(w, gradient[self.penalised], self.l1)
        return cost + self.l1 * float(np.abs(w).sum()), gradient

    def proximal(self, theta: NDArray, step: float | NDArray) -> NDArray:
        """What a gradient step of length `step` leaves to do for the absolute values.

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
