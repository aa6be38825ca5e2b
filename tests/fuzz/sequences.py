"""Random sequences of calls of one estimator: fit, set_params, predict, partial_fit, pickle, ...

A call that raises must leave the estimator as it was, bit by bit; one that returns must leave it
consistent.
"""

import copy
import pickle
import warnings
from collections import Counter

import numpy as np
from cases import parameters, stochastic_solver
from data import features, named_labels, pick, stored, weights
from invariants import consistency_faults, prediction_faults, state, warning_faults, watched
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skbackprop import BackpropClassifier

# What a call may complain about after earlier ones, beside bad arguments.
ERRORS = (ValueError, TypeError, AttributeError, NotFittedError)


def datasets(rng) -> list[tuple]:
    """Some examples that differ in features, classes and storage; the first two go together."""
    found = []
    for n, K in ((3, 2), (3, 2), (5, 2), (3, 4), (3, 0)):
        m = int(rng.integers(10, 60))
        y = rng.integers(0, K, size=m) if K else rng.integers(0, 2, size=(m, 3))
        y[:4] = np.arange(4) % K if K else 1
        X = features(rng, m, n, y if K else y[:, 0])
        found.append((stored(rng, X, pick(rng, "array", "array", "sparse", "frame")), y))
    return found


def run_sequence(seed: int, counts: Counter) -> list[str]:
    """Make some calls; returns the violations, each with the calls that led there."""
    rng = np.random.default_rng(seed)
    data, found, calls = datasets(rng), [], []
    clf = BackpropClassifier(**small_parameters(rng))
    for _ in range(rng.integers(3, 10)):
        name = pick(rng, *CALLS)
        calls.append(name)
        before = state(clf)
        with warnings.catch_warnings(record=True) as caught, watched(found):
            warnings.simplefilter(pick(rng, "always", "always", "always", "error"))
            try:
                result = CALLS[name](rng, clf, data)
            except Exception as error:
                counts[f"call: {type(error).__name__}"] += 1
                if not isinstance(error, (*ERRORS, Warning)):
                    found.append(f"{type(error).__name__}: {error}")
                if isinstance(error, RuntimeWarning):
                    found.append(f"RuntimeWarning: {error}")
                if state(clf) != before:
                    found.append(f"{type(error).__name__} ({error}) has changed the estimator")
            else:
                counts["call: done"] += 1
                if name in UNCHANGING and state(clf) != before:
                    found.append("the estimator has changed")
                if isinstance(result, BackpropClassifier):
                    clf = result
                if isinstance(result, list):
                    found += result
                if hasattr(clf, "theta_"):
                    found += consistency_faults(clf, as_set=name.startswith("fit"))
        found += warning_faults(caught)
        if found:
            return [f"{fault} after {', '.join(calls)}: {clf}" for fault in found]
    return []


def small_parameters(rng) -> dict:
    """Parameters of fits that take milliseconds."""
    params = parameters(rng, 50, 5, np.arange(4))
    if rng.random() < 0.3:  # what has partial_fit
        params |= {
            "solver": stochastic_solver(rng, 0),
            "early_stopping": False,
            "class_weight": None,
        }
    return params | {"max_iter": int(rng.integers(1, 8)), "warm_start": rng.random() < 0.5}


# -- the calls ------------------------------------------------------------------------------


def _fit(rng, clf, data):
    X, y = pick(rng, data[0], data[0], *data)
    return clf.fit(X, y, sample_weight=weights(rng, len(y)))


def _bad_fit(rng, clf, data):
    X, y = pick(rng, *data)
    wrong = pick(rng, {"sample_weight": -np.ones(len(y))}, {"theta_init": [0.0]},
                 {"X_val": X}, {"X_val": X, "y_val": y[:-1]})  # fmt: skip
    clf.fit(X, y, **wrong)
    return ["no error in spite of wrong arguments"]


def _set_params(rng, clf, data):
    new = small_parameters(rng)
    names = list(rng.permutation(list(new))[: rng.integers(1, 5)])
    chosen = {str(name): new[name] for name in names}
    if rng.random() < 0.2:
        chosen |= pick(rng, {"lambda": 2.0}, {"solver__momentum": 0.5}, {"unknown": 1})
    return clf.set_params(**chosen)


def _partial_fit(rng, clf, data):
    X, y = pick(rng, data[0], data[1], *data)
    classes = None if y.ndim == 2 or rng.random() < 0.3 else np.unique(y)
    return clf.partial_fit(X, y, classes=classes, sample_weight=weights(rng, len(y)))


def _predict(rng, clf, data):
    X, _ = pick(rng, *data)
    return prediction_faults(clf, X)


def _pickle(rng, clf, data):
    other = pickle.loads(pickle.dumps(clf))
    if repr(other) != repr(clf) or vars(other).keys() != vars(clf).keys():
        return ["the copy is not the same"]
    if hasattr(clf, "theta_") and repr(other.history_) != repr(clf.history_):
        return ["the copy has another history"]
    if hasattr(clf, "theta_"):
        X = np.zeros((2, clf.n_features_in_))
        if other.predict_proba(X).tobytes() != clf.predict_proba(X).tobytes():
            return ["the copy predicts something else"]
    return other


def _copy(rng, clf, data):
    return copy.deepcopy(clf)


def _clone(rng, clf, data):
    other = clone(clf)
    return ["the clone is fitted"] if hasattr(other, "theta_") else other


def _read(rng, clf, data):
    for name in ("coefs_", "intercepts_", "loss_curve_", "validation_scores_", "classes_"):
        getattr(clf, name)
    repr(clf)
    return None


def _score(rng, clf, data):
    X, y = pick(rng, *data[:2])
    score = clf.score(X, y)
    return [] if 0 <= score <= 1 else [f"the score is {score}"]


def _strange_labels(rng, clf, data):
    X, y = pick(rng, *data)
    return clf.fit(X, named_labels(rng, y))


CALLS = {
    "fit": _fit,
    "fit again": _fit,
    "fit strange labels": _strange_labels,
    "bad fit": _bad_fit,
    "set_params": _set_params,
    "partial_fit": _partial_fit,
    "partial_fit again": _partial_fit,
    "predict": _predict,
    "pickle": _pickle,
    "copy": _copy,
    "clone": _clone,
    "read": _read,
    "score": _score,
}
UNCHANGING = ("predict", "pickle", "copy", "clone", "read", "score")
