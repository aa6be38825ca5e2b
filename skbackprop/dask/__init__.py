"""`DaskBackpropClassifier`: the same fit over Dask collections, on one machine or on many.

J and its gradient are sums over rows, so each partition computes its own sum. In each evaluation
theta is sent to the workers once, and the sums are added in an order fixed by the partitions. Rows
are not moved.
"""

try:
    import dask.array  # noqa: F401
except ImportError as error:
    raise ImportError(
        "skbackprop.dask needs Dask, which cannot be imported. It is in the extra "
        '"dask"; in a checkout: pip install ".[dask]"'
    ) from error

from skbackprop.dask.classifier import DaskBackpropClassifier
from skbackprop.dask.rows import PartitionedRows

__all__ = ["DaskBackpropClassifier", "PartitionedRows"]
