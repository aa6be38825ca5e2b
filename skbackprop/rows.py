"""Sources of rows: how a function of blocks of rows is evaluated over all rows.

Cost and gradient are sums over examples, so any partition of the rows gives the same result up
to rounding. A source of rows decides on its own block size, threads and buffers; the computation
is passed to it as a function of a block. The interface of a source is

- ``n_rows``, ``weight``, ``has_weight``, ``dtype``: the number of rows, the sum of their weights,
  whether any weight is above 0, the precision of the arithmetic;
- ``add_up(function)``: the sum of the function over all blocks, in a fixed order;
- ``running(cancellation)``: a context manager that yields the same rows with threads and buffers
  open, for several passes;
- ``astype(dtype)``: the same rows in another precision;
- ``every_nth(n)``: one in n rows;
- ``n_threads``, ``on_threads(n)``: the number of threads, the same rows with another number; only
  the estimator needs them, to divide threads among several starts;
- ``gather(n)``: a sample of at most n rows as a block in memory;
- ``block(indices)``: selected rows; optional, required by stochastic solvers. These also use, if
  they exist, ``sparse``, ``room(n)`` with ``block(indices, out)``, and ``workers`` with
  ``n_threads``. With more than one thread, any of them calls ``block``, one at a time, and the
  last three results must stay valid.
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

# Size of the activations of all layers in a block: about a core's second-level cache.
BLOCK_BYTES = 2**22
# Size of the features of a block: they are read twice and should stay in the third-level cache.
FEATURE_BYTES = 2**23
SPARSE_BLOCK_ROWS = 4096
# Number of lanes (partial sums): enough for the cores of a workstation, fewer for large
# gradients, because each lane holds one.
MAX_LANES = 16
LANE_PARAMETERS = 2**23
# Multiplications of one forward propagation, times the bytes of a number, above which threads
# save more time than they cost.
THREADING_BYTES = 2**26


class RowBlock(NamedTuple):
    """A block of examples.

    Parameters
    ----------
    X : {ndarray, CSR, PickedRows} of shape (rows, n)
        The features; an array or CSR in a block that is passed to a function.
    y : ndarray of shape (rows,) or (rows, K), or None, default=None
        Class indices, or targets for each output unit; None if only outputs are computed.
    sample_weight : ndarray of shape (rows,) or None, default=None
        The weight of each example; None means 1 for all.
    """

    X: Any
    y: Any = None
    sample_weight: NDArray | None = None

    def take(self, rows: slice | NDArray) -> "RowBlock":
        """The examples selected by a slice or an array of row numbers."""
        return RowBlock(*(part if part is None else part[rows] for part in self))

    def pick(self, rows: NDArray) -> "RowBlock":
        """The same as `take`, but a dense X is not copied: each pass cuts its rows out."""
        picked = self._replace(X=None).take(rows)
        copied = issparse(self.X) or isinstance(self.X, PickedRows)  # the latter numbers only
        X = self.X[rows] if copied else PickedRows(self.X, rows)
        return picked._replace(X=X)


class PickedRows:
    """Chosen rows of an array, which come into memory where they are converted, block by block.

    Parameters
    ----------
    X : ndarray of shape (m, n)
        The array, such as a file of more rows than memory holds.
    rows : ndarray of int
        The chosen row numbers.
    """

    def __init__(self, X: NDArray, rows: NDArray):
        self.X = X
        self.rows = rows

    @property
    def shape(self) -> tuple[int, int]:
        """Number of chosen rows, and of features."""
        return len(self.rows), self.X.shape[1]

    @property
    def dtype(self) -> np.dtype:
        """The precision of the array."""
        return self.X.dtype

    def __getitem__(self, rows: slice | NDArray) -> "PickedRows":
        return PickedRows(self.X, self.rows[rows])

    def astype(self, dtype: DTypeLike) -> NDArray:
        """These rows as an array in memory."""
        return self.X[self.rows].astype(dtype, copy=False)


def is_mapped(X) -> bool:
    """Whether an array is a view of a file."""
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base
    return False


class Sum(Protocol):
    """A sum over rows, to which another sum of its kind can be added."""

    def copy(self): ...

    def add_(self, other): ...


S = TypeVar("S", bound=Sum)
T = TypeVar("T")


class BlockFunction(Protocol):
    """A function of a block of rows, such as the summed cost and gradient at a theta.

    It should be small and picklable, so that it can be sent to where the rows are.
    """

    @property
    def network(self) -> Network:
        """The network that the rows pass through, which determines the block size."""

    def __call__(self, block: RowBlock, workspace: Workspace | None = None) -> Any: ...


class Workers:
    """Open threads and buffers for passes over rows.

    Parameters
    ----------
    map : callable
        Like the built-in `map`, in threads.
    cancellation : Cancellation
        A request to end, checked before each block.
    """

    def __init__(self, map: Callable, cancellation: Cancellation):
        self.map = map
        self.cancellation = cancellation
        self.workspaces = Workspaces()


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows of an array in memory, dense or CSR, or of a memory-mapped file.

    Weights are stored relative to their mean, so that their products with small numbers do not
    underflow and their sums do not overflow. `weight` is the sum m of the weights as given.

    Parameters
    ----------
    examples : RowBlock
        All examples, with weights relative to `mean_weight`. X is float32 or float64; it is
        sliced, never copied as a whole.
    mean_weight : float
        The mean weight of a row.
    dtype : dtype
        The precision of the arithmetic. Rows of another dtype are converted block by block.
    n_threads : int, default=1
        Number of threads.
    workers : Workers, optional
        Open threads and buffers; by default each pass opens its own.
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
        """Create a source from examples with absolute weights.

        Parameters
        ----------
        examples : RowBlock
            The examples.
        n_threads : int, default=1
            Number of threads.
        mean_weight : float, optional
            The mean weight of all rows, if these are only a part of them; by default the mean
            of these weights.

        Returns
        -------
        rows : ArrayRows
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
        """Number of rows, regardless of their weights."""
        return self.examples.X.shape[0]

    @property
    def sparse(self) -> bool:
        """Whether X is a sparse matrix."""
        return issparse(self.examples.X)

    @property
    def weight(self) -> float:
        """m, or the sum of the weights as given."""
        return self.mean_weight * self.n_rows

    @property
    def has_weight(self) -> bool:
        """Whether any row has a weight above 0."""
        return self.examples.sample_weight is None or bool(self.examples.sample_weight.any())

    def is_large(self, network: Network) -> bool:
        """Whether a pass over the rows is large enough to benefit from threads.

        Parameters
        ----------
        network : Network
            The network that the rows pass through.
        """
        products = self.n_rows * network.n_parameters
        return products * self.dtype.itemsize > THREADING_BYTES

    def astype(self, dtype: DTypeLike) -> "ArrayRows":
        """The same rows with arithmetic in another precision.

        Parameters
        ----------
        dtype : dtype
            float32 or float64.
        """
        return replace(self, dtype=np.dtype(dtype))

    def on_threads(self, n_threads: int) -> "ArrayRows":
        """The same rows with another number of threads.

        Parameters
        ----------
        n_threads : int
            The number.
        """
        return replace(self, n_threads=n_threads)

    def every_nth(self, n: int, first: int = 0) -> "ArrayRows":
        """One in n rows, evenly spaced; a view if X is dense.

        Parameters
        ----------
        n : int
            The distance of the rows.
        first : int, default=0
            The first row.
        """
        return replace(self, examples=self.examples.take(slice(first, None, n)))

    def pick(self, rows: NDArray) -> "ArrayRows":
        """The rows of these numbers; dense ones come into memory block by block.

        Parameters
        ----------
        rows : ndarray of int
            The row numbers.
        """
        return replace(self, examples=self.examples.pick(rows))

    def gather(self, n: int) -> RowBlock:
        """A sample of evenly spaced rows in memory.

        The distance of the rows is odd, because classes may alternate.

        Parameters
        ----------
        n : int
            The largest number of rows.
        """
        return self.block(slice(None, None, ceil(self.n_rows / n) | 1))

    def block(self, rows: slice | NDArray, out: NDArray | None = None) -> RowBlock:
        """The examples selected by a slice or an array of row numbers.

        Parameters
        ----------
        rows : slice or array of int
            The selection.
        out : ndarray, optional
            A buffer from `room`; selected rows of X are copied to it.
        """
        X, y, w = self.examples
        if out is not None and not isinstance(rows, slice):
            # With the mode "raise" NumPy would copy the rows twice.
            X = np.take(X, rows, axis=0, out=out[: len(rows)], mode="wrap")
        else:
            X = X[rows]
            if X.dtype != self.dtype or isinstance(X, PickedRows):
                X = X.astype(self.dtype)
            X = row_by_row(X)
        return RowBlock(X, y if y is None else y[rows], w if w is None else w[rows])

    def room(self, n_rows: int) -> NDArray | None:
        """A buffer for rows of X; None if `block` has to allocate one each time.

        Parameters
        ----------
        n_rows : int
            The number of rows.
        """
        X = self.examples.X
        # From any other array NumPy would copy all rows first.
        if not isinstance(X, np.ndarray) or X.dtype != self.dtype or not X.flags.c_contiguous:
            return None
        return np.empty((n_rows, X.shape[1]), dtype=self.dtype)

    @contextmanager
    def running(self, cancellation: Cancellation | None = None) -> Iterator["ArrayRows"]:
        """Context manager that yields the same rows with threads and buffers open.

        No thread outlives the context, so a process may fork afterwards.

        Parameters
        ----------
        cancellation : Cancellation, optional
            A request to end, checked between blocks.
        """
        if self.workers is not None:
            yield self
            return
        with row_threads(min(self.n_threads, MAX_LANES)) as map_:
            yield replace(self, workers=Workers(map_, cancellation or Cancellation()))

    def add_up(self, function: BlockFunction) -> Any:
        """The sum of ``function(block)`` over all blocks, in an order that depends on shapes only.

        With R lanes, block i is added to lane i mod R, and the lanes are added in order. The sum
        is therefore bitwise identical for any number of threads.

        Parameters
        ----------
        function : callable
            ``function(block, workspace)`` returns a sum over a `RowBlock`. The first sum of a
            lane is copied with ``copy``, the others are added to the copy with ``add_``.

        Returns
        -------
        total : object
            A sum of the same type.
        """
        return self._pass(function, lambda rows: rows._add_up(function))

    def fill(self, function: BlockFunction, out: NDArray) -> None:
        """Write ``function(block)`` of all blocks to an array.

        Parameters
        ----------
        function : callable
            ``function(block, workspace)`` returns an array with one row per example.
        out : ndarray of shape (m, ...)
            The array.
        """
        self._pass(function, lambda rows: rows._fill(function, out))

    def _pass(self, function: BlockFunction, task: Callable[["ArrayRows"], T]) -> T:
        """Run a task with the open threads and buffers, or else with new ones."""
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
    """Number of rows per block and number of lanes, which depend on shapes and types only.

    The activations of a block should just fill a core's cache: with smaller blocks threads wait
    for each other between operations. Blocks have equal sizes and, in a large pass, an even
    number, so that two threads finish together. Blocks of sparse rows are larger: each block
    computes a whole gradient, which costs more than the products with a few sparse rows.

    Parameters
    ----------
    network : Network
        The network.
    n_rows : int
        Total number of rows.
    dtype : dtype, default=float64
        The precision of the blocks.
    sparse : bool, default=False
        Whether the rows are sparse.

    Returns
    -------
    block_rows, n_lanes : int
    """
    n_features, *units = network.layer_sizes
    entry = np.dtype(dtype).itemsize
    fitting = min(BLOCK_BYTES // (sum(units) * entry), FEATURE_BYTES // (n_features * entry))
    block_rows = min(max(fitting, 256), 4096)
    n_blocks = ceil(n_rows / (max(block_rows, SPARSE_BLOCK_ROWS) if sparse else block_rows))
    if n_rows * network.n_parameters * entry > THREADING_BYTES:
        n_blocks += n_blocks % 2
    n_lanes = min(max(LANE_PARAMETERS // network.n_parameters, 2), MAX_LANES)
    return ceil(n_rows / n_blocks), n_lanes


def check_weights(
    sample_weight: ArrayLike | None, n_rows: int, name: str = "sample_weight"
) -> NDArray | None:
    """Check sample weights and convert them to a float64 vector.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,), float or None
        The weights; a number is the weight of every row.
    n_rows : int
        Number of rows.
    name : str, default="sample_weight"
        Name of the argument in error messages.

    Returns
    -------
    weights : ndarray of shape (n_rows,), or None

    Raises
    ------
    ValueError
        If the shape is wrong, a weight is negative or not finite, or all are zero.
    """
    if sample_weight is None:
        return None
    w = np.asarray(sample_weight, dtype=np.float64)
    w = np.full(n_rows, w) if w.ndim == 0 else w
    if w.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional; got shape {w.shape}.")
    if len(w) != n_rows:
        raise ValueError(f"{name} has {len(w)} entries for {n_rows} rows.")
    if not np.isfinite(w).all():
        raise ValueError(f"{name} contains NaN or infinity.")
    if (w < 0).any():
        raise ValueError(f"{name} has negative values; weights must be at least 0.")
    if not w.any():
        raise ValueError(f"{name} is zero for every example.")
    return w


def row_by_row(X: Any) -> Any:
    """X with its numbers row by row in memory: in another order the BLAS rounds differently."""
    if issparse(X) or (X[:1].flags.c_contiguous and X.strides[0] >= X[:1].nbytes):
        return X
    return np.ascontiguousarray(X)


def average_weight(w: NDArray) -> float:
    """The mean of weights, computed without overflow."""
    # The scale is a power of two, so that whole numbers stay exact.
    scale = 2.0 ** (np.frexp(w.max())[1] - 1)
    return float(scale * (w / scale).mean())


def has_distinct_rows(examples: RowBlock, n: int) -> bool:
    """Whether at least n distinct rows of X have a weight above 0.

    Unlike the number of rows, this is the same whether rows are repeated or weighted.
    """
    X, _, w = examples
    if X.shape[0] < n:
        return False
    seen: set[bytes] = set()
    for start in range(0, X.shape[0], n):
        rows = slice(start, start + n)
        seen.update(_row_bytes(X[rows] if w is None else X[rows][w[rows] > 0]))
        if len(seen) >= n:
            return True
    return False


def _row_bytes(X) -> list:
    if issparse(X):
        entries = zip(X.indptr, X.indptr[1:], strict=False)
        return [X.indices[i:j].tobytes() + X.data[i:j].tobytes() for i, j in entries]
    rows = np.ascontiguousarray(X).view(np.dtype((np.void, X.shape[1] * X.itemsize)))
    return rows.ravel().tolist()
