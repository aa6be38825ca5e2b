r"""
Dropout
=======

In each step of a stochastic solver, *dropout* leaves out random hidden units, so that no unit can
rely on another and all have to contribute. For each example and each step, a unit is kept with
probability q, and its activation is then divided by q:

.. math::

    a_j := \frac{r_j}{q} \, a_j, \quad r_j = 1 \text{ with probability } q, \text{ else } 0.

Because of the division each activation has the same mean as without dropout, and prediction can
use the whole network.

Dropout reduces overfitting. To show this, the example has few training examples, many hidden units
and no penalty.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skbackprop import BackpropClassifier, Objective
from skbackprop.solvers import SGD, Adam

# The runs have a fixed length and do not converge.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=300, stratify=y, random_state=0
)
n_epochs = 80


def fit(solver, seed):
    network = BackpropClassifier(
        hidden_layer_sizes=(100, 100),
        reg_lambda=0,
        solver=solver,
        activation="relu",
        max_iter=n_epochs,
        n_iter_no_change=n_epochs,
        random_state=seed,
    )
    return network.fit(X_train, y_train, X_val=X_test, y_val=y_test)


# %%
# With and without
# ----------------
# ``dropout``, the probability that a hidden unit is dropped, is an option of the solver. There are
# three starts of each fit; the testing cost is recorded after each epoch.

solvers = {
    "SGD": SGD(learning_rate=0.05, batch_size=50),
    "SGD, dropout 0.3": SGD(learning_rate=0.05, batch_size=50, dropout=0.3),
    "SGD, dropout 0.5": SGD(learning_rate=0.05, batch_size=50, dropout=0.5),
    "Adam": Adam(learning_rate=0.003, batch_size=50),
    "Adam, dropout 0.5": Adam(learning_rate=0.003, batch_size=50, dropout=0.5),
}
fits = {name: [fit(solver, seed) for seed in range(3)] for name, solver in solvers.items()}
J = {name: np.array([n.loss_curve_ for n in networks]) for name, networks in fits.items()}
testing = {
    name: np.array([n.validation_loss_curve_ for n in networks]) for name, networks in fits.items()
}


def size(network):
    """The root of the sum of all squared weights."""
    return np.sqrt(sum((Theta[:, 1:] ** 2).sum() for Theta in network.theta_))


print(f"means of three starts {'J':>6}{'testing cost':>20}{'accuracy':>10}{'weights':>10}")
print(f"{'':18}{'last':>10}{'lowest':>10}{'last':>10}{'last':>10}{'size':>10}")
for name, networks in fits.items():
    lowest = testing[name].min(axis=1).mean()
    accuracy = np.mean([network.validation_scores_[-1] for network in networks])
    print(
        f"{name:18}{J[name][:, -1].mean():10.4f}{lowest:10.3f}{testing[name][:, -1].mean():10.3f}"
        f"{accuracy:10.3f}{np.mean([size(network) for network in networks]):10.1f}"
    )

# %%
# With dropout the testing cost falls lower and rises less, from each of the three starts and with
# both solvers. The training cost is higher. The accuracy hardly changes. Dropout is often said to
# make weights smaller; here they are larger.

for name in ("SGD, dropout 0.3", "SGD, dropout 0.5", "Adam, dropout 0.5"):
    without = testing[name.split(",")[0]]
    assert (testing[name].min(axis=1) < without.min(axis=1)).all()
    assert (testing[name][:, -1] < without[:, -1]).all()

fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
epochs = np.arange(1, n_epochs + 1)
for name in fits:
    solver, _, rate = name.partition(", ")
    ax = axes[0] if solver == "SGD" else axes[1]
    color = {"": "tab:blue", "dropout 0.3": "tab:green", "dropout 0.5": "tab:orange"}[rate]
    ax.plot(epochs, testing[name].T, color=color, linewidth=0.7, alpha=0.5)
    ax.plot(epochs, testing[name].mean(axis=0), color=color, label=rate or "no dropout")
    ax.set(title=solver, xlabel="epoch", ylim=(0.25, 1))
    ax.legend()
axes[0].set_ylabel("testing cost")
plt.show()

# %%
# J with dropout off
# ------------------
# With dropout J is a random number. ``loss_curve_`` and ``loss_`` are J of the whole network on
# all training rows, without dropout:

network = fits["SGD, dropout 0.5"][0]
objective = Objective(network.network_, X_train, y_train)
assert network.loss_ == objective(network.network_.unroll(network.theta_))[0]

up = {name: int((np.diff(curves) > 0).sum(axis=1).mean()) for name, curves in J.items()}
print(f"epochs in which J rose, of {n_epochs}:")
for name in ("SGD", "SGD, dropout 0.3", "SGD, dropout 0.5"):
    print(f"{name:18}{up[name]:4d}")

# %%
# This J can be drawn and compared. But the steps do not minimise it, so it falls less steadily
# with dropout than without.

assert up["SGD"] < up["SGD, dropout 0.3"]
assert up["SGD"] < up["SGD, dropout 0.5"]

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, color in (
    ("SGD", "tab:blue"),
    ("SGD, dropout 0.3", "tab:green"),
    ("SGD, dropout 0.5", "tab:orange"),
):
    ax.semilogy(epochs, J[name][0], color=color, label=name)
ax.set(title="Training cost J with dropout off, one start of each", xlabel="epoch", ylabel="J")
ax.legend()
plt.show()
