"""Penalties on the weights: lambda/m times ``l2 * sum w^2 / 2 + l1 * sum |w|``.

Biases are never penalised: `w` denotes the penalised entries of theta only.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skbackprop.blas import add_multiple


class Penalty(NamedTuple):
    """The factors of lambda/m in the L1 and the L2 term.

    Parameters
    ----------
    l1 : float
        The factor of ``sum |w|``, which has a kink at 0 and makes weights exactly zero.
    l2 : float
        The factor of ``sum w^2 / 2``, which is smooth.
    """

    l1: float
    l2: float


PenaltyName = Literal["l2", "l1"]

PENALTIES: dict[str, Penalty] = {
    "l2": Penalty(l1=0.0, l2=1.0),
    "l1": Penalty(l1=1.0, l2=0.0),
}


def soft_threshold(w: NDArray, step: float | NDArray) -> NDArray:
    """Soft thresholding, the proximal operator of ``step * |w|``: shrink towards 0 by `step`."""
    return np.sign(w) * np.maximum(np.abs(w) - step, 0.0)


def minimum_norm_subgradient(w: NDArray, gradient: NDArray, strength: float) -> NDArray:
    """The subgradient of smallest norm of a smooth term plus ``strength * |w|``.

    `gradient` is the gradient of the smooth term. Where w is not 0 the subgradient is the
    derivative. At the kink every slope in [-strength, strength] is allowed, and the one nearest
    to ``-gradient`` is taken. The result is zero at a minimum.
    """
    return np.where(w == 0.0, soft_threshold(gradient, strength), gradient + strength * np.sign(w))


@dataclass(frozen=True, eq=False)
class PenaltyTerm:
    """The penalty term of J: ``l2 * sum w^2 / 2 + l1 * sum |w|`` over the penalised entries.

    Parameters
    ----------
    l1, l2 : float
        The strengths, including the factor lambda/m.
    penalised : ndarray of shape (n_parameters,), bool
        Mask of the penalised entries of theta: all but the biases.
    """

    l1: float
    l2: float
    penalised: NDArray

    def add_smooth(self, theta: NDArray, cost: float, gradient: NDArray) -> tuple[float, NDArray]:
        """Add the L2 term to a cost and, in place, to its gradient; returns both."""
        if self.l2:
            w = np.where(self.penalised, theta, 0.0)
            cost += 0.5 * self.l2 * float(w @ w)
            w *= self.l2
            gradient += w
        return cost, gradient

    def add_value(self, theta: NDArray, cost: float) -> float:
        """Add both terms to a cost."""
        w = np.where(self.penalised, theta, 0.0)
        if self.l2:
            cost += 0.5 * self.l2 * float(w @ w)
        return cost + self.l1 * float(np.abs(w[self.penalised]).sum()) if self.l1 else cost

    def add_gradient(self, theta: NDArray, gradient: NDArray) -> None:
        """Add the gradient of the L2 term in place, in the precision of both vectors."""
        if self.l2:
            of_biases = gradient[self.biases]
            add_multiple(gradient, self.l2, theta)
            gradient[self.biases] = of_biases

    def part(self, entries: slice) -> "PenaltyTerm":
        """The same penalty for a part of theta."""
        return replace(self, penalised=self.penalised[entries])

    @cached_property
    def biases(self) -> NDArray:
        """The indices of the entries that are not penalised."""
        return np.flatnonzero(~self.penalised)

    def add_kink(self, theta: NDArray, cost: float, gradient: NDArray) -> tuple[float, NDArray]:
        """Add the L1 term to a cost; returns it with the subgradient of smallest norm."""
        if not self.l1:
            return cost, gradient
        w = theta[self.penalised]
        gradient = gradient.copy()
        gradient[self.penalised] = minimum_norm_subgradient(w, gradient[self.penalised], self.l1)
        return cost + self.l1 * float(np.abs(w).sum()), gradient

    @property
    def proximal_step(self) -> Callable | None:
        """`proximal` if the penalty has a kink, else None."""
        return self.proximal if self.l1 else None

    def proximal(
        self, theta: NDArray, step: float | NDArray, out: NDArray | None = None
    ) -> NDArray:
        """The proximal step for the L1 term, after a gradient step on the smooth part of J.

        Minimises ``||v - theta||^2 / (2 step) + l1 sum |v|`` over the penalised entries.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The result of the gradient step.
        step : float or ndarray of shape (n_parameters,)
            The learning rate of the gradient step.
        out : ndarray of shape (n_parameters,), optional
            Where to write the result, for example `theta` itself.

        Returns
        -------
        theta : ndarray of shape (n_parameters,)
        """
        out = np.empty_like(theta) if out is None else out
        if out is not theta:
            out[...] = theta
        if self.l1:
            np.copyto(out, soft_threshold(theta, step * self.l1), where=self.penalised)
        return out
