"""Preparation of a fit: checks and encoding of the data, weights, classes, validation split."""

from collections.abc import Callable
from copy import copy
from math import ceil
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_array, validate_data

from skbackprop.exceptions import warn_caller
from skbackprop.labels import Labels
from skbackprop.network import Network, is_positive_integer
from skbackprop.rows import RowBlock, check_weights, is_mapped

# Accepted formats of X; other dtypes are converted to float64.
X_FORMAT = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}
# The usual cause of an X_val that is not like X.
UNTRANSFORMED = (
    "In a Pipeline, X_val reaches the classifier untransformed. To have it transformed like X, "
    'enable metadata routing, create the Pipeline with transform_input=["X_val"], and call '
    "set_fit_request(X_val=True, y_val=True) of the classifier."
)


def validated(estimator: Any, X, *y, **options) -> Any:
    """X, or X and y, checked by scikit-learn, whose sum of large features may overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return validate_data(estimator, X, *y, **options, **X_FORMAT)


class Examples(NamedTuple):
    """The checked and encoded data of a fit, and the network for them."""

    # A copy of the estimator that holds the number and names of the features.
    seen: Any
    labels: Labels
    network: Network
    rows: RowBlock


def examples_of(
    estimator: Any,
    X,
    y,
    sample_weight: ArrayLike | None,
    *,
    reset: bool = True,
    labels_of: Callable[[Any], Labels] | None = None,
) -> Examples:
    """Check and encode the data of a fit; the estimator is not changed.

    Parameters
    ----------
    estimator : BackpropClassifier
        Provides the parameters and, unless `reset`, the expected features.
    X, y, sample_weight : array-likes
        The training examples.
    reset : bool, default=True
        Whether the features may differ from those of an earlier fit.
    labels_of : callable, optional
        ``labels_of(y)`` returns the labels; by default those in y.

    Returns
    -------
    examples : Examples
    """
    # scikit-learn sets attributes of the estimator before it raises: give it a copy.
    seen = copy(estimator)
    X, y = validated(seen, X, y, multi_output=True, reset=reset)
    labels = labels_of(y) if labels_of else Labels.of(y, estimator.output_activation == "softmax")
    rows = RowBlock(X, _encoded(labels, y, "y"), check_weights(sample_weight, X.shape[0]))
    return Examples(seen, labels, network_of(estimator, X.shape[1], labels), rows)


def network_of(estimator: Any, n_features: int, labels: Labels) -> Network:
    """The network that the parameters of an estimator describe."""
    sizes = estimator.hidden_layer_sizes
    hidden = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    if not all(is_positive_integer(units) for units in hidden):
        raise ValueError(
            "hidden_layer_sizes must be a positive integer or a sequence of them (empty for "
            f"no hidden layer); got {sizes!r}."
        )
    return Network(
        (n_features, *hidden, labels.n_outputs),
        estimator.activation,
        estimator.output_activation,
        estimator.loss,
    )


def validation_examples(
    examples: Examples, X_val, y_val, sample_weight_val: ArrayLike | None
) -> RowBlock | None:
    """Check and encode the validation examples given to `fit`; None if there are none."""
    if (X_val is None) != (y_val is None) or (X_val is None and sample_weight_val is not None):
        raise ValueError(
            "X_val and y_val must be given together, sample_weight_val only with them."
        )
    if X_val is None:
        return None
    X = _checked_features(examples.seen, X_val)
    try:
        y = check_array(y_val, accept_sparse="csr", ensure_2d=False, dtype=None)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Invalid y_val: {error}") from error
    if y.shape[0] != X.shape[0]:
        raise ValueError(f"X_val has {X.shape[0]} rows, y_val has {y.shape[0]}.")
    weights = check_weights(sample_weight_val, X.shape[0], "sample_weight_val")
    return RowBlock(X, _encoded(examples.labels, y, "y_val"), weights)


def _checked_features(seen: Any, X_val):
    """Check X_val, which must have the features of the training examples."""
    named = BaseEstimator()
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            X = check_array(X_val, **X_FORMAT)
        # Finds the names, if there are any.
        validate_data(named, X_val, skip_check_array=True)
        if X.shape[1] != seen.n_features_in_:
            raise ValueError(f"it has {X.shape[1]} features, X has {seen.n_features_in_}.")
        sides = [hasattr(estimator, "feature_names_in_") for estimator in (seen, named)]
        if all(sides):
            validate_data(seen, X_val, reset=False, skip_check_array=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Invalid X_val: {error}\n{UNTRANSFORMED}") from error
    if any(sides) and not all(sides):
        with_names, without = ("X", "X_val") if sides[0] else ("X_val", "X")
        message = f"{with_names} has feature names, {without} has none. {UNTRANSFORMED}"
        warn_caller(message, UserWarning)
    return X


def _encoded(labels: Labels, y, name: str) -> NDArray:
    """Encode labels, with scikit-learn's warning if they are a column."""
    if not labels.multilabel and y.shape[1:] == (1,):
        warn_caller(
            f"A column-vector {name} was passed when a 1d array was expected; use {name}.ravel().",
            DataConversionWarning,
        )
    return labels.encode(y, name)


