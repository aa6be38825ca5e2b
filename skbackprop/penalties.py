"""Penalties on the weights: lambda/m times ``l2 * sum w^2 / 2 + l1 * sum |w|``.

Bias columns are never penalised: `w` below are the penalised entries of theta alone.
"""

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
