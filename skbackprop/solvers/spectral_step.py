r"""Steepest descent in the spectral norm: steps of whole matrices, not of single entries.

The inputs a of a layer are centred and scaled,

.. math:: a' = (a - \mu) / s, \quad W' = s W, \quad b' = 4 (b + W \mu)

column by column, so that the inputs of :math:`\Theta' = [b', W']` have about the length 1. A
step is

.. math::

    M \leftarrow 0.9 M + 0.1 D', \quad
    \Theta' \leftarrow \Theta' - \alpha \, U V^T \quad \mathrm{with} \quad M = U \Sigma V^T

where D' is the gradient with respect to :math:`\Theta'`. All singular values of
:math:`U V^T` are 1: a step changes z by about the rate :math:`\alpha` at most, whatever the
scale of the gradient, the units of the features and the width of the layer. Directions in which
the gradient is always small, but J could fall far, get as much of it as the others. The rate of a
layer is that of the step times its reach.

References
----------
D. Carlson, V. Cevher and L. Carin, "Stochastic spectral descent for restricted Boltzmann
machines", 2015.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
"""

from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skbackprop.blas import add_multiple
from skbackprop.network import Network

MOMENTUM = 0.9
# The bias moves more slowly than the weights: a large one leaves a unit on, or off, for all rows.
BIAS_SCALE = 4.0
# An iteration maps a singular value s <= 1 to a s + b s^3 + c s^5, which brings all but the
# smallest near 1 quickly (Jordan et al., 2024).
COEFFICIENTS = 3.4445, -4.7750, 2.0315
ITERATIONS = 3
# Number of rows and columns from which only groups of rows are orthogonalised: the work of an
# iteration grows with the cube of the smaller number.
MAX_SIDE = 128


class LayerScale(NamedTuple):
    """How the inputs of a layer are centred and scaled, and how far its outputs move.

    Parameters
    ----------
    centre : ndarray of shape (s_l,)
        mu.
    scale : ndarray of shape (s_l,)
        s, above 0.
    reach : float, default=1.0
        Factor of the rate.
    """

    centre: NDArray
    scale: NDArray
    reach: float = 1.0


class SpectralStep:
    """Steps of theta, with momentum.

    Parameters
    ----------
    network : Network
        The network.
    scales : list of LayerScale
        The scales of each layer.
    dtype : dtype
        The precision of theta.
    """

    def __init__(self, network: Network, scales: list[LayerScale], dtype: DTypeLike):
        self._network = network
        self._scales = [
            LayerScale(mu.astype(dtype), s.astype(dtype), reach) for mu, s, reach in scales
        ]
        self._mean = np.zeros(network.n_parameters, dtype=dtype)

    def __call__(self, theta: NDArray, gradient: NDArray, rate: float) -> None:
        """Change theta by one step, in place; the gradient is overwritten.

        Parameters
        ----------
        theta, gradient : ndarrays of shape (n_parameters,)
            The unrolled parameters, and the gradient of J there.
        rate : float
            The learning rate.
        """
        reshape = self._network.reshape
        layers = zip(
            reshape(theta), reshape(gradient), reshape(self._mean), self._scales, strict=True
        )
        for Theta, D, M, (mu, s, reach) in layers:
            alpha = reach * rate
            D_b, D_W = D[:, :1], D[:, 1:]
            D_W -= D_b * mu
            D_W /= s
            D_b /= BIAS_SCALE
            M *= MOMENTUM
            add_multiple(M.ravel(), 1.0 - MOMENTUM, D.ravel())
            for units in groups_of_units(*M.shape):
                step = orthogonalised(M[units])
                step_b, step_W = step[:, 0], step[:, 1:]
                step_W *= alpha / s
                step_b *= alpha / BIAS_SCALE
                step_b -= step_W @ mu
                Theta[units] -= step


def groups_of_units(n_units: int, n_columns: int) -> list[slice]:
    """The rows of a layer's matrix, in groups that are orthogonalised one by one."""
    n_groups = ceil(n_units / MAX_SIDE) if n_columns > MAX_SIDE else 1
    return [slice(n_units * k // n_groups, n_units * (k + 1) // n_groups) for k in range(n_groups)]


def orthogonalised(M: NDArray) -> NDArray:
    r"""Near :math:`U V^T`, for the singular value decomposition :math:`M = U \Sigma V^T`.

    Three Newton-Schulz iterations, with :math:`M M^T` or :math:`M^T M`, whichever is smaller.

    Parameters
    ----------
    M : ndarray of shape (p, q)
        The matrix.

    Returns
    -------
    near : ndarray of shape (p, q)
        A matrix with the singular vectors of M. Its singular values are from 0.68 to 1.21 where
        those of M are at least a 50th of :math:`(\sum_i \sigma_i^4)^{1/4}`, and at most 40 times
        as large as that fraction where they are smaller. 0 for M = 0.
    """
    largest = max(M.max(), -M.min())
    if not 0.0 < largest < np.inf:
        return np.zeros_like(M)
    M = M / largest  # squares of its entries could underflow
    tall = M.shape[0] > M.shape[1]
    S = M.T @ M if tall else M @ M.T
    size = float(np.linalg.norm(S))
    S /= size
    R = factor = _factor(S)
    for _ in range(ITERATIONS - 1):
        S = factor @ S @ factor
        factor = _factor(S)
        R = factor @ R
    R = R / sqrt(size)
    return M @ R if tall else R @ M


def _factor(S: NDArray) -> NDArray:
    """``a I + b S + c S^2``: what an iteration multiplies the matrix by."""
    a, b, c = COEFFICIENTS
    factor = S @ S
    factor *= c
    factor += b * S
    factor.flat[:: len(S) + 1] += a
    return factor
