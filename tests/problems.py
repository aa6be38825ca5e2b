"""Small random problems: a network, parameters, examples and their weights."""

from typing import Any, NamedTuple

import numpy as np
import reference
from scipy.sparse import csr_matrix

from skbackprop import Network, Objective

ACTIVATIONS = ("logistic", "tanh", "relu", "identity")
OUTPUTS_AND_LOSSES = (
    ("logistic", "cross_entropy"),
    ("logistic", "squared_error"),
    ("softmax", "cross_entropy"),
    ("softmax", "squared_error"),
)
# The hidden layers of every depth from 0 to 3 with every activation, and a mixture.
HIDDEN_LAYERS = (
    (),
    *[(name,) * depth for depth in (1, 2, 3) for name in ACTIVATIONS],
    ("tanh", "relu", "logistic"),
)


def hidden_id(activations):
    return "-".join(activations) or "no_hidden_layer"


class Problem(NamedTuple):
    """What an objective is made of; `Y` has a target for each output unit."""

    network: Network
    theta: np.ndarray
    X: Any
    Y: np.ndarray
    sample_weight: np.ndarray | None

    def objective(self, **options):
        return Objective(self.network, self.X, self.Y, sample_weight=self.sample_weight, **options)

    def reference(self, **options):
        """J and the unrolled gradient by the loop over examples."""
        J, D = reference.cost_and_gradient(
            self.network.reshape(self.theta),
            self.X.toarray() if hasattr(self.X, "toarray") else self.X,
            self.Y,
            activations=self.network.activation,
            output_activation=self.network.output_activation,
            loss=self.network.loss,
            sample_weight=self.sample_weight,
            **options,
        )
        return J, reference.unroll(D)


def random_problem(
    layer_sizes=(3, 4, 2),
    m=7,
    *,
    activation="logistic",
    output_activation="logistic",
    loss="cross_entropy",
    weighted=False,
    sparse=False,
    seed=0,
):
    """A problem of which J has a derivative around theta: no relu is near its kink."""
    network = Network(layer_sizes, activation, output_activation, loss)
    rng = np.random.RandomState(seed)
    K = layer_sizes[-1]
    while True:
        X = rng.standard_normal((m, layer_sizes[0]))
        if sparse:
            X *= rng.uniform(size=X.shape) < 0.5
        theta = rng.uniform(-1.0, 1.0, size=network.n_parameters)
        if not _near_kink(network, theta, X):
            break
    if K == 1:
        Y = rng.randint(0, 2, size=(m, 1)).astype(float)
    else:
        Y = np.eye(K)[rng.randint(0, K, size=m)]
    weight = rng.uniform(0.2, 3.0, size=m) if weighted else None
    return Problem(network, theta, csr_matrix(X) if sparse else X, Y, weight)


def _near_kink(network, theta, X):
    if "relu" not in network.activation:
        return False
    thetas = network.reshape(theta)
    for x in X:
        _, zs = reference.forward_propagate(
            thetas, x, network.activation, network.output_activation
        )
        for name, z in zip(network.activation, zs, strict=False):
            if name == "relu" and np.abs(z).min() < 1e-3:
                return True
    return False
