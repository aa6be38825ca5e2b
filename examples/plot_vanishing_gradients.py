r"""
Vanishing gradients
===================

Back propagation multiplies by :math:`g'` once for each layer that it goes through,

.. math:: \delta^{(l)} = (\delta^{(l+1)} \Theta^{(l)}_{:,1:}) * g'(Z^{(l)}) .

For the logistic function :math:`g' \le 1/4`, and far from 0 it is almost 0. In a deep network the
gradients of the first layers are therefore small, and these layers learn slowly. The slope of tanh
is up to 1, that of relu is 1 for every active unit.
"""

# %%
# The slopes
# ----------

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.solvers import SGD

COLORS = {"logistic": "tab:blue", "tanh": "tab:orange", "relu": "tab:green"}

z = np.linspace(-6, 6, 601)
logistic = 1 / (1 + np.exp(-z))
slopes = {"logistic": logistic * (1 - logistic), "tanh": 1 - np.tanh(z) ** 2, "relu": z > 0}

fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
for name, slope in slopes.items():
    ax.plot(z, slope, color=COLORS[name], label=name)
ax.set(xlabel="$z$", ylabel="$g'(z)$", title="The slope of the activation")
ax.legend()
plt.show()

# %%
# Layer by layer
# --------------
#
# The gradient of J at a random start, for one to six hidden layers of 30 units on the digits. Its
# size in layer l is the root mean square of the entries of :math:`D^{(l)}`.

X, y = load_digits(return_X_y=True)
X = X / 16


def gradient_sizes(depth, activation):
    """The size of the gradient in each layer, at a random start."""
    network = Network((64, *[30] * depth, 10), activation)
    _, gradient = Objective(network, X, y)(network.initialize(random_state=0))
    return [np.sqrt((D**2).mean()) for D in network.reshape(gradient)]


depths = range(1, 7)
sizes = {(name, depth): gradient_sizes(depth, name) for name in COLORS for depth in depths}

print("Gradient in the first layer over gradient in the last")
print("hidden layers" + "".join(f"{depth:9d}" for depth in depths))
for name in COLORS:
    ratios = [sizes[name, depth][0] / sizes[name, depth][-1] for depth in depths]
    print(f"{name:13s}" + "".join(f"{ratio:9.1e}" for ratio in ratios))

fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharey=True, layout="constrained")
for ax, name in zip(axes, COLORS, strict=True):
    for depth in depths:
        color = plt.colormaps["viridis"](1 - depth / 6)
        ax.semilogy(range(1, depth + 2), sizes[name, depth], "o-", color=color, label=depth)
    ax.set(xlabel=r"layer of $\Theta^{(l)}$", title=name, xticks=range(1, 8))
axes[0].set_ylabel("size of the gradient")
axes[2].legend(title="hidden layers", ncols=2)
plt.show()

# %%
# Effect on the training
# ----------------------
#
# All networks are trained by thirty epochs of stochastic gradient descent. With three or five
# hidden layers the logistic network has hardly learned anything: J stays near 3.25, where every
# image has the same outputs :math:`h_k = 0.1`. (The fits have a fixed length, so their warning is
# silenced.) The solver "lbfgs" compensates for small gradients by the curvature: in
# :ref:`sphx_glr_auto_examples_plot_architecture.py` it trains three logistic layers well.


def loss_curve(depth, activation):
    """J after each of 30 epochs."""
    clf = BackpropClassifier(
        [30] * depth,
        reg_lambda=0,
        activation=activation,
        solver=SGD(learning_rate=0.05),
        max_iter=30,
        n_iter_no_change=30,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clf.fit(X, y).loss_curve_


shown = [1, 3, 5]
curves = {(name, depth): loss_curve(depth, name) for name in COLORS for depth in shown}

print()
print("J after 30 epochs")
print("hidden layers" + "".join(f"{depth:9d}" for depth in shown))
for name in COLORS:
    print(f"{name:13s}" + "".join(f"{curves[name, depth][-1]:9.3f}" for depth in shown))

fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharey=True, layout="constrained")
for ax, depth in zip(axes, shown, strict=True):
    for name, color in COLORS.items():
        ax.semilogy(range(1, 31), curves[name, depth], color=color, label=name)
    ax.set(xlabel="epoch", title=f"{depth} hidden layer{'s' * (depth > 1)}")
axes[0].set_ylabel(r"$J(\Theta)$")
axes[0].legend()
plt.show()
