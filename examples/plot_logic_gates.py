r"""
Logic gates
===========

With suitable weights one logistic unit computes AND, OR or NOT. No single unit computes XOR or its
negation XNOR, because no straight line separates (0, 0) and (1, 1) from (0, 1) and (1, 0). A
network with one hidden layer can compute them, with weights set by hand or learned.
"""

# %%
# By hand
# -------
#
# With large weights :math:`g` is almost a step function:
#
# .. math::
#
#     \text{AND} &= g(-30 + 20 x_1 + 20 x_2), & \text{OR} &= g(-10 + 20 x_1 + 20 x_2), \\
#     \text{NOT} &= g(10 - 20 x_1), & \text{NOR} &= g(10 - 20 x_1 - 20 x_2).
#
# XNOR is true where AND or NOR is true: these are its two hidden units, and the output is their
# OR.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.inspection import DecisionBoundaryDisplay

from skbackprop import BackpropClassifier, Network

AND, OR, NOT, NOR = [-30, 20, 20], [-10, 20, 20], [10, -20], [10, -20, -20]
gates = {
    "AND": (Network((2, 1)), [[AND]]),
    "OR": (Network((2, 1)), [[OR]]),
    "NOT": (Network((1, 1)), [[NOT]]),
    "XNOR": (Network((2, 2, 1)), [[AND, NOR], [OR]]),
}
truth = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NOT": [1, 0], "XNOR": [1, 0, 0, 1]}


def show_answers(X, h):
    """h(x) for each input x, in a line."""
    inputs = [", ".join(map(str, x)) for x in X]
    return "   ".join(f"h({x}) = {value:.5f}" for x, value in zip(inputs, h, strict=True))


corners = {1: np.array([[0], [1]]), 2: np.array([[0, 0], [0, 1], [1, 0], [1, 1]])}

for name, (network, thetas) in gates.items():
    X = corners[network.layer_sizes[0]]
    h = network.forward_propagate(network.unroll(thetas), X)[-1].ravel()
    assert np.abs(h - truth[name]).max() < 1e-4
    print(f"{name:5s}", show_answers(X, h))

# %%
# The plots show where the output of each gate is 1. The boundary of a unit is a straight line; the
# network for XNOR cuts off two corners with two lines.

TWO_CLASSES = ListedColormap(["tab:blue", "tab:red"])
SHADING = {"cmap": "RdBu_r", "vmin": -0.6, "vmax": 1.6, "rasterized": True}


def draw_corners(ax, y, title):
    """The four inputs, red where the answer is 1."""
    ax.scatter(*corners[2].T, c=y, cmap=TWO_CLASSES, edgecolors="black", s=90, zorder=3)
    ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$", xticks=[0, 1], yticks=[0, 1])
    ax.set_aspect("equal")


side = np.linspace(-0.5, 1.5, 201)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)

fig, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
for ax, name in zip(axes, ["AND", "OR", "XNOR"], strict=True):
    network, thetas = gates[name]
    h = network.forward_propagate(network.unroll(thetas), plane)[-1].reshape(201, 201)
    ax.pcolormesh(side, side, h, **SHADING)
    ax.contour(side, side, h, levels=[0.5], colors="black", linestyles="dashed")
    draw_corners(ax, truth[name], name)
plt.show()

# %%
# From data
# ---------
#
# The same network learns weights for XOR from the four corners. The cost of such a small network
# has poor local minima: `n_init=10` fits from ten random starts and keeps the lowest J. With only
# four examples the penalty has to be weak.

X, y = corners[2], np.array([0, 1, 1, 0])
clf = BackpropClassifier(hidden_layer_sizes=2, reg_lambda=0.001, n_init=10, random_state=0)
clf.fit(X, y)
h = clf.predict_proba(X)[:, 1]

assert (clf.predict(X) == y).all()
print(f"XOR   J = {clf.loss_:.4f} after {clf.n_iter_} iterations")
print(f"{'':5s}", show_answers(X, h))
for layer, Theta in enumerate(clf.theta_, start=1):
    print(f"Theta{layer} =", np.array2string(Theta, precision=2, prefix="Theta1 = "))

# %%
# In the activations of the hidden layer the classes are linearly separable: two corners with the
# same label are close together there, so the output unit can separate them by a straight line.

hidden = clf.network_.forward_propagate(clf.network_.unroll(clf.theta_), X)[1]
bias, w1, w2 = clf.theta_[1][0]

fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 4), layout="constrained")
display = DecisionBoundaryDisplay.from_estimator(
    clf,
    X,
    eps=0.5,
    response_method="predict_proba",
    plot_method="pcolormesh",
    grid_resolution=300,
    ax=left,
    **SHADING,
)
left.contour(display.xx0, display.xx1, display.response, [0.5], colors="k", linestyles="dashed")
draw_corners(left, y, "XOR, learned")

right.axline((0, -bias / w2), slope=-w1 / w2, color="black", ls="--", label="$h = 0.5$")
right.scatter(*hidden.T, c=y, cmap=TWO_CLASSES, edgecolors="black", s=90, zorder=3)
for x, a, height in zip(X, hidden, [-15, 6, -15, 6], strict=True):
    right.annotate(f"({x[0]}, {x[1]})", a, xytext=(9, height), textcoords="offset points")
right.set(xlim=(-0.15, 1.4), ylim=(-0.15, 1.4), xlabel="$a_1^{(2)}$", ylabel="$a_2^{(2)}$")
right.set(title="The same points in the hidden layer", aspect="equal")
right.legend(loc="upper right")
plt.show()
