r"""
Choosing features
=================

A network of 60 features of which half are noise: which ones can go? scikit-learn's selectors ask
an estimator for the importance of each feature. For a network that is the size of the weights
which leave the feature, the norm of a row of ``coefs_[0]``; `importance_getter` says so.
"""

# %%
# Thirty features, and thirty that mean nothing
# ---------------------------------------------
#
# The measurements of the breast cancer data, and beside each a shuffled copy of it, which has the
# same distribution and no connection with the diagnosis.

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
# Features have to be scaled first, otherwise the weights say more about the units of measurement
# than about the features.
#
# L1 and SelectFromModel
# ----------------------
#
# The penalty ``"l1"`` makes weights exactly zero. A feature all of whose weights are zero is one
# that the network does not look at, so there is nothing to be guessed: the threshold is anything
# above zero. How many are left depends on :math:`\lambda`, here 15; with 3 the fit keeps half of
# the copies as well.

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
# The penalty ``"l2"`` makes no weight zero. `RFE` takes away the features of least importance, a
# few at a time, and fits again, until as many are left as were asked for.

net = BackpropClassifier(5, reg_lambda=1, random_state=0)
rfe = RFE(net, n_features_to_select=10, step=5, importance_getter=importance)
rfe.fit(StandardScaler().fit_transform(X), y)
print(
    f"RFE keeps {rfe.support_[is_real].sum()} features and {rfe.support_[~is_real].sum()} copies:"
)
print(*data.feature_names[rfe.support_[:30]], sep="\n")
assert not rfe.support_[~is_real].any()

# %%
# What it is worth
# ----------------
#
# The selector belongs *into* the pipeline: features that were chosen on all rows have been chosen
# with the help of the rows that test them. A handful of features does as well as all of them.

results = {
    "all 60 features": accuracy(make_pipeline(StandardScaler(), net)),
    "those that L1 keeps": accuracy(make_pipeline(StandardScaler(), select, net)),
    "10 features of RFE": accuracy(make_pipeline(StandardScaler(), rfe, net)),
}
for name, value in results.items():
    print(f"{name:22s} accuracy {value:.3f}")

assert min(results.values()) > results["all 60 features"] - 0.01
