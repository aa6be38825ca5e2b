"""What a fit reports: curves, the result, warnings, the table, and what an interrupt keeps."""

import contextlib
import inspect
import os
import pickle
import signal
import sys
import threading
import time
import warnings

import joblib
import numpy as np
import polars  # noqa: F401, it handles signals too
import pytest
from scipy.optimize import OptimizeResult, minimize
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier, Network, Objective, change_of_variables
from skbackprop.change_of_variables import Preconditioner
from skbackprop.interrupts import Cancellation
from skbackprop.monitoring import Iterate, Progress, Status, StoppingRule
from skbackprop.solvers import (
    CG,
    LBFGS,
    SGD,
    Adam,
    GradientDescent,
    LearningRate,
    TimeDecay,
    stages,
)

FIT = inspect.unwrap(BackpropClassifier.fit).__code__
TIMEOUT = 30  # seconds, for threads that wait for each other
SOLVERS = ["lbfgs", "bfgs", "cg", "gradient_descent", "sgd", "adam"]
EVERY_EPOCH = [SGD(evaluate_every=1), Adam(evaluate_every=1)]


def small(**params):
    return BackpropClassifier((3,), **{"random_state": 0, **params})


# -- curves and the result ---------------------------------------------------------------


@pytest.mark.parametrize("solver", [*SOLVERS[:-2], *EVERY_EPOCH], ids=SOLVERS)
def test_the_loss_curve_has_j_after_each_iteration(iris, solver):
    X, y = iris
    start = Network((4, 3, 3)).initialize(random_state=0)
    objective = Objective(Network((4, 3, 3)), X, y, reg_lambda=1.0)
    clf = small(solver=solver, tol=1e-9)
    with pytest.warns(ConvergenceWarning, match="max_iter=6"):
        whole = clone(clf).set_params(max_iter=6).fit(X, y, theta_init=start)
    assert whole.n_iter_ == len(whole.loss_curve_) == 6
    for n_iter in (1, 2, 5):
        with pytest.warns(ConvergenceWarning, match=f"max_iter={n_iter}"):
            part = clone(clf).set_params(max_iter=n_iter).fit(X, y, theta_init=start)
        assert part.loss_curve_ == whole.loss_curve_[:n_iter]
        # J fell so far, so that the last iterate is the best.
        loss = objective(part.network_.unroll(part.theta_))[0]
        np.testing.assert_allclose(part.loss_curve_[-1], loss, rtol=1e-12)
        assert part.loss_ == part.loss_curve_[-1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["lbfgs", "bfgs"])
def test_max_iter_is_not_exceeded_where_j_no_longer_falls(solver):
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    clf = small(solver=solver, tol=0.0, n_iter_no_change=1)
    n_iter = clone(clf).fit(X, y).n_iter_
    for max_iter in range(n_iter - 4, n_iter):
        assert clone(clf).set_params(max_iter=max_iter).fit(X, y).n_iter_ == max_iter


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_converged_fit(iris, solver):
    X, y = iris
    clf = small(solver=solver, tol=0.05, reg_lambda=3.0, max_iter=5000).fit(X, y)
    result = clf.optimize_result_
    assert result.success
    assert "gradient" in result.message
    assert "tol" in result.message
    assert result.nit == clf.n_iter_ == len(clf.loss_curve_) > 0
    assert result.fun == clf.loss_
    assert result.nfev >= result.nit + 1
    np.testing.assert_array_equal(result.x, clf.network_.unroll(clf.theta_))
    objective = Objective(clf.network_, X, y, reg_lambda=3.0)
    loss, gradient = objective(result.x)
    np.testing.assert_allclose(result.fun, loss, rtol=1e-12)
    np.testing.assert_allclose(result.gradient_max, np.abs(gradient).max(), rtol=1e-9)


