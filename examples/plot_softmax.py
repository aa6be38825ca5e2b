r"""
Softmax against one-vs-all
==========================

With :math:`K > 2` classes a network may have :math:`K` logistic units, the default. Each answers a
separate question: is it class k or another one? A softmax answers a single question: which class
is it?

.. math::

    \text{logistic units:} \quad & h_k = g(z_k), &
        \text{cost} &= -\sum_k \left[ y_k \log h_k + (1 - y_k) \log(1 - h_k) \right], \\
    \text{softmax:} \quad & h_k = \frac{e^{z_k}}{\sum_j e^{z_j}}, &
        \text{cost} &= -\sum_k y_k \log h_k .

Both have :math:`\delta^{(L)} = h - y`. The outputs of a softmax always sum to one.
"""

# %%
# Digits
# ------
#
# Both read the digits equally well. Their costs cannot be compared, because one is a sum over ten
# questions. The log losses of `predict_proba`, where the logistic units are divided by their sum,
# can be compared.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skbackprop import BackpropClassifier

OUTPUTS = {"logistic": "tab:blue", "softmax": "tab:orange"}

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, stratify=y, random_state=0)

digits = {
    output: BackpropClassifier(
        hidden_layer_sizes=25, reg_lambda=0.3, output_activation=output, random_state=0
    ).fit(X_train, y_train)
    for output in OUTPUTS
}
print(f"{'digits':10s}{'J':>8s}{'iterations':>12s}{'accuracy':>10s}{'log loss':>10s}")
for output, clf in digits.items():
    loss = log_loss(y_test, clf.predict_proba(X_test))
    print(
        f"{output:10s}{clf.loss_:8.4f}{clf.n_iter_:12d}"
        f"{clf.score(X_test, y_test):10.4f}{loss:10.4f}"
    )
    assert clf.score(X_test, y_test) > 0.96

# %%
# For a clear image both outputs are clear. For others several logistic units may be close to 1, or
# none: their outputs need not sum to one. The plot shows the clearest test image and the two with
# the largest and the smallest sum.


def outputs(clf, X):
    """h(x) as the network puts it out, before any division by its sum."""
    return clf.network_.forward_propagate(clf.network_.unroll(clf.theta_), X)[-1]


total = outputs(digits["logistic"], X_test).sum(axis=1)
clearest = digits["logistic"].predict_proba(X_test).max(axis=1).argmax()
chosen = [clearest, total.argmax(), total.argmin()]

fig, axes = plt.subplots(
    2, 3, figsize=(9, 4.6), height_ratios=[1, 1.2], layout="constrained", sharey="row"
)
for (top, bottom), i in zip(axes.T, chosen, strict=True):
    top.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    top.set_title(f"a {y_test[i]}")
    top.set_axis_off()
    for shift, (output, clf) in zip([-0.2, 0.2], digits.items(), strict=True):
        h = outputs(clf, X_test[[i]])[0]
        label = f"{output}, sum {h.sum():.2f}"
        bottom.bar(np.arange(10) + shift, h, width=0.4, color=OUTPUTS[output], label=label)
    bottom.set(xticks=range(10), ylim=(0, 1.45), yticks=[0, 0.5, 1], xlabel="class")
    bottom.legend(loc="upper left", fontsize=9)
axes[1, 0].set_ylabel("$h(x)$")
plt.show()

# %%
# Three groups in a row
# ---------------------
#
# Without hidden layers the two models can be fundamentally different. No straight line separates
# the middle one of three groups in a row from the other two, so the best output of its logistic
# unit is a third everywhere, the frequency of its class. This is still the largest where the other
# two are near 0, so few rows are misclassified, but the probabilities are poor. A softmax compares
# the scores of the classes: three linear :math:`z_k` divide the row into three parts.

rng = np.random.RandomState(0)
centres = [(-2, -1), (0, 0), (2, 1)]
X = np.concatenate([rng.normal(centre, 0.6, size=(100, 2)) for centre in centres])
y = np.repeat([0, 1, 2], 100)

row = {
    (hidden, output): BackpropClassifier(
        hidden_layer_sizes=hidden, reg_lambda=0.1, output_activation=output, random_state=0
    ).fit(X, y)
    for hidden in [(), (5,)]
    for output in OUTPUTS
}
print()
print(f"{'row':10s}{'hidden units':>14s}{'J':>8s}{'accuracy':>10s}{'log loss':>10s}")
for (hidden, output), clf in row.items():
    loss = log_loss(y, clf.predict_proba(X))
    print(f"{output:10s}{sum(hidden):14d}{clf.loss_:8.4f}{clf.score(X, y):10.4f}{loss:10.4f}")

middle = outputs(row[(), "logistic"], X)[:, 1]
print(f"\nmiddle logistic unit: between {middle.min():.2f} and {middle.max():.2f} for all rows")

# %%
# Above are the outputs of the units along the row, below the predictions. With five hidden units
# the logistic output of the middle group can rise and fall again, and the two models agree.

colors = ["tab:blue", "tab:green", "tab:red"]
three_colors = ListedColormap(colors)
plane = np.stack(np.meshgrid(np.linspace(-4, 4, 200), np.linspace(-3, 3, 200)), axis=-1)
along = np.linspace(-4, 4, 201)[:, np.newaxis] * [1, 0.5]
fig, axes = plt.subplots(2, 4, figsize=(11.5, 5.2), layout="constrained", sharey="row")
for (top, bottom), ((hidden, output), clf) in zip(axes.T, row.items(), strict=True):
    for h, color in zip(outputs(clf, along).T, colors, strict=True):
        top.plot(along[:, 0], h, color=color)
    top.set(title=f"{output}, {sum(hidden) or 'no'} hidden units", xlabel="along the row")
    classes = clf.predict(plane.reshape(-1, 2)).reshape(plane.shape[:2])
    bottom.pcolormesh(*plane.T, classes.T, cmap=three_colors, alpha=0.3, rasterized=True)
    bottom.scatter(*X.T, c=y, cmap=three_colors, s=9)
    bottom.set(xlabel="$x_1$")
axes[0, 0].set_ylabel("$h_k(x)$")
axes[1, 0].set_ylabel("$x_2$")
plt.show()
