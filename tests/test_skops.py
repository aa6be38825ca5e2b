"""Kept by skops: files that name the few types they need, and run no code when read."""

import numpy as np
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skbackprop import BackpropClassifier
from skbackprop.solvers import LBFGS, SGD, Adam, TimeDecay

io = pytest.importorskip("skops.io", reason="skops keeps files; it is in the extra skops")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# What docs/user_guide/shipping.rst tells the reader to trust, and not a type more.
TRUSTED = ["skbackprop.classifier.BackpropClassifier"]
SOLVERS = "skbackprop.solvers."
STREAM = SOLVERS + "gradient_solvers.StochasticRun"

X, y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[y]


def network(**parameters):
    return BackpropClassifier(5, max_iter=10, random_state=0, **parameters)


FITTED = {
    "plain": (lambda: network().fit(X, y), []),
    "no_hidden_layer": (lambda: BackpropClassifier((), random_state=0).fit(X, y), []),
    "softmax": (lambda: network(output_activation="softmax").fit(X, y), []),
    "layers": (lambda: network(activation=["tanh"]).fit(X, y), []),
    "two_classes": (lambda: network().fit(X, y == 1), []),
    "strings": (lambda: network().fit(X, NAMES), []),
    "objects": (lambda: network().fit(X, NAMES.astype(object)), []),
    "multilabel": (lambda: network().fit(X, np.eye(3, dtype=int)[y]), []),
    "float32": (lambda: network().fit(X.astype(np.float32), y), []),
    "class_weight": (lambda: network(class_weight={0: 1, 1: 2.0, 2: 3}).fit(X, y), []),
    "validation": (lambda: network(early_stopping=True, n_init=2).fit(X, NAMES), []),
    "random_state": (
        lambda: network().set_params(random_state=np.random.RandomState(0)).fit(X, y),
        [],
    ),
    "named_solver": (lambda: network(solver="adam").fit(X, y), []),
    "solver": (
        lambda: network(solver=LBFGS(n_corrections=5)).fit(X, y),
        [SOLVERS + "scipy_solvers.LBFGS"],
    ),
    "dropout": (
        lambda: network(solver=SGD(TimeDecay(), dropout=0.2)).fit(X, y),
        [SOLVERS + "gradient_solvers.SGD", SOLVERS + "learning_rates.TimeDecay"],
    ),
    "pipeline": (lambda: make_pipeline(StandardScaler(), network()).fit(X, NAMES), []),
    "partial_fit_adam": (
        lambda: network(solver="adam").partial_fit(X, NAMES, classes=np.unique(NAMES)),
        [STREAM, SOLVERS + "steps.AdamStep"],
    ),
    "partial_fit_sgd": (
        lambda: network(solver=SGD(dropout=0.2)).partial_fit(X, y, classes=[0, 1, 2]),
        [STREAM, SOLVERS + "steps.MomentumStep", SOLVERS + "gradient_solvers.SGD"],
    ),
}


@pytest.mark.parametrize("case", FITTED)
def test_loads_with_the_stated_types_and_predicts_the_same_bits(case, tmp_path):
    fit, more = FITTED[case]
    model = fit()
    file = tmp_path / "model.skops"
    io.dump(model, file)
    trusted = sorted(TRUSTED + more)
    assert sorted(io.get_untrusted_types(file=file)) == trusted
    loaded = io.load(file, trusted=trusted)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(model, method)(X))


# Types of scikit-learn's objects around the classifier, from the second table of the same page.
AROUND = {
    "imputer": (make_pipeline(SimpleImputer(), network()), ["numpy.dtype"]),
    "selection": (
        make_pipeline(SelectKBest(k=2), network()),
        ["sklearn.feature_selection._univariate_selection.f_classif"],
    ),
    "search": (
        GridSearchCV(network(), {"reg_lambda": [0.1, 1]}, cv=StratifiedKFold(3)),
        [
            "sklearn.metrics._scorer._PassthroughScorer",
            "sklearn.model_selection._split.StratifiedKFold",
        ],
    ),
    "calibration": (
        CalibratedClassifierCV(network(), cv=3),
        ["sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration"],
    ),
}


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="the page lists the types in files of scikit-learn 1.9",
)
@pytest.mark.parametrize("case", AROUND)
def test_what_is_around_the_classifier_loads_with_the_stated_types(case):
    model, more = AROUND[case]
    kept = io.dumps(model.fit(X, y))
    assert sorted(io.get_untrusted_types(data=kept)) == sorted(TRUSTED + more)
    loaded = io.loads(kept, trusted=TRUSTED + more)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_nothing_is_loaded_that_is_not_trusted():
    kept = io.dumps(network().fit(X, y))
    for left_out in TRUSTED:
        with pytest.raises(TypeError, match=left_out.rpartition(".")[2]):
            io.loads(kept, trusted=[name for name in TRUSTED if name != left_out])


def test_all_that_a_fit_has_found_is_kept():
    clf = network(early_stopping=True).fit(X, y)
    loaded = io.loads(io.dumps(clf), trusted=TRUSTED)
    assert repr(loaded) == repr(clf)
    assert vars(loaded).keys() == vars(clf).keys()
    assert loaded.loss_curve_ == clf.loss_curve_
    assert loaded.validation_scores_ == clf.validation_scores_
    assert loaded.optimize_result_.message == clf.optimize_result_.message
    assert loaded.network_.layer_sizes == clf.network_.layer_sizes
    for weights, expected in zip(loaded.coefs_, clf.coefs_, strict=True):
        np.testing.assert_array_equal(weights, expected)


@pytest.mark.parametrize("solver", ["adam", "sgd", SGD(dropout=0.3), Adam(batch_size=20)])
def test_partial_fit_goes_on_where_it_was(solver):
    clf = network(solver=solver).partial_fit(X, y, classes=[0, 1, 2])
    kept = io.dumps(clf)
    loaded = io.loads(kept, trusted=io.get_untrusted_types(data=kept))
    for model in (clf, loaded):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


def test_a_warm_start_goes_on_where_it_was():
    clf = network(warm_start=True).fit(X, y)
    loaded = io.loads(io.dumps(clf), trusted=TRUSTED)
    np.testing.assert_array_equal(loaded.fit(X, y).theta_[0], clf.fit(X, y).theta_[0])
