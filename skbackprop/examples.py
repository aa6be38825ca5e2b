"""The examples of a fit: weights, class weights, what is set aside, where to start."""

from collections.abc import Sequence
from math import ceil
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_consistent_length

from skbackprop.blocks import RowBlock
from skbackprop.labels import Labels
from skbackprop.network import Network

# What X may be; a type that is not a float of these becomes float64.
X_FORMAT = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}


def check_weights(
    sample_weight: ArrayLike | None, X, name: str = "sample_weight"
) -> NDArray | None:
    """Sample weights as a float64 vector of as many entries as X has rows.

    Raises
    ------
    ValueError
        If there are more or fewer, one is negative or not finite, or all are zero.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(X.shape[0], sample_weight)
    w = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name=name)
    if w.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional; got shape {w.shape}.")
    check_consistent_length(X, w)
    if (w < 0).any():
        raise ValueError(f"{name} has negative values; weights must be at least 0.")
    if not w.any():
        raise ValueError(f"{name} is zero for every example: there is nothing to fit.")
    return w


def class_factors(
    class_weight: dict | str | None, labels: Labels, training: RowBlock
) -> NDArray | None:
    """The factor for the weights of each class, from the training examples.

    Raises
    ------
    ValueError
        If a factor is negative or all are zero, or as `Labels.class_factors`.
    """
    if class_weight is None:
        return None
    factors = labels.class_factors(class_weight, training.y, training.sample_weight)
    if not (factors >= 0).all() or not factors.any():
        raise ValueError(
            "class_weight must be non-negative and not zero for every class; got "
            f"{class_weight!r}."
        )
    return factors


def weigh_classes(rows: RowBlock, factors: NDArray | None) -> RowBlock:
    """Examples with the factors of their classes in their weights."""
    if factors is None:
        return rows
    weights = factors[rows.y]
    if rows.sample_weight is not None:
        weights = weights * rows.sample_weight
    return rows._replace(sample_weight=weights)


def hold_out(
    rows: RowBlock, labels: Labels, fraction: float, rng: np.random.RandomState
) -> tuple[RowBlock, RowBlock]:
    """Training examples and a fraction set aside: stratified, at least a row of each class.

    Examples of several labels have no class to be stratified by.

    Raises
    ------
    ValueError
        If there are too few rows for that, or all rows of one part have weight 0.
    """
    n_rows = rows.X.shape[0]
    n_strata = 1 if labels.multilabel else len(labels.classes)
    n_held_out = max(ceil(fraction * n_rows), n_strata)
    try:
        parts = train_test_split(
            np.arange(n_rows),
            test_size=n_held_out,
            stratify=None if labels.multilabel else rows.y,
            random_state=rng,
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping cannot set aside validation_fraction={fraction} of {n_rows} rows: "
            f"{error} Give more rows, another fraction, or X_val and y_val."
        ) from error
    training, held_out = (rows.take(np.sort(chosen)) for chosen in parts)
    for part in (training, held_out):
        if part.sample_weight is not None and not part.sample_weight.any():
            raise ValueError(
                f"early_stopping has set aside validation_fraction={fraction} of the rows, and "
                "all rows of one part have weight 0. Leave out rows of weight 0, or give X_val "
                "and y_val."
            )
    return training, held_out


def check_theta(network: Network, theta_init: Any) -> NDArray:
    """A starting point, as matrices or unrolled, as an unrolled vector of its own.

    Raises
    ------
    ValueError
        If it does not fit the network or is not finite.
    """
    if not isinstance(theta_init, Sequence | np.ndarray):
        raise ValueError(
            f"theta_init must be a list of matrices or the unrolled vector; got {theta_init!r}."
        )
    unrolled = np.ndim(theta_init[0]) == 0 if len(theta_init) else False
    if unrolled:
        theta = np.array(theta_init, dtype=np.float64)
        network.reshape(theta)
    else:
        theta = network.unroll(list(theta_init))
    if not np.isfinite(theta).all():
        raise ValueError("theta_init has entries that are not finite.")
    return theta