@pytest.mark.parametrize("solver", ["gradient_descent", *EVERY_EPOCH], ids=SOLVERS[-3:])
def test_a_gradient_solver_evaluates_j_once_an_iteration(iris, solver):
    with pytest.warns(ConvergenceWarning):
        clf = small(solver=solver, max_iter=7, tol=1e-9).fit(*iris)
    assert clf.optimize_result_.nfev == 8


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_warning_says_how_far_and_why_and_what_to_do(iris, solver):
    with pytest.warns(ConvergenceWarning) as caught:
        clf = small(solver=solver, max_iter=4, tol=1e-7).fit(*iris)
    assert len(caught) == 1
    message = str(caught[0].message)
    result = clf.optimize_result_
    assert not result.success
    assert result.message in message
    assert "max_iter=4" in message
    assert f"J = {clf.loss_:.8g}" in message
    assert f"largest gradient entry {result.gradient_max:.3g}" in message
    assert "tol=1e-07" in message
    assert "4 iterations" in message
    assert f"{result.nfev} evaluations" in message
    advice = message.split("evaluations", 1)[1]
    assert "max_iter" in advice
    if solver in ("gradient_descent", "sgd", "adam"):
        assert "learning rate" in advice
    # It points at the line that called fit.
    assert caught[0].filename == __file__


@pytest.mark.parametrize("solver", ["lbfgs", "bfgs", "cg"])
def test_a_tol_beyond_the_precision_ends_and_says_so(iris, solver):
    # No double is that near to a minimum: the line search must give up, not go on for ever.
    with pytest.warns(ConvergenceWarning, match="line search") as caught:
        clf = small(solver=solver, tol=0.0, max_iter=10**6).fit(*iris)
    assert "J = " in str(caught[0].message)
    assert clf.optimize_result_.gradient_max < 1e-4
    np.testing.assert_allclose(clf.loss_, min(clf.loss_curve_), rtol=1e-12)


@pytest.mark.parametrize("solver", [SGD(TimeDecay(1e-300)), GradientDescent(1e-300)])
def test_no_lower_j_ends_a_fit_with_a_warning(iris, solver):
    with pytest.warns(ConvergenceWarning, match=r"has not decreased for 5 iterations.*rate"):
        clf = small(solver=solver, n_iter_no_change=5).fit(*iris)
    assert clf.n_iter_ == 5
    assert not clf.optimize_result_.success


# -- a learning rate that is too large ---------------------------------------------------


@pytest.mark.parametrize("activation", ["identity", "relu"])
@pytest.mark.parametrize(
    "solver",
    [
        GradientDescent(1e4),
        GradientDescent(1e4, momentum=0.9),
        SGD(1e4),
        SGD(1e4, nesterov=True),
        SGD(1e200),
        Adam(1e200),
        SGD(TimeDecay(1e4, decay=0.0)),
    ],
)
def test_divergence_names_the_rate_and_keeps_the_best(iris, solver, activation):
    X, y = iris
    start = Network((4, 3, 3)).initialize(random_state=0)
    first = Objective(Network((4, 3, 3), activation), X, y, reg_lambda=1.0)(start)[0]
    clf = small(solver=solver, activation=activation)
    with pytest.warns(ConvergenceWarning, match=r"learning rate.*(1e\+200|10000)") as caught:
        clf.fit(X, y, theta_init=start)
    assert [warning.category for warning in caught] == [ConvergenceWarning]
    assert not clf.optimize_result_.success
    assert all(np.isfinite(Theta).all() for Theta in clf.theta_)
    assert np.isfinite(clf.loss_)
    assert clf.loss_ <= first
    assert np.isfinite(clf.predict_proba(X)).all()
    np.testing.assert_allclose(
        Objective(clf.network_, X, y, reg_lambda=1.0)(clf.network_.unroll(clf.theta_))[0],
        clf.loss_,
        rtol=1e-9,
    )


def test_the_best_iterate_is_kept_not_the_last(iris):
    X, y = iris
    # Momentum that oscillates: J goes up and down.
    clf = small(solver=GradientDescent(3.0, momentum=0.95), max_iter=60, n_iter_no_change=60)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y)
    assert clf.loss_ == min(clf.loss_curve_)
    assert clf.loss_curve_[-1] > clf.loss_
    objective = Objective(clf.network_, X, y, reg_lambda=1.0)
    loss = objective(clf.network_.unroll(clf.theta_))[0]
    np.testing.assert_allclose(loss, clf.loss_, rtol=1e-12)


