"""Where the rows come from, and how a function of blocks of rows is run over all of them.

Cost and gradient are sums over examples, so any partition of the rows gives the same answer up
to rounding. A source of rows decides by itself how large its blocks are, which threads work on
them and in which buffers; what is computed comes to it as a function of a block. The seam is

- ``n_rows``, ``weight``, ``has_weight``, ``dtype``: how many rows, what they weigh, the precision;
- ``add_up(function)``: the sum of the function over all blocks, in a fixed order;
- ``running(cancellation)``: a context that gives the same rows with their threads and buffers
  open, for several passes;
- ``astype(dtype)``, ``every_nth(n)``, ``on_threads(n)``: the same rows, or some, differently;
- ``gather(n)``: at most n rows as a block in memory;
- ``block(indices)``: chosen rows, only where rows can be picked; stochastic solvers need it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from math import ceil
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.sparse import issparse

from skbackprop.interrupts import Cancellation, shielded
from skbackprop.network import Network
from skbackprop.threads import row_threads
from skbackprop.workspace import Workspace, Workspaces

# A block's activations of all layers: about what a core's second-level cache holds.
BLOCK_BYTES = 2**22
# A block's features, which are read twice, while they are still in the third-level cache.
FEATURE_BYTES = 2**23
SPARSE_BLOCK_ROWS = 4096
# Lanes: enough for the cores of a workstation, fewer where each holds a large gradient.
MAX_LANES = 16
LANE_PARAMETERS = 2**23
# Multiplications of one forward propagation, times the bytes of a number, from which threads
# win more than they cost.
THREADING_BYTES = 2**26


class RowBlock(NamedTuple):
    """Some examples: what one call of the mathematics sees of the data.

    Parameters
    ----------
    X : {ndarray, CSR} of shape (rows, n)
        The features.
    y : ndarray of shape (rows,) or (rows, K), or None
        Class indices, or targets for each output unit; None where only outputs are wanted.
    sample_weight : ndarray of shape (rows,) or None
        The weight of each example; None is one for all.
    """

    X: Any  # dense or CSR
    y: Any = None
    sample_weight: NDArray | None = None

    def take(self, rows: slice | NDArray) -> "RowBlock":
        """The examples of a slice, or of an array of row numbers."""
        return RowBlock(*(part if part is None else part[rows] for part in self))


class Sum(Protocol):
    """Something that is a sum over rows and can be added to another of its kind."""

    def copy(self): ...

    def add_(self, other): ...


S = TypeVar("S", bound=Sum)
T = TypeVar("T")


class BlockFunction(Protocol):
    """A function of a block of rows, such as the summed cost and gradient at a theta.

    It should be a small record that can be pickled, so that it can be sent to where rows are.
    """

    @property
    def network(self) -> Network:
        """The network whose layers the rows pass through; blocks are sized for it."""

    def __call__(self, block: RowBlock, workspace: Workspace | None = None) -> Any: ...


class Workers:
    """The threads and buffers of passes over rows, while they are open.

    Parameters
    ----------
    map : callable
        Applies a function to each of several items, in threads.
    cancellation : Cancellation
        Asked before each block whether to go on.
    """

    def __init__(self, map: Callable, cancellation: Cancellation):
        self.map = map
        self.cancellation = cancellation
        self.workspaces = Workspaces()


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows of an array in memory, dense or CSR, or of a memory-mapped file.

    Weights are kept relative to their mean, so that neither their products with small numbers
    vanish nor their sums overflow; m, the sum of the weights as given, is `weight`.

    Parameters
    ----------
    examples : RowBlock
        All of them, with weights relative to `mean_weight`; X is float32 or float64 and is
        sliced, never copied as a whole.
    mean_weight : float
        The mean weight of a row.
    dtype : dtype
        The precision of the arithmetic; a block of another one is converted when it is cut out.
    n_threads : int, default=1
        How many threads work on blocks.
    workers : Workers, optional
        Those that are open; else each pass opens its own.
    """

    examples: RowBlock
    mean_weight: float
    dtype: np.dtype
    n_threads: int = 1
    workers: Workers | None = None

    @classmethod
    def of(
        cls, examples: RowBlock, n_threads: int = 1, mean_weight: float | None = None
    ) -> "ArrayRows":
        """Rows with weights as they are given.

        Parameters
        ----------
        examples : RowBlock
            The rows.
        n_threads : int, default=1
            How many threads work on blocks.
        mean_weight : float, optional
            What the weights are to be relative to, where these rows are only some of all; else
            their own mean.
        """
        w, unit = examples.sample_weight, mean_weight
        if unit is None:
            unit = 1.0 if w is None else average_weight(w)
        if w is not None or unit != 1.0:
            w = np.ones(examples.X.shape[0]) if w is None else w
            examples = examples._replace(sample_weight=w / unit)
        return cls(examples, unit, examples.X.dtype, n_threads)

    @property
    def n_rows(self) -> int:
        """The number of rows, whatever they weigh."""
        return self.examples.X.shape[0]

    @property
    def sparse(self) -> bool:
        """Whether only the entries that are not zero are stored."""
        return issparse(self.examples.X)

    @property
    def weight(self) -> float:
        """m, or the sum of the weights as they were given."""
        return self.mean_weight * self.n_rows

    @property
    def has_weight(self) -> bool:
        """Whether any row weighs something."""
        return self.examples.sample_weight is None or bool(self.examples.sample_weight.any())

    def is_large(self, network: Network) -> bool:
        """Whether a pass over the rows is worth threads."""
        products = self.n_rows * network.n_parameters
        return products * self.dtype.itemsize > THREADING_BYTES

    def astype(self, dtype: DTypeLike) -> "ArrayRows":
        """The same rows for arithmetic of another precision."""
        return replace(self, dtype=np.dtype(dtype))

    def on_threads(self, n_threads: int) -> "ArrayRows":
        """The same rows with another number of threads."""
        return replace(self, n_threads=n_threads)

    def every_nth(self, n: int) -> "ArrayRows":
        """One in n rows, spread evenly; a view where X is dense."""
        return replace(self, examples=self.examples.take(slice(None, None, n)))

    def gather(self, n: int) -> RowBlock:
        """At most n rows, spread evenly; by an odd stride, because classes may take turns."""
        return self.block(slice(None, None, ceil(self.n_rows / n) | 1))

    def block(self, rows: slice | NDArray) -> RowBlock:
        """The examples of a slice, or of an array of row numbers."""
        block = self.examples.take(rows)
        return block._replace(X=block.X.astype(self.dtype, copy=False))

    @contextmanager
    def running(self, cancellation: Cancellation | None = None) -> Iterator["ArrayRows"]:
        """The same rows with threads and buffers open until the context ends.

        No thread outlives it, so a process may fork afterwards.

        Parameters
        ----------
        cancellation : Cancellation, optional
            A request to end, which passes over rows obey between two blocks.
        """
        if self.workers is not None:
            yield self
            return
        with row_threads(min(self.n_threads, MAX_LANES)) as map_:
            yield replace(self, workers=Workers(map_, cancellation or Cancellation()))

    def add_up(self, function: BlockFunction) -> Any:
        """The sum of ``function(block)`` over all rows, in an order fixed by shapes alone.

        Block i is added into lane i mod R and the lanes are added up in order, so the sum has
        the same bits for any number of threads.

        Parameters
        ----------
        function : callable
            ``function(block, workspace)`` is a sum over a `RowBlock`: the first of a lane is
            copied, to the copy the others are added by ``add_``.
        """
        return self._pass(function, lambda rows: rows._add_up(function))

    def fill(self, function: BlockFunction, out: NDArray) -> None:
        """Write ``function(block)``, an array with a row for each row, to these rows of `out`."""
        self._pass(function, lambda rows: rows._fill(function, out))

    def _pass(self, function: BlockFunction, task: Callable[["ArrayRows"], T]) -> T:
        """Do a task in the open threads, else in threads of its own."""
        if self.workers is not None:
            return task(self)
        if self.n_threads == 1 or not self.is_large(function.network):
            with self.on_threads(1).running() as rows:
                return task(rows)

        def run(cancellation: Cancellation) -> T:
            with self.running(cancellation) as rows:
                return task(rows)

        return shielded(run)

    def _add_up(self, function: BlockFunction) -> Any:
        network, workers = function.network, self._open_workers
        block_rows, n_lanes = partition(network, self.n_rows, self.dtype, self.sparse)
        starts = range(0, self.n_rows, block_rows)
        lanes = [starts[lane::n_lanes] for lane in range(min(n_lanes, len(starts)))]

        def lane_sum(lane: range) -> Any:
            total = None
            with workers.workspaces.borrow(network, block_rows, self.dtype) as workspace:
                for start in lane:
                    workers.cancellation.check()
                    found = function(self.block(slice(start, start + block_rows)), workspace)
                    total = found.copy() if total is None else total.add_(found)
            return total

        map_ = workers.map if self.is_large(network) else map
        return reduce(lambda total, lane: total.add_(lane), map_(lane_sum, lanes))

    def _fill(self, function: BlockFunction, out: NDArray) -> None:
        network, workers = function.network, self._open_workers
        block_rows, _ = partition(network, self.n_rows, self.dtype, self.sparse)

        def fill_block(start: int) -> None:
            workers.cancellation.check()
            rows = slice(start, start + block_rows)
            with workers.workspaces.borrow(network, block_rows, self.dtype) as workspace:
                out[rows] = function(self.block(rows), workspace)

        map_ = workers.map if self.is_large(network) else map
        for _ in map_(fill_block, range(0, self.n_rows, block_rows)):
            pass

    @property
    def _open_workers(self) -> Workers:
        assert self.workers is not None
        return self.workers


