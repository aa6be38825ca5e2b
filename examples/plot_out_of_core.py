r"""
More rows than memory
=====================

:math:`J` is a sum over rows, so a fit needs only some of them at a time: it reads a file block by
block and keeps only the sums. The operating system may discard pages of a memory-mapped file when
it needs the memory, so the file may be larger than memory.

In this example the file contains scikit-learn's digits, each several times with different noise. A
larger file needs no other code.
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
# float32 halves the size of the file. Features are scaled before they are written, because a
# scaler would load all of them.

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
# A fit that does not load the file
# ---------------------------------
# ``mmap_mode="r"`` opens the file without reading it. Early stopping only stores the numbers of
# the rows that it sets aside; they stay in the file too.

X_mapped = np.load(path, mmap_mode="r")
clf = BackpropClassifier(25, early_stopping=True, random_state=0).fit(X_mapped, y_file)
LossCurveDisplay.from_estimator(clf)
accuracy = clf.score(X_test, y_test)
assert accuracy > 0.94
f"accuracy {accuracy:.3f} on digits without noise that were not in the file"

# %%
# The result is bitwise the same as in memory
# -------------------------------------------

in_memory = BackpropClassifier(25, early_stopping=True, random_state=0)
in_memory.fit(np.array(X_mapped), y_file)
same = all(np.array_equal(a, b) for a, b in zip(clf.theta_, in_memory.theta_, strict=True))
assert same
del X_file, part, X_mapped
folder.cleanup()
same

# %%
# For folders of Parquet or CSV files, and for several machines, see
# :ref:`sphx_glr_auto_examples_plot_dask.py`.
