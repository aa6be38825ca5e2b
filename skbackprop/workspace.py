"""Buffers that one pass over a block writes into.

New arrays of this size come from the operating system page by page, which can cost as much
as the arithmetic on them; so a fit uses the same ones for every block.

Examples are rows, but in memory an array holds one unit after the other (Fortran order):
the products with X are up to a third faster that way, and so are sums over units.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skbackprop.network import Network


class Workspace(NamedTuple):
    """Room for the rows of a block.

    Parameters
    ----------
    layers : list of ndarrays of shape (rows, s_l)
        A^(2)..A^(L-1) and Z^(L).
    deltas : list of ndarrays of shape (rows, s_l)
        delta^(2)..delta^(L-1).
    gradient : ndarray of shape (n_parameters,)
        The unrolled Delta^(l).
    """

    layers: list[NDArray]
    deltas: list[NDArray]
    gradient: NDArray

    @classmethod
    def of(cls, network: Network, n_rows: int, dtype: DTypeLike) -> "Workspace":
        """Room for `n_rows` rows in a network."""
        units = network.layer_sizes[1:]
        return cls(
            [np.empty((n_rows, s), dtype=dtype, order="F") for s in units],
            [np.empty((n_rows, s), dtype=dtype, order="F") for s in units[:-1]],
            np.empty(network.n_parameters, dtype=dtype),
        )

    def first(self, n_rows: int) -> "Workspace":
        """The same room for fewer rows."""
        return Workspace(
            [A[:n_rows] for A in self.layers], [d[:n_rows] for d in self.deltas], self.gradient
        )


class Workspaces:
    """As many workspaces of each network as are in use at a time."""

    def __init__(self) -> None:
        self._free: dict[Network, list[Workspace]] = {}

    @contextmanager
    def borrow(self, network: Network, n_rows: int, dtype: DTypeLike) -> Iterator[Workspace]:
        """A workspace for blocks of `n_rows` rows that nobody else uses meanwhile."""
        free = self._free.setdefault(network, [])
        try:
            workspace = free.pop()
        except IndexError:
            workspace = Workspace.of(network, n_rows, dtype)
        if workspace.gradient.dtype != dtype or len(workspace.layers[0]) < n_rows:
            workspace = Workspace.of(network, n_rows, dtype)
        try:
            yield workspace
        finally:
            free.append(workspace)