def partition(
    network: Network, n_rows: int, dtype: DTypeLike = np.float64, sparse: bool = False
) -> tuple[int, int]:
    """Rows of a block and number of lanes, from shapes and types alone.

    A block's activations should fill a core's cache and no more: with smaller ones threads
    wait for each other between the operations. Blocks are of equal size and their number is
    even, so that two threads end together. Sparse rows take larger blocks: each block adds
    up a whole gradient, which has more entries than a few sparse rows have work.

    Parameters
    ----------
    network : Network
        The network.
    n_rows : int
        Rows in all.
    dtype : dtype, default=float64
        The precision of the blocks.
    sparse : bool, default=False
        Whether the rows are sparse.
    """
    n_features, *units = network.layer_sizes
    entry = np.dtype(dtype).itemsize
    fitting = min(BLOCK_BYTES // (sum(units) * entry), FEATURE_BYTES // (n_features * entry))
    block_rows = int(np.clip(fitting, 256, 4096))
    n_blocks = ceil(n_rows / (max(block_rows, SPARSE_BLOCK_ROWS) if sparse else block_rows))
    if n_rows * network.n_parameters * entry > THREADING_BYTES:
        n_blocks += n_blocks % 2
    n_lanes = min(max(LANE_PARAMETERS // network.n_parameters, 2), MAX_LANES)
    return ceil(n_rows / n_blocks), n_lanes


def check_weights(
    sample_weight: ArrayLike | None, n_rows: int, name: str = "sample_weight"
) -> NDArray | None:
    """Sample weights as a float64 vector of `n_rows` entries; a number is one for all.

    Raises
    ------
    ValueError
        If there are more or fewer, one is negative or not finite, or all are zero.
    """
    if sample_weight is None:
        return None
    w = np.asarray(sample_weight, dtype=np.float64)
    w = np.full(n_rows, w) if w.ndim == 0 else w
    if w.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional; got shape {w.shape}.")
    if len(w) != n_rows:
        raise ValueError(f"X and {name} have inconsistent numbers of rows: {n_rows} and {len(w)}.")
    if not np.isfinite(w).all():
        raise ValueError(f"{name} contains NaN or infinity.")
    if (w < 0).any():
        raise ValueError(f"{name} has negative values; weights must be at least 0.")
    if not w.any():
        raise ValueError(f"{name} is zero for every example: there is nothing to fit.")
    return w


def average_weight(w: NDArray) -> float:
    """The mean of weights; no sum overflows on the way."""
    # A power of two, so that whole numbers stay exact.
    scale = 2.0 ** (np.frexp(w.max())[1] - 1)
    return float(scale * (w / scale).mean())


def has_distinct_rows(examples: RowBlock, n: int) -> bool:
    """Whether at least n different rows of X have weight.

    Other than their number this does not change when rows are repeated instead of weighted.
    """
    X, _, w = examples
    if X.shape[0] < n:
        return False
    seen: set[bytes] = set()
    for i in range(X.shape[0]):
        if w is None or w[i] > 0:
            row = slice(X.indptr[i], X.indptr[i + 1]) if issparse(X) else i
            parts = (X.indices[row], X.data[row]) if issparse(X) else (X[row],)
            seen.add(b"".join(part.tobytes() for part in parts))
            if len(seen) >= n:
                return True
    return False
