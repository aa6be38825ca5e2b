r"""
A rare class: weights, calibration and the threshold
====================================================

Of 100 items 5 are faulty, and missing a faulty one costs ten times as much as checking a sound
one. A network that predicts the more probable class misses most of the faulty ones. There are two
remedies: give the rare class a larger weight in the fit, or choose the threshold by the costs of
the errors. This page compares both and their effect on the probabilities.
"""

# %%
# Predicting the more probable class
# ----------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.datasets import make_classification
from sklearn.metrics import brier_score_loss, confusion_matrix, make_scorer
from sklearn.model_selection import TunedThresholdClassifierCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier

X, y = make_classification(
    12_000,
    n_features=12,
    n_informative=6,
    weights=[0.95],
    flip_y=0.02,
    class_sep=0.8,
    random_state=0,
)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)


def cost(y_true, y_pred):
    """What the errors cost, for 1000 items: 10 for a missed fault, 1 for a needless check."""
    (_, needless), (missed, _) = confusion_matrix(y_true, y_pred)
    return 1000 * (10 * missed + needless) / len(y_true)


def report(name, model):
    (_, needless), (missed, found) = confusion_matrix(y_test, model.predict(X_test))
    brier = brier_score_loss(y_test, model.predict_proba(X_test)[:, 1])
    value = cost(y_test, model.predict(X_test))
    print(
        f"{name:24s} found {found:3d} of {found + missed}, needless checks {needless:3d}, "
        f"cost {value:4.0f}, Brier score {brier:.4f}"
    )
    return value, brier


net = BackpropClassifier(15, reg_lambda=1, random_state=0)
plain = make_pipeline(StandardScaler(), net).fit(X_train, y_train)
cost_plain, brier_plain = report("plain", plain)

# %%
# Class weights
# -------------
#
# ``class_weight={1: 10}`` counts each faulty item ten times in :math:`J`. More faults are found.
# But the fit is then that of data in which faults are ten times as frequent: its probabilities are
# too high, as the Brier score (the mean squared error of the probability) shows.

weighted = make_pipeline(
    StandardScaler(), BackpropClassifier(15, reg_lambda=1, class_weight={1: 10}, random_state=0)
).fit(X_train, y_train)
cost_weighted, brier_weighted = report("class_weight={1: 10}", weighted)

assert cost_weighted < cost_plain
assert brier_weighted > brier_plain

# %%
# Calibration
# -----------
#
# Probabilities are calibrated if, for example, 30 % of the items with a probability of 30 % are
# faulty. Those of the plain fit are, because the cross-entropy is lowest at the true probabilities
# and the penalty prevents the network from fitting noise. `CalibratedClassifierCV` corrects those
# of the weighted fit.

calibrated = CalibratedClassifierCV(weighted, method="isotonic", cv=5).fit(X_train, y_train)
_, brier_calibrated = report("weighted, calibrated", calibrated)

fig, ax = plt.subplots(figsize=(5.4, 5), layout="constrained")
for name, model in [
    ("plain", plain),
    ("weighted", weighted),
    ("weighted, calibrated", calibrated),
]:
    CalibrationDisplay.from_estimator(
        model, X_test, y_test, n_bins=8, strategy="quantile", name=name, ax=ax
    )
ax.set(xlabel="mean probability given to a fault", ylabel="share of faults", title="Calibration")
plt.show()

assert brier_calibrated < brier_weighted

# %%
# The threshold
# -------------
#
# With calibrated probabilities no weights are needed: check an item if :math:`10\,p > 1 - p`, that
# is if :math:`p > 1 / 11`. `TunedThresholdClassifierCV` finds such a threshold from the costs by
# cross-validation, without changing the probabilities. The result is close to 1/11.

tuned = TunedThresholdClassifierCV(
    plain, scoring=make_scorer(cost, greater_is_better=False), cv=5, store_cv_results=True
).fit(X_train, y_train)
cost_tuned, brier_tuned = report("threshold tuned", tuned)
print(f"Threshold {tuned.best_threshold_:.3f}; 1/11 is {1 / 11:.3f}")

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
curve = tuned.cv_results_
ax.plot(curve["thresholds"], -np.asarray(curve["scores"]))
ax.axvline(tuned.best_threshold_, color="tab:red", label="lowest cost in cross-validation")
ax.axvline(1 / 11, color="black", linestyle=":", label="1/11")
ax.axvline(0.5, color="0.6", linestyle="--", label="the more probable class")
ax.set(xlabel="threshold", ylabel="cost of 1000 items")
ax.legend()
plt.show()

assert cost_tuned < cost_plain / 1.5
assert abs(brier_tuned - brier_plain) < 1e-12
assert 0.03 < tuned.best_threshold_ < 0.25
