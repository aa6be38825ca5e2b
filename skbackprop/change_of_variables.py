r"""An exact linear change of variables that reduces the iterations of a quasi-Newton solver.

Instead of a layer's Theta = [b, W] the solver works on Theta' = [b', W'] with

.. math:: W = Q W' P, \quad b = Q b' - W \mu

so that the layer computes :math:`Q (b' + W' P (a - \mu))`: its inputs are centred by mu and
transformed by P, its outputs are transformed by Q, and the data are unchanged. J, its
minimisers and the convergence test are those of Theta. Only the path of the solver changes:
in the new variables the inputs are centred, and inputs and back-propagated deltas have
similar spreads in all directions. With D = [D_b, D_W] the gradient with respect to Theta, and
P and Q symmetric, the chain rule gives

.. math:: D_{b'} = Q D_b, \quad D_{W'} = Q (D_W - D_b \mu^T) P

mu, P and Q are estimated from a sample of the rows at a given Theta:

- mu is the mean of the layer's inputs: the features, or the activations of the layer below;
- P of the first layer is :math:`(C + 0.01 e I)^{-1/4}` with the covariance C of the features
  and its largest eigenvalue e; the layers above have no P;
- Q is :math:`(S + 0.01 e I)^{-1/8}` with :math:`S = \frac{1}{m} \sum_i \delta_i
  \delta_i^T`, the second moment of the deltas at the layer's outputs, and its largest
  eigenvalue e. The factor :math:`e^{-1/8}` in it is limited to [1/3, 3]; otherwise vanishing
  deltas of a layer would make the first step far too long.

Full whitening (powers -1/2) saves fewer iterations, because it also amplifies noise.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skbackprop.network import Network
from skbackprop.objective import Objective, one_hot
from skbackprop.rows import RowBlock, has_distinct_rows

# Sample sizes of the estimates. The change of variables is exact for any; more rows gain nothing.
FEATURE_ROWS = 5_000
ACTIVATION_ROWS = 2_000
# Dimension beyond which an eigendecomposition costs more than it saves.
MAX_MIXED = 1000
FEATURE_POWER = -1 / 4
DELTA_POWER = -1 / 8
DAMPING = 0.01
# Limit on the overall factor by which Q enlarges or shrinks.
MAX_DELTA_SCALE = 3.0


class Preconditioner(NamedTuple):
    """A symmetric matrix and its inverse."""

    matrix: NDArray
    inverse: NDArray


class LayerChange(NamedTuple):
    """mu, P and Q of one layer; None for those that are not used."""

    mu: NDArray | None = None
    P: Preconditioner | None = None
    Q: Preconditioner | None = None


class ChangeOfVariables(NamedTuple):
    """The change of variables of all layers.

    Parameters
    ----------
    network : Network
        The network, for the shapes.
    layers : list of LayerChange
        One for each Theta^(l).
    """

    network: Network
    layers: list[LayerChange]

    @property
    def bounds(self) -> None:
        """None: Theta' is unconstrained."""
        return None

    def to_theta(self, z: NDArray) -> NDArray:
        """Map Theta' to Theta: ``W = Q W' P``, ``b = Q b' - W mu``."""
        theta = z.copy()
        for Theta, (mu, P, Q) in self._matrices(theta):
            if Q is not None:
                Theta[:] = Q.matrix @ Theta
            if P is not None:
                Theta[:, 1:] = Theta[:, 1:] @ P.matrix
            if mu is not None:
                Theta[:, 0] -= Theta[:, 1:] @ mu
        return theta

    def from_theta(self, theta: NDArray) -> NDArray:
        """Map Theta to Theta': ``b' = Q^-1 (b + W mu)``, ``W' = Q^-1 W P^-1``."""
        z = theta.copy()
        for Theta, (mu, P, Q) in self._matrices(z):
            if mu is not None:
                Theta[:, 0] += Theta[:, 1:] @ mu
            if P is not None:
                Theta[:, 1:] = Theta[:, 1:] @ P.inverse
            if Q is not None:
                Theta[:] = Q.inverse @ Theta
        return z

    def pull_back(self, z: NDArray, cost: float, gradient: NDArray) -> tuple[float, NDArray]:
        """J, which is the same, and its gradient with respect to Theta' from that for Theta."""
        gradient = gradient.copy()
        for D, (mu, P, Q) in self._matrices(gradient):
            if mu is not None:
                D[:, 1:] -= D[:, :1] * mu
            if P is not None:
                D[:, 1:] = D[:, 1:] @ P.matrix
            if Q is not None:
                D[:] = Q.matrix @ D
        return cost, gradient

    def _matrices(self, vector: NDArray):
        return zip(self.network.reshape(vector), self.layers, strict=True)


def change_of_variables(
    objective: Objective, theta: NDArray, features: LayerChange, *, mix_outputs: bool
) -> ChangeOfVariables:
    """Estimate the change of variables of an objective at a theta.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    theta : ndarray of shape (n_parameters,)
        The parameters at which activations and deltas are evaluated.
    features : LayerChange
        mu and P of the first layer from `feature_change`; they do not depend on theta.
    mix_outputs : bool
        Whether to use Q. The penalty "l1" rules it out, because it depends on single weights.

    Returns
    -------
    change : ChangeOfVariables
    """
    network = objective.network
    examples = objective.rows.gather(ACTIVATION_ROWS)
    means, deltas = _means_and_deltas(network, theta, examples)
    layers = [features, *(LayerChange(mu) for mu in means)]
    if mix_outputs:
        shares = _shares(examples)
        layers = [
            layer._replace(Q=delta_preconditioner((delta.T * shares) @ delta))
            if delta.shape[1] <= MAX_MIXED
            else layer
            for layer, delta in zip(layers, deltas, strict=True)
        ]
    return ChangeOfVariables(network, layers)


