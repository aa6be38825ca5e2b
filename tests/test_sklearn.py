"""The estimator among scikit-learn's: its checks, and the tools that take a classifier."""

import pickle
import re
from importlib.metadata import metadata

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from skbackprop import BackpropClassifier
from skbackprop.solvers import SGD, Adam, TimeDecay
from skbackprop.threads import resolve_n_jobs

CHECKED = [
    BackpropClassifier(),
    BackpropClassifier((5, 3), activation="tanh", output_activation="softmax"),
    # The checks compare fits of two equivalent weightings to 1e-7. With "l1" the path depends
    # on rounding, so that both have to come close to the minimum; CG's line search amplifies
    # rounding with every iteration, so that it has to be short.
    BackpropClassifier(5, penalty="l1", tol=1e-9),
    BackpropClassifier(3, solver="cg"),
    BackpropClassifier(5, solver="bfgs"),
    # As many iterations as the checks of accuracy need, not the default's 1000 on rows that tell
    # the classes apart by chance.
    BackpropClassifier(solver="gradient_descent", max_iter=30),
    BackpropClassifier(5, solver="sgd", max_iter=30),
    BackpropClassifier(5, solver=Adam(0.01), max_iter=50),
]


# All checks, as parametrize_with_checks has them; that of scikit-learn 1.6 hands pytest a
# generator, which pytest 9 warns of.
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=f"{estimator}-{getattr(check, 'func', check).__name__}")
        for clf in CHECKED
        for estimator, check in estimator_checks_generator(clf)
    ],
)
# The checks set max_iter to a few iterations and go on with what these give; the data of some
# have nothing that tells the classes apart.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


CALIBRATED = CalibratedClassifierCV(BackpropClassifier(5, random_state=0), cv=3)


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=getattr(check, "func", check).__name__)
        for _, check in estimator_checks_generator(CALIBRATED)
        if "sample_weight_equivalence" in getattr(check, "func", check).__name__
    ],
)
def test_weights_are_repeated_rows_to_a_calibration(check):
    # It fits folds of few rows, some of weight 0: no decision may depend on their number.
    check(clone(CALIBRATED))


@pytest.mark.parametrize("n_features", [5, 50])
def test_weights_of_two_are_repeated_rows(n_features):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((40, n_features)), np.arange(40) % 2
    clf = BackpropClassifier(10, tol=1e-8, random_state=0)
    weighted = clone(clf).fit(X, y, sample_weight=np.full(40, 2.0))
    repeated = clone(clf).fit(np.tile(X, (2, 1)), np.tile(y, 2))
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), rtol=0, atol=1e-5
    )


