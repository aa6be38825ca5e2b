r"""
Handwritten digits
==================

The network learns to read handwritten digits. Its accuracy is measured on digits that were not
used in training, and the weights of its hidden units are drawn as images.

The 1797 images of scikit-learn's digits have 8 x 8 pixels. A network of 64 inputs, 25 hidden
units and 10 logistic output units, one for each digit, is fitted by minimising

.. math::

    J(\Theta) = -\frac{1}{m} \sum_{i=1}^m \sum_{k=1}^{10} \left[ y_k^{(i)} \log
        h_\Theta(x^{(i)})_k + (1 - y_k^{(i)}) \log(1 - h_\Theta(x^{(i)})_k) \right]
        + \frac{\lambda}{2m} \sum_l \|\Theta^{(l)}_{:,1:}\|_F^2 .
"""

# %%
# Fit and test
# ------------
#
# A quarter of the images is held out for testing. `MinMaxScaler` scales the pixels to [0, 1].

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skbackprop import BackpropClassifier
from skbackprop.display import HiddenUnitsDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

model = make_pipeline(MinMaxScaler(), BackpropClassifier(hidden_layer_sizes=25, random_state=0))
model.fit(X_train, y_train)
clf, y_pred = model[-1], model.predict(X_test)

print(f"Network            {clf.network_}")
print(f"L-BFGS             {clf.n_iter_} iterations, J = {clf.loss_:.4f}")
print(f"Training accuracy  {model.score(X_train, y_train):.4f}  ({len(y_train)} images)")
print(f"Test accuracy      {model.score(X_test, y_test):.4f}  ({len(y_test)} images)")
print()
print(classification_report(y_test, y_pred, digits=3))

# %%
# Predictions and hidden units
# ----------------------------
#
# On the left are all misread images (in red: the prediction and the true digit), followed by some
# that are read correctly. On the right are the rows of :math:`\Theta^{(1)}` without the bias, one
# image for each hidden unit: ink on a red pixel excites the unit, ink on a blue one inhibits it.
# If the penalty switches a unit off, its image is blank.

wrong = np.flatnonzero(y_pred != y_test)
right = np.flatnonzero(y_pred == y_test)

fig = plt.figure(figsize=(11, 5.8), layout="constrained")
fig.get_layout_engine().set(h_pad=0.06)
digits, units = fig.subfigures(1, 2, wspace=0.04)

digits.suptitle("Test digits and predictions")
for ax, i in zip(digits.subplots(5, 6).flat, np.concatenate([wrong, right]), strict=False):
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    if y_pred[i] == y_test[i]:
        ax.set_title(y_pred[i], fontsize=9, color="tab:green")
    else:
        ax.set_title(f"read {y_pred[i]}, is {y_test[i]}", fontsize=9, color="tab:red")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_color("0.85")

units.suptitle("What the 25 hidden units look for")
HiddenUnitsDisplay.from_estimator(clf, image_shape=(8, 8), ax=units.subplots())

# sphinx_gallery_start_ignore
import sys
from pathlib import Path

import scipy

# The gallery shows the picture; a script saves it, where its argument says:
# python examples/plot_digits.py docs/_static/digits.png
if "sphinx_gallery" not in sys.modules:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "digits.png")
    # The fit, and with it the picture, may change with the version of SciPy.
    fig.savefig(path, dpi=100, metadata={"Comment": f"scipy {scipy.__version__}"})
    print(f"Picture saved to {path.resolve()}")
# sphinx_gallery_end_ignore
plt.show()
