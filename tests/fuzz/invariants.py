"""What has to hold after every fit, and after every error."""

import gc
import pickle
import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from time import monotonic, perf_counter, sleep

import numpy as np
import pandas as pd
import polars as pl
from cases import Case
from formula import formula_faults
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from threadpoolctl import ThreadpoolController

from skbackprop import Objective
from skbackprop.exceptions import CollapsedFitWarning

# Seconds after which a case counts as hanging.
BOUND = 100
# The errors that a fit to usable data may raise, and those that need extreme numbers.
REASONS = (
    "early_stopping cannot set aside",
    "early_stopping has set aside",
    "of the validation rows is zero for every example",
    "class_weight='balanced' cannot compensate",
    "needs samples of at least 2 classes",
    "refused beyond 5000 parameters",
    "without weight, or with infinite weight",
    "dropout drops hidden units; this network has none",
    "warm_start needs",
    "picks single rows for its mini-batches",
    "Expected unique column names",  # scikit-learn's, from 1.9 on
)
EXTREME_REASONS = (
    "J is not finite at the start",
    "is not a finite number; scale the weights",
    "contains NaN or infinity",
    "infinity or a value too large",
)
# scikit-learn's own: a column for y, as many classes as in a regression, names of features.
FOREIGN_WARNINGS = (
    "A column-vector y",
    "The number of unique classes is greater than 50%",
    "pandas.DataFrame with sparse columns found",
    "valid feature names",
    "X has feature names",
)
ERRORS = (ValueError, TypeError, AttributeError, NotFittedError)
BLAS = ThreadpoolController().select(user_api="blas").lib_controllers


def blas_threads() -> list[int]:
    """The number of threads of each BLAS library."""
    return [library.num_threads for library in BLAS]


class Hanging(BaseException):
    """A case has taken too long."""


@contextmanager
def watched(found: list[str], own_threads: bool = True):
    """Add to `found` what is wrong with the time, the threads and the limits of the BLAS.

    Without `own_threads` threads may be left, as those that Dask keeps.
    """
    threads, limits, began = set(sys._current_frames()), blas_threads(), perf_counter()

    def too_long(*_):
        raise Hanging

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(BOUND)
    try:
        yield
    except Hanging:
        found.append(f"it has not ended after {perf_counter() - began:.0f} s")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    deadline = monotonic() + 5.0
    while own_threads and set(sys._current_frames()) - threads and monotonic() < deadline:
        sleep(0.001)
    if own_threads and (left := set(sys._current_frames()) - threads):
        found.append(f"threads are left: {[t for t in threading.enumerate() if t.ident in left]}")
    if blas_threads() != limits:
        gc.collect()  # a hold of the limit may be part of a cycle
        found.append(f"the BLAS has {blas_threads()} threads instead of {limits}")


# -- inputs and estimators stay as they are -----------------------------------------------------


