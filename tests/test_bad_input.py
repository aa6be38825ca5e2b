"""Bad input: a clear error of the expected type, and an estimator that is left as it was."""

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError

from skbackprop import BackpropClassifier
from skbackprop.solvers import (
    BFGS,
    CG,
    LBFGS,
    SGD,
    Adam,
    Adaptive,
    GradientDescent,
    TimeDecay,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = np.where(X[:, 0] > 0, "yes", "no")
Y_MULTILABEL = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)


def small(**params):
    return BackpropClassifier(**{"hidden_layer_sizes": (2,), "random_state": 0, **params})


def with_entry(array, value):
    changed = array.copy()
    changed[5, 1] = value
    return changed


def case(name, match, *, X=X, y=Y, fit=None, error=ValueError, **params):
    return pytest.param(X, y, fit or {}, params, error, match, id=name)


BAD_DATA = [
    case("NaN", "NaN", X=with_entry(X, np.nan)),
    case("infinity", "infinity", X=with_entry(X, np.inf)),
    case("NaN in sparse rows", "NaN", X=csr_array(with_entry(X, np.nan))),
    case("text in X", "could not convert string to float", X=np.full((40, 3), "a", dtype=object)),
    case("complex X", "[Cc]omplex", X=X + 1j),
    case("a vector for X", "Expected 2D array", X=X[:, 0]),
    case("three dimensions", "dim", X=X[:, :, np.newaxis]),
    case("no rows", "minimum of 1 is required", X=X[:0], y=Y[:0]),
    case("no columns", r"0 feature\(s\)", X=X[:, :0]),
    case("lengths", "inconsistent numbers of samples", y=Y[:-1]),
    case("no y", "requires y to be passed", y=None),
    case("one class", "one class.*yes", y=np.full(40, "yes")),
    case("continuous y", "Unknown label type", y=X[:, 0]),
    case("NaN in y", "NaN", y=np.where(X[:, 0] > 0, 1.0, np.nan)),
    case(
        "several multiclass columns",
        "MultiOutputClassifier",
        y=np.column_stack([np.arange(40) % 3, np.arange(40) % 4]),
    ),
    case("weights of another length", "has 39 entries", fit={"sample_weight": np.ones(39)}),
    case("negative weight", "negative", fit={"sample_weight": -np.ones(40)}),
    case("one negative weight", "negative", fit={"sample_weight": [-1e-9] + [1.0] * 39}),
    case("all-zero weights", "sample_weight is zero", fit={"sample_weight": np.zeros(40)}),
    case("NaN weight", "sample_weight contains NaN", fit={"sample_weight": [np.nan] + [1] * 39}),
    case("infinite weight", "infinity", fit={"sample_weight": [np.inf] + [1] * 39}),
    case("weights as a matrix", "sample_weight", fit={"sample_weight": np.ones((40, 1))}),
]

BAD_PARAMETERS = [
    case("zero units", "hidden_layer_sizes", hidden_layer_sizes=0),
    case("negative units", "hidden_layer_sizes", hidden_layer_sizes=-3),
    case("zero units in a layer", "hidden_layer_sizes", hidden_layer_sizes=(3, 0)),
    case("negative units in a layer", "hidden_layer_sizes", hidden_layer_sizes=(3, -1)),
    case("half a unit", "hidden_layer_sizes", hidden_layer_sizes=(2.5,)),
    case("a number of units as text", "hidden_layer_sizes", hidden_layer_sizes="25"),
    case("negative lambda", "reg_lambda", reg_lambda=-1.0),
    case("NaN lambda", "reg_lambda", reg_lambda=np.nan),
    case("lambda as text", "reg_lambda", reg_lambda="1"),
    case("negative tol", "tol", tol=-1e-4),
    case("zero iterations", "max_iter", max_iter=0),
    case("half an iteration", "max_iter", max_iter=1.5),
    case("negative epsilon", "init_epsilon", init_epsilon=-0.1),
    case("infinite epsilon", "init_epsilon", init_epsilon=np.inf),
    case("epsilon of an infinite width", "init_epsilon.*from 0 to", init_epsilon=1e308),
    case("epsilon that is no float", "init_epsilon.*from 0 to", init_epsilon=10**400),
    case("unknown epsilon", "init_epsilon", init_epsilon="small"),
    case("unknown solver", "solver.*lbfgs", solver="newton"),
    case("solver class", "solver", solver=SGD),
    case("unknown activation", "activation.*tanh", activation="sigmoid"),
    case("one unknown activation", "'sigmoid'.*'tanh'", activation=["sigmoid"]),
    case("too many activations", "2 hidden layers.*has 1", activation=["tanh", "relu"]),
    case("unknown output", "output_activation.*softmax", output_activation="relu"),
    case("unknown loss", "loss.*cross_entropy", loss="hinge"),
    case("unknown penalty", "penalty.*l1", penalty="elasticnet"),
    case("unknown class weights", "class_weight.*balanced", class_weight="equal"),
    case("zero starts", "n_init", n_init=0),
    case("zero jobs", "n_jobs", n_jobs=0),
    case("half a job", "n_jobs", n_jobs=0.5),
    case("fraction of all rows", "validation_fraction", validation_fraction=1.0),
    case("fraction of no rows", "validation_fraction", validation_fraction=0.0),
    case("no patience", "n_iter_no_change", n_iter_no_change=0),
    case("random state", "random_state", random_state="zero"),
]

