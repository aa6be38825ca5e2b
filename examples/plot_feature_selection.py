r"""
Choosing features
=================

Half of 60 features are noise. scikit-learn's selectors find them by the importance of each
feature. For a network, the importance is the norm of the weights of the feature, a row of
``coefs_[0]``; the parameter `importance_getter` of a selector provides it.
"""

# %%
# Thirty features, and thirty without information
# -----------------------------------------------
#
# The features are the measurements of the breast cancer data and a shuffled copy of each, which
# has the same distribution but no relation to the diagnosis.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier

data = load_breast_cancer()
shuffled = np.random.default_rng(0).permuted(data.data, axis=0)
X, y = np.hstack([data.data, shuffled]), data.target
is_real = np.arange(60) < 30


def importance(net):
    """The norm of the weights that leave each feature."""
    return np.linalg.norm(net.coefs_[0], axis=1)


def accuracy(model):
    return cross_val_score(model, X, y, cv=5).mean()


# %%
# The features have to be scaled first, otherwise the weights depend mainly on their units of
# measurement.
#
# L1 and SelectFromModel
# ----------------------
#
# The penalty ``"l1"`` makes weights exactly zero. If all weights of a feature are zero, the
# network does not use it, so the threshold can be any small number. The number of features that
# are left depends on :math:`\lambda`, here 15; with 3 half of the copies are kept as well.

l1 = BackpropClassifier(5, reg_lambda=15, penalty="l1", random_state=0)
select = SelectFromModel(l1, importance_getter=importance, threshold=1e-12)
kept = select.fit(StandardScaler().fit_transform(X), y).get_support()
print(f"L1 keeps {kept[is_real].sum()} features and {kept[~is_real].sum()} copies, of 30 each")

norms = importance(select.estimator_)
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
ax.bar(np.arange(1, 61), norms, color=np.where(is_real, "tab:blue", "tab:orange"))
ax.axvline(30.5, color="black", linewidth=0.8)
ax.text(15, 1.1 * norms.max(), "measurements", ha="center", color="tab:blue")
ax.text(45, 1.1 * norms.max(), "shuffled copies", ha="center", color="tab:orange")
ax.set_ylim(top=1.25 * norms.max())
ax.set(xlabel="feature", ylabel=r"norm of its weights in $\Theta^{(1)}$")
plt.show()

assert np.array_equal(kept, norms > 0)
assert kept[is_real].any()
assert not kept[~is_real].any()

# %%
# Recursive elimination
# ---------------------
#
# The penalty ``"l2"`` makes no weight zero. `RFE` repeatedly removes the least important features
# and fits again, until the requested number is left.

net = BackpropClassifier(5, reg_lambda=1, random_state=0)
rfe = RFE(net, n_features_to_select=10, step=5, importance_getter=importance)
rfe.fit(StandardScaler().fit_transform(X), y)
print(
    f"RFE keeps {rfe.support_[is_real].sum()} features and {rfe.support_[~is_real].sum()} copies:"
)
print(*data.feature_names[rfe.support_[:30]], sep="\n")
assert not rfe.support_[~is_real].any()

# %%
# Score with the selected features
# --------------------------------
#
# The selector has to be part of the pipeline: if features were selected on all rows, the rows that
# test them would have been used for the selection. A few features score as well as all of them.

results = {
    "all 60 features": accuracy(make_pipeline(StandardScaler(), net)),
    "those that L1 keeps": accuracy(make_pipeline(StandardScaler(), select, net)),
    "10 features of RFE": accuracy(make_pipeline(StandardScaler(), rfe, net)),
}
for name, value in results.items():
    print(f"{name:22s} accuracy {value:.3f}")

assert min(results.values()) > results["all 60 features"] - 0.01