def snapshot(value):
    """Something that differs if the contents of an argument have changed."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.strides, value.flags.writeable, value.tobytes()
    if sparse.issparse(value):
        parts = ("data", "indices", "indptr", "row", "col", "offsets", "rows")
        if value.format == "dok":
            return dict(value.items())
        return [pickle.dumps(getattr(value, part)) for part in parts if hasattr(value, part)]
    if isinstance(value, pd.DataFrame | pd.Series):
        return repr(getattr(value, "dtypes", None)), value.to_csv(), repr(value.axes)
    if isinstance(value, pl.DataFrame | pl.Series):
        return pickle.dumps(value.to_numpy())
    return pickle.dumps(value) if isinstance(value, list) else repr(value)


def state(clf) -> bytes:
    """The whole state of an estimator."""
    return pickle.dumps(clf.__getstate__())


# -- errors and warnings -------------------------------------------------------------------------


def error_faults(case: Case, error: BaseException) -> list[str]:
    """Faults of an error that a fit has raised."""
    if not isinstance(error, ERRORS):
        return [f"{type(error).__name__}: {error}"]
    if case.spoilt or isinstance(error, NotFittedError):
        return []
    text = str(error)
    reasons = REASONS + (EXTREME_REASONS if case.extreme else ())
    if not any(reason in text for reason in reasons):
        return [f"an unexpected {type(error).__name__}: {text[:300]}"]
    return []


def warning_faults(caught: list) -> list[str]:
    """Faults of the warnings of a fit."""
    return [
        f"{w.category.__name__}: {w.message} ({w.filename}:{w.lineno})"
        for w in caught
        if not (
            issubclass(w.category, ConvergenceWarning | CollapsedFitWarning)
            or any(text in str(w.message) for text in FOREIGN_WARNINGS)
        )
    ]


# -- a fitted estimator ---------------------------------------------------------------------


def consistency_faults(clf, as_set: bool = True) -> list[str]:
    """Faults that a fitted estimator shows by itself; `as_set`: its parameters are of the fit."""
    found = []
    theta, result = clf.network_.unroll(clf.theta_), clf.optimize_result_
    if not np.isfinite(theta).all():
        found.append("theta_ is not finite")
    if not np.array_equal(theta, result.x):
        found.append("theta_ is not the x of optimize_result_")
    if not (np.isfinite(clf.loss_) and clf.loss_ == result.fun):
        found.append(f"loss_ is {clf.loss_}, optimize_result_.fun {result.fun}")
    curves = [len(clf.loss_curve_)]
    curves += [len(c) for c in (clf.validation_loss_curve_, clf.validation_scores_) if c]
    if set(curves) != {clf.n_iter_}:
        found.append(f"the curves have lengths {curves}, n_iter_ is {clf.n_iter_}")
    if result.nit != clf.n_iter_:
        found.append(f"nit is {result.nit}, n_iter_ is {clf.n_iter_}")
    if as_set and result.status != "partial" and clf.n_iter_ > clf.max_iter:
        found.append(f"n_iter_={clf.n_iter_} exceeds max_iter={clf.max_iter}")
    return found


def prediction_faults(clf, X) -> list[str]:
    """Faults of the predictions for X."""
    found = []
    h, log_h, y = clf.predict_proba(X), clf.predict_log_proba(X), clf.predict(X)
    h, log_h, y = np.asarray(h), np.asarray(log_h), np.asarray(y)
    if len(clf.decision_function(X)) != len(y):
        found.append("there are more or fewer logits than labels")
    if not (np.isfinite(h).all() and (h >= 0).all() and (h <= 1 + 1e-6).all()):
        found.append("probabilities are not between 0 and 1")
    if np.isnan(log_h).any() or (log_h > 1e-6).any():
        found.append("logarithms of probabilities are not at most 0")
    if y.ndim == 1:
        if not np.isin(y, clf.classes_).all():
            found.append("a predicted label is not among the classes")
        if np.abs(h.sum(axis=1) - 1).max(initial=0) > 1e-5:
            found.append("probabilities do not sum to 1")
    return found


def fit_faults(clf, case: Case, caught: list) -> list[str]:
    """Faults of what a fit has found: J and its gradient, recomputed on the same rows."""
    found = []
    objective, examples = objective_of(clf, case)
    theta = clf.network_.unroll(clf.theta_)
    result = clf.optimize_result_
    with np.errstate(all="ignore"):
        # Rows in float32 are worked on in float64, too, where the fit ends.
        values = [objective.astype(dtype)(theta) for dtype in (objective.dtype, np.float64)]
        J, D = min(values, key=lambda value: np.nan_to_num(abs(value[0] - clf.loss_), nan=np.inf))
        gradient = np.abs(D).max()
        noise = 1e-9 * result.gradient_max
        if not abs(J - clf.loss_) <= 1e-9 * abs(J):
            found.append(f"loss_ is {clf.loss_!r}, J is {J!r}")
        elif not abs(gradient - result.gradient_max) <= noise:
            found.append(f"gradient_max is {result.gradient_max}, now {gradient}")
        status = result.status
        silent = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
        if silent and status not in ("converged", "early_stopping"):
            found.append(f"no warning though {status}")
        if status == "converged" and not gradient <= clf.tol + noise:
            found.append(f"converged, but the largest entry of the gradient is {gradient:.3g}")
        watch_validation = clf.early_stopping
        exact = not getattr(clf.solver, "stochastic", clf.solver in ("sgd", "adam"))
        curve = [J for J in clf.loss_curve_ if np.isfinite(J)]
        if exact and not watch_validation and curve:
            lowest = min(curve)
            if clf.loss_ > lowest + 1e-5 * abs(lowest):
                found.append(f"loss_ is {clf.loss_!r}, the lowest J of the curve {lowest!r}")
        start = case.fit.get("theta_init")
        if start is not None and not watch_validation and "n_init" not in case.params:
            J_start = objective(start)[0]
            if clf.loss_ > J_start + 1e-4 * abs(J_start):
                found.append(f"loss_ is {clf.loss_!r}, J at the start {J_start!r}")
        if examples is not None:
            found += formula_faults(clf, case, examples, J, D)
    return found


def bit_faults(clf, case: Case) -> list[str]:
    """Faults of the same fit with other threads, rows in another order in memory, and pickled."""
    theta = clf.network_.unroll(clf.theta_)
    found = []
    others = {"other threads": (case.estimator().set_params(n_jobs=3), case.X)}
    if isinstance(case.X, np.ndarray):
        others["Fortran order"] = (case.estimator(), np.asfortranarray(case.X))
        others["C order"] = (case.estimator(), np.ascontiguousarray(case.X))
    for name, (other, X) in others.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other.fit(X, case.y, **case.fit)
        if not np.array_equal(other.network_.unroll(other.theta_), theta):
            found.append(f"with {name} the fit has other bits")
    h, loaded = clf.predict_proba(case.X), pickle.loads(pickle.dumps(clf))
    if not np.array_equal(loaded.predict_proba(case.X), h):
        found.append("after pickling the predictions have other bits")
    return found


def objective_of(clf, case: Case):
    """J on the training rows of a fit, from the same source."""
    weights = [case.fit.get(name) for name in ("X_val", "y_val", "sample_weight_val")]
    rng = np.random.RandomState(clf.random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        examples, rows, _ = clf._sources(
            case.X, case.y, case.fit.get("sample_weight"), tuple(weights), rng
        )
    objective = Objective.from_rows(
        clf.network_, rows, reg_lambda=clf.reg_lambda, penalty=clf.penalty
    )
    return objective, (examples.rows if hasattr(rows, "examples") else None)
