"""Dropout: hidden units are switched off at random during training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray


def dropout_rates(hidden_units: Sequence[int], dropout: float | Sequence[float]) -> NDArray:
    """The probability of dropping a unit, for each hidden layer.

    Parameters
    ----------
    hidden_units : sequence of int
        Number of units in each hidden layer.
    dropout : float or sequence of float
        One probability for all hidden layers, or one for each.

    Returns
    -------
    rates : ndarray of shape (n_hidden_layers,)

    Raises
    ------
    ValueError
        If a probability is not in [0, 1), if their number is not the number of hidden layers,
        or if it is above 0 for a network without hidden layers.
    """
    n_hidden = len(hidden_units)
    rates = np.asarray(dropout, dtype=np.float64)
    if rates.ndim > 1 or not ((rates >= 0) & (rates < 1)).all():
        raise ValueError(
            "dropout must be a probability in [0, 1), or one for each hidden layer; got "
            f"{dropout!r}."
        )
    if rates.ndim == 1 and len(rates) != n_hidden:
        raise ValueError(
            f"dropout has {len(rates)} probabilities; the network has {n_hidden} hidden layers."
        )
    if rates.ndim == 0 and rates > 0 and not n_hidden:
        raise ValueError("dropout drops hidden units; this network has none.")
    return np.broadcast_to(rates, n_hidden)


def dropout_masks(
    hidden_units: Sequence[int],
    n_rows: int,
    dtype: DTypeLike,
    rates: NDArray,
    random_state: np.random.RandomState,
) -> list[NDArray] | None:
    """Random masks for inverted dropout: 0 for a dropped unit, else 1 / keep probability.

    Parameters
    ----------
    hidden_units : sequence of int
        Number of units in each hidden layer.
    n_rows : int
        Number of rows.
    dtype : dtype
        The precision of the masks.
    rates : ndarray of shape (n_hidden_layers,)
        Dropout probabilities from `dropout_rates`.
    random_state : RandomState
        Source of the random numbers.

    Returns
    -------
    masks : list of ndarrays of shape (n_rows, s_l), or None
        One for each hidden layer; None if all probabilities are 0.
    """
    if not rates.any():
        return None
    return [
        ((random_state.uniform(size=(n_rows, units)) >= rate) / (1.0 - rate)).astype(dtype)
        for units, rate in zip(hidden_units, rates, strict=True)
    ]
