"""Functions of one partition of the rows, and of the facts about all of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse, vstack
from sklearn.utils import check_array, check_consistent_length

from skbackprop.classifier import BackpropClassifier
from skbackprop.fitted import FEATURE_ATTRIBUTES
from skbackprop.interrupts import Cancellation
from skbackprop.labels import Labels
from skbackprop.preparation import X_FORMAT, validated
from skbackprop.rows import ArrayRows, RowBlock, check_weights


class Job(NamedTuple):
    """A function of the rows of a partition, with all that is needed to build these rows."""

    function: Callable[[ArrayRows], Any]
    factors: NDArray | None
    mean_weight: float
    dtype: np.dtype
    step: int
    cancellation: Cancellation | None

    def __call__(self, first: int, X, coded: tuple, picked: NDArray | None) -> Any:
        """The value of the function for one row in `step`, from `first` on."""
        y, w = coded
        examples = RowBlock(as_floats(X), y, w)
        if picked is not None:
            examples = examples.pick(picked)
        if self.factors is not None:
            weights = self.factors[examples.y]
            w = examples.sample_weight
            examples = examples._replace(sample_weight=weights if w is None else weights * w)
        rows = ArrayRows.of(examples, 1, self.mean_weight).astype(self.dtype)
        with rows.every_nth(self.step, first).running(self.cancellation) as rows:
            return self.function(rows)


def as_floats(X):
    """A partition as an array or CSR of floats; unchanged if it is one."""
    X = check_array(X, ensure_all_finite=False, ensure_min_samples=0, **X_FORMAT)
    # Data from a network may not be aligned in memory; each product would copy them.
    return X if issparse(X) else np.require(X, requirements="A")


def concatenated(parts: Sequence) -> Any:
    """Concatenate the rows of arrays or CSR matrices; None stays None."""
    if parts[0] is None:
        return None
    return vstack(parts, format="csr") if issparse(parts[0]) else np.concatenate(parts)


class Facts(NamedTuple):
    """The facts about a partition that a fit needs; an empty partition has none.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    features : dict
        The fitted attributes that describe the features.
    dtype : dtype
        The precision of the features.
    labels : ndarray
        The distinct labels, or some rows of a multilabel target.
    aligned : bool
        Whether the features are aligned in memory, as products need them.
    """

    n_rows: int
    features: dict
    dtype: np.dtype
    labels: NDArray
    aligned: bool


def examine(name: str, X, y, sample_weight) -> Facts | None:
    """The facts about a partition; raises an error that names it if its data are invalid."""
    try:
        check_consistent_length(X, y, sample_weight)
        if not X.shape[0]:
            return None
        seen = BackpropClassifier()
        X, y = validated(seen, X, y, multi_output=True)
        partition_weights(sample_weight)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error
    features = {key: vars(seen)[key] for key in FEATURE_ATTRIBUTES if key in vars(seen)}
    one_column = y.ndim == 1 or y.shape[1] == 1
    found = np.unique(y) if one_column else y[:2]
    return Facts(X.shape[0], features, X.dtype, found, issparse(X) or X.flags.aligned)


def partition_weights(sample_weight) -> NDArray | None:
    """Checked weights, which may all be zero in a single partition."""
    if sample_weight is None:
        return None
    w = np.asarray(sample_weight, dtype=np.float64)
    return check_weights(w, w.shape[0]) if w.any() else np.zeros(w.shape[0])


def code(name: str, y, sample_weight, labels: Labels) -> tuple[NDArray, NDArray | None]:
    """Class indices (or targets) and weights."""
    try:
        # Series and dataframes become arrays, like X.
        y = check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None)
        return labels.encode(y), partition_weights(sample_weight)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def strata(labels: Labels, coded: tuple) -> NDArray:
    """The class of each row; 0 for all rows of a multilabel target."""
    y, _ = coded
    return np.zeros(len(y), dtype=int) if labels.multilabel else y


def totals(labels: Labels, coded: tuple, picked: NDArray | None, weigh: bool) -> NDArray:
    """The number, or the weight, of the rows of each class."""
    y, (_, w) = strata(labels, coded), coded
    if picked is not None:
        y, w = y[picked], w if w is None else w[picked]
    n_strata = 1 if labels.multilabel else len(labels.classes)
    return np.bincount(y, weights=w if weigh else None, minlength=n_strata)


def pick(labels: Labels, coded: tuple, quota: NDArray, seed: int) -> tuple[NDArray, NDArray]:
    """The numbers of the rows for training, and of those set aside: `quota` of each class."""
    y, rng = strata(labels, coded), np.random.RandomState(seed)
    aside = np.zeros(len(y), dtype=bool)
    for k, n in enumerate(quota):
        aside[rng.choice(np.flatnonzero(y == k), n, replace=False)] = True
    return np.flatnonzero(~aside), np.flatnonzero(aside)


def quotas(counts: NDArray, fraction: float) -> NDArray:
    """The number of rows of each class that each partition sets aside.

    Parameters
    ----------
    counts : ndarray of shape (n_partitions, n_classes)
        Number of rows of each class.
    fraction : float
        The fraction to set aside: at least one row of each class, and not all.
    """
    n = counts.sum(axis=0)
    if n.min() < 2:
        raise ValueError(
            f"early_stopping cannot set aside validation_fraction={fraction} of the rows: the "
            "least populated class has only 1 member. Give more rows, or X_val and y_val."
        )
    n_aside = np.clip(np.round(fraction * n), 1, n - 1)
    shares = np.floor(np.cumsum(counts, axis=0) * (n_aside / n) + 1e-9).astype(int)
    return np.diff(shares, axis=0, prepend=0)
