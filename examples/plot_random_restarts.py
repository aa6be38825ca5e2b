r"""
Random restarts
===============

J of a network with hidden units is not convex, and the minimum that a solver finds depends on the
start. *Random restarts* fit from several starts and keep the lowest J,

.. math::

    \min_{r = 1, \dots, R} J(\Theta_r), \quad \Theta_r \text{ found from the } r
    \text{-th random start}.

If a single start ends well with probability p, the best of R does with :math:`1 - (1 - p)^R`.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier

# %%
# XOR
# ---
# Two hidden units are just enough for XOR. From 100 starts, L-BFGS ends at one of few values
# of J:

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([0, 1, 1, 0])


def fit(units, seed):
    return BackpropClassifier(units, reg_lambda=0.001, random_state=seed).fit(X, y)


networks = {units: [fit(units, seed) for seed in range(100)] for units in (2, 3, 8)}
values, counts = np.unique([round(n.loss_, 3) for n in networks[2]], return_counts=True)
print("two hidden units")
print("J     " + "".join(f"{value:8.3f}" for value in values))
print("starts" + "".join(f"{count:8d}" for count in counts))

# %%
# At the lowest J all four rows are learned. The others are local minima: two rows are learned and
# the other two have h = 1/2, or one is learned and the other three have the same h.

print(f"{'J':>8}   h of the four rows")
for value in values:
    network = next(n for n in networks[2] if round(n.loss_, 3) == value)
    h = network.predict_proba(X)[:, 1]
    print(f"{value:8.3f}  " + "".join(f"{p:6.2f}" for p in h))
assert values[0] < 0.1 < np.log(2) / 2 < values[1]

# %%
# More hidden units also help: there are then many ways to solve XOR, and nearly every start finds
# one.

share = {units: np.mean([n.loss_ < 0.1 for n in fits]) for units, fits in networks.items()}
print(f"{'hidden units':>12}{'solved':>10}")
for units, p in share.items():
    print(f"{units:12d}{p:10.0%}")
assert share[2] < 0.9 < share[3]

# %%
# ``n_init``
# ----------
# The same on real data, iris with three hidden units. First 100 single starts:

iris = load_iris()
X, y = StandardScaler().fit_transform(iris.data), iris.target


def final_loss(n_init, seed):
    network = BackpropClassifier(3, reg_lambda=0.01, n_init=n_init, random_state=seed)
    return network.fit(X, y).loss_


single = np.array([final_loss(1, seed) for seed in range(100)])
best_of_ten = np.array([final_loss(10, seed) for seed in range(100, 120)])
print(f"J of 100 single starts:    {single.min():.4f} to {single.max():.4f}")
print(f"J of 20 fits, n_init=10:   {best_of_ten.min():.4f} to {best_of_ten.max():.4f}")

# %%
# ``n_init=10`` fits from ten starts and keeps the best. The plot compares how often its J is
# within 1 % of the lowest with the prediction from the fraction p of such single starts.

lowest = min(single.min(), best_of_ten.min())
good = 1.01 * lowest
p = np.mean(single < good)
print("a good start")
print(f"single, share p            {p:.2f}")
print(f"best of ten, 1-(1-p)^10    {1 - (1 - p) ** 10:.2f}")
print(f"best of ten, share of 20   {np.mean(best_of_ten < good):.2f}")
assert np.mean(best_of_ten < good) > p
assert best_of_ten.mean() < single.mean()

fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
axes[0].hist([n.loss_ for n in networks[2]], bins=40, color="tab:blue")
axes[0].set(title="XOR, 2 hidden units", xlabel="J at the end", ylabel="share of fits, %")
bins = np.linspace(lowest, single.max(), 40)
for losses, color, name in (
    (single, "tab:blue", "single starts"),
    (best_of_ten, "tab:orange", "best of ten"),
):
    percent = np.full(len(losses), 100 / len(losses))
    axes[1].hist(losses, bins, weights=percent, color=color, alpha=0.7, label=name)
axes[1].set(title="Iris, 3 hidden units", xlabel="J at the end")
axes[1].legend()
plt.show()