# -- verbose -----------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_verbose_prints_a_line_for_each_iteration(iris, solver, capsys):
    with pytest.warns(ConvergenceWarning):
        clf = small(solver=solver, max_iter=3, tol=1e-9, verbose=1).fit(*iris)
    header, *lines, end = capsys.readouterr().out.splitlines()
    assert "J" in header.split()
    assert end == clf.optimize_result_.message
    assert [int(line.split()[0]) for line in lines] == [0, 1, 2, 3]
    printed = [float(line.split()[1]) for line in lines[1:]]
    np.testing.assert_allclose(printed, clf.loss_curve_, atol=1e-8)
    largest = float(lines[-1].split()[2])
    np.testing.assert_allclose(largest, clf.optimize_result_.gradient_max, rtol=1e-3)


def test_verbose_prints_the_validation_cost(iris, capsys):
    X, y = iris
    with pytest.warns(ConvergenceWarning):
        clf = small(max_iter=3, tol=1e-9, verbose=1).fit(X, y, X_val=X[::2], y_val=y[::2])
    lines = capsys.readouterr().out.splitlines()[2:-1]
    printed = [float(line.split()[3]) for line in lines]
    np.testing.assert_allclose(printed, clf.validation_loss_curve_, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_silent_by_default(iris, solver, capfd):
    with pytest.warns(ConvergenceWarning):
        small(solver=solver, max_iter=3, tol=1e-9).fit(*iris)
    assert capfd.readouterr() == ("", "")


# -- Ctrl-C ------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def sigint_raises():
    """Python's own handler, also where SIGINT is ignored: in a background job of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class CtrlC:
    """A standard output that interrupts the process once it has seen some lines.

    It is written to in the thread of the fit, which goes on when the main thread, to which the
    signal comes, has asked it to end.
    """

    def __init__(self, n_lines, requested):
        self.n_lines, self.requested, self.text = n_lines, requested, ""

    def write(self, text):
        self.text += text
        if text.endswith("\n") and self.text.count("\n") == self.n_lines:
            os.kill(os.getpid(), signal.SIGINT)
            assert self.requested.wait(TIMEOUT)

    def flush(self):
        pass


@pytest.fixture
def ctrl_c_after(monkeypatch):
    """Interrupt a verbose fit after the line of an iteration (there is a header and a start)."""
    requested = threading.Event()
    request = Cancellation.request

    def request_and_tell(self):
        request(self)
        requested.set()

    def after(iteration):
        monkeypatch.setattr(Cancellation, "request", request_and_tell)
        monkeypatch.setattr(sys, "stdout", CtrlC(iteration + 2, requested))

    yield after
    monkeypatch.undo()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("iteration", [0, 1, 5])
def test_an_interrupt_keeps_the_best_so_far(iris, ctrl_c_after, solver, iteration):
    X, y = iris
    start = Network((4, 3, 3)).initialize(random_state=0)
    clf = small(solver=solver, tol=1e-9, verbose=1)
    ctrl_c_after(iteration)
    message = rf"interrupted after {iteration} iterations.*best parameters so far"
    with pytest.warns(ConvergenceWarning, match=message), pytest.raises(KeyboardInterrupt):
        clf.fit(X, y, theta_init=start)
    # What is kept is what a fit of so many iterations has.
    assert len(clf.loss_curve_) == clf.n_iter_ == iteration
    if iteration:
        whole = small(solver=solver, tol=1e-9, max_iter=iteration)
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            whole.fit(X, y, theta_init=start)
        expected = whole.theta_
        assert clf.loss_curve_ == whole.loss_curve_
    else:
        expected = Network((4, 3, 3)).reshape(start)
    for ours, theirs in zip(clf.theta_, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert not clf.optimize_result_.success
    assert "interrupted" in clf.optimize_result_.message
    assert clf.predict(X).shape == (150,)
    np.testing.assert_allclose(
        Objective(clf.network_, X, y, reg_lambda=1.0)(clf.network_.unroll(clf.theta_))[0],
        clf.loss_,
        rtol=1e-12,
    )


def test_an_interrupted_fit_replaces_the_one_before(iris, ctrl_c_after):
    X, y = iris
    clf = small(tol=1e-2).fit(X[:, :2], y)
    ctrl_c_after(3)
    clf.set_params(verbose=1, tol=1e-9)
    with pytest.warns(ConvergenceWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert clf.n_features_in_ == 4
    assert clf.predict(X).shape == (150,)


def test_an_interrupted_fit_can_be_gone_on_with(iris, ctrl_c_after, monkeypatch):
    X, y = iris
    clf = small(verbose=1, warm_start=True)
    ctrl_c_after(3)
    with pytest.warns(ConvergenceWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    loss = clf.loss_
    monkeypatch.undo()
    clf.set_params(verbose=0).fit(X, y)
    assert clf.optimize_result_.success
    assert clf.loss_ < loss
    assert clf.loss_curve_[0] < loss


def test_an_interrupt_goes_on_where_warnings_are_errors(iris, ctrl_c_after):
    ctrl_c_after(3)
    clf = small(verbose=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyboardInterrupt):
            clf.fit(*iris)
    assert clf.n_iter_ >= 1


def test_an_interrupt_ends_a_search(iris, ctrl_c_after):
    ctrl_c_after(3)
    search = GridSearchCV(small(verbose=1), {"lambda": [0.1, 1.0]}, cv=3)
    with pytest.warns(ConvergenceWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        search.fit(*iris)
    assert not hasattr(search, "cv_results_")


def test_an_interrupt_with_early_stopping_keeps_the_best_of_validation(iris, ctrl_c_after):
    X, y = iris
    clf = small(reg_lambda=0.0, tol=1e-9, verbose=1, early_stopping=True, n_iter_no_change=100)
    ctrl_c_after(15)
    with pytest.warns(ConvergenceWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        clf.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    Z = clf.decision_function(X[1::2])
    Y = y[1::2][:, np.newaxis] == clf.classes_
    cost = np.logaddexp(0.0, np.where(Y, -Z, Z)).sum(axis=1).mean()
    np.testing.assert_allclose(cost, min(clf.validation_loss_curve_), rtol=1e-9)


class SmallRate(LearningRate):
    """A rate with which a fit lasts; says when the second step has been made."""

    on_its_way = threading.Event()

    def check(self):
        pass

    def after_step(self, rate, n_steps, n_total):
        if n_steps >= 2:
            self.on_its_way.set()
        return 1e-6


@pytest.mark.parametrize("params", [{}, {"n_init": 3, "n_jobs": 1}, {"n_init": 4, "n_jobs": 2}])
@pytest.mark.parametrize("solver", [GradientDescent(SmallRate()), SGD(SmallRate())])
def test_an_interrupt_at_any_time(iris, solver, params):
    X, y = iris
    # A fit of minutes, interrupted soon after it has begun.
    clf = small(solver=solver, max_iter=10**7, n_iter_no_change=10**8, tol=1e-12, **params)
    SmallRate.on_its_way.clear()
    interrupted = []

    def interrupt():
        if SmallRate.on_its_way.wait(60.0):
            time.sleep(0.1)
            interrupted.append(time.perf_counter())
            # Sent to the process, as by a terminal; raise_signal would send it to this thread.
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.warns(ConvergenceWarning, match="best parameters so far"):
            with pytest.raises(KeyboardInterrupt):
                clf.fit(X, y)
    finally:
        thread.join()
    # Not when a run has come to its end; and polars, which has a handler of its own once it is
    # imported, must not change that.
    assert "polars" in sys.modules
    assert time.perf_counter() - interrupted[0] < 30.0
    # No run has come to its end; the lowest J may be that of a start not yet gone on from.
    assert clf.n_iter_ < 10**7
    assert clf.optimize_result_.status == "interrupted"
    # It has ended: no thread goes on with it.
    n_threads = threading.active_count()
    time.sleep(0.02)
    assert len(clf.loss_curve_) == clf.n_iter_
    assert threading.active_count() <= n_threads
    theta = clf.network_.unroll(clf.theta_)
    loss = Objective(clf.network_, X, y, reg_lambda=1.0)(theta)[0]
    np.testing.assert_allclose(loss, clf.loss_, rtol=1e-12)
    # Threads and limits are given back: another fit is as ever.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        again = small(max_iter=3).fit(X, y)
    assert np.isfinite(again.loss_)


def test_another_error_on_the_way_changes_nothing(iris, monkeypatch):
    class Full:
        def write(self, text):
            raise OSError("No space left on device")

        def flush(self):
            pass

    clf = small().fit(*iris).set_params(verbose=1)
    before = joblib.hash(vars(clf))
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(OSError, match="No space left"):
        clf.fit(*iris)
    monkeypatch.undo()
    assert joblib.hash(vars(clf)) == before


@pytest.mark.parametrize("params", [{}, {"n_init": 3, "n_jobs": 1}, {"n_init": 4, "n_jobs": 2}])
def test_further_interrupts_while_the_fit_ends_change_nothing(iris, params):
    def in_fit(signum, frame):
        """Interrupt a fit, and not the test after it."""
        while frame is not None and frame.f_code is not FIT:
            frame = frame.f_back
        if frame is not None:
            raise KeyboardInterrupt

    def interrupt():
        time.sleep(0.2)
        while not ended.wait(0.001):
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, in_fit)
    clf = small(solver=GradientDescent(1e-6), max_iter=10**6, n_iter_no_change=10**6, **params)
    ended, sender = threading.Event(), threading.Thread(target=interrupt)
    sender.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            with pytest.raises(KeyboardInterrupt):
                clf.fit(*iris)
    finally:
        ended.set()
        sender.join()
    # An interrupt that arrives while what is kept is being said leaves it as it was, or whole.
    if hasattr(clf, "theta_"):
        assert clf.n_iter_ == len(clf.loss_curve_)
        loss = Objective(clf.network_, *iris, reg_lambda=1.0)(clf.optimize_result_.x)[0]
        np.testing.assert_allclose(loss, clf.loss_, rtol=1e-12)


def test_an_interrupt_in_the_head_start_keeps_where_it_has_led(ctrl_c_after):
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    clf = BackpropClassifier(10, verbose=1, random_state=0)
    ctrl_c_after(12)  # in the head start, the first part of a fit of so many rows
    with pytest.warns(ConvergenceWarning, match="interrupted after 0 iterations"):
        with pytest.raises(KeyboardInterrupt):
            clf.fit(X, y)
    assert set(clf.history_["stage"]) == {"head start"}
    assert clf.loss_curve_ == []
    objective = Objective(clf.network_, X, y, reg_lambda=1.0)
    start = clf.network_.initialize(random_state=0, centre=X.mean(axis=0))
    assert objective(clf.optimize_result_.x)[0] == clf.loss_ < 0.9 * objective(start)[0]


def test_an_interrupt_in_float32_states_j_in_float64(ctrl_c_after):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((900, 100)), np.arange(900) % 3
    clf = BackpropClassifier(200, verbose=1, random_state=0)
    ctrl_c_after(3)
    with pytest.warns(ConvergenceWarning, match="interrupted after 3 iterations"):
        with pytest.raises(KeyboardInterrupt):
            clf.fit(X, y)
    assert clf.history_["stage"] == ["float32"] * 3
    objective = Objective(clf.network_, X, y, reg_lambda=1.0)
    assert clf.loss_ == objective(clf.optimize_result_.x)[0]


# -- what is kept is one instant, and the best ---------------------------------------------------


class Iterations:
    """Callbacks that insist on one iteration at a time."""

    under_way = False
    n_ended = 0

    def begin(self):
        self.under_way = True

    def end(self, theta):
        assert self.under_way
        self.under_way = False
        self.n_ended += 1
        return False


def iterate(loss, gradient_max):
    return Iterate(np.array([loss]), loss, np.zeros(1), loss, gradient_max)


@pytest.fixture
def objective(iris):
    return Objective(Network((4, 3, 3)), *iris, reg_lambda=1.0)


def progress_of(objective, **rule):
    progress = Progress(
        StoppingRule(**{"tol": 1e-6, "max_iter": 9, "n_iter_no_change": 9, **rule}),
        callbacks=Iterations(),
    )
    progress.enter("float64", objective)
    return progress


def test_a_small_gradient_far_above_the_lowest_j_is_no_convergence(objective):
    progress = progress_of(objective)
    progress.start(iterate(3.0, 1.0))
    progress.advance(iterate(1.0, 0.5))
    assert progress.advance(iterate(2.0, 1e-9)) is Status.RUNNING
    assert progress.best.loss == 1.0
    # At the minimum J is flat to rounding, and the gradient says where it is.
    assert progress.advance(iterate(1.0 + 1e-15, 1e-9)) is Status.CONVERGED
    assert progress.best.gradient_max == 1e-9


def test_callbacks_hear_of_the_iterations_after_an_end_that_was_none(objective):
    """float64 may not agree that J has converged; a line search may be tried again."""
    progress = progress_of(objective, n_iter_no_change=1)
    progress.enter("float32", objective.astype(np.float32), decides=False)
    progress.start(iterate(2.0, 1.0))
    assert progress.advance(iterate(1.0, 1e-9)) is Status.CONVERGED
    progress.resume()
    progress.enter("float64", objective)
    assert progress.start(iterate(1.0, 1.0)) is Status.RUNNING
    assert progress.advance(iterate(1.5, 1.0)) is Status.NO_CHANGE
    progress.resume()
    progress.start(iterate(1.0, 1.0))
    assert progress.advance(iterate(0.5, 1.0)) is Status.RUNNING
    assert progress.callbacks.n_ended == 3


def test_a_later_stage_does_not_exceed_max_iter(objective):
    progress = progress_of(objective, max_iter=1)
    progress.enter("float32", objective.astype(np.float32), decides=False)
    progress.start(iterate(2.0, 1.0))
    assert progress.advance(iterate(1.0, 1e-9)) is Status.CONVERGED
    progress.resume()
    progress.enter("float64", objective)
    assert progress.start(iterate(1.0, 1.0)) is Status.MAX_ITER


@pytest.mark.parametrize("max_iter", [1, 2, 5, 17, 30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_more_iterations_than_max_iter(max_iter, dtype):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((900, 100)).astype(dtype), np.arange(900) % 3
    clf = BackpropClassifier(200, 30.0, max_iter=max_iter, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y)
    assert clf.n_iter_ == len(clf.loss_curve_) <= max_iter


def test_a_plateau_does_not_override_a_lower_j():
    X, y = load_wine(return_X_y=True)
    clf = BackpropClassifier(
        20,
        0,
        solver=SGD(1.0, evaluate_every=1),
        output_activation="softmax",
        loss="squared_error",
        max_iter=200,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y)
    assert clf.loss_ == min(clf.loss_curve_)


def test_early_stopping_never_rewinds():
    """Validation is lowest early on; J goes on falling from where it was, stage after stage."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2500, 60))
    y = (X[:, 0] + 0.3 * rng.standard_normal(2500) > 0).astype(int)
    clf = BackpropClassifier(
        190, 3.0, tol=1e-6, early_stopping=True, n_iter_no_change=1000, random_state=0
    )
    # Some iterations into the second stage; it would take as many again to the end.
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        clf.set_params(max_iter=350).fit(X[:1500], y[:1500], X_val=X[1500:], y_val=y[1500:])
    losses = np.array(clf.loss_curve_)
    stages = [s for s in clf.history_["stage"] if s != "head start"]
    assert {"float32", "float64"} <= set(stages)
    assert np.argmin(clf.validation_loss_curve_) < len(losses) - 5
    assert (np.diff(losses) <= 1e-6 * losses[1:]).all()


def test_warnings_as_errors_leave_the_estimator_as_it_was(iris):
    clf = small().fit(*iris)
    before = joblib.hash(vars(clf))
    clf.set_params(max_iter=2)
    parameters = joblib.hash(vars(clf))
    assert parameters != before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning):
            clf.fit(*iris)
    assert joblib.hash(vars(clf)) == parameters


