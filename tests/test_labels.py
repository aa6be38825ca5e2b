"""Labels of every type and the output units that stand for them."""

import pickle
from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.labels import Labels
from skbackprop.solvers import SGD


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(
        120, 4, n_informative=3, n_redundant=0, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    return X, y


@pytest.fixture(scope="module")
def several_labels():
    X, Y = make_multilabel_classification(100, 5, n_classes=3, random_state=0)
    return StandardScaler().fit_transform(X), Y


def small(**params):
    return BackpropClassifier((3,), random_state=0, **params)


NAMES = np.array(["lion", "cat", "serval"])

SAME_ORDER = {
    "int": lambda y: y,
    "negative int": lambda y: y - 5,
    "int8": lambda y: y.astype(np.int8),
    "uint8": lambda y: y.astype(np.uint8),
    "whole floats": lambda y: y.astype(float),
    "strings": lambda y: np.array(["a", "b", "c"])[y],
    "strings of several lengths": lambda y: np.array(["a", "ab", "abc"])[y],
    "objects": lambda y: np.array(["a", "b", "c"], dtype=object)[y],
    "list of int": lambda y: y.tolist(),
    "list of str": lambda y: np.array(["a", "b", "c"])[y].tolist(),
    "pandas int": lambda y: pd.Series(y, index=np.arange(len(y))[::-1]),
    "pandas str": lambda y: pd.Series(np.array(["a", "b", "c"])[y]),
    "pandas category": lambda y: pd.Series(np.array(["a", "b", "c"])[y], dtype="category"),
    "polars int": lambda y: pl.Series(y),
    "polars str": lambda y: pl.Series(np.array(["a", "b", "c"])[y]),
}


@pytest.mark.parametrize("convert", SAME_ORDER.values(), ids=SAME_ORDER.keys())
def test_the_type_of_labels_is_a_name_only(rows, convert):
    X, y = rows
    expected = small().fit(X, y)
    converted = convert(y)
    clf = small().fit(X, converted)
    for ours, reference in zip(clf.theta_, expected.theta_, strict=True):
        np.testing.assert_array_equal(ours, reference)
    np.testing.assert_array_equal(clf.classes_, np.unique(np.asarray(converted)))
    # Predictions are of the labels' own kind.
    predicted = clf.predict(X)
    np.testing.assert_array_equal(predicted, clf.classes_[expected.predict(X)])
    assert predicted.dtype == clf.classes_.dtype
    assert clf.score(X, converted) == expected.score(X, y) > 0.7


def test_classes_are_sorted_and_columns_follow_them(rows):
    X, y = rows
    clf = small().fit(X, NAMES[y])
    assert clf.classes_.tolist() == ["cat", "lion", "serval"]
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[clf.predict_proba(X).argmax(1)])
    assert np.mean(clf.predict(X) == NAMES[y]) > 0.7


@pytest.mark.parametrize(
    ("negative", "positive"), [(False, True), ("no", "yes"), (-1, 1), (1.0, 2.0), (3, 7)]
)
def test_two_classes_share_one_unit_for_the_second(rows, negative, positive):
    X, y = rows
    named = np.where(y == 0, positive, negative)
    clf = small().fit(X, named)
    assert clf.classes_.tolist() == [negative, positive]
    assert clf.theta_[-1].shape == (1, 4)
    reference = small().fit(X, (y == 0).astype(int))
    np.testing.assert_array_equal(clf.decision_function(X), reference.decision_function(X))
    np.testing.assert_array_equal(clf.predict(X) == positive, clf.decision_function(X) > 0)


def test_bool_labels_give_bool_predictions(rows):
    X, y = rows
    assert small().fit(X, y == 0).predict(X).dtype == bool


def test_a_column_of_labels_is_taken_with_scikit_learns_warning(rows):
    X, y = rows
    with pytest.warns(DataConversionWarning, match="column-vector y was") as caught:
        clf = small().fit(X, y[:, np.newaxis])
    np.testing.assert_array_equal(clf.theta_[0], small().fit(X, y).theta_[0])
    assert clf.predict(X).shape == (120,)
    # At the line that called fit.
    assert [w.filename for w in caught] == [__file__]


