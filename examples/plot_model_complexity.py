r"""
Underfitting, overfitting and early stopping
============================================

A model that is too simple for the problem, or that has not been trained for long enough,
*underfits*: its cost is high on the examples it has seen and on all others. A model that is
too complex, or that has been trained for too long, *overfits*: its cost is low on the training
examples but high on new ones. The *model-complexity graph* shows both. It plots the mean cost of
an example,

.. math::

    \frac{1}{m} \sum_{i=1}^m \mathrm{cost}(h_\Theta(x^{(i)}), y^{(i)}),

on training and on testing examples, against the complexity of the model.

Here the examples are a few handwritten digits, and :math:`\lambda = 0`: only the number of
iterations and of hidden units limits the complexity.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skbackprop import BackpropClassifier, Objective

X, y = load_digits(return_X_y=True)
X_train, X_rest, y_train, y_rest = train_test_split(
    X / 16, y, train_size=300, stratify=y, random_state=0
)
X_val, X_test, y_val, y_test = train_test_split(
    X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0
)
print(f"examples: {len(y_train)} training, {len(y_val)} validation, {len(y_test)} testing")

# %%
# Against iterations
# ------------------
# Rows that are given as ``X_val, y_val`` take no part in the fit; their cost is recorded after
# each iteration. With a small ``tol`` L-BFGS continues long after it should have stopped.

network = BackpropClassifier(hidden_layer_sizes=25, reg_lambda=0, tol=1e-8, random_state=0)
network.fit(X_train, y_train, X_val=X_test, y_val=y_test)
training = np.array(network.loss_curve_)  # J is the cost alone, as lambda is 0
testing = np.array(network.validation_loss_curve_)
assert (np.diff(training) < 0).all()

# %%
# The testing examples must not influence any decision, otherwise their cost is no longer an
# unbiased estimate for new examples. So *early stopping* monitors a third set, the validation
# examples. It ends the fit when their cost no longer falls and keeps the parameters of its
# minimum.

stopped = BackpropClassifier(
    hidden_layer_sizes=25, reg_lambda=0, tol=1e-8, early_stopping=True, random_state=0
)
stopped.fit(X_train, y_train, X_val=X_val, y_val=y_val)
stop = np.argmin(stopped.validation_loss_curve_)
assert stopped.loss_ == training[stop]  # the same iterations, ended at the minimum

print(f"{'iteration':>16}{'training cost':>16}{'testing cost':>16}")
for name, i in [("first", 0), ("early stopping", stop), ("last", -1)]:
    print(f"{name:>16}{training[i]:16.4f}{testing[i]:16.4f}")
assert testing[stop] < 1.1 * testing.min()
assert testing[-1] > 2 * testing[stop]

# %%
# The training cost falls with every iteration. The testing cost falls, reaches its minimum and
# rises again. Early stopping does not use the testing examples, but ends near the minimum of their
# cost.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
iterations = np.arange(1, len(training) + 1)
ax.plot(iterations, training, color="tab:blue", label="training")
ax.plot(iterations, testing, color="tab:orange", label="testing")
ax.axvline(stop + 1, color="gray", linestyle="--", label="early stopping")
ax.set(
    title="25 hidden units: cost against iterations",
    xlabel="iterations of L-BFGS",
    ylabel="mean cost of an example",
    ylim=(0, 3.5),
)
ax.legend()
plt.show()

# %%
# Against the number of hidden units
# ----------------------------------
# The same graph for networks of 1 to 256 hidden units, each trained until its gradient is small,
# and once more with early stopping. Single fits depend on their random start, so each point is the
# median of five.


def cost(network, X, y):
    """The mean cost of an example, without any penalty."""
    return Objective(network.network_, X, y)(network.network_.unroll(network.theta_))[0]


hidden_units = [1, 2, 4, 8, 16, 32, 64, 128, 256]
training, testing, testing_stopped = [], [], []
for units in hidden_units:
    costs = []
    for seed in range(5):
        network = BackpropClassifier(units, reg_lambda=0, tol=1e-3, random_state=seed)
        network.fit(X_train, y_train)
        stopped = BackpropClassifier(
            units, reg_lambda=0, tol=1e-3, early_stopping=True, random_state=seed
        )
        stopped.fit(X_train, y_train, X_val=X_val, y_val=y_val)
        costs.append([network.loss_, cost(network, X_test, y_test), cost(stopped, X_test, y_test)])
    for curve, value in zip(
        (training, testing, testing_stopped), np.median(costs, axis=0), strict=True
    ):
        curve.append(value)

print(f"{'hidden units':>12}{'training':>12}{'testing':>12}{'testing, stopped early':>26}")
for units, *costs in zip(hidden_units, training, testing, testing_stopped, strict=True):
    print(f"{units:12d}{costs[0]:12.4f}{costs[1]:12.4f}{costs[2]:26.4f}")

# %%
# On the left even the training cost is high: these networks underfit. On the right the training
# cost is almost zero while the testing cost rises again: these overfit. With early stopping the
# testing cost is lower for every number of units and hardly rises on the right. So it is better to
# choose a network that is too large, together with a method against overfitting.

assert min(testing) < 0.75 * testing[-1]
assert all(np.array(testing_stopped) < testing)

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.loglog(hidden_units, training, "o-", color="tab:blue", label="training")
ax.loglog(hidden_units, testing, "o-", color="tab:orange", label="testing")
ax.loglog(hidden_units, testing_stopped, "o--", color="tab:green", label="testing, stopped early")
ax.set(
    title="Cost against the number of hidden units",
    xlabel="hidden units",
    ylabel="mean cost of an example",
)
ax.set_xticks(hidden_units, map(str, hidden_units), minor=False)
ax.minorticks_off()
ax.legend()
plt.show()
