"""Where the rows come from: blocks of an array, added up in a fixed order.

Cost and gradient are sums over examples, so any partition of the rows gives the same
answer up to rounding. The partition here depends on shapes alone: block i is added into
lane ``i mod R`` and the lanes are added up in order, so the sum has the same bits whatever
the number of threads that work on the lanes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import reduce
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import issparse


@contextmanager
def no_workspace(n_rows: int, dtype: DTypeLike) -> Iterator[None]:
    """None, for a function that makes room for itself."""
    yield None


class RowBlock(NamedTuple):
    """Some examples: what one call of the mathematics sees of the data.

    Parameters
    ----------
    X : {ndarray, CSR} of shape (rows, n)
        The features.
    y : ndarray of shape (rows,) or (rows, K)
        Class indices, or targets for each output unit.
    sample_weight : ndarray of shape (rows,) or None
        The weight of each example; None is one for all.
    """

    X: Any  # dense or CSR
    y: NDArray
    sample_weight: NDArray | None

    def take(self, rows: slice | NDArray) -> "RowBlock":
        """The examples of a slice, or of an array of row numbers."""
        weight = self.sample_weight
        return RowBlock(self.X[rows], self.y[rows], weight if weight is None else weight[rows])


class Sum(Protocol):
    """Something that is a sum over rows and can be added to another of its kind."""

    def kept(self): ...

    def plus(self, other): ...


S = TypeVar("S", bound=Sum)
Map = Callable[[Callable[[range], S], list[range]], Iterable[S]]


class ArrayRows:
    """Rows of an array in memory, dense or CSR, or of a memory-mapped file.

    Parameters
    ----------
    examples : RowBlock
        All of them; X is float32 or float64 and is sliced, never copied as a whole.
    dtype : dtype, optional
        The arithmetic of the blocks, that of X by default; a block of another type is
        converted when it is cut out.
    """

    def __init__(self, examples: RowBlock, dtype: DTypeLike | None = None):
        self.examples = examples
        self.dtype = np.dtype(dtype or examples.X.dtype)

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
        """m, or the sum of the weights."""
        weights = self.examples.sample_weight
        return float(self.n_rows if weights is None else weights.sum())

    def astype(self, dtype: DTypeLike) -> "ArrayRows":
        """The same rows for arithmetic of another precision."""
        return ArrayRows(self.examples, dtype)

    def every_nth(self, n: int) -> "ArrayRows":
        """One in n rows, spread evenly; a view where X is dense."""
        return ArrayRows(self.examples.take(slice(None, None, n)), self.dtype)

    def block(self, rows: slice | NDArray) -> RowBlock:
        """The examples of a slice, or of an array of row numbers."""
        block = self.examples.take(rows)
        return block._replace(X=block.X.astype(self.dtype, copy=False))

    def add_up(
        self,
        function: Callable[..., S],
        block_rows: int,
        n_lanes: int,
        map: Map = map,
        borrow: Callable[[int, DTypeLike], AbstractContextManager] = no_workspace,
    ) -> S:
        """The sum of ``function(block)`` over all rows, in an order fixed by shapes alone.

        Parameters
        ----------
        function : callable
            ``function(block, workspace=...)`` is a sum over a `RowBlock`. The first of a
            lane is ``kept()``, the others are added to it by ``plus``.
        block_rows : int
            Rows of a block.
        n_lanes : int
            R, in how many separate sums the blocks are added up.
        map : callable, default=map
            Applies a function to every lane; one that uses threads gives the same bits.
        borrow : callable, optional
            Gives each lane a workspace to call `function` with.
        """
        starts = range(0, self.n_rows, block_rows)
        lanes = [starts[lane::n_lanes] for lane in range(min(n_lanes, len(starts)))]

        def lane_sum(lane: range) -> S:
            with borrow(block_rows, self.dtype) as workspace:
                blocks = (self.block(slice(start, start + block_rows)) for start in lane)
                total = function(next(blocks), workspace=workspace).kept()
                for block in blocks:
                    total = total.plus(function(block, workspace=workspace))
                return total

        return reduce(lambda total, lane: total.plus(lane), map(lane_sum, lanes))