@pytest.mark.parametrize(
    ("y", "softmax", "units"),
    [([0, 1], False, 1), ([0, 1], True, 2), ([0, 1, 2], False, 3), ([0, 1, 2], True, 3)],
)
def test_number_of_output_units(y, softmax, units):
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = np.resize(y, 60)
    output = "softmax" if softmax else "logistic"
    clf = small(output_activation=output).fit(X, y)
    assert clf.network_.layer_sizes == (2, 3, units)
    assert clf.predict_proba(X).shape == (60, len(np.unique(y)))


@pytest.mark.parametrize(
    ("n_classes", "multilabel", "softmax", "kind", "n_outputs"),
    [
        (2, False, False, "binary", 1),
        (2, False, True, "binary", 2),
        (3, False, False, "multiclass", 3),
        (3, False, True, "multiclass", 3),
        (1, True, False, "multilabel", 1),
        (2, True, False, "multilabel", 2),
    ],
)
def test_kind_of_labels(n_classes, multilabel, softmax, kind, n_outputs):
    labels = Labels(np.arange(n_classes), multilabel, softmax)
    assert (labels.kind, labels.n_outputs) == (kind, n_outputs)
    # A plain tuple of three is all that a pickle has to hold.
    classes, *rest = pickle.loads(pickle.dumps(tuple(labels)))
    assert (classes.tolist(), rest) == (labels.classes.tolist(), [multilabel, softmax])
    assert Labels(classes, *rest).kind == kind


# -- probabilities -----------------------------------------------------------------------


def exact_probabilities(row, softmax):
    """In 60 digits: the logistic units over their sum, or the softmax."""
    with localcontext() as context:
        context.prec = 60
        powers = [Decimal(float(z)).exp() for z in row]
        h = powers if softmax else [power / (1 + power) for power in powers]
        return [float(unit / sum(h)) for unit in h]


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-13), (np.float32, 1e-4)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 300.0])
def test_probabilities_to_the_last_digits(scale, dtype, rtol, softmax):
    Z = np.random.default_rng(0).normal(scale=scale, size=(50, 4)).astype(dtype)
    expected = np.array([exact_probabilities(row, softmax) for row in Z])
    labels = Labels(np.arange(4), False, softmax)
    seen = expected > np.finfo(dtype).tiny
    np.testing.assert_allclose(labels.probabilities(Z)[seen], expected[seen], rtol=rtol)
    np.testing.assert_allclose(
        labels.log_probabilities(Z)[seen], np.log(expected[seen]), rtol=rtol, atol=rtol
    )


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("z", [-1e30, -1e13, -1e8, -1e4, 1e4, 1e13])
def test_equal_logits_are_equal_probabilities_however_large(z, dtype, softmax):
    labels = Labels(np.arange(3), False, softmax)
    h = labels.probabilities(np.full((1, 3), z, dtype=dtype))
    np.testing.assert_allclose(h, [[1 / 3] * 3], rtol=1e-6)
    h = labels.probabilities(np.array([[z, 1.1 * z, 1.1 * z - 5.0]], dtype=dtype))
    np.testing.assert_allclose(h.sum(), 1.0, rtol=1e-6)


def test_a_class_of_weight_zero_stays_a_class(rows):
    X, y = rows
    clf = small().fit(X, y, sample_weight=(y != 2).astype(float))
    assert clf.classes_.tolist() == [0, 1, 2]
    assert clf.predict_proba(X)[:, 2].max() < clf.predict_proba(X)[:, :2].max()


# -- several labels ----------------------------------------------------------------------


def test_every_label_has_a_logistic_unit(several_labels):
    X, Y = several_labels
    clf = BackpropClassifier((), tol=1e-8).fit(X, Y)
    assert clf.theta_[0].shape == (3, 6)
    for k in range(3):
        alone = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(X, Y[:, k])
        np.testing.assert_allclose(clf.coefs_[0][:, k], alone.coef_[0], atol=1e-5)
        np.testing.assert_allclose(
            clf.predict_proba(X)[:, k], alone.predict_proba(X)[:, 1], atol=1e-5
        )


