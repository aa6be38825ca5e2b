"""The rows of mini-batches, copied ahead while other threads are at work."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from numpy.typing import NDArray

from skbackprop.rows import FEATURE_BYTES

# Number of batches whose rows are copied ahead: a step needs those of the next batch, and another
# thread copies those of the one after it meanwhile.
AHEAD = 2


class Batch(NamedTuple):
    """The rows of a batch.

    Parameters
    ----------
    n_rows : int
        Their number.
    X : list of arrays or CSR
        The features, for each range of a `Layout`.
    y : ndarray of shape (n_rows,) or (n_rows, K)
        Class indices or targets.
    weights : ndarray of shape (n_rows,) or None
        The weight of each row.
    """

    n_rows: int
    X: list
    y: NDArray
    weights: NDArray | None


class Loader:
    """Loads one batch after the other into the same buffers.

    Parameters
    ----------
    rows : ArrayRows, or another source of rows
        The rows; if it has `room`, they are copied to buffers from there.
    features : list of slices
        The ranges of features.
    n_rows : int
        The maximum number of rows in a batch.
    ahead : bool
        Whether to load batches ahead, unless dense ones are too large. If `n_ahead` is not 0,
        `load` must be called once for each batch.
    """

    def __init__(self, rows: Any, features: list[slice], n_rows: int, *, ahead: bool):
        self._rows, self._features = rows, features
        n_features = features[-1].stop
        small = n_rows * n_features * rows.dtype.itemsize <= FEATURE_BYTES
        self.n_ahead = AHEAD if ahead and (small or getattr(rows, "sparse", False)) else 0
        room = rows.room if hasattr(rows, "room") else lambda n_rows: None
        self._buffers = deque(room(n_rows) for _ in range(1 + self.n_ahead))
        self._loaded: deque[Batch] = deque()
        self._selections: Iterator[slice | NDArray] = iter(())

    def each(self, selections: Iterable[slice | NDArray]) -> Iterator[Batch]:
        """Take one batch after the other.

        Parameters
        ----------
        selections : iterable of slices or arrays of int
            The rows of each batch.

        Yields
        ------
        batch : Batch
            Valid until the next.
        """
        self._selections = iter(selections)
        self._loaded.clear()
        for _ in range(self.n_ahead):
            self.load()
        while True:
            if not self.n_ahead:
                self.load()
            if not self._loaded:
                return
            yield self._loaded[0]
            self._loaded.popleft()

    @property
    def following(self) -> Batch | None:
        """The batch after the current one, if it is loaded."""
        return self._loaded[1] if len(self._loaded) > 1 else None

    def load(self) -> None:
        """Load another batch, if there is one."""
        selection = next(self._selections, None)
        if selection is None:
            return
        # The buffer that was used the longest time ago.
        buffer = self._buffers[0]
        self._buffers.rotate(-1)
        X, y, weights = self._rows.block(selection, *(() if buffer is None else (buffer,)))
        parts = [X] if len(self._features) == 1 else [X[:, part] for part in self._features]
        self._loaded.append(Batch(X.shape[0], parts, y, weights))
