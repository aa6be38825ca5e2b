"""Fitted classifiers in every format, kept for each released version.

    python tests/files/make.py [FOLDER]

writes `FOLDER/<version>/`, by default beside this file. Made once, at a release, with the oldest
supported versions of the dependencies, since NumPy 1 cannot read what NumPy 2 has pickled;
`test_released_files.py` loads what is in all these folders.
"""

import pickle
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from zipfile import ZIP_DEFLATED

import numpy as np
import skl2onnx
import skops.io
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

import skbackprop.onnx
from skbackprop import BackpropClassifier
from skbackprop.solvers import SGD, TimeDecay

HERE = Path(__file__).resolve().parent


def targets_and_models():
    """What a file can contain: each output, kind of label, and state of training."""
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    small = {"max_iter": 10, "random_state": 0}
    softmax = {"activation": ("tanh", "relu"), "output_activation": "softmax"}
    stopped_early = {"n_init": 2, "early_stopping": True}
    sgd = SGD(TimeDecay(), dropout=0.2)
    stream = BackpropClassifier(3, solver="adam", random_state=0)
    for _ in range(2):
        stream.partial_fit(X, y, classes=[0, 1, 2])
    models = {
        "two_classes": (y == 1, BackpropClassifier(3, **small)),
        "strings": (names, BackpropClassifier(3, **stopped_early, **small)),
        "softmax": (y, BackpropClassifier((4, 3), **softmax, **small)),
        "multilabel": (np.eye(3, dtype=int)[y], BackpropClassifier(3, **small)),
        "solver_object": (y, BackpropClassifier(3, solver=sgd, **small)),
    }
    fitted = {name: (target, clf.fit(X, target)) for name, (target, clf) in models.items()}
    return X, fitted | {"partial_fit": (y, stream.partial_fit(X, y))}


def write(folder):
    """Write all files into a folder of the version's name, which is returned."""
    folder = Path(folder) / skbackprop.__version__
    folder.mkdir(parents=True)
    skbackprop.onnx.register()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        X, models = targets_and_models()
    expected = {"X": X[::5]}
    for name, (y, clf) in models.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(clf, protocol=4))
        skops.io.dump(clf, folder / f"{name}.skops", compression=ZIP_DEFLATED)
        graph = skl2onnx.to_onnx(clf, X[:1], options={BackpropClassifier: {"zipmap": False}})
        (folder / f"{name}.onnx").write_bytes(graph.SerializeToString())
        expected[f"{name}.y"] = y[::5]
        expected[f"{name}.predict"] = clf.predict(X[::5])
        expected[f"{name}.predict_proba"] = clf.predict_proba(X[::5])
    np.savez(folder / "expected.npz", **expected)
    packages = ["skbackprop", "scikit-learn", "numpy", "scipy", "skops", "skl2onnx", "onnx"]
    lines = [f"Python {sys.version.split()[0]}", *[f"{name} {version(name)}" for name in packages]]
    (folder / "versions.txt").write_text("\n".join(lines) + "\n")
    return folder


if __name__ == "__main__":
    print(write(sys.argv[1] if len(sys.argv) > 1 else HERE))
