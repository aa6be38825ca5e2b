r"""
More rows than memory
=====================

:math:`J` is a sum over rows, so a fit needs only some of them at a time: it reads a file block by
block and keeps the sums. The system may drop the pages of a memory-mapped file whenever it needs
the memory for something else, so the file may be larger than memory.

Here the file has the digits of scikit-learn, each several times with other noise. To scale it up,
write more of it: the rest stays as it is.
"""

import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skbackprop import BackpropClassifier
from skbackprop.display import LossCurveDisplay

n_copies = 5

# %%
# A file, written part by part
# ----------------------------
# float32 halves what has to be read. Features are scaled before they are written: a scaler would
# load them all.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
rng = np.random.RandomState(0)
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "X.npy"
shape = (n_copies * len(X_train), X_train.shape[1])
X_file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
for part in np.split(X_file, n_copies):
    part[:] = X_train + rng.normal(scale=0.1, size=X_train.shape)
X_file.flush()
y_file = np.tile(y_train, n_copies)
f"{path.stat().st_size / 1e6:.1f} MB"

# %%
# A fit that never loads it
# -------------------------
# ``mmap_mode="r"`` opens the file without reading it. Early stopping sets rows aside by their
# numbers; they stay in the file, too.

X_mapped = np.load(path, mmap_mode="r")
clf = BackpropClassifier(25, early_stopping=True, random_state=0).fit(X_mapped, y_file)
LossCurveDisplay.from_estimator(clf)
accuracy = clf.score(X_test, y_test)
assert accuracy > 0.94
f"accuracy {accuracy:.3f} on digits without noise that were not in the file"

# %%
# The same bits as in memory
# --------------------------

in_memory = BackpropClassifier(25, early_stopping=True, random_state=0)
in_memory.fit(np.array(X_mapped), y_file)
same = all(np.array_equal(a, b) for a, b in zip(clf.theta_, in_memory.theta_, strict=True))
assert same
del X_file, part, X_mapped
folder.cleanup()
same

# %%
# Folders of Parquet or CSV files, and several machines, are the subject of
# :ref:`sphx_glr_auto_examples_plot_dask.py`.
