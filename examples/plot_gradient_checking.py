r"""
Gradient checking
=================

A small mistake in back propagation is easily made, and a network with a slightly wrong gradient
still learns a little. A second, slower way to compute the derivative is hard to get wrong: the
slope between two neighbouring points,

.. math::

    \frac{\partial J}{\partial \theta_j} \approx
    \frac{J(\theta + \epsilon e_j) - J(\theta - \epsilon e_j)}{2 \epsilon} .

`check_gradient` compares both by their relative difference,
:math:`\|\text{numeric} - D\| / \|\text{numeric} + D\|`.
"""

# %%
# Several networks
# ----------------
#
# The relative difference is tiny for every activation, output and cost, with a penalty and
# without, on the flowers of the iris data.

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from skbackprop import Network, Objective, check_gradient, numerical_gradient

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)

networks = [
    (Network((4, 3)), 0),
    (Network((4, 5, 3)), 0),
    (Network((4, 5, 3)), 1),
    (Network((4, 5, 5, 3), activation="tanh"), 1),
    (Network((4, 5, 5, 3), activation=("tanh", "relu"), output_activation="softmax"), 1),
    (Network((4, 5, 5, 5, 3), loss="squared_error"), 1),
]
print(f"{'layers':>10s}  {'activation':18s}{'output':10s}{'cost':15s}lambda  relative difference")
for network, reg_lambda in networks:
    theta = network.initialize(random_state=0)
    difference = check_gradient(Objective(network, X, y, reg_lambda=reg_lambda), theta)
    assert difference < 1e-8
    print(
        f"{'-'.join(map(str, network.layer_sizes)):>10s}  "
        f"{', '.join(dict.fromkeys(network.activation)):18s}{network.output_activation:10s}"
        f"{network.loss:15s}{reg_lambda:6d}{difference:21.1e}"
    )

# %%
# The choice of epsilon
# ---------------------
#
# With a large :math:`\epsilon` the curvature of J causes an error. It is of order
# :math:`\epsilon^2` for the two-sided difference, but only of order :math:`\epsilon` for the
# one-sided :math:`(J(\theta + \epsilon e_j) - J(\theta)) / \epsilon`. With a small
# :math:`\epsilon` the rounding error of J, about :math:`10^{-16}`, is divided by a very small
# number. Between :math:`10^{-4}` and :math:`10^{-5}` the two-sided difference has nearly ten
# correct digits, two more than the best one-sided difference.

network = Network((4, 5, 3))
objective = Objective(network, X, y, reg_lambda=1)
theta = network.initialize(random_state=0)
J, D = objective(theta)


def relative_difference(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(a + b)


def one_sided(epsilon):
    steps = epsilon * np.eye(len(theta))
    return np.array([(objective(theta + step)[0] - J) / epsilon for step in steps])


def two_sided(epsilon):
    return numerical_gradient(lambda point: objective(point)[0], theta, epsilon)


epsilons = 10.0 ** np.arange(-2, -13, -1)
errors = {
    "one-sided": [relative_difference(one_sided(epsilon), D) for epsilon in epsilons],
    "two-sided": [relative_difference(two_sided(epsilon), D) for epsilon in epsilons],
}
print("epsilon    " + "".join(f"{epsilon:8.0e}" for epsilon in epsilons))
for name, values in errors.items():
    print(f"{name:11s}" + "".join(f"{value:8.0e}" for value in values))
assert min(errors["two-sided"]) < min(errors["one-sided"]) / 10

fig, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for (name, values), color in zip(errors.items(), ["tab:orange", "tab:blue"], strict=True):
    ax.loglog(epsilons, values, "o-", color=color, label=name)
ax.axvline(1e-5, color="gray", ls=":", label="default of check_gradient")
ax.set(xlabel=r"$\epsilon$", ylabel="relative difference", title="Numerical derivative and $D$")
ax.legend()
plt.show()

# %%
# A planted bug
# -------------
#
# This function is back propagation for one hidden layer, with three possible mistakes:
#
# - the factor :math:`g'(z) = a (1 - a)` of the hidden layer is forgotten;
# - :math:`\lambda \Theta` stands for :math:`\frac{\lambda}{m} \Theta`, a common misprint;
# - the weights of the bias units are penalised too.

bugs = ["none", "no g'(z)", "lambda, not lambda/m", "bias penalised"]
Y, m, reg_lambda = np.eye(3)[y], len(y), 1


def back_propagation(theta, bug="none"):
    """The gradient D of the network 4-5-3, right or with a bug."""
    Theta1, Theta2 = network.reshape(theta)
    A1, A2, A3 = network.forward_propagate(theta, X)
    delta3 = A3 - Y
    delta2 = delta3 @ Theta2[:, 1:]
    if bug != "no g'(z)":
        delta2 = delta2 * A2 * (1 - A2)
    gradients = []
    for Theta, delta, A in [(Theta1, delta2, A1), (Theta2, delta3, A2)]:
        penalty = reg_lambda / m * Theta
        if bug == "lambda, not lambda/m":
            penalty = reg_lambda * Theta
        if bug != "bias penalised":
            penalty[:, 0] = 0
        gradients.append(delta.T @ np.insert(A, 0, 1, axis=1) / m + penalty)
    return network.unroll(gradients)


for bug in bugs:
    with_bug = partial(back_propagation, bug=bug)
    difference = check_gradient(lambda t, D=with_bug: (objective(t)[0], D(t)), theta)
    print(f"{bug:22s}relative difference {difference:8.1e}")
    assert (difference < 1e-8) == (bug == "none")

# %%
# The entries that differ indicate the mistake: without :math:`g'` all entries before the output
# layer, with too strong a penalty all weights but no bias, and with penalised biases only these.

numeric = two_sided(1e-5)
columns = np.concatenate([np.tile(np.arange(n), units) for units, n in network.shapes])
biases, weights = np.flatnonzero(columns == 0), np.flatnonzero(columns)

fig, axes = plt.subplots(2, 2, figsize=(8.8, 5), sharex=True, layout="constrained")
for ax, bug in zip(axes.flat, bugs, strict=True):
    difference = back_propagation(theta, bug) - numeric
    for name, j, color in [("bias", biases, "tab:orange"), ("weight", weights, "tab:blue")]:
        ax.vlines(j, 0, difference[j], color=color, lw=4, label=name)
    ax.axhline(0, color="gray", lw=1)
    ax.axvline(network.reshape(theta)[0].size - 0.5, color="gray", ls=":")
    ax.set_title(f"bug: {bug}")
axes[0, 0].legend()
fig.supxlabel(r"parameter, those of $\Theta^{(1)}$ left of the dotted line")
fig.supylabel("back propagation - numerical")
plt.show()

# %%
# Gradient descent with a wrong gradient also lowers J at first. Then one mistake stops it slightly
# above the minimum, one far above, and one leads away from it. The beginning of the curve does not
# show this, so the check is needed.

colors = ["tab:blue", "tab:red", "tab:orange", "tab:green"]
fig, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for bug, color in zip(bugs, colors, strict=True):
    point, costs = theta, []
    for _ in range(1000):
        costs.append(objective(point)[0])
        point = point - 0.2 * back_propagation(point, bug)
    assert min(costs) < costs[0]
    print(f"{bug:22s}J at the start {costs[0]:6.3f}, after 1000 steps {costs[-1]:6.3f}")
    ax.semilogx(np.arange(1, 1001), costs, color=color, label=f"bug: {bug}")
ax.set(xlabel="step", ylabel=r"$J(\Theta)$", title="Gradient descent with a wrong gradient")
ax.set_ylim(0.5, 4)
ax.legend()
plt.show()
