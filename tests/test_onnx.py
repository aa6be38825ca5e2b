"""Converted to ONNX, onnxruntime gives the labels and the probabilities of the estimator."""

import importlib
import sys

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skbackprop
from skbackprop import BackpropClassifier
from skbackprop import onnx as skbackprop_onnx
from skbackprop.activations import ACTIVATIONS

skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx converts; it is in the extra onnx")
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="onnxruntime runs what was converted; it is in the extra onnx"
)

# A few iterations are enough: it is a matter of what a network computes, not of how good it is.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "Jungfernschwertlilie"])
TARGETS = {
    "two_strings": np.array(["no", "yes"])[(y == 1).astype(int)],
    "two_integers": np.where(y == 1, -1, 7),
    "bool": y == 1,
    "strings": NAMES[y],
    "objects": NAMES.astype(object)[y],
    "integers": 10 * y - 10,
    "large_integers": y * 2**40,
    "uint8": y.astype(np.uint8),
    "float": y.astype(float),
    "multilabel": np.column_stack([y == 0, y > 0, X[:, 0] > 5.8]).astype(int),
}
# A softmax has one label for each example.
TARGETS_AND_OUTPUTS = [
    *[(target, "logistic") for target in TARGETS],
    *[(target, "softmax") for target in TARGETS if target != "multilabel"],
]
TWO_MANY_MULTILABEL = [
    (target, output)
    for target, output in TARGETS_AND_OUTPUTS
    if target in ("two_strings", "strings", "multilabel")
]
HIDDEN = [
    (),
    *[(name,) for name in ("logistic", "tanh", "relu", "identity")],
    ("relu", "tanh", "logistic", "identity"),
]


@pytest.fixture(autouse=True)
def _registered():
    skbackprop_onnx.register()


def network(activation=("tanh",), **parameters):
    sizes = (6, 5, 4, 3)[: len(activation)]
    return BackpropClassifier(
        sizes, activation=activation, max_iter=3, random_state=0, **parameters
    )


def run(model, X, **options):
    """The outputs of onnxruntime; the options are of the network within the model."""
    options = {BackpropClassifier: options} if options else None
    converted = skl2onnx.to_onnx(model, X[:1], options=options)
    session = onnxruntime.InferenceSession(
        converted.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": X})


def assert_same(model, X, atol=1e-5):
    labels, probabilities = run(model, X, zipmap=False)
    np.testing.assert_array_equal(labels, model.predict(X))
    expected = model.predict_proba(X)
    assert probabilities.dtype == X.dtype
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=atol)
    seen = expected > 1e-3
    np.testing.assert_allclose(
        np.log(probabilities[seen]), model.predict_log_proba(X)[seen], rtol=0, atol=100 * atol
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("target", "output_activation"), TWO_MANY_MULTILABEL)
@pytest.mark.parametrize("activation", HIDDEN, ids="-".join)
def test_every_network(activation, target, output_activation, dtype):
    clf = network(activation, output_activation=output_activation)
    pipeline = make_pipeline(StandardScaler(), clf).fit(X, TARGETS[target])
    assert_same(pipeline, X.astype(dtype))
    assert_same(clf, StandardScaler().fit_transform(X).astype(dtype))