# -- history -------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_history_has_an_entry_for_each_iteration(iris, solver):
    X, y = iris
    with pytest.warns(ConvergenceWarning):
        clf = small(solver=solver, max_iter=7, tol=1e-12).fit(X, y, X_val=X[::3], y_val=y[::3])
    history = clf.history_
    assert {len(column) for column in history.values()} == {7}
    assert history["iteration"] == list(range(1, 8))
    assert history["rows"] == [150] * 7
    assert history["loss"] == clf.loss_curve_
    assert history["validation_loss"] == clf.validation_loss_curve_
    assert history["validation_score"] == clf.validation_scores_
    assert history["seconds"] == sorted(history["seconds"])
    assert history["n_evaluations"] == sorted(history["n_evaluations"])
    assert all(length > 0 for length in history["step_length"])
    best = int(np.argmin(history["loss"]))
    assert history["gradient_max"][best] == clf.optimize_result_.gradient_max


def test_step_lengths_are_those_of_theta(iris):
    X, y = iris
    start = Network((4, 3, 3)).initialize(random_state=0)
    thetas = [start]
    for n_iter in (1, 2, 3):
        clf = small(max_iter=n_iter, tol=1e-9)
        with pytest.warns(ConvergenceWarning):
            clf.fit(X, y, theta_init=start)
        thetas.append(clf.optimize_result_.x)
    expected = np.linalg.norm(np.diff(thetas, axis=0), axis=1)
    np.testing.assert_allclose(clf.history_["step_length"], expected, rtol=1e-12)


