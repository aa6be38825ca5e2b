"""Validation rows: what they are worth during a fit, and ending a fit by them."""

import warnings

import joblib
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skbackprop import BackpropClassifier, Objective
from skbackprop.solvers import SGD, Adam, GradientDescent

SOLVERS = {
    "lbfgs": "lbfgs",
    "bfgs": "bfgs",
    "cg": "cg",
    "gradient_descent": GradientDescent(2.0),
    "sgd": SGD(0.5, batch_size=20),
    "adam": Adam(0.05, batch_size=20),
}


@pytest.fixture(scope="module")
def noisy():
    """Rows that a network learns by heart: a fifth of the labels is wrong."""
    X, y = make_classification(
        240,
        8,
        n_informative=4,
        n_classes=3,
        n_clusters_per_class=1,
        weights=[0.5, 0.3],
        flip_y=0.2,
        random_state=0,
    )
    return X[:120], y[:120], X[120:], y[120:]


def overfitting(solver, **params):
    """A network without penalty and a tol out of reach: only validation rows can end it."""
    return BackpropClassifier(
        (8,), 0.0, solver=solver, tol=1e-7, early_stopping=True, random_state=0, **params
    )


def validation_cost(clf, X, Y, w=None):
    """The mean cost of logistic units from the logits, with no penalty; Y as 0 and 1."""
    Z = clf.decision_function(X)
    Z = Z[:, np.newaxis] if Z.ndim == 1 else Z
    return np.average(np.logaddexp(0.0, np.where(Y, -Z, Z)).sum(axis=1), weights=w)


