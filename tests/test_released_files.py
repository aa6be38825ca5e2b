"""Files of every released version load, predict the same, and can be trained further.

`tests/files/make.py` writes `tests/files/<version>/` at a release. The same files of the present
version are made for these tests.
"""

import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import skbackprop

ROOT = Path(__file__).resolve().parent.parent
FILES = ROOT / "tests" / "files"
RELEASED = sorted(folder.name for folder in FILES.iterdir() if (folder / "expected.npz").exists())

for name, purpose in {"skops.io": "keeps files", "skl2onnx": "converts"}.items():
    pytest.importorskip(name, reason=f"{name} {purpose}")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime runs what was converted")
import skops.io

# The models are not trained to the end.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def made_now(tmp_path_factory):
    return runpy.run_path(str(FILES / "make.py"))["write"](tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module", params=["made now", *RELEASED])
def folder(request):
    if request.param == "made now":
        return request.getfixturevalue("made_now")
    return FILES / request.param


def kept(folder, suffix):
    """The files of a format, each with rows, their targets, and what was predicted for them."""
    with np.load(folder / "expected.npz") as expected:
        files = sorted(folder.glob(f"*{suffix}"))
        assert [file.stem for file in files] == sorted(
            {name.partition(".")[0] for name in expected.files} - {"X"}
        )
        for file in files:
            columns = (expected[f"{file.stem}.{c}"] for c in ("y", "predict", "predict_proba"))
            yield file, expected["X"], *columns


def read_pickle(file):
    return pickle.loads(file.read_bytes())


def read_skops(file):
    types = skops.io.get_untrusted_types(file=file)
    assert all(name.startswith("skbackprop.") for name in types)
    return skops.io.load(file, trusted=types)


@pytest.mark.parametrize(
    ("suffix", "read"), [(".pkl", read_pickle), (".skops", read_skops)], ids=["pickle", "skops"]
)
def test_a_kept_classifier_predicts_the_same_and_can_be_trained_further(folder, suffix, read):
    for file, X, y, labels, probabilities in kept(folder, suffix):
        clf = read(file)
        assert_array_equal(clf.predict(X), labels)
        # Up to the rounding of another BLAS.
        assert_allclose(clf.predict_proba(X), probabilities, rtol=1e-10)
        names = skbackprop.BackpropClassifier().get_params(deep=False).keys()
        assert clone(clf).get_params(deep=False).keys() == names
        loss = clf.loss_
        if file.stem == "partial_fit":
            clf.partial_fit(X, y)
        else:
            clf.set_params(warm_start=True).fit(X, y)
        assert np.isfinite(clf.loss_)
        assert clf.loss_ != loss


def test_a_kept_onnx_file_predicts_the_same(folder):
    for file, X, _, labels, probabilities in kept(folder, ".onnx"):
        found = onnxruntime.InferenceSession(file).run(None, {"X": X})
        assert_array_equal(found[0], labels)
        assert_allclose(found[1], probabilities, rtol=1e-10)


def test_every_released_version_has_its_files():
    headings = [
        line.removeprefix("## ").split()
        for line in (ROOT / "CHANGELOG.md").read_text().splitlines()
        if line.startswith("## ")
    ]
    assert headings[0][0] == skbackprop.__version__
    assert sorted(version for version, *rest in headings if rest != ["(unreleased)"]) == RELEASED
