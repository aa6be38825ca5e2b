r"""
L1 against L2
=============

There are two penalties on large weights:

.. math::

    \text{L2:} \quad \frac{\lambda}{2m} \sum_l \|\Theta^{(l)}_{:,1:}\|_F^2
    \qquad
    \text{L1:} \quad \frac{\lambda}{m} \sum_l \sum_{ij} |\Theta^{(l)}_{ij}|, \; j \ge 1.

The derivative of the L2 penalty decreases with the weight: it makes weights small, but not zero.
The derivative of the L1 penalty is :math:`\lambda / m` for a weight of any size: a weight is
*exactly* zero if the derivative of the examples' cost is smaller than that. So L1 selects
features.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(
    data.data, data.target, train_size=0.5, stratify=data.target, random_state=0
)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

# %%
# Weights against lambda
# ----------------------
# Without a hidden layer each of the 30 features has one weight. The plot shows them as lambda
# grows.

lambdas = np.logspace(-0.5, 2.25, 12)
fits = {
    penalty: [
        BackpropClassifier((), reg_lambda=reg_lambda, penalty=penalty, random_state=0).fit(
            X_train, y_train, X_val=X_test, y_val=y_test
        )
        for reg_lambda in lambdas
    ]
    for penalty in ("l1", "l2")
}
weights = {
    penalty: np.array([network.coefs_[0].ravel() for network in networks])
    for penalty, networks in fits.items()
}
zeros = {penalty: (W == 0).sum(axis=1) for penalty, W in weights.items()}
testing = {
    penalty: np.array([network.validation_loss_curve_[-1] for network in networks])
    for penalty, networks in fits.items()
}

print(f"{'':10}{'zeros of 30':>16}{'testing cost':>20}")
print(f"{'lambda':>10}{'L1':>8}{'L2':>8}{'L1':>10}{'L2':>10}")
for i, reg_lambda in enumerate(lambdas):
    print(
        f"{reg_lambda:10.2f}{zeros['l1'][i]:8d}{zeros['l2'][i]:8d}"
        f"{testing['l1'][i]:10.3f}{testing['l2'][i]:10.3f}"
    )

# %%
# With L1 one weight after another becomes zero (occasionally one becomes nonzero again, in place
# of others), and in the end all are zero. With L2 none is ever zero. L2 predicts better here, as
# it usually does.

assert 0 < zeros["l1"][0] < zeros["l1"][6] < zeros["l1"][-1] == 30
assert not zeros["l2"].any()
assert testing["l2"].min() < testing["l1"].min()

fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, penalty in zip(axes, ("l1", "l2"), strict=True):
    ax.semilogx(lambdas, weights[penalty], linewidth=1)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(title=f"Weights of the 30 features, {penalty.upper()}", xlabel=r"$\lambda$")
axes[0].set_ylabel("weight")
plt.show()

# %%
# The selected features
# ---------------------
# At lambda = 10 only the most informative features are left. Class 1 is "benign", so negative
# weights indicate cancer.

network = BackpropClassifier((), reg_lambda=10, penalty="l1", random_state=0)
network.fit(X_train, y_train)
w = network.coefs_[0].ravel()
for j in np.argsort(-abs(w))[: np.count_nonzero(w)]:
    print(f"{data.feature_names[j]:24}{w[j]:8.3f}")
print(f"accuracy on testing examples {network.score(X_test, y_test):.3f}")
assert np.count_nonzero(w) < 10

# %%
# A hidden layer
# --------------
# A network does not use a feature if its weights to all hidden units are zero, and a hidden unit
# has no effect if all its weights are zero.

Theta1 = {}
for penalty in ("l1", "l2"):
    network = BackpropClassifier(8, reg_lambda=1, penalty=penalty, random_state=0)
    network.fit(X_train, y_train)
    Theta1[penalty] = W = network.theta_[0][:, 1:]
    print(
        f"{penalty.upper()}: {(W == 0).sum():3d} of {W.size} weights are zero; in use are "
        f"{(W != 0).any(axis=0).sum():2d} features, {(W != 0).any(axis=1).sum()} hidden units; "
        f"accuracy {network.score(X_test, y_test):.3f}"
    )
assert (Theta1["l1"] == 0).sum() > 120
assert not (Theta1["l2"] == 0).any()

fig, axes = plt.subplots(2, 1, figsize=(9, 6.5), sharex=True, layout="constrained")
for ax, (penalty, W) in zip(axes, Theta1.items(), strict=True):
    limit = abs(W).max()
    nonzero = np.ma.masked_equal(W, 0)
    image = ax.imshow(nonzero, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    ax.set_facecolor("lightgray")
    fig.colorbar(image, ax=ax, label="weight")
    ax.set(title=rf"$\Theta^{{(1)}}$ with {penalty.upper()}, zeros in grey", ylabel="hidden unit")
    ax.set_yticks(range(8), range(1, 9))
axes[1].set_xticks(range(30), data.feature_names, rotation=90)
plt.show()