NAMES = np.array(["yellow", "blue", "red"])


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())
class TestGivenValidationRows:
    def test_the_best_parameters_are_restored(self, noisy, solver):
        X, y, X_val, y_val = noisy
        clf = overfitting(solver).fit(X, y, X_val=X_val, y_val=y_val)
        Y_val = y_val[:, np.newaxis] == clf.classes_
        best = int(np.argmin(clf.validation_loss_curve_))
        np.testing.assert_allclose(
            validation_cost(clf, X_val, Y_val), min(clf.validation_loss_curve_), rtol=1e-9
        )
        np.testing.assert_allclose(clf.score(X_val, y_val), clf.validation_scores_[best])
        # The fit went on for n_iter_no_change iterations, and no longer.
        assert len(clf.validation_loss_curve_) == len(clf.loss_curve_) == clf.n_iter_
        assert clf.n_iter_ == best + 1 + clf.n_iter_no_change
        # What is kept is that of the best iteration, not of the last.
        assert clf.loss_ == clf.loss_curve_[best]
        objective = Objective(clf.network_, X, y)
        np.testing.assert_allclose(
            objective(clf.network_.unroll(clf.theta_))[0], clf.loss_, rtol=1e-9
        )
        assert clf.optimize_result_.success
        assert clf.optimize_result_.status == "early_stopping"

    def test_patience(self, noisy, solver):
        X, y, X_val, y_val = noisy
        clf = overfitting(solver, n_iter_no_change=3).fit(X, y, X_val=X_val, y_val=y_val)
        curve = clf.validation_loss_curve_
        best = int(np.argmin(curve))
        assert len(curve) == best + 4
        # Never before has it been without a lower cost for so long: strictly lower counts.
        lowest = np.minimum.accumulate(curve)
        improved = np.flatnonzero(np.r_[True, curve[1:] < lowest[:-1]])
        assert np.diff(improved).max(initial=0) <= 3

    def test_string_labels_weights_and_class_weight(self, noisy, solver):
        X, y, X_val, y_val = noisy
        rng = np.random.default_rng(0)
        w, w_val = rng.uniform(0.5, 2.0, size=120), rng.uniform(0.0, 2.0, size=120)
        class_weight = {"yellow": 1.0, "blue": 2.0, "red": 4.0}
        clf = overfitting(solver, class_weight=class_weight).fit(
            X,
            NAMES[y],
            sample_weight=w,
            X_val=X_val,
            y_val=NAMES[y_val],
            sample_weight_val=w_val,
        )
        Y_val = NAMES[y_val][:, np.newaxis] == clf.classes_
        weights = w_val * np.array([1.0, 2.0, 4.0])[y_val]
        np.testing.assert_allclose(
            validation_cost(clf, X_val, Y_val, weights),
            min(clf.validation_loss_curve_),
            rtol=1e-9,
        )
        right = clf.predict(X_val) == NAMES[y_val]
        best = int(np.argmin(clf.validation_loss_curve_))
        np.testing.assert_allclose(
            clf.validation_scores_[best], np.average(right, weights=weights)
        )
        # Training has its own weights, and none of the validation rows.
        objective = Objective(
            clf.network_,
            X,
            np.searchsorted(clf.classes_, NAMES[y]),
            sample_weight=w * np.array([1.0, 2.0, 4.0])[y],
        )
        loss = objective(clf.network_.unroll(clf.theta_))[0]
        np.testing.assert_allclose(clf.loss_, loss, rtol=1e-9)

    def test_several_labels(self, solver):
        X, Y = make_multilabel_classification(160, 6, n_classes=3, random_state=0)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        clf = overfitting(solver).fit(X[:80], Y[:80], X_val=X[80:], y_val=Y[80:])
        np.testing.assert_allclose(
            validation_cost(clf, X[80:], Y[80:]), min(clf.validation_loss_curve_), rtol=1e-9
        )
        best = int(np.argmin(clf.validation_loss_curve_))
        np.testing.assert_allclose(clf.score(X[80:], Y[80:]), clf.validation_scores_[best])
        assert clf.n_iter_ == best + 1 + clf.n_iter_no_change

    def test_without_early_stopping_they_are_only_recorded(self, noisy, solver):
        X, y, X_val, y_val = noisy
        clf = BackpropClassifier(
            (4,), 5.0, solver=solver, max_iter=30, tol=1e-9, n_iter_no_change=30, random_state=0
        )
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            plain = clone(clf).fit(X, y)
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            clf.fit(X, y, X_val=X_val, y_val=y_val)
        assert clf.loss_curve_ == plain.loss_curve_
        for ours, theirs in zip(clf.theta_, plain.theta_, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert len(clf.validation_loss_curve_) == len(clf.validation_scores_) == 30
        assert plain.validation_loss_curve_ == plain.validation_scores_ == []
        if solver in ("lbfgs", "bfgs", "cg"):  # J falls at every step: the last is the best
            Y_val = y_val[:, np.newaxis] == clf.classes_
            np.testing.assert_allclose(
                clf.validation_loss_curve_[-1], validation_cost(clf, X_val, Y_val), rtol=1e-9
            )
            assert clf.validation_scores_[-1] == clf.score(X_val, y_val)


# The penalty is meant to outweigh the costs.
@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
def test_the_watched_cost_has_no_penalty(noisy):
    X, y, X_val, y_val = noisy
    clf = BackpropClassifier((4,), 20.0, random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
    Y_val = y_val[:, np.newaxis] == clf.classes_
    np.testing.assert_allclose(
        clf.validation_loss_curve_[-1], validation_cost(clf, X_val, Y_val), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("output", "loss"), [("softmax", "cross_entropy"), ("softmax", "squared_error")]
)
def test_the_watched_cost_is_that_of_the_network(noisy, output, loss):
    X, y, X_val, y_val = noisy
    clf = overfitting("lbfgs", output_activation=output, loss=loss)
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    h = clf.predict_proba(X_val)
    if loss == "cross_entropy":
        costs = -np.log(h[np.arange(120), y_val])
    else:
        costs = np.sum((h - (y_val[:, np.newaxis] == clf.classes_)) ** 2, axis=1)
    np.testing.assert_allclose(costs.mean(), min(clf.validation_loss_curve_), rtol=1e-9)


def test_early_stopping_helps_here(noisy):
    X, y, X_val, y_val = noisy
    stopped = overfitting("lbfgs").fit(X, y, X_val=X_val, y_val=y_val)
    whole = clone(stopped).set_params(early_stopping=False, tol=1e-3)
    whole.fit(X, y, X_val=X_val, y_val=y_val)
    assert whole.n_iter_ > stopped.n_iter_
    assert whole.validation_loss_curve_[-1] > 1.5 * min(stopped.validation_loss_curve_)
    assert stopped.score(X_val, y_val) > whole.score(X_val, y_val)


def test_a_fit_that_converges_first_has_converged(noisy):
    X, y, X_val, y_val = noisy
    clf = BackpropClassifier((), 1.0, early_stopping=True, n_iter_no_change=1000)
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    result, curve = clf.optimize_result_, clf.validation_loss_curve_
    assert result.success
    # Converged if the last iterate is kept, else stopped early: its gradient is above tol.
    last_is_best = curve[-1] == min(curve)
    assert result.status == ("converged" if last_is_best else "early_stopping")
    assert (result.gradient_max <= clf.tol) == last_is_best
    assert "converged" in result.message or last_is_best
    Y_val = y_val[:, np.newaxis] == clf.classes_
    np.testing.assert_allclose(
        validation_cost(clf, X_val, Y_val), min(clf.validation_loss_curve_), rtol=1e-9
    )


def test_max_iter_still_warns(noisy):
    X, y, X_val, y_val = noisy
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        overfitting("lbfgs", max_iter=2).fit(X, y, X_val=X_val, y_val=y_val)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_validation_rows_in_other_containers(noisy, container):
    X, y, X_val, y_val = noisy
    dense = overfitting("lbfgs", max_iter=1000).fit(X, y, X_val=X_val, y_val=y_val)
    other = clone(dense).fit(X, y, X_val=container(X_val), y_val=y_val.tolist())
    np.testing.assert_allclose(
        other.validation_loss_curve_, dense.validation_loss_curve_, rtol=1e-9
    )


# -- a fraction that is set aside --------------------------------------------------------


def rows_held_out(clf, m):
    """Fitted from zeros on X = I, a row that was not trained on leaves its weights at 0."""
    return np.flatnonzero(~clf.coefs_[0][:m].any(axis=1))


def fit_identity(y, solver="gradient_descent", **params):
    m = len(y)
    clf = BackpropClassifier(
        (), 1.0, solver=solver, early_stopping=True, max_iter=5, tol=1e-9, **params
    )
    outputs = y.shape[1] if y.ndim == 2 else len(np.unique(y))
    outputs = 1 if outputs == 2 and y.ndim == 1 else outputs
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        return clf.fit(np.eye(m), y, theta_init=np.zeros(outputs * (m + 1)))


@pytest.mark.parametrize("solver", ["lbfgs", "gradient_descent", "sgd", "adam"])
@pytest.mark.parametrize(("fraction", "per_class"), [(0.1, [6, 3, 1]), (0.2, [12, 6, 2])])
def test_the_fraction_is_stratified_and_not_trained_on(solver, fraction, per_class):
    y = np.random.default_rng(0).permutation(np.repeat(NAMES, [60, 30, 10]))
    clf = fit_identity(y, solver, validation_fraction=fraction, random_state=0)
    held_out = rows_held_out(clf, 100)
    assert [np.sum(y[held_out] == name) for name in NAMES] == per_class
    # And those rows are what was watched.
    Y = y[held_out][:, np.newaxis] == clf.classes_
    np.testing.assert_allclose(
        validation_cost(clf, np.eye(100)[held_out], Y),
        min(clf.validation_loss_curve_),
        rtol=1e-9,
    )
    # J is that of the other rows.
    rest = np.setdiff1d(np.arange(100), held_out)
    objective = Objective(
        clf.network_, np.eye(100)[rest], np.searchsorted(clf.classes_, y[rest]), reg_lambda=1.0
    )
    np.testing.assert_allclose(clf.loss_, objective(clf.theta_[0].ravel())[0], rtol=1e-9)


def test_the_fraction_comes_from_random_state():
    y = np.arange(60) % 3 == 0  # more of one class, so that a bias helps from the start on
    parts = [rows_held_out(fit_identity(y, random_state=seed), 60).tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]
    assert len(parts[0]) == 6


def test_weights_go_with_their_rows():
    y = np.random.default_rng(0).permutation(np.arange(90) % 3)
    w = np.random.default_rng(1).uniform(0.5, 3.0, size=90)
    clf = BackpropClassifier(
        (),
        1.0,
        solver="gradient_descent",
        early_stopping=True,
        class_weight="balanced",
        max_iter=5,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning):
        clf.fit(np.eye(90), y, sample_weight=w, theta_init=np.zeros(273))
    held_out = rows_held_out(clf, 90)
    rest = np.setdiff1d(np.arange(90), held_out)
    # "balanced" of the rows that are trained on.
    totals = np.bincount(y[rest], weights=w[rest])
    factors = w[rest].sum() / (3 * totals)
    Y = y[held_out][:, np.newaxis] == clf.classes_
    np.testing.assert_allclose(
        validation_cost(clf, np.eye(90)[held_out], Y, (w * factors[y])[held_out]),
        min(clf.validation_loss_curve_),
        rtol=1e-9,
    )
    objective = Objective(
        clf.network_,
        np.eye(90)[rest],
        y[rest],
        reg_lambda=1.0,
        sample_weight=(w * factors[y])[rest],
    )
    np.testing.assert_allclose(clf.loss_, objective(clf.theta_[0].ravel())[0], rtol=1e-9)


def test_several_labels_are_set_aside_at_random():
    Y = (np.random.default_rng(0).uniform(size=(50, 3)) < 0.2).astype(int)
    clf = fit_identity(Y, random_state=0)
    held_out = rows_held_out(clf, 50)
    assert len(held_out) == 5
    np.testing.assert_allclose(
        validation_cost(clf, np.eye(50)[held_out], Y[held_out]),
        min(clf.validation_loss_curve_),
        rtol=1e-9,
    )


def test_given_rows_take_the_place_of_the_fraction(noisy):
    y = noisy[1]
    clf = BackpropClassifier((), 1.0, solver="gradient_descent", early_stopping=True, max_iter=3)
    with pytest.warns(ConvergenceWarning):
        clf.fit(np.eye(120), y, X_val=np.eye(120)[:7], y_val=y[:7], theta_init=np.zeros(363))
    assert len(rows_held_out(clf, 120)) == 0


def test_rows_of_weight_zero_may_be_all_that_is_set_aside():
    # Nothing to go by: an error that says so, or rows of weight; not a division by zero.
    y = np.arange(40) % 2
    w = np.zeros(40)
    w[:4] = 1.0
    clf = BackpropClassifier((2,), early_stopping=True, random_state=0)
    before = joblib.hash(vars(clf))
    with pytest.raises(ValueError, match=r"validation_fraction|weight"):
        clf.fit(np.random.default_rng(0).normal(size=(40, 3)), y, sample_weight=w)
    assert joblib.hash(vars(clf)) == before


def test_early_stopping_in_a_grid_search(noisy):
    X, y, _, _ = noisy
    search = GridSearchCV(
        BackpropClassifier((4,), early_stopping=True, random_state=0), {"lambda": [0.1, 1.0]}, cv=3
    ).fit(X, y)
    assert search.best_estimator_.validation_loss_curve_


def test_more_labels_than_rows_to_set_aside():
    """Examples of several labels are not stratified, so that a row of each is not needed."""
    rng = np.random.RandomState(0)
    X, Y = rng.standard_normal((60, 4)), rng.randint(2, size=(60, 40))
    clf = BackpropClassifier(3, early_stopping=True, max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, Y)
    assert len(clf.validation_scores_) == clf.n_iter_


def test_a_validation_cost_that_overflows_is_the_highest():
    # At the start the logits are 1e350 - 1e350, NaN; with lambda/m = 1 the first step is to 0.
    X, y, X_val = np.eye(2), [0, 1], np.full((2, 2), 1e250)
    solver = GradientDescent(1.0)
    clf = BackpropClassifier((), 2.0, solver=solver, early_stopping=True, max_iter=3)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y, X_val=X_val, y_val=[0, 1], theta_init=[0.0, 1e100, -1e100])
    assert len(clf.validation_loss_curve_) == len(clf.validation_scores_) == clf.n_iter_
    assert clf.loss_ < 1
