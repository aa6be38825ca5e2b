"""What a network says of rows, in blocks, and what that is worth on held-out rows."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skbackprop.blocks import ArrayRows, RowBlock
from skbackprop.labels import Labels
from skbackprop.monitoring import Validation
from skbackprop.network import Network
from skbackprop.objective import one_hot, partition
from skbackprop.threads import resolve_n_jobs, row_threads
from skbackprop.workspace import Workspace, Workspaces

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


class Scores(NamedTuple):
    """Sums over some held-out examples; those of disjoint examples add up.

    Parameters
    ----------
    weight : float
        The number of examples, or the sum of their weights.
    cost : float
        The sum of their (weighted) costs, without penalty.
    right : float
        The number, or weight, of those with the right label.
    """

    weight: float
    cost: float
    right: float

    def kept(self) -> "Scores":
        """The same sums."""
        return self

    def plus(self, other: "Scores") -> "Scores":
        """The sums over both sets of examples."""
        return Scores(self.weight + other.weight, self.cost + other.cost, self.right + other.right)


def block_scores(
    network: Network,
    labels: Labels,
    theta: NDArray,
    block: RowBlock,
    *,
    workspace: Workspace | None = None,
) -> Scores:
    """The summed cost of some held-out examples, and how many of their labels are right.

    Parameters
    ----------
    network : Network
        The network.
    labels : Labels
        What its outputs stand for.
    theta : ndarray of shape (n_parameters,)
        The unrolled parameters.
    block : RowBlock
        The examples.
    workspace : Workspace, optional
        Buffers to work in.
    """
    X, y, sample_weight = block
    out = workspace.first(X.shape[0]).layers if workspace else None
    Z = network.propagate(network.reshape(theta.astype(X.dtype, copy=False)), X, out=out).logits
    right = labels.indices(Z) == y
    right = right.all(axis=1) if labels.multilabel else right
    costs = network.loss_record.cost_and_delta(Z, one_hot(y, network.n_outputs, Z.dtype))
    weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    return Scores(float(weights.sum()), float(costs @ weights), float(right @ weights))


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
    held_out = ArrayRows(rows)
    block_rows, n_lanes = partition(network, held_out.n_rows, held_out.dtype, held_out.sparse)
    with row_threads(resolve_n_jobs(n_jobs) if held_out.n_rows > block_rows else 1) as lanes:
        sums = held_out.add_up(
            partial(block_scores, network, labels, theta),
            block_rows,
            n_lanes,
            map=lanes,
            borrow=Workspaces(network).borrow,
        )
    return Validation(sums.cost / sums.weight, sums.right / sums.weight)