def test_the_history_is_a_frame_and_travels(iris):
    pandas = pytest.importorskip("pandas", reason="frames need pandas")
    clf = small(early_stopping=True).fit(*iris)
    frame = pandas.DataFrame(pickle.loads(pickle.dumps(clf)).history_)
    assert len(frame) == clf.n_iter_
    assert frame.notna().all(axis=None)


# -- stages --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def test_the_head_start_is_seen_in_the_history_and_in_the_table(digits, capsys):
    clf = BackpropClassifier(10, 3.0, verbose=1, random_state=0).fit(*digits)
    history = clf.history_
    sampled = [i for i, stage in enumerate(history["stage"]) if stage == "head start"]
    # One in 17 and in 5 of 1797 rows; one in 61 would be fewer than 100.
    assert [history["rows"][i] for i in sampled] == [106] * 20 + [360] * 20
    assert {history["iteration"][i] for i in sampled} == {0}
    assert clf.n_iter_ == len(clf.loss_curve_) == len(history["loss"]) - len(sampled)
    assert {history["n_evaluations"][i] for i in sampled} == {1}
    printed = capsys.readouterr().out
    assert printed.count("head start, 106 rows") == 21  # and where it starts from
    assert printed.splitlines()[-1] == clf.optimize_result_.message


def test_a_larger_verbose_prints_fewer_lines(digits, capsys):
    clf = BackpropClassifier(10, 3.0, verbose=7, random_state=0).fit(*digits)
    _, *lines, _ = capsys.readouterr().out.splitlines()
    sampled = [line for line in lines if "head start" in line]
    numbers = [int(line.split()[0]) for line in lines if "head start" not in line]
    assert len(sampled) == 6  # of 42, with where the two parts start from
    assert numbers[-1] == clf.n_iter_
    assert set(numbers[:-1]) == set(range(0, clf.n_iter_, 7))


