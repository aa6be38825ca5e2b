"""`sklearn.callback`: every solver tells of its iterations and stops when asked to."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, Objective
from skbackprop.solvers import Adam

callback = pytest.importorskip(
    "sklearn.callback", reason="callbacks came with scikit-learn 1.9; older versions have none"
)
SOLVERS = ["lbfgs", "bfgs", "cg", "gradient_descent", "sgd", "adam"]


class Recorder:
    """Counts tasks, keeps what each iteration could predict with, asks to stop after some."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.begun = self.ended = 0
        self.thetas = []

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context):
        self.begun += context.task_name == "iteration"

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name != "iteration":
            return None
        self.ended += 1
        if fitted_estimator is not None:
            self.thetas.append(fitted_estimator.theta_)
        return self.ended == self.stop_after


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def frame():
    pytest.importorskip("pandas", reason="frames need pandas")
    return load_iris(return_X_y=True, as_frame=True)


def fit(classifier, X, y):
    """Fit a few iterations, which need not converge."""
    with pytest.warns(ConvergenceWarning):
        return classifier.fit(X, y)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_task_for_each_iteration(iris, solver):
    recorder = Recorder()
    clf = BackpropClassifier(5, solver=solver, max_iter=6, tol=1e-9, random_state=0)
    fit(clf.set_callbacks(recorder), *iris)
    assert clf.n_iter_ == 6
    assert len(recorder.thetas) == 6
    assert recorder.begun == recorder.ended == 6


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_estimator_of_an_iteration_is_that_of_a_fit_that_ends_there(iris, solver):
    recorder = Recorder()
    clf = BackpropClassifier(5, solver=solver, max_iter=6, tol=1e-9, random_state=0)
    fit(clf.set_callbacks(recorder), *iris)
    short = fit(BackpropClassifier(**{**clf.get_params(deep=False), "max_iter": 4}), *iris)
    # The best of four is the fourth, as J falls.
    assert short.loss_ == short.loss_curve_[-1]
    for ours, theirs in zip(recorder.thetas[3], short.theta_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_callback_that_asks_to_stop_stops(iris, solver):
    clf = BackpropClassifier(5, solver=solver, random_state=0)
    clf.set_callbacks(Recorder(stop_after=3)).fit(*iris)
    assert clf.n_iter_ == 3
    assert clf.optimize_result_.status == "callback"
    assert clf.optimize_result_.success
    assert "callback" in clf.optimize_result_.message


def test_the_scoring_monitor_has_a_row_for_each_iteration(frame):
    X, y = frame
    monitor = callback.ScoringMonitor(scoring="accuracy")
    clf = BackpropClassifier(5, random_state=0).set_callbacks(monitor).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "iteration"]
    assert len(rows) == clf.n_iter_
    assert rows[-1]["accuracy"] == accuracy_score(y, clf.predict(X))


def test_every_start_is_told_of(iris):
    recorder = Recorder()
    clf = BackpropClassifier(3, n_init=3, n_jobs=1, random_state=0).set_callbacks(recorder)
    clf.fit(*iris)
    assert recorder.begun == recorder.ended > clf.n_iter_


def test_progress_bars_for_a_fit_a_pipeline_and_a_search(iris, capsys):
    pytest.importorskip("rich", reason="scikit-learn draws its progress bars with rich")
    bar = callback.ProgressBar
    BackpropClassifier(5, random_state=0).set_callbacks(bar()).fit(*iris)
    assert "BackpropClassifier - fit" in capsys.readouterr().out
    pipeline = make_pipeline(StandardScaler(), BackpropClassifier(5, random_state=0))
    pipeline.set_callbacks(bar()).fit(*iris)
    assert "BackpropClassifier - fit" in capsys.readouterr().out
    pipeline.set_callbacks()
    search = GridSearchCV(pipeline, {"backpropclassifier__lambda": [0.1, 1.0]}, cv=2)
    search.set_callbacks(bar()).fit(*iris)
    assert "GridSearchCV - fit" in capsys.readouterr().out


def test_a_failed_fit_leaves_nothing_of_the_callbacks(iris):
    X, y = iris
    clf = BackpropClassifier(5, random_state=0).set_callbacks(Recorder())
    before = set(vars(clf))
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(np.full_like(X, np.nan), y)
    assert set(vars(clf)) == before


def test_a_stop_between_two_evaluations_keeps_where_the_fit_has_come(iris):
    X, y = iris
    recorder = Recorder(stop_after=3)  # J over all rows comes after the fifth epoch
    clf = BackpropClassifier((4,), solver=Adam(0.01), random_state=0)
    clf.set_callbacks(recorder).fit(X, y)
    for kept, last in zip(clf.theta_, recorder.thetas[-1], strict=True):
        np.testing.assert_array_equal(kept, last)
    assert clf.n_iter_ == len(clf.loss_curve_) == 3
    assert clf.loss_ == clf.loss_curve_[-1]
    J, _ = Objective(clf.network_, X, y, reg_lambda=1.0)(clf.network_.unroll(clf.theta_))
    np.testing.assert_allclose(clf.loss_, J, rtol=1e-12)


class AtTheEnd(Recorder):
    """Raises an error when the fit has ended."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "fit":
            assert fitted_estimator.predict(np.zeros((1, 4))).shape == (1,)
            raise OSError("No space left on device")


def test_a_callback_that_fails_at_the_end_leaves_the_estimator_as_it_was(iris):
    X, y = iris
    clf = BackpropClassifier(5, random_state=0).fit(X[:, :2], y)
    theta = clf.theta_
    clf.set_callbacks(AtTheEnd())
    with pytest.raises(OSError, match="No space left"):
        clf.fit(X, y)
    assert clf.theta_ is theta
    assert clf.n_features_in_ == 2


class StopsByException(Recorder):
    """Asks to stop in a way that SciPy would take for its own."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "iteration":
            raise StopIteration


@pytest.mark.parametrize("solver", SOLVERS)
def test_stop_iteration_of_a_callback_is_not_swallowed(iris, solver):
    clf = BackpropClassifier(5, solver=solver, random_state=0).set_callbacks(StopsByException())
    with pytest.raises(RuntimeError, match="return True"):
        clf.fit(*iris)
    assert not hasattr(clf, "theta_")
