r"""
Searching for lambda and the hidden units
=========================================

A grid search chooses the strength of the penalty and the number of hidden units by
cross-validation on the training rows: it fits every pair on two thirds of them and scores it on
the rest, three times. The test rows are used once, at the end.

The key `"lambda"` stands for the parameter `reg_lambda`, in a pipeline
`"backpropclassifier__lambda"`.
"""

# %%
# The search
# ----------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skbackprop import BackpropClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

hidden_units = [5, 10, 25, 50]
lambdas = [0.1, 0.3, 1.0, 3.0, 10.0]
search = GridSearchCV(
    make_pipeline(MinMaxScaler(), BackpropClassifier(random_state=0)),
    {
        "backpropclassifier__hidden_layer_sizes": hidden_units,
        "backpropclassifier__lambda": lambdas,
    },
    cv=3,
)
search.fit(X_train, y_train)

for name, value in search.best_params_.items():
    print(f"{name:40s}{value:6g}")
print(f"{'Accuracy in cross-validation':40s}{search.best_score_:6.3f}")
print(f"{'Accuracy on the test rows':40s}{search.score(X_test, y_test):6.3f}")

# %%
# The heat map
# ------------
#
# Five hidden units cannot distinguish ten digits well, whatever :math:`\lambda` is. With more
# units a wide range of :math:`\lambda` gives good scores, until the penalty outweighs the data.

# The grid runs through the last key fastest.
scores = search.cv_results_["mean_test_score"].reshape(len(hidden_units), len(lambdas))

fig, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
image = ax.imshow(scores, cmap="viridis", aspect="auto")
for (i, j), score in np.ndenumerate(scores):
    dark = score < (scores.min() + scores.max()) / 2
    ax.text(j, i, f"{score:.3f}", ha="center", va="center", color="white" if dark else "black")
row, column = np.unravel_index(scores.argmax(), scores.shape)
best = plt.Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, ec="tab:red", lw=3)
ax.add_patch(best)
ax.set_xticks(range(len(lambdas)), [f"{value:g}" for value in lambdas])
ax.set_yticks(range(len(hidden_units)), hidden_units)
ax.set(xlabel=r"$\lambda$", ylabel="hidden units", title="Accuracy in cross-validation")
fig.colorbar(image, ax=ax)
plt.show()