def test_multilabel_shapes_and_thresholds(several_labels):
    X, Y = several_labels
    clf = small().fit(X, Y)
    Z, h = clf.decision_function(X), clf.predict_proba(X)
    assert Z.shape == h.shape == clf.predict(X).shape == Y.shape
    np.testing.assert_allclose(h, 1 / (1 + np.exp(-Z)))
    np.testing.assert_allclose(np.exp(clf.predict_log_proba(X)), h)
    np.testing.assert_array_equal(clf.predict(X), (h > 0.5).astype(int))
    assert clf.score(X, Y) == np.mean((clf.predict(X) == Y).all(axis=1))
    assert clf.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "convert", [csr_matrix, csr_array, np.ndarray.tolist, pd.DataFrame, lambda Y: Y.astype(bool)]
)
def test_multilabel_target_in_other_containers(several_labels, convert):
    X, Y = several_labels
    clf, expected = small().fit(X, convert(Y)), small().fit(X, Y)
    np.testing.assert_array_equal(clf.theta_[0], expected.theta_[0])
    np.testing.assert_array_equal(clf.predict(X), expected.predict(X))


def test_a_label_that_holds_for_all_or_none(several_labels):
    X, Y = several_labels
    Y = np.column_stack([Y, np.ones(100, dtype=int), np.zeros(100, dtype=int)])
    predicted = small().fit(X, Y).predict(X)
    assert predicted[:, 3].all()
    assert not predicted[:, 4].any()


def with_value(Y, value):
    return np.where(np.arange(Y.size).reshape(Y.shape) == 100, value, Y)


@pytest.mark.parametrize(
    ("convert", "value"),
    [
        *[(convert, value) for convert in (np.asarray, csr_array) for value in (-1, 2, 0.3, 1e30)],
        (np.asarray, "1"),
    ],
)
def test_several_labels_are_0_or_1_everywhere(several_labels, convert, value):
    X, Y = several_labels
    wrong = convert(with_value(Y, value))
    clf = small(solver=SGD()).partial_fit(X, Y)
    for call in (
        lambda: small().fit(X, Y, X_val=X, y_val=wrong),
        lambda: clf.partial_fit(X, wrong),
    ):
        with pytest.raises(ValueError, match="1 where a label holds and 0 where it does not; got"):
            call()


def test_two_other_values_are_no_indicator(several_labels):
    # scikit-learn's type_of_target says that they are.
    X, Y = several_labels
    with pytest.raises(ValueError, match=r"1 where a label holds.*got -1, "):
        small().fit(X, np.where(Y == 1, 1, -1))


# -- class_weight ------------------------------------------------------------------------


def gradient_max(clf, X, y, w):
    """The largest entry of the gradient of J with these weights, apart from the fit."""
    objective = Objective(clf.network_, X, y, reg_lambda=clf.reg_lambda, sample_weight=w)
    loss, gradient = objective(clf.network_.unroll(clf.theta_))
    assert loss == pytest.approx(clf.loss_, rel=1e-12)
    return np.abs(gradient).max()


@pytest.mark.parametrize("sample_weight", [None, "random"])
def test_balanced_is_its_formula_with_the_weights_in_both_sums(rows, sample_weight):
    X, y = rows
    keep = np.flatnonzero((y != 1) | (np.arange(len(y)) % 4 == 0))
    X, y = X[keep], y[keep]
    w = np.ones(len(y))
    if sample_weight:
        w = np.random.default_rng(0).uniform(0.1, 3.0, size=len(y))
    factors = np.array([w.sum() / (3 * w[y == k].sum()) for k in range(3)])
    weights = w * factors[y]
    np.testing.assert_allclose(weights.sum(), w.sum())  # m is what it was
    clf = small(class_weight="balanced").fit(X, y, sample_weight=w if sample_weight else None)
    assert gradient_max(clf, X, y, weights) <= clf.tol
    explicit = small().fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(clf.loss_, explicit.loss_, rtol=1e-12)
    # And not the fit without weights.
    assert abs(small().fit(X, y, sample_weight=w).loss_ - clf.loss_) > 1e-3


