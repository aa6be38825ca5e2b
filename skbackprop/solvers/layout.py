"""How vectors of parameters are stored while mini-batches change them."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skbackprop.network import Network

# Multiplications of a batch and its step per range of features, from which a thread for the range
# saves more time than it costs.
RANGE_OPERATIONS = 6_000_000
# What a step costs per parameter, in multiplications of a product.
STEP_OPERATIONS = 40
MAX_RANGES = 4
# Size of a batch's Z^(2) up to which it is divided: each range has an array of this size.
MAX_SUMS = 2**22


class Views(NamedTuple):
    """The matrices of a stored vector, as views of it.

    Parameters
    ----------
    weights : list of ndarrays of shape (s_2, n_k)
        The weights of Theta^(1), for each range of features.
    biases : ndarray of shape (s_2,)
        The biases of Theta^(1).
    above : list of ndarrays
        Theta^(l) for l > 1.
    """

    weights: list[NDArray]
    biases: NDArray
    above: list[NDArray]


class Layout(NamedTuple):
    """The order of a vector's entries: that of `Network.unroll`, or one range after the other.

    The weights of a range of features are adjacent, so that a thread can compute the products of
    some features and change their weights while another does the same for other features. The
    biases of Theta^(1) follow, then the other matrices as in `Network.unroll`. A single range
    that is stored unit by unit is not rearranged.

    Parameters
    ----------
    network : Network
        The network.
    n_ranges : int, default=1
        The number of ranges.
    order : {"C", "F"}, default="C"
        Whether the weights of a range are stored unit by unit or feature by feature.
    """

    network: Network
    n_ranges: int = 1
    order: Literal["C", "F"] = "C"

    @classmethod
    def of(cls, network: Network, batch_rows: int, *, sparse: bool, many: bool) -> "Layout":
        """Choose the layout by shapes only: the order of sums must not depend on threads.

        Parameters
        ----------
        network : Network
            The network.
        batch_rows : int
            Number of rows of a batch.
        sparse : bool
            Whether the rows are sparse.
        many : bool
            Whether there are enough batches to repay starting threads and rearranging theta.
            Sparse rows are then multiplied by weights stored feature by feature, which needs no
            transpose; otherwise a product is computed unit by unit.
        """
        if not many:
            return cls(network)
        n_features, n_units = network.layer_sizes[:2]
        operations = n_features * n_units * (STEP_OPERATIONS + (0 if sparse else batch_rows))
        most = min(operations // RANGE_OPERATIONS, n_features, MAX_RANGES)
        if batch_rows * n_units > MAX_SUMS:
            most = 1
        # A power of two, for two threads or four to share.
        return cls(network, 1 << max(most.bit_length() - 1, 0), "F" if sparse else "C")

    @property
    def features(self) -> list[slice]:
        """The features of each range."""
        n, ranges = self.network.layer_sizes[0], self.n_ranges
        return [slice(n * k // ranges, n * (k + 1) // ranges) for k in range(ranges)]

    @property
    def entries(self) -> list[slice]:
        """The entries of the vector that hold the weights of each range, and last all others."""
        if self._is_unrolled:
            return [slice(0, self.network.n_parameters), slice(0, 0)]
        units = self.network.layer_sizes[1]
        ranges = [slice(units * f.start, units * f.stop) for f in self.features]
        return [*ranges, slice(ranges[-1].stop, self.network.n_parameters)]

    @property
    def _is_unrolled(self) -> bool:
        """Whether this is the order of `Network.unroll`, in which weights and biases alternate."""
        return self.n_ranges == 1 and self.order == "C"

    def views(self, vector: NDArray) -> Views:
        """The matrices of a stored vector."""
        first, *above = self.network.reshape(vector)
        if self._is_unrolled:
            return Views([first[:, 1:]], first[:, 0], above)
        units = self.network.layer_sizes[1]
        *ranges, others = self.entries
        return Views(
            [vector[entries].reshape((units, -1), order=self.order) for entries in ranges],
            vector[others][:units],
            above,
        )

    def stored(self, theta: NDArray, dtype: DTypeLike) -> NDArray:
        """A vector in the order of `Network.unroll` as a new one in this order.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The vector.
        dtype : dtype
            The type of the result.
        """
        if self._is_unrolled:
            return theta.astype(dtype)
        vector = np.empty(len(theta), dtype=dtype)
        for ours, unrolled in self._pairs(vector, theta):
            ours[...] = unrolled
        return vector

    def unrolled(self, vector: NDArray) -> NDArray:
        """A vector in this order as a new one in the order of `Network.unroll`, in float64.

        Parameters
        ----------
        vector : ndarray of shape (n_parameters,)
            The vector.
        """
        if self._is_unrolled:
            return vector.astype(np.float64)
        theta = np.empty(len(vector))
        for ours, unrolled in self._pairs(vector, theta):
            unrolled[...] = ours
        return theta

    def _pairs(self, vector: NDArray, theta: NDArray) -> list[tuple[NDArray, NDArray]]:
        """Corresponding views of a vector in this order and of one that is unrolled."""
        views = self.views(vector)
        first, *above = self.network.reshape(theta)
        ranges = [first[:, 1:][:, features] for features in self.features]
        return list(
            zip(
                [*views.weights, views.biases, *views.above],
                [*ranges, first[:, 0], *above],
                strict=True,
            )
        )
