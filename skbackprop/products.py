"""Products of layers, with dense or sparse inputs."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse


def multiply(A, B: NDArray, out: NDArray) -> None:
    """Write A B to `out`; A is dense or sparse."""
    if not issparse(A):
        # An outer product as a matrix product is several times slower.
        product = np.multiply if A.shape[1] == 1 else np.matmul
        product(A, B, out=out)
    elif _has_few_entries(A) and not B.flags.c_contiguous:
        for unit, weights in enumerate(B.T):
            out[:, unit] = A @ weights
    else:
        out[...] = A @ np.ascontiguousarray(B)


def multiply_transposed(delta: NDArray, A, out: NDArray) -> None:
    """Write delta^T A to `out`; A is dense or sparse."""
    if not issparse(A):
        np.matmul(delta.T, A, out=out)
    elif _has_few_entries(A) and not out.T.flags.c_contiguous:
        transposed = A.T
        for unit, errors in enumerate(delta.T):
            out[unit] = transposed @ errors
    else:
        out.T[...] = A.T @ delta


def sum_of_rows(delta: NDArray) -> NDArray:
    """The product of a row of ones with delta."""
    return np.ones(len(delta), dtype=delta.dtype) @ delta


def _has_few_entries(A) -> bool:
    """Whether products unit by unit are quicker, because they need no transpose of Theta.

    For a few sparse rows the transpose would be most of the work.
    """
    return A.nnz < 2 * A.shape[1]
