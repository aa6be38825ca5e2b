r"""An exact linear change of variables that shortens the path of a quasi-Newton solver.

Instead of a layer's Theta = [b, W] the solver sees Theta' = [b', W'] with

.. math:: W = Q W' P, \quad b = Q b' - W \mu

so that the layer computes :math:`Q (b' + W' P (a - \mu))`: its inputs are centred by mu and
mixed by P, its outputs mixed by Q, but no row of the data is touched. J, its minimisers and
the convergence test remain those of Theta. Only the solver's path changes, because to it the
inputs look centred and both the inputs and the deltas that come back look of similar spread.
The gradient follows from the chain rule, with D = [D_b, D_W] that of Theta and P, Q
symmetric:

.. math:: D_{b'} = Q D_b, \quad D_{W'} = Q (D_W - D_b \mu^T) P

All three are estimated from some of the rows at a given Theta:

- mu is the mean of the layer's inputs, the features or the activations below;
- P of the first layer is :math:`(C + 0.01 e I)^{-1/4}` with the features' covariance C and
  its largest eigenvalue e; the layers above have none;
- Q is :math:`(S + 0.01 e I)^{-1/8}` with :math:`S = \frac{1}{m} \sum_i \delta_i
  \delta_i^T`, the spread of the errors at the layer's outputs, and its largest eigenvalue e;
  but its factor :math:`e^{-1/8}` is kept between 1/3 and 3. Where the deltas of a layer vanish
  it would send the first step far away.

A full whitening (powers 1/2) shortens the path less: it also enlarges the noise.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skbackprop.network import Network
from skbackprop.objective import Objective, one_hot
from skbackprop.rows import RowBlock, has_distinct_rows

# Rows to estimate from: any choice is exact, more gain nothing.
FEATURE_ROWS = 5_000
ACTIVATION_ROWS = 2_000
# Beyond this many, an eigendecomposition costs more than it saves.
MAX_MIXED = 1000
FEATURE_POWER = -1 / 4
DELTA_POWER = -1 / 8
DAMPING = 0.01
# How much Q may enlarge or shrink, beside mixing.
MAX_DELTA_SCALE = 3.0


class Preconditioner(NamedTuple):
    """A symmetric matrix and its inverse."""

    matrix: NDArray
    inverse: NDArray


class LayerChange(NamedTuple):
    """mu, P and Q of one layer; None where there is none."""

    mu: NDArray | None = None
    P: Preconditioner | None = None
    Q: Preconditioner | None = None


class ChangeOfVariables(NamedTuple):
    """The change of variables of all layers.

    Parameters
    ----------
    network : Network
        Tells the shapes.
    layers : list of LayerChange
        One for each Theta^(l).
    """

    network: Network
    layers: list[LayerChange]

    @property
    def bounds(self) -> None:
        """A solver may move Theta' anywhere."""
        return None

    def to_theta(self, z: NDArray) -> NDArray:
        """Theta' to Theta: ``W = Q W' P``, ``b = Q b' - W mu``."""
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
        """Theta to Theta': ``b' = Q^-1 (b + W mu)``, ``W' = Q^-1 W P^-1``."""
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
        """J and its gradient for Theta' from those for Theta; J is the same."""
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
    objective: Objective, theta: NDArray, features: LayerChange, *, mix_outputs: bool = True
) -> ChangeOfVariables:
    """The change of variables for an objective and a place.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta : ndarray of shape (n_parameters,)
        Where the activations and the deltas are looked at.
    features : LayerChange
        mu and P of the first layer: `feature_change`, which does not depend on theta.
    mix_outputs : bool, default=True
        Whether there may be Q: not where single weights matter, as to the penalty "l1".
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
    """The change of variables that changes nothing."""
    network = objective.network
    return ChangeOfVariables(network, [LayerChange() for _ in network.shapes])


def feature_change(objective: Objective, *, mix: bool = True) -> LayerChange:
    """Mu and, if wanted, P of the first layer.

    P exists where there are more different rows than features.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    mix : bool, default=True
        Whether there may be P: not where single weights matter, as to the penalty "l1".
    """
    examples = objective.rows.gather(FEATURE_ROWS)
    mean = feature_mean(examples)
    mu = mean if np.isfinite(mean).all() else None
    n = examples.X.shape[1]
    if not mix or n > MAX_MIXED or not has_distinct_rows(examples, n + 1):
        return LayerChange(mu)
    C = feature_covariance(examples, mean)
    # Below this a covariance is the rounding of the mean of features that do not vary.
    m, eps = examples.X.shape[0], np.finfo(examples.X.dtype).eps
    rounding = np.square((10.0 + m / 10.0) * eps * np.float64(abs(examples.X).max()))
    return LayerChange(mu, feature_preconditioner(C, rounding))


def feature_mean(examples: RowBlock) -> NDArray:
    """The weighted mean of the features.

    What is only the rounding of a mean of 0 is 0.
    """
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

    None where C is not finite or e is at most `rounding`.
    """
    return _power(C, FEATURE_POWER, rounding, np.inf)


def delta_preconditioner(S: NDArray) -> Preconditioner | None:
    """Q: (S + 0.01 e I)^(-1/8) for S with largest eigenvalue e, with e^(-1/8) in [1/3, 3].

    None where S is zero or not finite.
    """
    return _power(S, DELTA_POWER, 0.0, MAX_DELTA_SCALE)


def _power(C: NDArray, power: float, rounding: float, max_scale: float) -> Preconditioner | None:
    """(C + 0.01 e I)^power, of which the factor e^power is kept within `max_scale`."""
    if not np.isfinite(C).all():
        return None
    eigenvalues, vectors = np.linalg.eigh(C)
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
