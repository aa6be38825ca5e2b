"""The oracle: cost and gradient exactly as the notes write them, one example at a time.

Slow and literal on purpose: scalars and the vectors of a single example, probabilities
instead of logits, Delta accumulated in a loop over the training set. It shares no code and
no algebra with the package. Where the notes err (``lambda Theta`` for ``lambda/m Theta``,
a sign in the cost), it has what is right.
"""

import math

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + math.exp(-z))


# g(z) and g'(z) of one unit.
ACTIVATIONS = {
    "logistic": (sigmoid, lambda z: sigmoid(z) * (1.0 - sigmoid(z))),
    "tanh": (math.tanh, lambda z: 1.0 - math.tanh(z) ** 2),
    "relu": (lambda z: max(0.0, z), lambda z: 1.0 if z > 0.0 else 0.0),
    "identity": (lambda z: z, lambda z: 1.0),
}


def with_bias(a):
    """a_0 = 1, then the units of the layer."""
    return np.concatenate([[1.0], a])


def output(z, output_activation):
    """h(x) from z^(L)."""
    if output_activation == "softmax":
        powers = [math.exp(z_k) for z_k in z]
        return np.array([power / sum(powers) for power in powers])
    return np.array([sigmoid(z_k) for z_k in z])


def forward_propagate(thetas, x, activations, output_activation):
    """[a^(1), ..., a^(L)] and [z^(2), ..., z^(L)] of one example."""
    a, zs = [np.asarray(x, dtype=float)], []
    for layer, Theta in enumerate(thetas):
        zs.append(np.asarray(Theta) @ with_bias(a[-1]))
        if layer < len(thetas) - 1:
            g, _ = ACTIVATIONS[activations[layer]]
            a.append(np.array([g(z) for z in zs[-1]]))
        else:
            a.append(output(zs[-1], output_activation))
    return a, zs


def cost_of_example(h, y, output_activation, loss):
    total = 0.0
    for h_k, y_k in zip(h, y, strict=True):
        if loss == "squared_error":
            total += (h_k - y_k) ** 2
        elif output_activation == "softmax":
            total -= y_k * math.log(h_k)
        else:
            total -= y_k * math.log(h_k) + (1.0 - y_k) * math.log(1.0 - h_k)
    return total


def output_delta(h, y, output_activation, loss):
    """delta^(L) of one example."""
    if loss == "cross_entropy":
        return h - y
    delta = np.zeros(len(h))
    for k in range(len(h)):
        if output_activation == "logistic":
            delta[k] = 2.0 * (h[k] - y[k]) * h[k] * (1.0 - h[k])
        else:
            for j in range(len(h)):
                # d h_j / d z_k of the softmax
                slope = h[j] * ((1.0 if j == k else 0.0) - h[k])
                delta[k] += 2.0 * (h[j] - y[j]) * slope
    return delta


def cost_and_gradient(
    thetas,
    X,
    Y,
    *,
    activations=(),
    output_activation="logistic",
    loss="cross_entropy",
    penalty="l2",
    reg_lambda=0.0,
    sample_weight=None,
    g_prime=None,
):
    """J and [D^(1), ..., D^(L-1)].

    `thetas` are matrices with the bias in column 0, `Y` has one target for each output
    unit. With the penalty "l1" no weight may be zero: |Theta| has no derivative there.
    `g_prime` is for planting a bug: it replaces the derivative of all hidden layers.
    """
    m = len(X)
    w = [1.0] * m if sample_weight is None else list(sample_weight)
    Delta = [np.zeros(np.shape(Theta)) for Theta in thetas]
    cost = 0.0
    for i in range(m):
        a, z = forward_propagate(thetas, X[i], activations, output_activation)
        cost += w[i] * cost_of_example(a[-1], Y[i], output_activation, loss)
        delta = output_delta(a[-1], Y[i], output_activation, loss)
        for layer in reversed(range(len(thetas))):
            Delta[layer] += w[i] * np.outer(delta, with_bias(a[layer]))
            if layer > 0:
                slope = g_prime or ACTIVATIONS[activations[layer - 1]][1]
                back = np.asarray(thetas[layer]).T @ delta
                # Without delta_0: nothing leads into a bias unit.
                delta = back[1:] * np.array([slope(z_j) for z_j in z[layer - 1]])

    total_weight = sum(w)
    J = cost / total_weight
    D = [accumulated / total_weight for accumulated in Delta]
    for Theta, D_layer in zip(thetas, D, strict=True):
        for i in range(len(Theta)):
            for j in range(1, len(Theta[i])):
                weight = Theta[i][j]
                if penalty == "l2":
                    J += reg_lambda / (2.0 * total_weight) * weight**2
                    D_layer[i, j] += reg_lambda / total_weight * weight
                else:
                    J += reg_lambda / total_weight * abs(weight)
                    D_layer[i, j] += reg_lambda / total_weight * math.copysign(1.0, weight)
    return J, D


def unroll(matrices):
    """Matrices to vector, row by row."""
    return np.array([entry for matrix in matrices for row in matrix for entry in row])
