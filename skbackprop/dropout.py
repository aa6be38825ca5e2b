"""Dropout: hidden units are switched off at random while a network is trained."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skbackprop.network import Network


def dropout_rates(network: Network, dropout: float | Sequence[float]) -> NDArray:
    """The probability of dropping a unit, one for each hidden layer.

    Raises
    ------
    ValueError
        If one is not in [0, 1), their number is not that of the hidden layers, or there is
        no hidden layer to drop units of.
    """
    n_hidden = len(network.layer_sizes) - 2
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
    network: Network,
    X,
    dropout: float | Sequence[float],
    random_state: np.random.RandomState | None,
) -> list[NDArray] | None:
    """Inverted dropout: 0 with the given probability, else 1 / keep probability.

    One mask of shape (rows, s_l) for each hidden layer, None where nothing is dropped.
    """
    rates = dropout_rates(network, dropout)
    if not rates.any():
        return None
    rng = check_random_state(random_state)
    return [
        ((rng.uniform(size=(X.shape[0], units)) >= rate) / (1.0 - rate)).astype(X.dtype)
        for units, rate in zip(network.layer_sizes[1:-1], rates, strict=True)
    ]
