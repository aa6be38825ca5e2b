r"""
A random search: sensible ranges
================================

A grid tries few values of each parameter, and every further parameter multiplies its size. A
random search draws the candidates at random, so that each has a new value of every parameter, and
any number of them can be drawn. This page recommends ranges, and uses successive halving to
discard poor candidates on few rows.

For a grid and a heat map of its scores, see :ref:`sphx_glr_auto_examples_plot_grid_search.py`.
"""

# %%
# Ranges
# ------
#
# - :math:`\lambda` from a log-uniform distribution, in which 0.01 to 0.1 is as likely as 1 to 10.
#   Begin with four orders of magnitude. As the penalty is divided by the number of rows, the best
#   :math:`\lambda` for few rows is a good guess for many.
# - The number of hidden units from a log-uniform distribution too: 20 or 40 makes a difference,
#   120 or 140 does not. More than a few times the number of features is rarely useful.
# - The number of layers, the activation and the output from short lists.
# - Do not search over the solver or `tol`: ``"lbfgs"`` has no learning rate to tune.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skbackprop import BackpropClassifier


class LogInteger:
    """Whole numbers from a log-uniform distribution."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def rvs(self, random_state=None):
        return int(loguniform.rvs(self.low, self.high + 1, random_state=random_state))


ranges = {
    "backpropclassifier__lambda": loguniform(1e-2, 1e2),
    "backpropclassifier__hidden_layer_sizes": LogInteger(5, 80),
    "backpropclassifier__activation": ["logistic", "tanh"],
    "backpropclassifier__output_activation": ["logistic", "softmax"],
}

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
model = make_pipeline(MinMaxScaler(), BackpropClassifier(random_state=0))

# %%
# Twenty candidates
# -----------------

search = RandomizedSearchCV(model, ranges, n_iter=20, cv=3, random_state=0)
search.fit(X_train, y_train)

for name, value in search.best_params_.items():
    print(f"{name:42s}{value if isinstance(value, str) else f'{value:.3g}'}")
print(f"{'Accuracy in cross-validation':42s}{search.best_score_:.3f}")
print(f"{'Accuracy on the test rows':42s}{search.score(X_test, y_test):.3f}")

# %%
# Each dot is a candidate. If there are enough units, the score depends mainly on :math:`\lambda`.
# A second search could draw from a narrower range of it.

found = search.cv_results_
lambdas = np.array(found["param_backpropclassifier__lambda"], dtype=float)
units = np.array(found["param_backpropclassifier__hidden_layer_sizes"], dtype=float)
scores = found["mean_test_score"]

fig, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
points = ax.scatter(lambdas, units, c=scores, s=90, vmin=0.85, cmap="viridis", edgecolors="black")
best = search.best_index_
ax.scatter(
    lambdas[best], units[best], s=300, facecolors="none", edgecolors="tab:red", linewidths=2
)
ax.set(xscale="log", yscale="log", xlabel=r"$\lambda$", ylabel="hidden units")
ax.set_yticks([5, 10, 20, 40, 80], [5, 10, 20, 40, 80])
ax.tick_params(axis="y", which="minor", left=False, labelleft=False)
fig.colorbar(points, ax=ax, label="accuracy in cross-validation", extend="min")
plt.show()

assert search.best_score_ > 0.96
assert scores[lambdas > 30].max() < search.best_score_

# %%
# Successive halving
# ------------------
#
# `HalvingRandomSearchCV` fits many candidates to few rows, the best third of them to three times
# as many rows, and so on. Here it tries four times as many candidates with fewer rows in total.

halving = HalvingRandomSearchCV(
    model, ranges, n_candidates=81, factor=3, min_resources="exhaust", cv=3, random_state=0
)
halving.fit(X_train, y_train)

rows_seen = sum(
    3 * n * r for n, r in zip(halving.n_candidates_, halving.n_resources_, strict=True)
)
for n, r in zip(halving.n_candidates_, halving.n_resources_, strict=True):
    print(f"{n:3d} candidates on {r:5d} rows")
print(f"lambda {halving.best_params_['backpropclassifier__lambda']:.3g}, ", end="")
print(f"accuracy on the test rows {halving.score(X_test, y_test):.3f}")
print(f"Rows in all fits: {rows_seen} against {3 * 20 * len(X_train)} of the random search")

assert halving.score(X_test, y_test) > 0.95
assert rows_seen < 3 * 20 * len(X_train)
