"""Dropout: hidden units are switched off at random while a network is trained."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray


def dropout_rates(hidden_units: Sequence[int], dropout: float | Sequence[float]) -> NDArray:
    """The probability of dropping a unit, one for each hidden layer.

    Raises
    ------
    ValueError
        If one is not in [0, 1), their number is not that of the hidden layers, or there is
        no hidden layer to drop units of.
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
    """Inverted dropout: 0 with the given probability, else 1 / keep probability.

    One mask of shape (n_rows, s_l) for each hidden layer, None where nothing is dropped.
    """
    if not rates.any():
        return None
    return [
        ((random_state.uniform(size=(n_rows, units)) >= rate) / (1.0 - rate)).astype(dtype)
        for units, rate in zip(hidden_units, rates, strict=True)
    ]