@pytest.mark.parametrize("sample_weight", [None, "random"])
def test_a_dict_multiplies_the_weights_and_m(rows, sample_weight):
    X, y = rows
    w = np.ones(len(y))
    if sample_weight:
        w = np.random.default_rng(0).uniform(0.1, 3.0, size=len(y))
    class_weight = {"lion": 2.0, "cat": 0.5, "serval": 1.0}
    weights = w * np.array([2.0, 0.5, 1.0])[y]
    clf = small(class_weight=class_weight)
    clf.fit(X, NAMES[y], sample_weight=w if sample_weight else None)
    indices = np.searchsorted(clf.classes_, NAMES[y])
    assert gradient_max(clf, X, indices, weights) <= clf.tol


def test_balanced_classes_of_equal_size_change_nothing():
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    np.testing.assert_allclose(
        small(class_weight="balanced").fit(X, y).loss_, small().fit(X, y).loss_, rtol=1e-12
    )


def test_balanced_without_any_weight_on_a_class(rows):
    X, y = rows
    w = (y != 2).astype(float)
    clf = small(class_weight="balanced").fit(X, y, sample_weight=w)
    factors = np.array([w.sum() / (3 * w[y == k].sum()) for k in range(2)] + [0.0])
    assert gradient_max(clf, X, y, w * factors[y]) <= clf.tol


def test_class_weight_is_what_logistic_regression_makes_of_it():
    X, y = make_classification(200, 4, weights=[0.8], random_state=0)
    ours = BackpropClassifier((), tol=1e-8, class_weight="balanced").fit(X, y)
    theirs = LogisticRegression(
        C=1.0, class_weight="balanced", solver="newton-cholesky", tol=1e-10
    ).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].ravel(), theirs.coef_.ravel(), atol=1e-6)
    np.testing.assert_allclose(ours.intercepts_[0], theirs.intercept_, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1.0, 1e200, 1.7e308])
def test_balanced_factors_do_not_depend_on_the_unit_of_the_weights(scale):
    labels, y = Labels(np.arange(3), False, False), np.array([0, 0, 0, 1, 1, 2])
    weights = np.array([0.5, 1.0, 0.25, 0.125, 1.0, 0.75])
    expected = [3.625 / (3 * total) for total in (1.75, 1.125, 0.75)]
    np.testing.assert_allclose(labels.class_factors("balanced", y, scale * weights), expected)


def test_balanced_factors_that_are_too_large_are_refused(rows):
    X, y = rows
    for weight in (1e-320, 1e-310):
        with pytest.raises(
            ValueError, match=r"balanced.* in the classes \[2\] beside 1 in others"
        ):
            small(class_weight="balanced").fit(X, y, np.where(y == 2, weight, 1.0))


@pytest.mark.parametrize(
    ("class_weight", "match"),
    [
        ({0: -1.0}, "not negative"),
        ({0: np.nan}, "not negative"),
        ({0: np.inf}, "finite"),
        ({0: 10**400}, "finite"),
        ({0: "2"}, "finite numbers"),
        ({0: 1j}, "finite numbers"),
        ({0: 0, 1: 0, 2: 0}, "zero for every class"),
        ({0: 1, 7: 2}, "not in class_weight"),
        ("equal", "balanced"),
        ([1, 2, 3], "balanced"),
    ],
    ids=str,
)
def test_class_weights_that_are_none(class_weight, match):
    labels, y = Labels(np.arange(3), False, False), np.arange(3)
    with pytest.raises(ValueError, match=match):
        labels.class_factors(class_weight, y, None)


def test_network_of_a_fit_is_that_of_its_shapes(rows):
    X, y = rows
    clf = BackpropClassifier((5, 2), activation=("tanh", "identity"), random_state=0).fit(X, y)
    expected = Network((4, 5, 2, 3), activation=("tanh", "identity"))
    assert clf.network_.shapes == expected.shapes
    assert clf.network_.activation == expected.activation
