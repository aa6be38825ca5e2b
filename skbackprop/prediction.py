"""What a network says of rows, in blocks, and what that is worth on held-out rows."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skbackprop.blocks import RowBlock
from skbackprop.labels import Labels
from skbackprop.monitoring import Validation
from skbackprop.network import Network
from skbackprop.objective import one_hot, partition
from skbackprop.threads import resolve_n_jobs, row_threads

# Up to this many float32 rows it is quicker to convert them to float64 than Theta to float32.
FEW_ROWS = 16


def outputs(
    network: Network,
    thetas: list[NDArray],
    X,
    finish: Callable[[NDArray], NDArray],
    n_jobs: int | None = None,
) -> NDArray:
    """What `finish` makes of the logits of all rows, block by block.

    Parameters
    ----------
    network : Network
        The network.
    thetas : list of ndarrays
        Theta^(l), float64.
    X : {ndarray, CSR} of shape (m, n)
        Float examples as rows.
    finish : callable
        ``finish(Z)`` is an array with a row for each row of Z^(L), which has the precision
        of X.
    n_jobs : int, optional
        Threads over row blocks, see `resolve_n_jobs`.

    Returns
    -------
    finished : ndarray of shape (m, ...)
    """
    if X.shape[0] <= FEW_ROWS:
        Z = network.propagate(thetas, X.astype(np.float64, copy=False)).logits
        return np.ascontiguousarray(finish(Z.astype(X.dtype, copy=False)))
    thetas = [Theta.astype(X.dtype, copy=False) for Theta in thetas]
    block_rows, _ = partition(network, X.shape[0], X.dtype, issparse(X))
    none = finish(np.empty((0, network.n_outputs), dtype=X.dtype))
    finished = np.empty((X.shape[0], *none.shape[1:]), dtype=none.dtype)

    def fill(start: int) -> None:
        rows = slice(start, start + block_rows)
        finished[rows] = finish(network.propagate(thetas, X[rows]).logits)

    starts = range(0, X.shape[0], block_rows)
    with row_threads(resolve_n_jobs(n_jobs) if len(starts) > 1 else 1) as map_blocks:
        for _ in map_blocks(fill, starts):
            pass
    return finished


def validation(
    network: Network,
    labels: Labels,
    rows: RowBlock,
    n_jobs: int | None,
    theta: NDArray,
) -> Validation:
    """Mean cost without penalty, and accuracy, on rows that a fit does not see.

    Parameters
    ----------
    network : Network
        The network.
    labels : Labels
        What its outputs stand for.
    rows : RowBlock
        The examples.
    n_jobs : int or None
        Threads over row blocks.
    theta : ndarray of shape (n_parameters,)
        The unrolled parameters.
    """
    X, y, sample_weight = rows
    Z = outputs(network, network.reshape(theta), X, np.asarray, n_jobs)
    right = labels.indices(Z) == y
    right = right.all(axis=1) if labels.multilabel else right
    costs = network.loss_record.cost_and_delta(Z, one_hot(y, network.n_outputs, Z.dtype))
    average = partial(np.average, weights=sample_weight)
    return Validation(float(average(costs.astype(np.float64))), float(average(right)))