def no_change(objective: Objective) -> ChangeOfVariables:
    """The identity as a change of variables."""
    network = objective.network
    return ChangeOfVariables(network, [LayerChange() for _ in network.shapes])


def feature_change(objective: Objective, *, mix: bool = True) -> LayerChange:
    """Estimate mu and, if wanted, P of the first layer.

    P is used only if there are more distinct rows than features.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    mix : bool, default=True
        Whether to use P. The penalty "l1" rules it out, because it depends on single weights.

    Returns
    -------
    change : LayerChange
    """
    examples = objective.rows.gather(FEATURE_ROWS)
    mean = feature_mean(examples)
    mu = mean if np.isfinite(mean).all() else None
    n = examples.X.shape[1]
    if not mix or n > MAX_MIXED or not has_distinct_rows(examples, n + 1):
        return LayerChange(mu)
    C = feature_covariance(examples, mean)
    # Covariances up to this size are rounding errors of features that do not vary.
    m, eps = examples.X.shape[0], np.finfo(examples.X.dtype).eps
    rounding = np.square((10.0 + m / 10.0) * eps * np.float64(abs(examples.X).max()))
    return LayerChange(mu, feature_preconditioner(C, rounding))


def feature_mean(examples: RowBlock) -> NDArray:
    """The weighted mean of the features; a mean of 0 up to rounding is set to 0."""
    X, shares = examples.X, _shares(examples)
    mean = np.asarray(X.T @ shares, dtype=np.float64)
    size = np.asarray(abs(X).T @ shares, dtype=np.float64)
    return np.where(np.abs(mean) > np.sqrt(np.finfo(X.dtype).eps) * size, mean, 0.0)


def feature_covariance(examples: RowBlock, mean: NDArray) -> NDArray:
    """The weighted covariance C of the features."""
    X, shares = examples.X, _shares(examples)
    roots = np.sqrt(shares)[:, np.newaxis]
    if issparse(X):
        weighted = X.multiply(roots).tocsr()
        return (weighted.T @ weighted).toarray().astype(np.float64) - np.outer(mean, mean)
    weighted = X - mean.astype(X.dtype)
    weighted *= roots
    return (weighted.T @ weighted).astype(np.float64)


def feature_preconditioner(C: NDArray, rounding: float = 0.0) -> Preconditioner | None:
    """P: (C + 0.01 e I)^(-1/4) for a covariance C with largest eigenvalue e.

    None where C is not finite or e is at most `rounding`, or where the eigenvalues are not found.
    """
    return _power(C, FEATURE_POWER, rounding, np.inf)


def delta_preconditioner(S: NDArray) -> Preconditioner | None:
    """Q: (S + 0.01 e I)^(-1/8) for S with largest eigenvalue e, with e^(-1/8) in [1/3, 3].

    None where S is zero or not finite, or where the eigenvalues are not found.
    """
    return _power(S, DELTA_POWER, 0.0, MAX_DELTA_SCALE)


def _power(C: NDArray, power: float, rounding: float, max_scale: float) -> Preconditioner | None:
    """(C + 0.01 e I)^power, with its factor e^power limited to [1/max_scale, max_scale]."""
    if not np.isfinite(C).all():
        return None
    try:
        eigenvalues, vectors = np.linalg.eigh(C)
    except np.linalg.LinAlgError:  # its entries reach from the smallest to the largest numbers
        return None
    largest = eigenvalues[-1]
    if not largest > rounding:
        return None
    scales = (np.maximum(eigenvalues, 0.0) + DAMPING * largest) ** power
    scales *= np.clip(largest**power, 1.0 / max_scale, max_scale) / largest**power
    return Preconditioner((vectors * scales) @ vectors.T, (vectors / scales) @ vectors.T)


def _means_and_deltas(
    network: Network, theta: NDArray, examples: RowBlock
) -> tuple[list[NDArray | None], list[NDArray]]:
    """The mean activations of each hidden layer, and the deltas of each layer's outputs."""
    X = examples.X
    thetas = network.reshape(theta.astype(X.dtype, copy=False))
    propagation = network.propagate(thetas, X)
    shares = _shares(examples)
    means = [np.asarray(A.T @ shares, dtype=np.float64) for A in propagation.inputs[1:]]
    Z = propagation.logits
    network.loss_record.cost_and_delta(Z, one_hot(examples.y, network.n_outputs, X.dtype))
    gradient = np.empty(network.n_parameters, dtype=X.dtype)
    deltas = network.back_propagate(thetas, propagation, Z, out=network.reshape(gradient))
    return (
        [mean if np.isfinite(mean).all() else None for mean in means],
        [delta.astype(np.float64) for delta in deltas],
    )


def _shares(examples: RowBlock) -> NDArray:
    """The examples' weights, summing to one, in the precision of X."""
    w = examples.sample_weight
    if w is None or not w.any():
        w = np.ones(examples.X.shape[0])
    return (w / w.sum()).astype(examples.X.dtype)