def separable_in_part(rows):
    """Rows without any information after the first two columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 5))
    return X, (X[:, 0] + X[:, 1] + 0.3 * rng.normal(size=rows) > 0).astype(int)


def test_is_a_classifier_with_its_tags():
    tags = BackpropClassifier().__sklearn_tags__()
    assert is_classifier(BackpropClassifier())
    assert tags.input_tags.sparse
    assert tags.classifier_tags.multi_class
    assert tags.classifier_tags.multi_label
    # What these refuse must not be promised.
    softmax = BackpropClassifier(output_activation="softmax").__sklearn_tags__()
    assert not softmax.classifier_tags.multi_label
    weighed = BackpropClassifier(class_weight="balanced").__sklearn_tags__()
    assert not weighed.classifier_tags.multi_label


def test_pipeline_scales_before_the_fit():
    X, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), BackpropClassifier(10, random_state=0)).fit(X, y)
    alone = BackpropClassifier(10, random_state=0).fit(StandardScaler().fit_transform(X), y)
    np.testing.assert_array_equal(
        pipeline.predict_proba(X), alone.predict_proba(StandardScaler().fit_transform(X))
    )


def test_cross_val_score_is_that_of_the_folds_by_hand(iris):
    X, y = iris
    folds = StratifiedKFold(3)
    clf = BackpropClassifier(5, random_state=0)
    by_hand = [
        np.mean(clone(clf).fit(X[train], y[train]).predict(X[test]) == y[test])
        for train, test in folds.split(X, y)
    ]
    np.testing.assert_allclose(cross_val_score(clf, X, y, cv=folds), by_hand)
    assert min(by_hand) > 0.9


# scikit-learn below 1.7 makes an array of the values, of which NumPy below 1.24 warns.
@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged nested sequences")
# A lambda of 1000 is among those searched: it is rightly warned of.
@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
def test_grid_search_over_lambda_and_hidden_units(iris):
    X, y = iris
    grid = {"lambda": [0.1, 1.0, 1000.0], "hidden_layer_sizes": [3, (5, 4)]}
    search = GridSearchCV(BackpropClassifier(random_state=0), grid, cv=3, n_jobs=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 6
    best = search.best_estimator_
    assert best.reg_lambda == search.best_params_["lambda"]
    assert best.hidden_layer_sizes == search.best_params_["hidden_layer_sizes"]
    # A lambda that leaves no weights cannot be the best, and every candidate is its own fit.
    assert best.reg_lambda < 1000.0
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        clf = BackpropClassifier(
            params["hidden_layer_sizes"], reg_lambda=params["lambda"], random_state=0
        )
        np.testing.assert_allclose(cross_val_score(clf, X, y, cv=3).mean(), score)


# Right after a search: on two processors its processes, with one thread each, go on for this.
def test_n_jobs_none_does_not_oversubscribe_in_a_parallel_search():
    with joblib.parallel_backend("loky", inner_max_num_threads=1):
        n_jobs = joblib.Parallel(n_jobs=2)(joblib.delayed(resolve_n_jobs)(None) for _ in range(2))
    assert n_jobs == [1, 1]


# A lambda of 1000 is among those searched: it is rightly warned of.
@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
def test_grid_search_in_a_pipeline_finds_the_key_lambda(iris):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), BackpropClassifier(3, random_state=0))
    search = GridSearchCV(pipeline, {"backpropclassifier__lambda": [1.0, 1000.0]}, cv=3).fit(X, y)
    assert search.best_params_ == {"backpropclassifier__lambda": 1.0}
    assert search.best_estimator_[-1].reg_lambda == 1.0


def test_grid_search_over_options_of_the_solver(iris):
    X, y = iris
    clf = BackpropClassifier(4, solver=SGD(TimeDecay(0.1), batch_size=50), random_state=0)
    grid = {
        "solver__momentum": [0.0, 0.9],
        "solver__learning_rate__initial": [1e-6, 0.5],
    }
    search = GridSearchCV(clf.set_params(max_iter=50, tol=0.05), grid, cv=3)
    with pytest.warns(ConvergenceWarning, match=r"learning rate"):  # 1e-6 goes nowhere
        search.fit(X, y)
    assert search.best_params_["solver__learning_rate__initial"] == 0.5
    assert search.best_estimator_.solver.learning_rate.initial == 0.5
    # The object that was given is not changed by the search.
    assert clf.solver.learning_rate.initial == 0.1


def test_grid_search_over_solvers(iris):
    X, y = iris
    grid = {"solver": ["lbfgs", "cg", Adam(learning_rate=0.05)]}
    clf = BackpropClassifier((), reg_lambda=10.0, random_state=0, tol=1e-3)
    search = GridSearchCV(clf, grid, cv=3).fit(X, y)
    # A convex cost: all solvers come to the same classifier.
    np.testing.assert_allclose(np.ptp(search.cv_results_["mean_test_score"]), 0.0, atol=1e-12)


# A lambda of 1000 is among those searched: it is rightly warned of.
@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
def test_halving_grid_search(iris):
    X, y = iris
    grid = {"lambda": [0.1, 1000.0], "hidden_layer_sizes": [3, 5]}
    search = HalvingGridSearchCV(
        BackpropClassifier(random_state=0), grid, factor=2, cv=3, min_resources=60, random_state=0
    ).fit(X, y)
    assert search.n_iterations_ == 2
    assert search.best_params_["lambda"] == 0.1


def test_calibrated_classifier():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    calibrated = CalibratedClassifierCV(BackpropClassifier(5, random_state=0), cv=3).fit(X, y)
    probabilities = calibrated.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert np.mean(calibrated.predict(X) == y) > 0.97
    # decision_function is what is calibrated: a higher logit, a higher probability.
    logits = calibrated.calibrated_classifiers_[0].estimator.decision_function(X)
    single = calibrated.calibrated_classifiers_[0].predict_proba(X)[:, 1]
    assert (np.diff(single[np.argsort(logits)]) >= 0).all()


def test_one_vs_rest_is_what_k_logistic_units_do(iris):
    X, y = iris
    clf = BackpropClassifier((), reg_lambda=1.0, tol=1e-8)
    together = clone(clf).fit(X, y).decision_function(X)
    separate = OneVsRestClassifier(clf).fit(X, y).decision_function(X)
    np.testing.assert_allclose(together, separate, atol=1e-4)


def test_permutation_importance_sees_which_columns_matter():
    X, y = separable_in_part(300)
    clf = BackpropClassifier(4, random_state=0).fit(X, y)
    importance = permutation_importance(clf, X, y, n_repeats=5, random_state=0).importances_mean
    assert importance[:2].min() > 0.1
    assert np.abs(importance[2:]).max() < 0.05


def test_cross_val_predict_of_probabilities(iris):
    X, y = iris
    clf = BackpropClassifier(4, random_state=0)
    h = cross_val_predict(clf, X, y, cv=3, method="predict_proba")
    np.testing.assert_allclose(h.sum(axis=1), 1.0)
    assert np.mean(h.argmax(axis=1) == y) > 0.9


def test_clone_has_the_parameters_and_nothing_fitted(iris):
    solver = SGD(momentum=0.5)
    clf = BackpropClassifier((4,), 0.5, solver=solver, max_iter=3, tol=10.0, random_state=0)
    copy = clone(clf.fit(*iris))
    assert not hasattr(copy, "theta_")
    assert copy.solver is not clf.solver
    assert copy.get_params()["solver__momentum"] == 0.5
    assert {k: v for k, v in copy.get_params().items() if k != "solver"} == {
        k: v for k, v in clf.get_params().items() if k != "solver"
    }


@pytest.mark.parametrize(
    "save_and_load",
    [
        lambda clf, folder: pickle.loads(pickle.dumps(clf)),
        lambda clf, folder: joblib.load(joblib.dump(clf, folder / "clf.joblib")[0]),
    ],
    ids=["pickle", "joblib"],
)
def test_persistence(save_and_load, iris, tmp_path):
    X, y = iris
    clf = BackpropClassifier((4, 3), random_state=0).fit(X, y)
    loaded = save_and_load(clf, tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    assert loaded.loss_curve_ == clf.loss_curve_
    # Views of theta_ also after loading, which pickle does not keep of stored ones.
    loaded.theta_[0][:] = 0.0
    assert not loaded.coefs_[0].any()
    assert not loaded.intercepts_[0].any()


def test_joblib_memory_map_of_a_fitted_classifier(iris, tmp_path):
    X, y = iris
    clf = BackpropClassifier(4, random_state=0).fit(X, y)
    joblib.dump(clf, tmp_path / "clf.joblib")
    loaded = joblib.load(tmp_path / "clf.joblib", mmap_mode="r")
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


def test_partial_fit_goes_on_after_pickling(iris):
    X, y = iris
    clf = BackpropClassifier(3, solver=SGD(batch_size=10), random_state=0)
    clf.partial_fit(X[::2], y[::2], classes=[0, 1, 2])
    loaded = pickle.loads(pickle.dumps(clf))
    clf.partial_fit(X[1::2], y[1::2])
    loaded.partial_fit(X[1::2], y[1::2])
    for ours, theirs in zip(clf.theta_, loaded.theta_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# -- the key "lambda" --------------------------------------------------------------------


def test_lambda_is_reg_lambda():
    clf = BackpropClassifier()
    assert clf.set_params(**{"lambda": 3.0}) is clf
    assert clf.reg_lambda == 3.0


def test_lambda_is_never_reported():
    clf = BackpropClassifier().set_params(**{"lambda": 3.0})
    assert "lambda" not in clf.get_params()
    assert clf.get_params()["reg_lambda"] == 3.0
    nested = Pipeline([("net", clf)]).get_params()
    assert "net__lambda" not in nested
    assert nested["net__reg_lambda"] == 3.0


def test_lambda_and_reg_lambda_at_once_are_an_error():
    clf = BackpropClassifier(reg_lambda=5.0)
    with pytest.raises(ValueError, match=r"lambda.*reg_lambda"):
        clf.set_params(**{"lambda": 1.0, "reg_lambda": 2.0})
    assert clf.reg_lambda == 5.0
    pipeline = Pipeline([("net", clf)])
    with pytest.raises(ValueError, match=r"lambda.*reg_lambda"):
        pipeline.set_params(**{"net__lambda": 1.0, "net__reg_lambda": 2.0})
    assert clf.reg_lambda == 5.0


def test_lambda_inside_other_estimators():
    one_vs_rest = OneVsRestClassifier(BackpropClassifier())
    assert one_vs_rest.set_params(**{"estimator__lambda": 7.0}).estimator.reg_lambda == 7.0


def test_a_bad_lambda_is_found_by_fit(iris):
    clf = BackpropClassifier().set_params(**{"lambda": -1.0})
    with pytest.raises(ValueError, match="reg_lambda"):
        clf.fit(*iris)


def test_an_unknown_name_is_refused_as_ever():
    with pytest.raises(ValueError, match="Invalid parameter 'lamda'"):
        BackpropClassifier().set_params(lamda=1.0)


# -- in a notebook -------------------------------------------------------------------------


def test_the_html_representation_links_to_the_page_of_the_estimator():
    urls = [url.split(", ") for url in metadata("skbackprop").get_all("Project-URL")]
    page = f"{dict(urls)['Documentation']}/generated/skbackprop.BackpropClassifier.html"
    html = make_pipeline(StandardScaler(), BackpropClassifier())._repr_html_()
    assert f'href="{page}"' in html


def test_the_html_representation_describes_every_parameter():
    pytest.importorskip(
        "sklearn.utils._repr_html.common",
        reason="this scikit-learn shows no descriptions of parameters",
    )
    html = BackpropClassifier()._repr_html_()
    for name in BackpropClassifier().get_params():
        assert re.search(rf">\s*{name}: [^<]+<br><br>\S", html), name
