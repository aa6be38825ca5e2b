"""The penalty "l1" as a smooth problem with bounds.

Every penalised weight is written as ``w = w_plus - w_minus`` with both parts at least 0.
At a minimum one of them is 0, so ``|w| = w_plus + w_minus`` is linear, J is smooth in the
parts, and a weight is exactly zero if both parts are at their bounds.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds

from skbackprop.change_of_variables import ChangeOfVariables


class SplitVariables:
    """A change of variables whose penalised entries are split into two non-negative parts.

    Parameters
    ----------
    change : ChangeOfVariables
        A change that does not alter the penalised entries: only mu, no P and Q.
    penalised : ndarray of shape (p,), bool
        Mask of the entries to split.
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
        """Map Theta to the vector [plus parts and unpenalised entries, minus parts]."""
        z = self.change.from_theta(theta)
        minus = np.maximum(-z[self.penalised], 0.0)
        z[self.penalised] += minus
        return np.concatenate([z, minus])

    def to_theta(self, z: NDArray) -> NDArray:
        """Map to Theta: plus parts minus minus parts, then the change of variables."""
        joined = z[: len(self.penalised)].copy()
        joined[self.penalised] -= z[len(self.penalised) :]
        return self.change.to_theta(joined)

    def pull_back(self, z: NDArray, cost: float, gradient: NDArray) -> tuple[float, NDArray]:
        """Add the penalty, which is linear in the parts, and split the gradient."""
        parts = z[: len(self.penalised)][self.penalised].sum() + z[len(self.penalised) :].sum()
        _, plus = self.change.pull_back(z, cost, gradient)
        minus = self.l1 - plus[self.penalised]
        plus[self.penalised] += self.l1
        return cost + self.l1 * float(parts), np.concatenate([plus, minus])