BAD_SOLVER_OPTIONS = [
    case("zero rate", "learning_rate|initial", solver=SGD(learning_rate=0.0)),
    case("negative rate", "learning_rate|initial", solver=GradientDescent(learning_rate=-1.0)),
    case("NaN rate", "learning_rate|initial", solver=Adam(learning_rate=np.nan)),
    case("rate as text", "learning_rate.*TimeDecay", solver=SGD(learning_rate="adaptive")),
    case("negative decay", "decay", solver=SGD(TimeDecay(0.1, decay=-1.0))),
    case("shrink that grows", "shrink", solver=GradientDescent(Adaptive(0.1, shrink=1.5))),
    case("growth that shrinks", "growth", solver=GradientDescent(Adaptive(0.1, growth=0.5))),
    case("momentum of one", "momentum", solver=SGD(momentum=1.0)),
    case("negative momentum", "momentum", solver=GradientDescent(momentum=-0.1)),
    case("Nesterov without momentum", "nesterov", solver=SGD(momentum=0.0, nesterov=True)),
    case("no rows in a batch", "batch_size", solver=SGD(batch_size=0)),
    case("half a row in a batch", "batch_size", solver=Adam(batch_size=2.5)),
    case("dropout of all", "dropout", solver=SGD(dropout=1.0)),
    case("negative dropout", "dropout", solver=SGD(dropout=-0.5)),
    case("dropout of two layers", "dropout.*1 hidden", solver=SGD(dropout=[0.1, 0.2])),
    case("beta_1", "beta_1", solver=Adam(beta_1=1.0)),
    case("beta_2", "beta_2", solver=Adam(beta_2=-0.1)),
    case("epsilon", "epsilon", solver=Adam(epsilon=0.0)),
    case("negative n_samples", "n_samples", solver=SGD(n_samples=-40)),
    case("zero n_samples", "n_samples", solver=SGD(n_samples=0)),
    case("zero corrections", "n_corrections", solver=LBFGS(n_corrections=0)),
    case("zero line search", "max_line_search", solver=LBFGS(max_line_search=0)),
]

# What the mathematics or a method does not allow.
REFUSED = [
    case("l1 with bfgs", "'bfgs'.*l1.*lbfgs", solver="bfgs", penalty="l1"),
    case("l1 with cg", "'cg'.*l1.*lbfgs", solver=CG(), penalty="l1"),
    case(
        "dropout without hidden layers", "dropout", hidden_layer_sizes=(), solver=SGD(dropout=0.5)
    ),
    case("softmax with several labels", "logistic", y=Y_MULTILABEL, output_activation="softmax"),
    case("balanced several labels", "class_weight", y=Y_MULTILABEL, class_weight="balanced"),
    case("weighed several labels", "class_weight", y=Y_MULTILABEL, class_weight={0: 1, 1: 2}),
    case("large bfgs", "6001 x 6001.*lbfgs", solver=BFGS(), hidden_layer_sizes=(1200,)),
    case("n_samples in fit", "n_samples=41.*partial_fit.*40", solver=SGD(n_samples=41)),
    case("activations without layers", "activation", hidden_layer_sizes=(), activation=["tanh"]),
]

