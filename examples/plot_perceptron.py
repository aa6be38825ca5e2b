r"""
From the perceptron to logistic regression
==========================================

The first networks had one unit. A perceptron decides on which side of a line a point lies,
:math:`w_1 x_1 + w_2 x_2 + b \ge 0`, and learns from the points on the wrong side. Its output is a
step function of the score. With a sigmoid instead of the step the output is a probability, the
cost is smooth, and gradient descent can minimise it.
"""

# %%
# The perceptron trick
# --------------------
#
# A misclassified point moves the line towards itself: with the learning rate :math:`\alpha`, add
# :math:`\alpha (x_1, x_2, 1)` to :math:`(w_1, w_2, b)` if its label is 1, subtract it if its label
# is 0. Both examples here start at
# :math:`3 x_1 + 4 x_2 - 10 = 0` with :math:`\alpha = 0.1`. `partial_fit` of scikit-learn's
# `Perceptron` is one such step.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.solvers import GradientDescent


def perceptron_trick(point, label, n_steps):
    """(w1, w2, b) before and after each of `n_steps` updates with one point."""
    perceptron = Perceptron(eta0=0.1).partial_fit([point], [label], classes=[0, 1])
    perceptron.coef_, perceptron.intercept_ = np.array([[3.0, 4.0]]), np.array([-10.0])
    lines = [(3.0, 4.0, -10.0)]
    for _ in range(n_steps):
        perceptron.partial_fit([point], [label])
        lines.append((*perceptron.coef_[0], perceptron.intercept_[0]))
    return np.array(lines)


def show_line(w1, w2, b):
    return f"{w1:.1f} x1 + {w2:.1f} x2 - {-b:.1f}"


first = perceptron_trick(point=(4, 5), label=0, n_steps=1)
second = perceptron_trick(point=(1, 1), label=1, n_steps=10)
scores = second @ [1, 1, 1]

print(f"(4, 5) should be 0   after 1 step    {show_line(*first[1])}")
print(f"(1, 1) should be 1   after 1 step    {show_line(*second[1])}")
print(f"                     after 10 steps  {show_line(*second[10])}")
print(f"its score            {' '.join(f'{score:.1f}' for score in scores.round(1) + 0.0)}")

assert np.allclose(first[1], (2.6, 3.5, -10.1), atol=1e-12)
assert np.allclose(second[1], (3.1, 4.1, -9.9), atol=1e-12)
assert (scores[:10] < -0.2).all()
assert abs(scores[10]) < 1e-12

# %%
# Each step adds :math:`\alpha (x_1^2 + x_2^2 + 1) = 0.3` to the score of the point (1, 1), which
# starts at -3: after ten steps the line runs through the point.

fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for ax, lines, point, color, title in [
    (axes[0], first, (4, 5), "tab:blue", "(4, 5) should be 0: one step"),
    (axes[1], second, (1, 1), "tab:red", "(1, 1) should be 1: ten steps"),
]:
    for step, (w1, w2, b) in enumerate(lines):
        shade = plt.colormaps["Greys"](0.35 + 0.65 * step / (len(lines) - 1))
        label = {0: "start", len(lines) - 1: "end"}.get(step)
        ax.axline((0, -b / w2), slope=-w1 / w2, color=shade, label=label)
    ax.plot(*point, "o", color=color, mec="black", ms=9)
    ax.set(xlim=(-1, 6), ylim=(-1, 6), xlabel="$x_1$", ylabel="$x_2$", title=title, aspect="equal")
    ax.legend(loc="lower left")
plt.show()

# %%
# Step and sigmoid
# ----------------
#
# The sigmoid :math:`g(z) = 1 / (1 + e^{-z})` is a smooth step, which larger weights make steeper.
# The lines :math:`x_1 + x_2 = 0` and :math:`10 x_1 + 10 x_2 = 0` are the same, and so are the
# decisions of a perceptron, but the probabilities of the second unit are close to 0 or 1 almost
# everywhere.

unit = Network((2, 1))
points = np.array([[1, 1], [-1, -1]])
soft = unit.forward_propagate(unit.unroll([[[0, 1, 1]]]), points)[-1].ravel()
hard = unit.forward_propagate(unit.unroll([[[0, 10, 10]]]), points)[-1].ravel()
assert np.allclose(soft, [0.88, 0.12], atol=0.005)
assert np.allclose(hard, [1, 0], atol=1e-8)
print(f"x1 + x2        h(1, 1) = {soft[0]:.2f}   h(-1, -1) = {soft[1]:.2f}")
print(f"10 x1 + 10 x2  h(1, 1) = {hard[0]:.2f}   h(-1, -1) = {hard[1]:.2f}")

