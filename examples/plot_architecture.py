r"""
Choosing an architecture
========================

The data determine the inputs and outputs. For the hidden layers the usual advice is: begin with
one; if there are more, give each the same number of units; more units fit better but take more
time. This page tests the advice on the digits.
"""

# %%
# From one to three hidden layers, each of 10, 25, 50 or 100 units. The test cost is J of the test
# rows without the penalty. It is more informative than the accuracy, in which each of the 450 rows
# counts for 0.002.

from time import perf_counter

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skbackprop import BackpropClassifier, Objective

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, stratify=y, random_state=0)


def try_architecture(*hidden_layer_sizes):
    """Parameters, accuracy and cost on the test rows, seconds of the fit."""
    start = perf_counter()
    clf = BackpropClassifier(hidden_layer_sizes, reg_lambda=0.1, random_state=0)
    clf.fit(X_train, y_train)
    seconds = perf_counter() - start
    cost, _ = Objective(clf.network_, X_test, y_test)(clf.network_.unroll(clf.theta_))
    return clf.network_.n_parameters, clf.score(X_test, y_test), cost, seconds


def report(name, n_parameters, accuracy, cost, seconds):
    print(f"{name:18s}{n_parameters:10d}{accuracy:10.3f}{cost:11.3f}{seconds:8.1f} s")


print(f"{'hidden layers':18s}{'parameters':>10s}{'accuracy':>10s}{'test cost':>11s}{'time':>10s}")
none = try_architecture()
report("none", *none)

units = [10, 25, 50, 100]
results = {}
for depth in [1, 2, 3]:
    results[depth] = [try_architecture(*[n] * depth) for n in units]
    for n, result in zip(units, results[depth], strict=True):
        report(" + ".join([str(n)] * depth), *result)

# %%
# One hidden layer is much better than none, and more units are better up to a point. Further
# layers improve the cost little here and take more time; with few units in each they even increase
# it.

fig, axes = plt.subplots(1, 3, figsize=(11.5, 3.8), layout="constrained")
titles = ["Accuracy on the test rows", "Cost on the test rows", "Seconds to fit"]
for ax, title, column in zip(axes, titles, [1, 2, 3], strict=True):
    ax.axhline(none[column], color="gray", ls="--", label="no hidden layer")
    for depth, color in zip(results, ["tab:blue", "tab:orange", "tab:green"], strict=True):
        values = [result[column] for result in results[depth]]
        label = f"{depth} hidden layer{'s' * (depth > 1)}"
        ax.plot(units, values, "o-", color=color, label=label)
    ax.set(xscale="log", xlabel="units in each hidden layer", title=title)
    ax.set_xticks(units, units)
    ax.minorticks_off()
axes[0].legend()
axes[2].set_yscale("log")
plt.show()