BAD_FIT_ARGUMENTS = [
    case("short theta", r"11 unrolled.*\(10,\)", fit={"theta_init": np.zeros(10)}),
    case("transposed", r"\(2, 4\)", fit={"theta_init": [np.zeros((4, 2)), np.zeros((3, 1))]}),
    case("one matrix", r"\(2, 4\)", fit={"theta_init": [np.zeros((2, 4))]}),
    case("NaN theta", "theta_init.*finite", fit={"theta_init": np.full(11, np.nan)}),
    case("theta as a number", "theta_init|Theta", fit={"theta_init": 0.5}),
    case("theta as text", "theta_init|Theta|convert", fit={"theta_init": "zeros"}),
    case("X_val alone", "X_val and y_val must be given together", fit={"X_val": X}),
    case("y_val alone", "X_val and y_val must be given together", fit={"y_val": Y}),
    case("weights alone", "sample_weight_val only with", fit={"sample_weight_val": np.ones(40)}),
    case("X_val of other features", "X_val.*2 features", fit={"X_val": X[:, :2], "y_val": Y}),
    case("X_val with NaN", "X_val.*NaN", fit={"X_val": with_entry(X, np.nan), "y_val": Y}),
    case("X_val of text", "X_val.*could not convert", fit={"X_val": [["a"] * 3], "y_val": ["no"]}),
    case("a vector for X_val", "X_val.*2D array", fit={"X_val": X[:, 0], "y_val": Y}),
    case(
        "y_val with NaN",
        "y_val.*NaN",
        fit={"X_val": X, "y_val": np.full(40, np.nan)},
    ),
    case("two columns of y_val", "y_val.*2", fit={"X_val": X, "y_val": np.column_stack([Y, Y])}),
    case("y_val too short", "X_val has 40 rows, y_val has 39", fit={"X_val": X, "y_val": Y[1:]}),
    case("unknown label", "y_val.*maybe.*no.*yes", fit={"X_val": X[:1], "y_val": ["maybe"]}),
    case(
        "validation weights too short",
        "sample_weight_val has 3 entries for 40 rows",
        fit={"X_val": X, "y_val": Y, "sample_weight_val": np.ones(3)},
    ),
    case(
        "validation weights of zero",
        "sample_weight_val",
        fit={"X_val": X, "y_val": Y, "sample_weight_val": np.zeros(40)},
    ),
    case(
        "too few rows to set some aside",
        "validation_fraction",
        X=X[:3],
        y=["a", "b", "b"],
        early_stopping=True,
    ),
    case("negative class weight", "class_weight", class_weight={"yes": -1.0, "no": 1.0}),
    case("class weights of zero", "class_weight", class_weight={"yes": 0.0, "no": 0.0}),
    case("class weights of others", "not in class_weight", class_weight={"yes": 2, "maybe": 1}),
]

ALL = [
    *BAD_DATA,
    *BAD_PARAMETERS,
    *BAD_SOLVER_OPTIONS,
    *REFUSED,
    *BAD_FIT_ARGUMENTS,
]


@pytest.mark.parametrize(("X_bad", "y_bad", "fit", "params", "error", "match"), ALL)
def test_an_unfitted_estimator_stays_unfitted(X_bad, y_bad, fit, params, error, match):
    clf = small(**params)
    before = joblib.hash(vars(clf))
    with pytest.raises(error, match=f"(?s){match}"):
        clf.fit(X_bad, y_bad, **fit)
    assert joblib.hash(vars(clf)) == before
    with pytest.raises(NotFittedError):
        clf.predict(X)


@pytest.mark.parametrize(("X_bad", "y_bad", "fit", "params", "error", "match"), ALL)
def test_a_fitted_estimator_stays_as_it_was(X_bad, y_bad, fit, params, error, match):
    clf = small().fit(pd.DataFrame(X, columns=["a", "b", "c"]), Y)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    probabilities = clf.predict_proba(frame)
    clf.set_params(**params)
    before = joblib.hash(vars(clf))
    with pytest.raises(error, match=f"(?s){match}"):
        clf.fit(X_bad, y_bad, **fit)
    assert joblib.hash(vars(clf)) == before
    if params.get("n_jobs", 1):
        np.testing.assert_array_equal(clf.predict_proba(frame), probabilities)


def test_a_good_fit_after_a_bad_one_is_as_if_nothing_had_been():
    clf = small()
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(with_entry(X, np.nan), Y)
    clf.fit(X, Y)
    for ours, fresh in zip(clf.theta_, small().fit(X, Y).theta_, strict=True):
        np.testing.assert_array_equal(ours, fresh)


