r"""
From a folder of files to a cluster
===================================

:class:`~skbackprop.dask.DaskBackpropClassifier` fits to Dask arrays and DataFrames. It needs the
extra "dask", in a checkout ``pip install ".[dask]"``.

In this example a folder contains scikit-learn's breast cancer data in several CSV files. More
files need no other code; Parquet files (``dask.dataframe.read_parquet``) are read faster.
"""

import tempfile
from pathlib import Path

import dask.dataframe as dd
from sklearn.datasets import load_breast_cancer

from skbackprop import BackpropClassifier
from skbackprop.dask import DaskBackpropClassifier
from skbackprop.display import LossCurveDisplay

table = load_breast_cancer(as_frame=True).frame
table["target"] = table["target"].map({0: "malignant", 1: "benign"})
folder = tempfile.TemporaryDirectory()
for i in range(4):
    table[i::4].to_csv(Path(folder.name) / f"part{i}.csv", index=False)

# %%
# A table that is not in memory
# -----------------------------
# So far only the names and types of the columns are read. The scaling will be applied to each
# partition when it is read.

rows = dd.read_csv(f"{folder.name}/part*.csv")
X = rows.drop(columns="target")
mean, std = X.mean().compute(), X.std().compute()
X = X.map_partitions(lambda part: (part - mean) / std)
y = rows["target"]
X.npartitions, list(X.columns[:3])

# %%
# Without a cluster
# -----------------
# Threads of this process read the partitions in each pass and add their sums. Memory has to hold
# only one partition for each thread.

clf = DaskBackpropClassifier(10, random_state=0).fit(X, y)
LossCurveDisplay.from_estimator(clf)
f"J = {clf.loss_:.6f} after {clf.n_iter_} iterations, accuracy {clf.score(X, y):.3f}"

# %%
# J is over the whole table, so the fit ends at the same minimum as one in memory.

table = rows.compute()
in_memory = BackpropClassifier(10, random_state=0)
in_memory.fit((table.drop(columns="target") - mean) / std, table["target"])
difference = abs(clf.loss_ - in_memory.loss_)
assert difference < 1e-6
f"difference of J: {difference:.1g}"

# %%
# Predictions are lazy and have the partitions of X:

probabilities = clf.predict_proba(X)
probabilities

# %%
# On a cluster
# ------------
# With a client the same lines run on its workers, which read the files once and keep the rows. For
# the cores of one machine::
#
#     from distributed import Client, LocalCluster
#
#     client = Client(LocalCluster(n_workers=8, threads_per_worker=1))
#     clf = DaskBackpropClassifier(10, random_state=0).fit(X, y)
#
# and for many machines ``Client("address-of-the-scheduler:8786")``. ``to_local`` returns an
# ordinary estimator, which does not need Dask:

clf.to_local()

# %%

folder.cleanup()
