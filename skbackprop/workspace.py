"""Buffers for a pass over a block of rows.

The operating system provides new arrays of this size page by page, which can cost as much as
the arithmetic on them. A fit therefore reuses the same buffers for all blocks.

Examples are rows, but the arrays are stored column by column (Fortran order), one column per
unit: products with X are up to a third faster this way, and so are sums over units.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skbackprop.network import Network


class Workspace(NamedTuple):
    """Buffers for the rows of a block.

    Parameters
    ----------
    layers : list of ndarrays of shape (rows, s_l)
        Buffers for A^(2)..A^(L-1) and Z^(L).
    deltas : list of ndarrays of shape (rows, s_l)
        Buffers for delta^(2)..delta^(L-1).
    gradient : ndarray of shape (n_parameters,)
        Buffer for the unrolled Delta^(l).
    """

    layers: list[NDArray]
    deltas: list[NDArray]
    gradient: NDArray

    @classmethod
    def of(cls, network: Network, n_rows: int, dtype: DTypeLike) -> "Workspace":
        """New buffers for `n_rows` rows in a network."""
        units = network.layer_sizes[1:]
        return cls(
            [np.empty((n_rows, s), dtype=dtype, order="F") for s in units],
            [np.empty((n_rows, s), dtype=dtype, order="F") for s in units[:-1]],
            np.empty(network.n_parameters, dtype=dtype),
        )

    def first(self, n_rows: int) -> "Workspace":
        """Views of these buffers for at most as many rows."""
        if n_rows == len(self.layers[0]):
            return self
        return Workspace(
            [A[:n_rows] for A in self.layers], [d[:n_rows] for d in self.deltas], self.gradient
        )


class Workspaces:
    """A pool of workspaces, which grows to the number in use at the same time."""

    def __init__(self) -> None:
        self._free: dict[Network, list[Workspace]] = {}

    @contextmanager
    def borrow(self, network: Network, n_rows: int, dtype: DTypeLike) -> Iterator[Workspace]:
        """Context manager for exclusive use of a workspace for blocks of `n_rows` rows."""
        free = self._free.setdefault(network, [])
        workspace = None
        with suppress(IndexError):
            workspace = free.pop()
            if workspace.gradient.dtype != dtype or len(workspace.layers[0]) < n_rows:
                workspace = None  # released before the larger one is allocated
        if workspace is None:
            workspace = Workspace.of(network, n_rows, dtype)
        try:
            yield workspace
        finally:
            free.append(workspace)
