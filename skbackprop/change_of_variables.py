r"""An exact linear change of variables that shortens the path of a quasi-Newton solver.

Instead of Theta = [b, W] of a layer the solver sees Theta' = [b', W'] with

.. math:: W = W' P, \quad b = b' - W \mu

so that the layer computes :math:`b' + W' P (a - \mu)`: its inputs are centred by mu and
mixed by P, but no input is touched. J, its minimisers and the convergence test remain those
of Theta; only the solver's path changes, because to it the inputs look centred and of
similar spread. The gradient follows from the chain rule, with D = [D_b, D_W] that of Theta:

.. math:: D_{b'} = D_b, \quad D_{W'} = (D_W - D_b \mu^T) P^T

The first layer takes mu and P from the mean and the covariance C of the inputs,
:math:`P = (C + 0.01 e I)^{-1/4}` with the largest eigenvalue e of C; the layers above take
for mu what a unit of small weights puts out, g(0), and no P.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skbackprop.blocks import ArrayRows
from skbackprop.network import Network

# Beyond this many features the covariance costs more than it saves.
MAX_MIXED_FEATURES = 1000
# Rows that the moments of the inputs are taken from: any choice is exact, more is no better.
MOMENT_ROWS = 10_000


class ChangeOfVariables(NamedTuple):
    """One mu and one P for each layer; None where a layer is left as it is.

    Parameters
    ----------
    network : Network
        Tells the shapes.
    shifts : list of ndarrays of shape (s_l,) or None
        mu of each Theta^(l).
    mixings : list of ndarrays of shape (s_l, s_l) or None
        P of each Theta^(l), symmetric and invertible.
    """

    network: Network
    shifts: list[NDArray | None]
    mixings: list[NDArray | None]

    @property
    def bounds(self) -> None:
        """A solver may move these variables anywhere."""
        return None

    def to_theta(self, z: NDArray) -> NDArray:
        """Theta' to Theta: ``W = W' P``, ``b = b' - W mu``."""
        theta = z.copy()
        for Theta, mu, P in self._layers(theta):
            if P is not None:
                Theta[:, 1:] = Theta[:, 1:] @ P
            if mu is not None:
                Theta[:, 0] -= Theta[:, 1:] @ mu
        return theta

    def from_theta(self, theta: NDArray) -> NDArray:
        """Theta to Theta': ``b' = b + W mu``, ``W' = W P^-1``."""
        z = theta.copy()
        for Theta, mu, P in self._layers(z):
            if mu is not None:
                Theta[:, 0] += Theta[:, 1:] @ mu
            if P is not None:
                Theta[:, 1:] = np.linalg.solve(P, Theta[:, 1:].T).T
        return z

    def pull_back(self, z: NDArray, cost: float, gradient: NDArray) -> tuple[float, NDArray]:
        """Cost and gradient of Theta' from those of Theta; the cost is the same."""
        gradient = gradient.copy()
        for D, mu, P in self._layers(gradient):
            if mu is not None:
                D[:, 1:] -= np.outer(D[:, 0], mu)
            if P is not None:
                D[:, 1:] = D[:, 1:] @ P.T
        return cost, gradient

    def _layers(self, vector: NDArray):
        return zip(self.network.reshape(vector), self.shifts, self.mixings, strict=True)


def change_of_variables(network: Network, rows: ArrayRows, *, mix: bool) -> ChangeOfVariables:
    """The change of variables for a network and the rows it is fitted to.

    Parameters
    ----------
    network : Network
        The network.
    rows : ArrayRows
        The examples and their weights.
    mix : bool
        Whether the first layer may have a P: not where single weights matter, as to the
        penalty "l1".
    """
    origins = [activation.origin for activation in network.hidden_activations]
    shifts = [
        np.full(units, origin) if origin else None
        for units, origin in zip(network.layer_sizes[1:-1], origins, strict=True)
    ]
    mean, covariance = input_moments(rows, mix and network.layer_sizes[0] <= MAX_MIXED_FEATURES)
    P = None if covariance is None else inverse_fourth_root(covariance)
    return ChangeOfVariables(network, [mean, *shifts], [P, *([None] * len(shifts))])


def input_moments(rows: ArrayRows, want_covariance: bool) -> tuple[NDArray, NDArray | None]:
    """Weighted mean of the inputs, and their covariance where it is wanted and usable.

    With no more rows than features a covariance says little; then there is none.
    """
    stride = max(1, rows.n_rows // MOMENT_ROWS)
    X, _, w = rows.block(slice(0, None, stride))
    if w is None or not w.any():
        w = np.ones(X.shape[0])
    w = w / w.sum()
    mean = np.asarray(X.T @ w, dtype=np.float64)
    covariance = None
    if want_covariance and np.count_nonzero(w) > X.shape[1]:
        second = X.T @ (X.multiply(w[:, np.newaxis]) if issparse(X) else X * w[:, np.newaxis])
        second = second.toarray() if issparse(second) else second
        covariance = np.asarray(second, dtype=np.float64) - np.outer(mean, mean)
        covariance = covariance if np.isfinite(covariance).all() else None
    return (mean if np.isfinite(mean).all() else np.zeros_like(mean)), covariance


def inverse_fourth_root(C: NDArray) -> NDArray | None:
    """(C + 0.01 e I)^(-1/4) of a covariance with largest eigenvalue e; None for C = 0."""
    eigenvalues, vectors = np.linalg.eigh(C)
    largest = eigenvalues[-1]
    if not largest > 0.0:
        return None
    return (vectors * (np.maximum(eigenvalues, 0.0) + 0.01 * largest) ** -0.25) @ vectors.T
