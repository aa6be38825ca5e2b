r"""
Batch against stochastic gradient descent
=========================================

Batch gradient descent visits all m rows for each step. Stochastic gradient descent estimates
the gradient from a few of them, a mini-batch B, and takes a step after each:

.. math::

    \Theta := \Theta - \alpha \left( \frac{1}{|B|} \sum_{i \in B}
        \frac{\partial\, \mathrm{cost}_i}{\partial \Theta}
        + \frac{\lambda}{m} [0, \Theta_{:,1:}] \right).

An *epoch* is one pass over all rows: a single step for batch gradient descent, and
:math:`m / |B|` steps for stochastic gradient descent. The time depends on the number of rows
visited, so this page compares the cost reached after the same number of rows.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, Objective
from skbackprop.solvers import SGD, GradientDescent

# The runs have a fixed length and do not converge.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
m = len(X)
n_epochs = 10


def loss_curve(solver):
    network = BackpropClassifier(
        hidden_layer_sizes=25,
        solver=solver,
        max_iter=n_epochs,
        n_iter_no_change=n_epochs,
        random_state=0,
    )
    return network.fit(X, y).loss_curve_


# %%
# Cost per row visited
# --------------------
# J over all rows after each epoch for batches of several sizes. The best learning rate depends on
# the size, so for each size the best of five rates is used. There is no momentum.

best = {}
for batch_size in (m, 200, 20, 2):
    runs = {
        rate: loss_curve(SGD(rate, momentum=0.0, batch_size=batch_size, evaluate_every=1))
        for rate in (0.1, 0.3, 1.0, 3.0, 10.0)
    }
    rate = min(runs, key=lambda rate: runs[rate][-1])
    best[batch_size] = (rate, runs[rate])

# One batch of all rows is batch gradient descent.
rate, curve = best[m]
np.testing.assert_allclose(curve, loss_curve(GradientDescent(learning_rate=rate)))

epochs = np.arange(1, n_epochs + 1)
print(f"{'J after rows visited':>25}" + "".join(f"{m * epoch:9d}" for epoch in (1, 2, 5, 10)))
print(f"{'batch size':>10}{'rate':>6}{'steps':>9}")
for batch_size, (rate, curve) in best.items():
    n_steps = int(np.ceil(m / batch_size))
    losses = "".join(f"{curve[epoch - 1]:9.3f}" for epoch in (1, 2, 5, 10))
    print(f"{batch_size:10d}{rate:6.1f}{n_steps:9d}{losses}")

# %%
# For the same number of rows, small batches reach a much lower cost, up to a point: batches of 2
# are no better than batches of 20, and need ten times as many steps, each with some overhead.

assert best[20][1][-1] < best[200][1][-1] < best[m][1][-1]
assert best[20][1][0] < best[m][1][-1]  # one epoch of the one, ten of the other
assert best[20][1][-1] < 1.05 * best[2][1][-1]

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for batch_size, (rate, curve) in best.items():
    name = "all rows" if batch_size == m else f"{batch_size} rows"
    line = ".--" if batch_size == 2 else ".-"  # 2 rows lie on top of 20
    ax.semilogy(m * epochs, curve, line, label=f"{name}, rate {rate:g}")
ax.set(title="Cost against rows visited", xlabel="rows visited", ylabel="J over all rows")
ax.legend(title="batches of")
plt.show()

# %%
# The first epoch, step by step
# -----------------------------
# ``partial_fit`` makes one pass over the given rows, so with one batch per call each step can be
# recorded. ``n_samples`` is the total number of rows m, so that the penalty of a batch is
# :math:`\lambda / m`.

order = np.random.RandomState(0).permutation(m)
first_epoch = {}
for batch_size in (200, 20):
    solver = SGD(learning_rate=1.0, momentum=0.0, batch_size=batch_size, n_samples=m)
    network = BackpropClassifier(hidden_layer_sizes=25, solver=solver, random_state=0)
    curve = []
    for start in range(0, m, batch_size):
        rows = order[start : start + batch_size]
        network.partial_fit(X[rows], y[rows], classes=np.unique(y))
        J = Objective(network.network_, X, y, reg_lambda=network.reg_lambda)
        curve.append(J(network.network_.unroll(network.theta_))[0])
    first_epoch[batch_size] = np.array(curve)

print(f"{'batch size':>10}{'steps':>8}{'of them up':>12}{'J at the end':>14}")
for batch_size, curve in first_epoch.items():
    print(f"{batch_size:10d}{len(curve):8d}{(np.diff(curve) > 0).sum():12d}{curve[-1]:14.3f}")

# %%
# The gradient of a few rows is an inexact estimate, and some steps increase J. But there are ten
# times as many steps, and together they decrease it much more.

assert (np.diff(first_epoch[20]) > 0).any()
assert first_epoch[20][-1] < 0.5 * first_epoch[200][-1]

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for batch_size, color in ((200, "tab:orange"), (20, "tab:green")):
    curve = first_epoch[batch_size]
    visited = np.minimum(batch_size * np.arange(1, len(curve) + 1), m)
    ax.plot(visited, curve, ".-", color=color, label=f"{batch_size} rows")
ax.set(
    title="The first epoch, learning rate 1",
    xlabel="rows visited",
    ylabel="J over all rows",
    ylim=(0, None),
)
ax.legend(title="batches of")
plt.show()
