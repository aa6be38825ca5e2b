r"""
Pictures of a fit
=================

scikit-learn's displays work with a `BackpropClassifier` unchanged. `LossCurveDisplay` of
skbackprop draws the cost after each iteration, for every solver.
"""

# %%
# The course of a fit
# -------------------
#
# The data are two half moons with much noise, and the network is large for them. With validation
# examples the fit also records their cost. It rises again while J, the cost of the training
# examples with the penalty, continues to fall, unless the penalty is large enough.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import (
    LearningCurveDisplay,
    ShuffleSplit,
    ValidationCurveDisplay,
    train_test_split,
)

from skbackprop import BackpropClassifier
from skbackprop.display import LossCurveDisplay

X, y = make_moons(300, noise=0.35, random_state=0)
X_train, X_val, y_train, y_val = train_test_split(X, y, stratify=y, random_state=0)

fits = {}
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for reg_lambda in [0.001, 0.1]:
    clf = BackpropClassifier(25, reg_lambda, random_state=0)
    fits[reg_lambda] = clf.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    LossCurveDisplay.from_estimator(clf, name=rf"$\lambda$ = {reg_lambda:g}", ax=ax)
ax.set_yscale("log")
plt.show()

for clf in fits.values():
    lowest, last = min(clf.validation_loss_curve_), clf.validation_loss_curve_[-1]
    print(
        f"lambda {clf.reg_lambda:<6g} validation cost: lowest {lowest:.3f}, at the end {last:.3f}"
    )

# %%
# The decision boundary
# ---------------------
#
# `DecisionBoundaryDisplay` colours the plane by the probability of the second class. With almost
# no penalty the boundary encloses single examples.

fig, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, (reg_lambda, clf) in zip(axes, fits.items(), strict=True):
    DecisionBoundaryDisplay.from_estimator(
        clf, X, response_method="predict_proba", cmap="RdBu_r", alpha=0.7, ax=ax
    )
    ax.scatter(*X_train.T, c=np.where(y_train, "tab:red", "tab:blue"), edgecolors="black", s=18)
    ax.set(title=rf"$\lambda$ = {reg_lambda:g}", xlabel="$x_1$", ylabel="$x_2$")
plt.show()

# %%
# Which lambda
# ------------
#
# `ValidationCurveDisplay` fits once for each value of a parameter and each split of the data. The
# parameter can be called ``"lambda"`` or `reg_lambda`. Small values, on the left, give high
# variance; large values, on the right, high bias.

splits = ShuffleSplit(5, test_size=0.3, random_state=0)
clf = BackpropClassifier(25, random_state=0)
display = ValidationCurveDisplay.from_estimator(
    clf,
    X,
    y,
    param_name="lambda",
    param_range=np.logspace(-3, 2, 11),
    cv=splits,
    score_name="accuracy",
)
display.ax_.set_xlabel(r"$\lambda$")
plt.show()

# %%
# Would more examples help?
# -------------------------
#
# `LearningCurveDisplay` fits to increasing numbers of examples. As long as the two curves approach
# each other, more examples help; once they have met, only a larger network could.

LearningCurveDisplay.from_estimator(
    clf.set_params(reg_lambda=0.01),
    X,
    y,
    train_sizes=np.linspace(0.1, 1, 6),
    cv=splits,
    score_type="both",
    score_name="accuracy",
)
plt.show()

# %%
# Which classes are confused
# --------------------------
#
# `ConfusionMatrixDisplay` counts the test digits by true class and predicted class.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, stratify=y, random_state=0)
clf = BackpropClassifier(25, random_state=0).fit(X_train, y_train)
display = ConfusionMatrixDisplay.from_estimator(clf, X_test, y_test, cmap="Blues", colorbar=False)
display.ax_.set_title(f"Accuracy {clf.score(X_test, y_test):.3f}")
plt.show()
