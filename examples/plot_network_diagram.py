r"""
Drawing a network
=================

`NetworkDisplay` draws the usual diagram: a column of units for each layer, a bias unit on top, a
line for each weight. `HiddenUnitsDisplay` draws the weights of each hidden unit.
"""

# %%
# A network whose weights are set by hand
# ---------------------------------------
#
# The network for XNOR: its hidden units are "both" and "neither", its output unit is their OR. Red
# lines are positive weights, blue lines negative ones; wide lines are large weights. Lines of bias
# units are thin and dashed.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, Network
from skbackprop.display import HiddenUnitsDisplay, NetworkDisplay

network = Network((2, 2, 1))
thetas = [[[-30, 20, 20], [10, -20, -20]], [[-10, 20, 20]]]
NetworkDisplay.from_network(network, thetas, output_names=["XNOR"])
plt.show()

# %%
# With an example, the units show their activations: orange is on, white is off.

corners = [[0, 0], [0, 1], [1, 0], [1, 1]]
fig, axes = plt.subplots(2, 2, figsize=(11, 6.5), layout="constrained")
for ax, x in zip(axes.flat, corners, strict=True):
    NetworkDisplay.from_network(network, thetas, x, ax=ax)
    ax.set_title(f"{x[0]} XNOR {x[1]}")
plt.show()

# %%
# A network fitted to a table
# ---------------------------
#
# After a fit to a dataframe the names of the features and classes are drawn, in a pipeline too.
# The diagram shows the activations for iris number 60, a versicolor, in a network with four hidden
# units after a scaler. The features are drawn scaled: violet ones are below their mean.

iris = load_iris(as_frame=True)
X, y = iris.data, iris.target_names[iris.target]
clf = make_pipeline(
    StandardScaler(), BackpropClassifier(hidden_layer_sizes=4, reg_lambda=0.1, random_state=0)
)
clf.fit(X, y)

assert y[60] == clf.predict(X.iloc[[60]])[0] == "versicolor"
NetworkDisplay.from_estimator(clf, X.iloc[60])
plt.show()

# %%
# The same weights of the first layer as bars. In all units the weights of petal length and width
# are larger than those of sepal length and width.

HiddenUnitsDisplay.from_estimator(clf)
plt.show()

# %%
# A network with many units
# -------------------------
#
# Of a large layer only the first and the last units are drawn, with dots in between.

X, y = load_digits(return_X_y=True)
X = X / 16
clf = BackpropClassifier(hidden_layer_sizes=25, random_state=0).fit(X, y)
NetworkDisplay.from_estimator(clf, X[3], max_units=6)
plt.show()

# %%
# Where the features are the pixels of an image, the weights of a hidden unit are an image too: ink
# on a red pixel excites the unit, ink on a blue one inhibits it.

HiddenUnitsDisplay.from_estimator(clf, image_shape=(8, 8))
plt.show()
