r"""
From a folder of files to a cluster
===================================

:class:`~skbackprop.dask.DaskBackpropClassifier` fits to Dask arrays and DataFrames. It needs the
extra "dask", in a checkout ``pip install ".[dask]"``.

Here a folder has the breast cancer data of scikit-learn in several CSV files. To scale it up, put
more files into it; ``dask.dataframe.read_parquet`` reads the faster kind.
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
# Nothing is read yet but the names and types of the columns. The scaling is one more thing to be
# done to each partition when it is read.

rows = dd.read_csv(f"{folder.name}/part*.csv")
X = rows.drop(columns="target")
mean, std = X.mean().compute(), X.std().compute()
X = X.map_partitions(lambda part: (part - mean) / std)
y = rows["target"]
X.npartitions, list(X.columns[:3])

# %%
# Without a cluster
# -----------------
# Threads of this process read the partitions at each pass and add up their sums. Only as many
# partitions as threads have to fit into memory.

clf = DaskBackpropClassifier(10, random_state=0).fit(X, y)
LossCurveDisplay.from_estimator(clf)
f"J = {clf.loss_:.6f} after {clf.n_iter_} iterations, accuracy {clf.score(X, y):.3f}"

# %%
# It is J over the whole table, so the fit ends where one in memory does.

table = rows.compute()
in_memory = BackpropClassifier(10, random_state=0)
in_memory.fit((table.drop(columns="target") - mean) / std, table["target"])
difference = abs(clf.loss_ - in_memory.loss_)
assert difference < 1e-6
f"difference of J: {difference:.1g}"

# %%
# Predictions are lazy, and divided like X:

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
# and for many machines ``Client("address-of-the-scheduler:8786")``. What comes out is an ordinary
# estimator where Dask is not needed any more:

clf.to_local()

# %%

folder.cleanup()
