"""A BLAS operation that NumPy would need two passes over memory for."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

AXPY = {np.dtype(np.float32): blas.saxpy, np.dtype(np.float64): blas.daxpy}


def add_multiple(y: NDArray, a: float, x: NDArray) -> None:
    """``y += a * x``, in place, for contiguous vectors of the same length and precision."""
    AXPY[y.dtype](x, y, a=a)