@pytest.mark.parametrize(("target", "output_activation"), TARGETS_AND_OUTPUTS)
def test_every_kind_of_label(target, output_activation):
    clf = network(output_activation=output_activation).fit(X, TARGETS[target])
    assert_same(clf, X, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", TARGETS)
def test_zipmap_gives_dictionaries(target, dtype):
    clf = network().fit(X, TARGETS[target])
    rows = X.astype(dtype)
    for options in ({}, {"zipmap": True}):
        labels, probabilities = run(clf, rows, **options)
        np.testing.assert_array_equal(labels, clf.predict(rows))
        assert list(probabilities[0]) == clf.classes_.tolist()
        np.testing.assert_allclose(
            [list(row.values()) for row in probabilities], clf.predict_proba(rows), atol=1e-5
        )


@pytest.mark.parametrize("target", TARGETS)
def test_zipmap_gives_columns(target):
    clf = network().fit(X, TARGETS[target])
    labels, *columns = run(clf, X, zipmap="columns")
    np.testing.assert_array_equal(labels, clf.predict(X))
    np.testing.assert_allclose(np.column_stack(columns), clf.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_the_classes_as_an_output(target):
    clf = network().fit(X, TARGETS[target])
    *_, classes = run(clf, X, zipmap=False, output_class_labels=True)
    np.testing.assert_array_equal(classes, clf.classes_)
    with pytest.raises(ValueError, match="output_class_labels' needs the option zipmap=False"):
        run(clf, X, output_class_labels=True)


def test_numbers_of_the_classes_instead_of_labels():
    clf = network().fit(X, TARGETS["strings"])
    labels, probabilities = run(clf, X, nocl=True)
    np.testing.assert_array_equal(clf.classes_[labels], clf.predict(X))
    assert list(probabilities[0]) == [0, 1, 2]


@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
@pytest.mark.parametrize("target", ["two_strings", "strings"])
def test_raw_scores_are_the_decision_function(target, output_activation):
    clf = network(output_activation=output_activation).fit(X, TARGETS[target])
    labels, scores = run(clf, X, zipmap=False, raw_scores=True)
    np.testing.assert_array_equal(labels, clf.predict(X))
    Z = clf.decision_function(X)
    expected = np.column_stack([-Z, Z]) if Z.ndim == 1 else Z
    np.testing.assert_allclose(scores, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("target", "output_activation"), TWO_MANY_MULTILABEL)
@pytest.mark.parametrize("bias", [-1e4, 0.0, 1e4])
def test_large_logits(bias, target, output_activation):
    clf = network(output_activation=output_activation).fit(X, TARGETS[target])
    clf.theta_[-1][:] *= 1e3
    clf.theta_[-1][:, 0] += bias
    assert np.abs(clf.decision_function(X)).max() > 1e3
    assert_same(clf, X, atol=1e-9)
    _, probabilities = run(clf, X.astype(np.float32), zipmap=False)
    assert np.isfinite(probabilities).all()
    if target != "multilabel":
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)


def test_integers_are_computed_in_float64():
    rows = (10 * X).astype(np.int64) + 2**25  # not a float32 any more
    pipeline = make_pipeline(network()).fit(rows - 2**25, y)
    clf = pipeline[-1]
    clf.theta_[0][:, 0] -= clf.theta_[0][:, 1:].sum(axis=1) * 2**25
    labels, probabilities = run(pipeline, rows, zipmap=False)
    np.testing.assert_array_equal(labels, clf.predict(rows))
    np.testing.assert_allclose(probabilities, clf.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize("target_opset", [11, 13, 15, 18])
def test_older_versions_of_onnx(target_opset):
    for target in ("two_strings", "strings", "multilabel"):
        clf = network(("relu", "logistic")).fit(X, TARGETS[target])
        model = skl2onnx.to_onnx(
            clf, X[:1], options={BackpropClassifier: {"zipmap": False}}, target_opset=target_opset
        )
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        labels, probabilities = session.run(None, {"X": X})
        np.testing.assert_array_equal(labels, clf.predict(X))
        np.testing.assert_allclose(probabilities, clf.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize(
    "model",
    [
        GridSearchCV(
            make_pipeline(StandardScaler(), network()), {"backpropclassifier__lambda": [0.1, 1]}
        ),
        OneVsRestClassifier(network()),
        # These calibrate the logits, not the probabilities.
        CalibratedClassifierCV(network(), cv=2),
        CalibratedClassifierCV(network(output_activation="softmax"), cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("target", ["two_strings", "strings"])
def test_within_other_estimators(model, target):
    rows = X.astype(np.float32)
    model.fit(rows, TARGETS[target])
    labels, probabilities = run(model, rows)
    np.testing.assert_array_equal(labels, model.predict(rows))
    np.testing.assert_allclose(
        [list(row.values()) for row in probabilities], model.predict_proba(rows), atol=1e-5
    )


def test_registering_leaves_other_classifiers_alone():
    skbackprop_onnx.register()
    rows = X.astype(np.float32)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, y)
    np.testing.assert_array_equal(run(model, rows)[0], model.predict(rows))


def test_an_unfitted_network_is_refused():
    with pytest.raises(NotFittedError, match="BackpropClassifier"):
        run(network(), X)


def test_labels_that_onnx_has_not():
    clf = network().fit(X, y.astype(np.uint64) + 2**63)
    with pytest.raises(ValueError, match="strings or integers of 64 bits"):
        run(clf, X)
    labels, _ = run(clf, X, zipmap=False, nocl=True)
    np.testing.assert_array_equal(clf.classes_[labels], clf.predict(X))


def test_an_activation_of_ones_own(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "mine", ACTIVATIONS["tanh"])
    clf = network(("mine",)).fit(X, y)
    with pytest.raises(ValueError, match="'mine' has no ONNX operator here"):
        run(clf, X)
    monkeypatch.setitem(skbackprop_onnx.OPERATORS, "mine", "Tanh")
    assert_same(clf, X, atol=1e-12)


def test_without_skl2onnx_the_message_says_what_to_install(monkeypatch):
    for module in [name for name in sys.modules if name.partition(".")[0] in ("onnx", "skl2onnx")]:
        monkeypatch.setitem(sys.modules, module, None)
    # As imported for the first time; what is there is put back.
    monkeypatch.delitem(sys.modules, "skbackprop.onnx")
    monkeypatch.setattr(skbackprop, "onnx", skbackprop_onnx)
    again = importlib.import_module("skbackprop.onnx")
    assert again is not skbackprop_onnx
    with pytest.raises(ImportError, match=r'pip install "\.\[onnx\]"'):
        again.register()
