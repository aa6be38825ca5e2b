r"""
Momentum and local minima
=========================

Gradient descent stops at the first minimum it reaches, even if there is a lower one nearby.
*Momentum* adds a fraction :math:`\mu` of the last step to the next, like the inertia of a rolling
ball:

.. math::

    v := \mu v - \alpha D(\Theta), \quad \Theta := \Theta + v.

*Nesterov's momentum* evaluates the gradient at the point to which the momentum leads,
:math:`\Theta + \mu v`.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier
from skbackprop.solvers import GradientDescent

# %%
# A cost with a local minimum
# ---------------------------
# The cost :math:`J(w) = (w^2 - 1)^2 + 0.3 w` of a single weight has two minima, and the left
# one is lower. The descent starts from :math:`w = 1.8`.


def cost(w):
    return (w**2 - 1) ** 2 + 0.3 * w


def derivative(w):
    return 4 * w * (w**2 - 1) + 0.3


def descend(w, momentum=0.0, nesterov=False, learning_rate=0.01):
    v = 0.0
    path = [w]
    for _ in range(400):
        ahead = w + momentum * v if nesterov else w
        v = momentum * v - learning_rate * derivative(ahead)
        w = w + v
        path.append(w)
    return np.array(path)


options = {
    "no momentum": {},
    "momentum 0.5": {"momentum": 0.5},
    "momentum 0.9": {"momentum": 0.9},
    "Nesterov 0.9": {"momentum": 0.9, "nesterov": True},
}
paths = {name: descend(1.8, **chosen) for name, chosen in options.items()}

print(f"{'':12}{'w at the end':>14}{'J(w)':>10}")
for name, path in paths.items():
    print(f"{name:12}{path[-1]:14.4f}{cost(path[-1]):10.4f}")
assert min(paths["no momentum"][-1], paths["momentum 0.5"][-1]) > 0
assert max(paths["momentum 0.9"][-1], paths["Nesterov 0.9"][-1]) < 0

# %%
# Momentum 0.9 carries the weight over the maximum in between, momentum 0.5 does not.

w = np.linspace(-1.7, 1.9, 300)
fig, axes = plt.subplots(1, 4, figsize=(11, 3.2), sharey=True, layout="constrained")
colors = dict(zip(options, ("tab:blue", "tab:orange", "tab:green", "tab:red"), strict=True))
for ax, (name, path) in zip(axes, paths.items(), strict=True):
    ax.plot(w, cost(w), color="lightgray", linewidth=3)
    ax.plot(path, cost(path), ".-", color=colors[name], linewidth=0.7, markersize=4)
    ax.plot(path[-1], cost(path[-1]), "k*", markersize=12, zorder=3)
    ax.set(title=name, xlabel="$w$")
axes[0].set_ylabel("$J(w)$")
fig.suptitle("Descents from $w = 1.8$, with the weight at the end")
plt.show()

# %%
# This is not guaranteed. Momentum may be too small to pass the maximum, or large enough to leave
# the lower minimum. Of 401 starts between -2 and 2, this fraction ends in the lower minimum:

starts = np.linspace(-2, 2, 401)
share = {}
for name, chosen in options.items():
    share[name] = np.mean(descend(starts, **chosen)[-1] < 0)
    print(f"{name:12}{share[name]:8.1%}")
assert share["no momentum"] < share["momentum 0.9"] < 0.6

# %%
# On real data
# ------------
# J on the handwritten digits after each epoch; for batch gradient descent that is one step. The
# solver has the same options as the loop above. The runs have a fixed length, so warnings that
# they have not converged are silenced.

warnings.filterwarnings("ignore", category=ConvergenceWarning)
X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
n_epochs = 100


def loss_curve(solver):
    network = BackpropClassifier(
        hidden_layer_sizes=25,
        solver=solver,
        max_iter=n_epochs,
        n_iter_no_change=n_epochs,
        random_state=0,
    )
    return network.fit(X, y).loss_curve_


curves = {
    name: loss_curve(GradientDescent(learning_rate=0.1, **chosen))
    for name, chosen in options.items()
}
curves["no momentum, rate 1"] = loss_curve(GradientDescent(learning_rate=1.0))

print(f"{'J after epoch':20}" + "".join(f"{epoch:8d}" for epoch in (1, 10, 20, 50, 100)))
for name, curve in curves.items():
    print(f"{name:20}" + "".join(f"{curve[epoch - 1]:8.3f}" for epoch in (1, 10, 20, 50, 100)))
assert curves["momentum 0.9"][-1] < curves["momentum 0.5"][-1] < curves["no momentum"][-1]

# %%
# Where the gradient keeps its direction, the steps add up to :math:`1 / (1 - \mu)` times their
# length: ten times for :math:`\mu = 0.9`. Momentum 0.9 is much faster, but a learning rate ten
# times as large is as fast here (dashed), without the increase at the beginning, where momentum
# overshoots. Nesterov's momentum overshoots less.

overshoot = {name: np.diff(curves[name]).clip(0).sum() for name in options}
assert overshoot["no momentum"] == 0
assert 0 < overshoot["Nesterov 0.9"] < overshoot["momentum 0.9"]

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
epochs = np.arange(1, n_epochs + 1)
for name, curve in curves.items():
    color = colors.get(name, "tab:blue")
    ax.plot(epochs, curve, "--" if name not in options else "-", color=color, label=name)
ax.set(title="Gradient descent on the digits, learning rate 0.1", xlabel="epoch", ylabel="J")
ax.legend()
plt.show()