z = np.linspace(-4, 4, 401)
g = Network((1, 1))
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(z, z >= 0, color="black", label="step")
for weight, color in [(1, "tab:blue"), (10, "tab:red")]:
    h = g.forward_propagate(np.array([0.0, weight]), z[:, np.newaxis])[-1]
    ax.plot(z, h, color=color, label=f"$g({weight if weight > 1 else ''}z)$")
ax.set(xlabel="score $z$", ylabel="answer", title="Step and sigmoid")
ax.legend()
plt.show()

# %%
# Cross-entropy
# -------------
#
# The cross-entropy measures the quality of probabilities. For three examples with labels y and
# probabilities p,
#
# .. math:: -\sum_i [y_i \log p_i + (1 - y_i) \log(1 - p_i)],
#
# is 0.69 for y = (1, 1, 0) and p = (0.8, 0.7, 0.1), which agree well, and 5.12 for y = (0, 0, 1).
# `Objective` gives the same for units whose outputs p are determined by the bias alone.

p = np.array([0.8, 0.7, 0.1])
units = Network((1, 3))
theta = units.unroll([np.column_stack([np.log(p / (1 - p)), np.zeros(3)])])
for y, expected in [((1, 1, 0), 0.69), ((0, 0, 1), 5.12)]:
    y = np.array(y)
    cost = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum()
    J, _ = Objective(units, [[0.0]], [y])(theta)
    assert round(cost, 2) == expected
    assert abs(J - cost) < 1e-12
    print(f"y = {tuple(y.tolist())}   cross-entropy {cost:.2f}")

# %%
# Logistic regression by gradient descent
# ---------------------------------------
#
# A `BackpropClassifier` without hidden layers is one sigmoid unit, that is logistic regression.
# The gradient of its cost is the mean of :math:`(\hat y - y)(1, x_1, x_2)`, so a step of gradient
# descent is
#
# .. math:: w_j := w_j + \frac{\alpha}{m} \sum_i (y_i - \hat y_i) x_{ij}, \qquad
#    b := b + \frac{\alpha}{m} \sum_i (y_i - \hat y_i),
#
# the perceptron trick with the error :math:`\hat y - y` in place of right or wrong. The data are
# the length and width of the petals of two species of iris that overlap.

iris = load_iris()
which = iris.target > 0
X = StandardScaler().fit_transform(iris.data[which, 2:])
y = iris.target[which] - 1
m = len(y)

start, rate = np.zeros(3), 1.0
clf = BackpropClassifier(
    hidden_layer_sizes=(), reg_lambda=1, solver=GradientDescent(learning_rate=rate), tol=1e-8
)
clf.fit(X, y, theta_init=start)

# The first step by hand (the penalty is 0 at the start), and where all of them lead.
X1 = np.insert(X, 0, 1, axis=1)
h = clf.network_.forward_propagate(start, X)[-1].ravel()
step = start + rate / m * (y - h) @ X1
J, _ = Objective(clf.network_, X, y, reg_lambda=1)(step)
assert abs(J - clf.loss_curve_[0]) < 1e-12

reference = LogisticRegression(C=1.0, tol=1e-10).fit(X, y)
assert np.allclose(clf.coefs_[0].ravel(), reference.coef_[0], atol=1e-5)
assert np.allclose(clf.intercepts_[0], reference.intercept_, atol=1e-5)

(b, w1, w2), (r1, r2) = clf.theta_[0][0], reference.coef_[0]
print(f"gradient descent    w = ({w1:.5f}, {w2:.5f})  b = {b:.5f}  {clf.n_iter_} steps")
print(f"LogisticRegression  w = ({r1:.5f}, {r2:.5f})  b = {reference.intercept_[0]:.5f}")
print(f"J = {clf.loss_:.4f}, accuracy {clf.score(X, y):.2f}")

# %%
# The cost has a single minimum, so even a start at zero leads to it.

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.semilogx(np.arange(1, clf.n_iter_ + 1), clf.loss_curve_, color="tab:blue")
left.set(xlabel="step", ylabel="$J$", title="Gradient descent")

display = DecisionBoundaryDisplay.from_estimator(
    clf,
    X,
    response_method="predict_proba",
    plot_method="pcolormesh",
    grid_resolution=300,
    cmap="RdBu_r",
    vmin=-0.6,
    vmax=1.6,
    rasterized=True,
    ax=right,
)
right.contour(display.xx0, display.xx1, display.response, [0.5], colors="k", linestyles="dashed")
for label, color in enumerate(["tab:blue", "tab:red"]):
    name = iris.target_names[label + 1]
    right.scatter(*X[y == label].T, color=color, edgecolors="black", label=name)
right.set(xlabel="petal length, scaled", ylabel="petal width, scaled", title="Two kinds of iris")
right.legend(loc="lower center", ncols=2)
plt.show()