@pytest.mark.parametrize("solver", [LBFGS, CG])
def test_each_shortcut_can_be_switched_off(digits, solver):
    plain = solver(head_start=False, change_of_variables=False, float32_stage=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf = BackpropClassifier(10, 3.0, solver=plain, max_iter=25, random_state=0).fit(*digits)
    assert set(clf.history_["stage"]) == {"float64"}
    if solver is LBFGS:
        # SciPy's own path from the same start.
        objective = Objective(clf.network_, *digits, reg_lambda=3.0)
        start = clf.network_.initialize(random_state=0, centre=digits[0].mean(axis=0))
        options = {"maxcor": 30, "maxls": 50, "maxiter": 25, "ftol": 0.0, "gtol": 0.0}
        expected = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
        np.testing.assert_allclose(clf.loss_, expected.fun, rtol=1e-9)


def test_a_line_search_that_fails_goes_on_in_plain_variables(digits, monkeypatch):
    """However bad a change of variables is, it does not decide where the fit ends."""
    X, y = digits

    def useless(S):
        # So far apart that no step within the limit of a line search is short enough.
        scales = np.logspace(-140, 140, len(S))
        return Preconditioner(np.diag(scales), np.diag(1.0 / scales))

    monkeypatch.setattr(change_of_variables, "delta_preconditioner", useless)
    clf = BackpropClassifier((8, 8), 30.0, max_iter=3000, random_state=0).fit(X, y)
    assert clf.optimize_result_.status == "converged"
    assert "plain" in clf.history_["stage"]
    _, D = Objective(clf.network_, X, y, reg_lambda=30.0)(clf.optimize_result_.x)
    assert np.abs(D).max() <= clf.tol


def test_a_head_start_may_lead_to_the_minimum():
    """Each part of the rows has the same examples as often: its minimum is that of all."""
    X, y = np.tile([[-1.0], [0.5], [2.0]], (1050, 1)), np.tile([0, 1, 1], 1050)
    clf = BackpropClassifier((), reg_lambda=300.0, tol=1e-7, random_state=0).fit(X, y)
    objective = Objective(clf.network_, X, y, reg_lambda=300.0)
    J, D = objective(clf.optimize_result_.x)
    assert clf.optimize_result_.status == "converged"
    assert J == clf.loss_ < objective(clf.network_.initialize(random_state=0))[0]
    assert np.abs(D).max() <= 1e-7


def test_without_a_lower_j_after_the_head_start_the_fit_begins_anew(digits, monkeypatch):
    calls = []

    def minimize(evaluate, z, **options):
        # The head start on one row in 17 and in 5, then float64 and plain without an iteration.
        calls.append(z)
        if len(calls) in (3, 4):
            return OptimizeResult(x=z, message="no step")
        return optimize(evaluate, z, **options)

    optimize = stages.minimize
    monkeypatch.setattr(stages, "minimize", minimize)
    X, y = digits
    start = Network((X.shape[1], 3, 10)).initialize(random_state=0)
    clf = small(solver=LBFGS(float32_stage=False), max_iter=20, tol=0.0)
    with pytest.warns(ConvergenceWarning, match="max_iter=20"):
        clf.fit(X, y, theta_init=start)
    assert len(calls) >= 5
    np.testing.assert_array_equal(calls[4], start)
    assert clf.n_iter_ == 20
    assert clf.loss_ < Objective(clf.network_, X, y, reg_lambda=1.0)(start)[0]


def test_an_accepted_point_that_was_not_evaluated_is_evaluated(iris, monkeypatch):
    def minimize(evaluate, z, *, callback, **options):
        z = z - 0.01 * evaluate(z)[1]
        with contextlib.suppress(StopIteration):
            callback(OptimizeResult(x=z))
        return OptimizeResult(x=z, message="done")

    monkeypatch.setattr(stages, "minimize", minimize)
    X, y = iris
    with pytest.warns(ConvergenceWarning):
        clf = small(max_iter=1).fit(X, y)
    theta = clf.network_.unroll(clf.theta_)
    J = Objective(clf.network_, X, y, reg_lambda=1.0)(theta)[0]
    assert clf.loss_curve_ == [clf.loss_]
    np.testing.assert_allclose(clf.loss_, J, rtol=1e-12)


class Interrupting(LearningRate):
    """Raises KeyboardInterrupt itself, as a function of the user's may."""

    def check(self):
        pass

    def after_step(self, rate, n_steps, n_total):
        if n_steps == 5:
            raise KeyboardInterrupt
        return 0.1


@pytest.mark.parametrize("params", [{}, {"n_init": 2, "n_jobs": 2}])
def test_an_interrupt_raised_within_the_fit_keeps_the_best(iris, params):
    X, y = iris
    clf = small(solver=GradientDescent(Interrupting()), **params)
    with pytest.warns(ConvergenceWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert clf.optimize_result_.status == "interrupted"
    assert clf.n_iter_ == len(clf.loss_curve_)
    theta = clf.network_.unroll(clf.theta_)
    J = Objective(clf.network_, X, y, reg_lambda=1.0)(theta)[0]
    np.testing.assert_allclose(clf.loss_, J, rtol=1e-12)
