"""`DaskBackpropClassifier`: the same fit over Dask collections, on one machine or on many.

J and its gradient are sums over rows, so each partition adds up its own: theta goes out once an
evaluation, and what comes back is one sum, folded in an order fixed by the partitions. Rows stay
where they are.
"""

try:
    import dask.array  # noqa: F401
except ImportError as error:
    raise ImportError(
        "skbackprop.dask needs Dask. It comes with the extra 'dask': in a checkout, "
        'pip install ".[dask]".'
    ) from error

from skbackprop.dask.classifier import DaskBackpropClassifier
from skbackprop.dask.rows import PartitionedRows

__all__ = ["DaskBackpropClassifier", "PartitionedRows"]
