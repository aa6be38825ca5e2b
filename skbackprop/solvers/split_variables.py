"""The penalty "l1" for a solver of smooth problems with bounds.

Every penalised weight is written as ``w = w_plus - w_minus`` with both parts at least 0.
At a minimum one of them is 0, so ``|w| = w_plus + w_minus`` is linear, J is smooth in the
parts, and a weight at both bounds is exactly zero.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds

from skbackprop.change_of_variables import ChangeOfVariables


class SplitVariables:
    """Theta' of a change of variables, its penalised entries split into two parts.

    Parameters
    ----------
    change : ChangeOfVariables
        A change that leaves the penalised entries as they are: shifts alone.
    penalised : ndarray of shape (p,), bool
        The entries to split.
    l1 : float
        The strength of ``sum |w|``.
    """

    def __init__(self, change: ChangeOfVariables, penalised: NDArray, l1: float):
        self.change = change
        self.penalised = penalised
        self.l1 = l1
        n_minus = int(penalised.sum())
        lower = np.concatenate([np.where(penalised, 0.0, -np.inf), np.zeros(n_minus)])
        self.bounds = Bounds(lower, np.inf)

    def from_theta(self, theta: NDArray) -> NDArray:
        """[plus parts and unpenalised entries, minus parts]."""
        z = self.change.from_theta(theta)
        minus = np.maximum(-z[self.penalised], 0.0)
        z[self.penalised] += minus
        return np.concatenate([z, minus])

    def to_theta(self, z: NDArray) -> NDArray:
        """Plus parts less minus parts, then back through the change of variables."""
        joined = z[: len(self.penalised)].copy()
        joined[self.penalised] -= z[len(self.penalised) :]
        return self.change.to_theta(joined)

    def pull_back(self, z: NDArray, cost: float, gradient: NDArray) -> tuple[float, NDArray]:
        """Add the penalty, linear in the parts, and split the gradient."""
        parts = z[: len(self.penalised)][self.penalised].sum() + z[len(self.penalised) :].sum()
        _, plus = self.change.pull_back(z, cost, gradient)
        minus = self.l1 - plus[self.penalised]
        plus[self.penalised] += self.l1
        return cost + self.l1 * float(parts), np.concatenate([plus, minus])