def test_names_are_forgotten_by_a_fit_without_names():
    clf = small().fit(pd.DataFrame(X, columns=["a", "b", "c"]), Y)
    assert clf.feature_names_in_.tolist() == ["a", "b", "c"]
    clf.fit(X, Y)
    assert not hasattr(clf, "feature_names_in_")
    clf.fit(X[:, :2], Y)
    assert clf.n_features_in_ == 2


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function"]
)
class TestPrediction:
    def test_before_fit(self, method):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(small(), method)(X)

    def test_other_number_of_features(self, method):
        clf = small().fit(X, Y)
        with pytest.raises(ValueError, match=r"has 2 features.*expecting 3"):
            getattr(clf, method)(X[:, :2])

    def test_other_names(self, method):
        clf = small().fit(pd.DataFrame(X, columns=["a", "b", "c"]), Y)
        with pytest.raises(ValueError, match="feature names should match"):
            getattr(clf, method)(pd.DataFrame(X, columns=["a", "b", "d"]))

    def test_other_order_of_names(self, method):
        clf = small().fit(pd.DataFrame(X, columns=["a", "b", "c"]), Y)
        with pytest.raises(ValueError, match="feature names"):
            getattr(clf, method)(pd.DataFrame(X[:, ::-1], columns=["c", "b", "a"]))

    def test_names_that_fit_did_not_see(self, method):
        clf = small().fit(X, Y)
        with pytest.warns(UserWarning, match="was fitted without feature names"):
            getattr(clf, method)(pd.DataFrame(X, columns=["a", "b", "c"]))

    def test_nan(self, method):
        with pytest.raises(ValueError, match="NaN"):
            getattr(small().fit(X, Y), method)(with_entry(X, np.nan))

    def test_vector(self, method):
        with pytest.raises(ValueError, match="Expected 2D array"):
            getattr(small().fit(X, Y), method)(X[0])

    def test_leaves_the_estimator_as_it_was(self, method):
        clf = small().fit(X, Y)
        before = joblib.hash(vars(clf))
        getattr(clf, method)(X)
        with pytest.raises(ValueError, match="features"):
            getattr(clf, method)(X[:, :2])
        assert joblib.hash(vars(clf)) == before


def test_validation_rows_with_other_names():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    clf = small()
    with pytest.raises(ValueError, match="feature names"):
        clf.fit(frame, Y, X_val=frame[["c", "b", "a"]], y_val=Y)
    assert not hasattr(clf, "feature_names_in_")


def test_multilabel_validation_with_another_number_of_labels():
    with pytest.raises(ValueError, match=r"y_val.*2 columns.*\(40, 3\)"):
        small().fit(X, Y_MULTILABEL, X_val=X, y_val=np.ones((40, 3), dtype=int))


@pytest.mark.parametrize("solver", ["lbfgs", "bfgs", "cg", "gradient_descent", "sgd", "adam"])
def test_rows_so_large_that_j_is_not_finite(solver):
    clf = small(activation="identity").fit(X, Y).set_params(solver=solver)
    before = joblib.hash(vars(clf))
    with pytest.raises(ValueError, match=r"J is not finite.*StandardScaler"):
        clf.fit(np.where(X > 0, 1.7e308, 1.0), Y)
    assert joblib.hash(vars(clf)) == before


def test_warm_start_from_other_classes_or_features():
    clf = small(warm_start=True).fit(X, Y)
    before = joblib.hash(vars(clf))
    with pytest.raises(ValueError, match=r"warm_start.*no.*yes"):
        clf.fit(X, np.where(X[:, 0] > 0, "a", "b"))
    with pytest.raises(ValueError, match=r"warm_start.*3-2-1.*2-2-1"):
        clf.fit(X[:, :2], Y)
    clf.set_params(hidden_layer_sizes=(5,))
    with pytest.raises(ValueError, match=r"warm_start.*3-2-1.*3-5-1"):
        clf.fit(X, Y)
    clf.set_params(hidden_layer_sizes=(2,))
    assert joblib.hash(vars(clf)) == before


def test_a_random_state_instance_is_all_that_a_failed_fit_may_use_up():
    clf = small(random_state=np.random.RandomState(0)).fit(X, Y)
    names = set(vars(clf))
    theta = [Theta.copy() for Theta in clf.theta_]
    with pytest.raises(ValueError, match="one class"):
        clf.fit(X, np.full(40, "yes"))
    assert set(vars(clf)) == names
    for kept, old in zip(clf.theta_, theta, strict=True):
        np.testing.assert_array_equal(kept, old)