def given_starts(estimator: Any, examples: Examples, theta_init) -> list[NDArray]:
    """The start that is not random: `theta_init`, or with `warm_start` the previous fit."""
    network, classes = examples.network, examples.labels.classes
    if theta_init is not None:
        return [network.check_theta(theta_init)]
    if not (estimator.warm_start and hasattr(estimator, "theta_")):
        return []
    if not np.array_equal(classes, estimator.classes_):
        raise ValueError(
            "warm_start needs the classes of the previous fit, "
            f"{estimator.classes_.tolist()}; got {classes.tolist()}."
        )
    if network != estimator.network_:
        raise ValueError(
            f"warm_start needs the network of the previous fit, {estimator.network_}; the "
            f"parameters and X require {network}."
        )
    return [network.check_theta(estimator.theta_)]


def class_factors(
    class_weight: dict | str | None, labels: Labels, training: RowBlock
) -> NDArray | None:
    """The factor for the weights of each class, from the training examples."""
    if class_weight is None:
        return None
    return labels.class_factors(class_weight, training.y, training.sample_weight)


def weigh_classes(rows: RowBlock, factors: NDArray | None, name: str) -> RowBlock:
    """Multiply the weights of examples by the factors of their classes.

    Raises
    ------
    ValueError
        If all weights become zero or one becomes infinite; `name` names the examples.
    """
    if factors is None:
        return rows
    weights = factors[rows.y]
    if rows.sample_weight is not None:
        with np.errstate(over="ignore"):
            weights = weights * rows.sample_weight
    if not weights.any() or not np.isfinite(weights).all():
        raise ValueError(
            f"class_weight times sample_weight leaves the {name} examples without weight, or "
            "with infinite weight."
        )
    return rows._replace(sample_weight=weights)


def hold_out(
    rows: RowBlock, labels: Labels, fraction: float, rng: np.random.RandomState
) -> tuple[RowBlock, RowBlock]:
    """Split off a validation set, stratified, with at least one row per class.

    A multilabel target is split without stratification. Rows of a memory-mapped file stay in the
    file; rows in memory are copied, because passes over contiguous rows are faster.

    Parameters
    ----------
    rows : RowBlock
        The examples.
    labels : Labels
        The labels of the fit.
    fraction : float
        The fraction of the rows to set aside.
    rng : RandomState
        Source of the random numbers.

    Returns
    -------
    training, held_out : RowBlock
        The two parts.

    Raises
    ------
    ValueError
        If there are too few rows for this, or all rows of one part have weight 0.
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
    part_of = rows.pick if is_mapped(rows.X) else rows.take
    training, held_out = (part_of(np.sort(chosen)) for chosen in parts)
    for part in (training, held_out):
        if part.sample_weight is not None and not part.sample_weight.any():
            raise ValueError(
                f"early_stopping has set aside validation_fraction={fraction} of the rows, and "
                "all rows of one part have weight 0. Leave out rows of weight 0, or give X_val "
                "and y_val."
            )
    return training, held_out
