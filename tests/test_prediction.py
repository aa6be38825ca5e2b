"""What a fitted classifier says: logits, probabilities, labels; containers and precisions."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy.sparse import csc_array, csc_matrix, csr_array, csr_matrix
from sklearn.datasets import load_digits
from sklearn.utils.fixes import parse_version

from skbackprop import BackpropClassifier
from skbackprop.preparation import validated


@pytest.fixture(scope="module")
def fitted(iris):
    return BackpropClassifier((4, 3), activation=("tanh", "logistic"), random_state=0).fit(*iris)


def by_hand(clf, X):
    """The logits, one example and one unit at a time."""
    functions = {"logistic": lambda z: 1 / (1 + np.exp(-z)), "tanh": np.tanh}
    rows = []
    for x in X:
        a = x
        for layer, Theta in enumerate(clf.theta_):
            z = np.array([row[0] + sum(row[1:] * a) for row in Theta])
            if layer < len(clf.theta_) - 1:
                a = functions[clf.network_.activation[layer]](z)
        rows.append(z)
    return np.array(rows)


def test_logits_are_those_of_the_notes(iris, fitted):
    X, _ = iris
    np.testing.assert_allclose(fitted.decision_function(X), by_hand(fitted, X), rtol=1e-10)


def test_k_logistic_units_are_normalised(iris, fitted):
    X, _ = iris
    h = 1 / (1 + np.exp(-by_hand(fitted, X)))
    np.testing.assert_allclose(
        fitted.predict_proba(X), h / h.sum(axis=1, keepdims=True), rtol=1e-10
    )
    np.testing.assert_array_equal(fitted.predict(X), h.argmax(axis=1))


def test_softmax_outputs_are_given_as_they_are(iris):
    X, y = iris
    clf = BackpropClassifier((), output_activation="softmax").fit(X, y)
    e = np.exp(by_hand(clf, X))
    np.testing.assert_allclose(clf.predict_proba(X), e / e.sum(axis=1, keepdims=True), rtol=1e-10)
    assert clf.decision_function(X).shape == (150, 3)


@pytest.mark.parametrize("output", ["logistic", "softmax"])
def test_two_classes_have_one_logit_a_row(iris, output):
    X, y = iris
    clf = BackpropClassifier((3,), output_activation=output, random_state=0).fit(X, y == 1)
    z = clf.decision_function(X)
    assert z.shape == (150,)
    Z = by_hand_logistic(clf, X)
    np.testing.assert_allclose(z, Z[:, 1] - Z[:, 0] if output == "softmax" else Z[:, 0])
    # The log odds of the second class.
    h = clf.predict_proba(X)
    np.testing.assert_allclose(np.log(h[:, 1] / h[:, 0]), z, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(h.sum(axis=1), 1.0)
    np.testing.assert_array_equal(clf.predict(X), z > 0)


def by_hand_logistic(clf, X):
    A = X
    for Theta in clf.theta_[:-1]:
        A = 1 / (1 + np.exp(-(Theta[:, 0] + A @ Theta[:, 1:].T)))
    return clf.theta_[-1][:, 0] + A @ clf.theta_[-1][:, 1:].T


@pytest.mark.parametrize("output", ["logistic", "softmax"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e8])
def test_log_probabilities_are_finite_at_any_logit(iris, output, n_classes, scale):
    X, y = iris
    y = np.minimum(y, n_classes - 1)
    clf = BackpropClassifier((), output_activation=output).fit(X, y)
    log_h = clf.predict_log_proba(X * scale)
    assert np.isfinite(log_h).all()
    assert (log_h <= 0).all()
    # Normalised also where the probabilities themselves round to 0 and 1.
    np.testing.assert_allclose(np.logaddexp.reduce(log_h, axis=1), 0.0, atol=1e-12)
    h = clf.predict_proba(X * scale)
    assert np.isfinite(h).all()
    np.testing.assert_allclose(h.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(log_h), h, atol=1e-15, rtol=1e-9)
    if scale == 1e8:
        assert log_h.min() < -1e7


def test_log_probabilities_of_several_labels_are_finite(iris):
    X, y = iris
    clf = BackpropClassifier(()).fit(X, np.column_stack([y == 0, y != 1]).astype(int))
    Z = clf.decision_function(X * 1e6)
    np.testing.assert_allclose(clf.predict_log_proba(X * 1e6), -np.logaddexp(0, -Z), rtol=1e-12)


# The start predicts the same for every row, and is kept.
@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
def test_all_units_off_still_gives_probabilities(iris):
    X, y = iris
    # All three logistic outputs round to 0 there: their sum would be 0.
    clf = BackpropClassifier((), tol=1.0).fit(X, y, theta_init=np.zeros(15))
    for Theta in clf.theta_:
        Theta[:] = 0.0
        Theta[:, 0] = [-2000.0, -1000.0, -3000.0]
    np.testing.assert_allclose(clf.predict_proba(X), [[0.0, 1.0, 0.0]] * 150)
    np.testing.assert_allclose(clf.predict_log_proba(X)[0], [-1000.0, 0.0, -2000.0])
    assert (clf.predict(X) == 1).all()


# -- attributes --------------------------------------------------------------------------


def test_coefs_and_intercepts_are_views_in_scikit_learns_orientation(fitted):
    assert [coef.shape for coef in fitted.coefs_] == [(4, 4), (4, 3), (3, 3)]
    assert [intercept.shape for intercept in fitted.intercepts_] == [(4,), (3,), (3,)]
    for Theta, coef, intercept in zip(
        fitted.theta_, fitted.coefs_, fitted.intercepts_, strict=True
    ):
        assert np.shares_memory(Theta, coef)
        assert np.shares_memory(Theta, intercept)
        np.testing.assert_array_equal(np.column_stack([intercept, coef.T]), Theta)


def test_theta_is_float64(iris):
    X, y = iris
    clf = BackpropClassifier((3,), random_state=0).fit(X.astype(np.float32), y)
    assert {Theta.dtype for Theta in clf.theta_} == {np.dtype(np.float64)}


# -- containers of X ---------------------------------------------------------------------


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def every_other(X):
    wide = np.full((2 * X.shape[0], 2 * X.shape[1]), np.nan)
    wide[::2, ::2] = X
    return wide[::2, ::2]


NAMES = ["a", "b", "c", "d"]
CONTAINERS = {
    "list": np.ndarray.tolist,
    "Fortran": np.asfortranarray,
    "read-only": read_only,
    "not contiguous": every_other,
    "negative strides": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "other byte order": lambda X: X.astype(">f8"),
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
    "csr_matrix": csr_matrix,
    "csr_array": csr_array,
    "csc_matrix": csc_matrix,
    "csc_array": csc_array,
    "COO": lambda X: csr_array(X).tocoo(),
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_the_container_does_not_matter(iris, container):
    X, y = iris
    contained = container(X)
    # A strictly convex cost, so that rounding on the way cannot lead elsewhere: with a
    # gradient of at most 1e-8 and a curvature of at least 1/150 theta is known to 4e-6.
    expected = BackpropClassifier((), tol=1e-8).fit(X, y)
    clf = BackpropClassifier((), tol=1e-8).fit(contained, y)
    np.testing.assert_allclose(clf.theta_[0], expected.theta_[0], atol=1e-5)
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        np.testing.assert_allclose(
            getattr(clf, method)(contained), getattr(expected, method)(X), atol=1e-4
        )
    np.testing.assert_array_equal(clf.predict(contained), expected.predict(X))


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_rows_are_not_changed(iris, container):
    X, y = iris
    contained = container(X)
    before = [str(contained), np.array(X)]
    clf = BackpropClassifier((3,), random_state=0).fit(contained, y)
    clf.predict_proba(contained)
    assert str(contained) == before[0]
    np.testing.assert_array_equal(X, before[1])


# scikit-learn before 1.9 reads names by the interchange protocol, which polars 2 has given up.
NO_NAMES = not hasattr(pl.DataFrame, "__dataframe__") and parse_version(
    sklearn.__version__
) < parse_version("1.9")


@pytest.mark.parametrize(
    "frame",
    [
        CONTAINERS["pandas"],
        pytest.param(
            CONTAINERS["polars"],
            marks=pytest.mark.skipif(
                NO_NAMES, reason="this scikit-learn does not see the names of this polars"
            ),
        ),
    ],
    ids=["pandas", "polars"],
)
def test_names_of_a_frame_are_kept(iris, frame):
    X, y = iris
    clf = BackpropClassifier((3,), random_state=0).fit(frame(X), y)
    assert clf.feature_names_in_.tolist() == NAMES
    assert clf.n_features_in_ == 4
    # A frame may store its columns one after the other, which changes the rounding.
    plain = BackpropClassifier((3,), random_state=0).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(frame(X)), plain.predict_proba(X), atol=1e-10)


def test_memory_map(iris, tmp_path):
    X, y = iris
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    clf = BackpropClassifier((3,), random_state=0).fit(mapped, y)
    expected = BackpropClassifier((3,), random_state=0).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(mapped), expected.predict_proba(X))


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int8, bool, np.float16, object])
def test_other_types_become_float64(dtype):
    X, y = load_digits(n_class=3, return_X_y=True)
    X = X[:100].astype(dtype)
    y = y[:100]
    clf = BackpropClassifier((3,), random_state=0).fit(X, y)
    expected = BackpropClassifier((3,), random_state=0).fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(clf.theta_[0], expected.theta_[0])
    assert clf.predict_proba(X).dtype == np.float64


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, csr_array, csc_matrix])
@pytest.mark.parametrize("output", ["logistic", "softmax"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_float32_stays_float32(iris, container, output, n_classes):
    X, y = iris
    y = np.minimum(y, n_classes - 1)
    X32 = container(X.astype(np.float32))
    clf = BackpropClassifier((4,), output_activation=output, random_state=0).fit(X32, y)
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        result = getattr(clf, method)(X32)
        assert result.dtype == np.float32
        np.testing.assert_allclose(
            result, getattr(clf, method)(X32.astype(np.float64)), rtol=1e-4, atol=1e-5
        )
        assert getattr(clf, method)(X).dtype == np.float64


def test_many_rows_in_blocks_are_as_few_at_a_time(fitted):
    X = np.random.default_rng(0).normal(size=(9000, 4))
    whole = fitted.decision_function(X)
    parts = [fitted.decision_function(part) for part in np.array_split(X, 37)]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=1e-12)
    sparse = fitted.decision_function(csr_array(X))
    np.testing.assert_allclose(whole, sparse, rtol=1e-10, atol=1e-12)


def test_predictions_do_not_depend_on_the_number_of_threads(iris):
    X = np.random.default_rng(0).normal(size=(9000, 4))
    clf = BackpropClassifier((50,), random_state=0).fit(*iris)
    one, *others = [
        clf.set_params(n_jobs=n_jobs).predict_proba(X) for n_jobs in (1, 2, 3, -1, None)
    ]
    for other in others:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_rows", [1, 3, 100])
@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "decision_function"])
def test_results_are_rows_in_memory_too(iris, fitted, method, n_rows):
    assert getattr(fitted, method)(iris[0][:n_rows]).flags.c_contiguous


def test_one_row(fitted, iris):
    X, _ = iris
    np.testing.assert_allclose(fitted.predict_proba(X[:1]), fitted.predict_proba(X)[:1])
    assert fitted.predict(X[:1]).shape == (1,)


@pytest.mark.parametrize("n_rows", [3, 30])
@pytest.mark.parametrize("output", ["logistic", "softmax"])
def test_what_overflows_in_float32_is_predicted_in_float64(iris, n_rows, output):
    X, y = iris
    clf = BackpropClassifier((), output_activation=output).fit(X, y)
    clf.theta_ = [1e60 * Theta for Theta in clf.theta_]
    single = X[::5][:n_rows].astype(np.float32)
    wide = single.astype(np.float64)
    np.testing.assert_array_equal(clf.predict(single), clf.predict(wide))
    h = clf.predict_proba(single)
    assert h.dtype == np.float32
    np.testing.assert_allclose(h, clf.predict_proba(wide), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_features_are_checked_without_a_warning(dtype):
    X = np.array([[1.0], [1.0], [-1.0], [-1.0]] * 10, dtype=dtype) * np.finfo(dtype).max
    assert validated(BackpropClassifier(), X) is X  # though scikit-learn adds up infinities
