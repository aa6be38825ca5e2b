r"""
The effect of lambda
====================

The penalty grows with the weights:

.. math::

    J(\Theta) = \frac{1}{m} \sum_{i=1}^m \mathrm{cost}(h_\Theta(x^{(i)}), y^{(i)})
        + \frac{\lambda}{2m} \sum_l \|\Theta^{(l)}_{:,1:}\|_F^2.

Large weights lead to overconfident predictions. The logistic units :math:`g(x_1 + x_2)` and
:math:`g(10 x_1 + 10 x_2)` make the same decision everywhere. At (1, 1) the output of the first is
.88, that of the second 1.00, and where the second is wrong, its cost is high.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, Objective

# %%
# Cost, accuracy and size of the weights
# --------------------------------------
# The training data are 300 handwritten digits, and lambda varies over six orders of magnitude. The
# costs are those of the examples, without the penalty.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=300, stratify=y, random_state=0
)


def cost(network, X, y):
    """The mean cost of an example, without any penalty."""
    return Objective(network.network_, X, y)(network.network_.unroll(network.theta_))[0]


lambdas = np.logspace(-4, 2, 13)
training, testing = [], []
accuracy, size = [], []
for reg_lambda in lambdas:
    network = BackpropClassifier(hidden_layer_sizes=25, reg_lambda=reg_lambda, random_state=0)
    network.fit(X_train, y_train)
    training.append(cost(network, X_train, y_train))
    testing.append(cost(network, X_test, y_test))
    accuracy.append([network.score(X_train, y_train), network.score(X_test, y_test)])
    size.append(np.sqrt(sum((Theta[:, 1:] ** 2).sum() for Theta in network.theta_)))
accuracy = np.array(accuracy)

print(f"{'':10}{'cost':>20}{'accuracy':>20}{'size of':>10}")
print(f"{'lambda':>10}" + f"{'training':>10}{'testing':>10}" * 2 + f"{'weights':>10}")
for i, reg_lambda in enumerate(lambdas):
    print(
        f"{reg_lambda:10.2g}{training[i]:10.4f}{testing[i]:10.3f}"
        f"{accuracy[i, 0]:10.3f}{accuracy[i, 1]:10.3f}{size[i]:10.2f}"
    )

# %%
# With a larger penalty the weights become smaller and the training cost higher. The testing cost
# has a minimum in between: to its left the network overfits, to its right it underfits, until all
# weights are zero. On the left the accuracy is reduced much less than the cost: most decisions of
# an overconfident network are still right.

best = int(np.argmin(testing))
assert 0 < best < len(lambdas) - 1
assert min(testing[0], testing[-1]) > 1.3 * testing[best]
assert accuracy[0, 1] > accuracy[best, 1] - 0.05
assert size[0] > 2 * size[best] > 100 * size[-1]

fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharex=True, layout="constrained")
axes[0].loglog(lambdas, training, ".-", color="tab:blue", label="training")
axes[0].loglog(lambdas, testing, ".-", color="tab:orange", label="testing")
axes[0].set(title="Cost", ylim=(4e-4, 10))
axes[1].semilogx(lambdas, accuracy[:, 0], ".-", color="tab:blue", label="training")
axes[1].semilogx(lambdas, accuracy[:, 1], ".-", color="tab:orange", label="testing")
axes[1].set(title="Accuracy", ylim=(0, 1.05))
axes[2].loglog(lambdas, size, ".-", color="black")
axes[2].set(title="Size of the weights")
for ax in axes:
    ax.axvline(lambdas[best], color="gray", linestyle="--", zorder=0)
    ax.set_xlabel(r"$\lambda$")
axes[0].legend()
plt.show()

# %%
# Decision boundaries
# -------------------
# The classes are three sorts of wine, with two features. Darker colours are higher probabilities.

wine = load_wine()
columns = [wine.feature_names.index(name) for name in ("alcohol", "flavanoids")]
X = StandardScaler().fit_transform(wine.data[:, columns])
x1, x2 = np.meshgrid(np.linspace(-2.8, 2.8, 200), np.linspace(-2.4, 3.4, 200))
grid = np.column_stack([x1.ravel(), x2.ravel()])
palette = np.array([[0.12, 0.47, 0.71], [1.0, 0.5, 0.05], [0.17, 0.63, 0.17]])

fig, axes = plt.subplots(1, 3, figsize=(11, 3.9), sharey=True, layout="constrained")
sureness = []
for ax, reg_lambda in zip(axes, (0.001, 1.0, 10.0), strict=True):
    network = BackpropClassifier(
        hidden_layer_sizes=25, reg_lambda=reg_lambda, max_iter=5000, random_state=0
    )
    network.fit(X, wine.target)
    h = network.predict_proba(grid)
    sureness.append(h.max(axis=1).mean())
    shade = (h.max(axis=1, keepdims=True) - 1 / 3) * 0.9
    image = 1 - shade * (1 - palette[h.argmax(axis=1)])
    ax.pcolormesh(x1, x2, image.reshape(*x1.shape, 3), shading="nearest", rasterized=True)
    ax.contour(x1, x2, h.argmax(axis=1).reshape(x1.shape), [0.5, 1.5], colors="k", linewidths=0.8)
    ax.scatter(*X.T, c=palette[wine.target], edgecolors="white", s=22)
    ax.set(title=rf"$\lambda$ = {reg_lambda:g}", xlabel="alcohol, scaled")
    print(f"lambda {reg_lambda:6g}: mean of the largest h {sureness[-1]:.3f}")
axes[0].set_ylabel("flavanoids, scaled")
plt.show()

# %%
# With a very small penalty the boundaries enclose single bottles, and probabilities are close to 0
# or 1 nearly everywhere. With a larger one the boundaries are smooth. With a still larger one they
# are almost straight, and no probability is high.

assert sureness[0] > sureness[1] > sureness[2]
