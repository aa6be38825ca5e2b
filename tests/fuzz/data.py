"""Random examples: features, labels and weights of every kind, and how they are stored."""

import os
import tempfile

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse

# Powers of ten that all features, or each of them, are multiplied by.
SCALES = {"one": 0, "large": 6, "huge": 300, "tiny": -300}
SPARSE_FORMATS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")


def pick(rng, *choices):
    """One of the choices; `rng.choice` would make arrays of them."""
    return choices[rng.integers(len(choices))]


def log_uniform(rng, low, high):
    """A whole number between two others, small ones as often as large ones."""
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))


def shape(rng):
    """Numbers of rows and of features, 1 to 3000 and 1 to 20000, whose product is bounded."""
    if rng.random() < 0.7:
        return log_uniform(rng, 2, 300), log_uniform(rng, 1, 40)
    n = log_uniform(rng, 1, 20_000)
    return log_uniform(rng, 1, min(3000, max(2, 300_000 // n))), n


def features(rng, m, n, signal):
    """Float64 features of shape (m, n), and whether they are of ordinary size."""
    X = rng.normal(size=(m, n))
    X[:, 0] += 2.0 * signal
    kind = pick(
        rng, *["normal"] * 4, "offset", "integers", "binary", "collinear", "constant column",
        "constant", "identical", "duplicated", "zero", "unscaled", "extreme", "mixture", "outlier"
    )  # fmt: skip
    if kind == "offset":
        X += 10.0 ** rng.integers(1, 9)
    elif kind == "integers":
        X = np.round(2 * X)
    elif kind == "binary":
        X = (X > 0).astype(float)
    elif kind == "collinear":
        X = X[:, rng.integers(0, max(1, n // 3), size=n)]
    elif kind == "constant column":
        X[:, rng.random(n) < 0.5] = rng.normal()
    elif kind == "constant":
        X[:] = rng.normal()
    elif kind == "identical":
        X[:] = X[0]
    elif kind == "duplicated":
        X = X[rng.integers(0, max(1, m // 5), size=m)]
    elif kind == "zero":
        X[:] = 0.0
    elif kind == "unscaled":
        X *= 10.0 ** rng.uniform(-8, 8, size=n)
    elif kind == "extreme":
        X *= 10.0 ** rng.uniform(-300, 300, size=n)
    elif kind == "mixture":
        X[:, ::2] *= 10.0 ** rng.uniform(-4, 4)
        X[:, ::3] = np.round(X[:, ::3])
    elif kind == "outlier":
        X[rng.integers(m), rng.integers(n)] = 10.0 ** rng.uniform(3, 300)
    with np.errstate(over="ignore", under="ignore"):
        X *= 10.0 ** SCALES[pick(rng, *["one"] * 12, *SCALES)]
    return np.clip(X, -1e300, 1e300)


def labels(rng, m):
    """Class indices of shape (m,), or 0 and 1 of shape (m, n_labels)."""
    if rng.random() < 0.12:
        return (rng.random((m, rng.integers(2, 6))) < rng.random()).astype(int)
    K = pick(rng, 2, 2, 2, 3, 4, 10, 30)
    y = rng.integers(0, K, size=m)
    if rng.random() < 0.2:
        y[rng.random(m) < 0.95] = 0  # rare classes
    y[: min(2, m)] = [0, 1][: min(2, m)]
    return y


def named_labels(rng, y):
    """The same labels as strings, booleans, frames, lists and so on."""
    if y.ndim == 2:
        how = pick(rng, *["array"] * 3, "bool", "float", "csr", "list", "frame", "F")
        return {
            "array": lambda: y,
            "bool": lambda: y.astype(bool),
            "float": lambda: y.astype(float),
            "csr": lambda: sparse.csr_matrix(y),
            "list": lambda: y.tolist(),
            "frame": lambda: pd.DataFrame(y),
            "F": lambda: np.asfortranarray(y),
        }[how]()
    names = np.array([f"class {k}" for k in range(y.max() + 1)])
    how = pick(
        rng, *["array"] * 4, "strings", "objects", "negative", "float", "int8", "big", "bool",
        "list", "series", "categorical", "nullable", "column", "read-only", "strided", "endian",
        "polars"
    )  # fmt: skip
    return {
        "array": lambda: y,
        "strings": lambda: names[y],
        "objects": lambda: names.astype(object)[y],
        "negative": lambda: -y,
        "float": lambda: y.astype(float),
        "int8": lambda: y.astype(np.int8),
        "big": lambda: y + 2**62,
        "bool": lambda: y > 0,
        "list": lambda: y.tolist(),
        "series": lambda: pd.Series(names[y], index=np.arange(len(y))[::-1]),
        "categorical": lambda: pd.Series(pd.Categorical(names[y])),
        "nullable": lambda: pd.Series(y, dtype="Int64"),
        "column": lambda: y[:, np.newaxis],
        "read-only": lambda: _read_only(y.copy()),
        "strided": lambda: np.repeat(y, 2)[::2],
        "endian": lambda: y.astype(">i4"),
        "polars": lambda: pl.Series(y),
    }[how]()


def weights(rng, m):
    """Weights of shape (m,), or None."""
    kind = pick(
        rng, *["none"] * 6, "uniform", "zeros", "extreme", "equal", "one", "whole", "number",
        "float32", "list", "sum to one"
    )  # fmt: skip
    w = rng.uniform(0.2, 3.0, size=m)
    if kind == "zeros":
        w[rng.random(m) < 0.5] = 0.0
        w[rng.integers(m)] = 1.0
    elif kind == "extreme":
        w = 10.0 ** rng.uniform(-300, 300, size=m)
        w[rng.random(m) < 0.2] = 0.0
        w[rng.integers(m)] = 1.0
    elif kind == "equal":
        w[:] = 10.0 ** rng.uniform(-300, 300)
    elif kind == "one":
        w[:] = 0.0
        w[rng.integers(m)] = 1.0
    elif kind == "sum to one":
        w /= w.sum()
    return {
        "none": lambda: None,
        "whole": lambda: rng.integers(1, 4, size=m),
        "number": lambda: 2.0,
        "float32": lambda: w.astype(np.float32),
        "list": lambda: w.tolist(),
    }.get(kind, lambda: w)()


# -- storage ---------------------------------------------------------------------------------


def stored(rng, X, kind):
    """The same numbers, or numbers near them, as an array, sparse matrix, frame or file."""
    return {"array": _array, "sparse": _sparse, "frame": _frame, "file": _file}[kind](rng, X)


def _read_only(X):
    X.setflags(write=False)
    return X


def _in_range(X, dtype):
    limit = float(np.finfo(dtype).max) / 4 if np.dtype(dtype).kind == "f" else 100
    return np.clip(X, -limit if np.dtype(dtype).kind != "u" else 0, limit).astype(dtype)


def _array(rng, X):
    how = pick(
        rng, *["C"] * 5, *["float32"] * 3, "F", "strided", "reversed", "read-only", "endian",
        "float16", "longdouble", "integers", "bytes", "object", "list", "subclass", "broadcast"
    )  # fmt: skip
    return {
        "C": lambda: X,
        "float32": lambda: _in_range(X, np.float32),
        "F": lambda: np.asfortranarray(X),
        "strided": lambda: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
        "reversed": lambda: X[::-1, ::-1].copy()[::-1, ::-1],
        "read-only": lambda: _read_only(X.copy()),
        "endian": lambda: X.astype(pick(rng, ">f8", "<f8")),
        "float16": lambda: _in_range(X, np.float16),
        "longdouble": lambda: X.astype(np.longdouble),
        "integers": lambda: _in_range(X, pick(rng, np.int8, np.int64, ">i4", np.uint16)),
        "bytes": lambda: _in_range(X, np.uint8),
        "object": lambda: X.astype(object),
        "list": lambda: X.tolist(),
        "subclass": lambda: X.view(_Subclass),
        "broadcast": lambda: np.broadcast_to(X[:1], X.shape),
    }[how]()


class _Subclass(np.ndarray):
    """An array of another class, as other libraries make them."""


def _sparse(rng, X):
    X = np.where(rng.random(X.shape) < pick(rng, 0.05, 0.3, 0.9), X, 0.0)
    X[rng.random(len(X)) < 0.1] = 0.0  # rows without entries
    if rng.random() < 0.3:
        X = _in_range(X, np.float32)
    how = pick(rng, *SPARSE_FORMATS, "explicit zeros", "duplicates", "int64", "unsorted")
    container = pick(rng, "matrix", "array")
    if how in SPARSE_FORMATS:
        if how == "dia" and sum(X.shape) > 100:
            how = "csr"
        return getattr(sparse, f"{how}_{container}")(X)
    A = getattr(sparse, f"csr_{container}")(X)
    if how == "explicit zeros":
        A.data[rng.random(A.nnz) < 0.3] = 0.0
    elif how == "int64":
        A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    elif how == "unsorted":
        for i, j in zip(A.indptr, A.indptr[1:], strict=False):
            A.indices[i:j], A.data[i:j] = A.indices[i:j][::-1].copy(), A.data[i:j][::-1].copy()
        A.has_sorted_indices = False
    elif how == "duplicates":
        B = A.tocoo()
        parts = (np.concatenate([a, a]) for a in (B.data / 2, B.row, B.col))
        data, row, col = parts
        order = rng.permutation(len(data))
        A = sparse.coo_matrix((data[order], (row[order], col[order])), shape=A.shape)
    return A


def _frame(rng, X):
    X = X[:, : min(X.shape[1], 50)]
    names = [f"feature {j}" for j in range(X.shape[1])]
    how = pick(rng, "plain", "mixed", "nullable", "categorical", "duplicates", "numbers", "index",
               "polars", "float32", "sparse columns")  # fmt: skip
    if how == "polars":
        return pl.DataFrame(X, schema=names)
    frame = pd.DataFrame(X, columns=names)
    if how == "mixed":
        for j in range(0, X.shape[1], 2):
            frame[names[j]] = _in_range(X[:, j], pick(rng, np.int64, np.float32, np.uint8))
        frame["flag"] = X[:, 0] > 0
    elif how == "nullable":
        frame = frame.astype("Float64")
        frame["count"] = pd.array(_in_range(X[:, 0], np.int64), dtype="Int64")
        frame["flag"] = pd.array(X[:, 0] > 0, dtype="boolean")
    elif how == "categorical":
        frame["category"] = pd.Categorical(_in_range(X[:, 0], np.int64))
    elif how == "duplicates":
        frame.columns = ["the same"] * X.shape[1]
    elif how == "numbers":
        frame.columns = range(X.shape[1])
    elif how == "index":
        frame.index = rng.permutation(len(X)) * 7
    elif how == "float32":
        frame = pd.DataFrame(_in_range(X, np.float32), columns=names)
    elif how == "sparse columns":
        frame = frame.astype(pd.SparseDtype(float, 0.0))
    return frame


def _file(rng, X):
    X = X if rng.random() < 0.6 else _in_range(X, pick(rng, np.float32, np.int16, ">f4"))
    handle, path = tempfile.mkstemp(suffix=".npy")
    os.close(handle)
    np.save(path, np.asarray(X, order=pick(rng, "C", "F")))
    mapped = np.load(path, mmap_mode=pick(rng, "r", "c"))
    os.unlink(path)  # the map keeps what it needs
    return mapped if rng.random() < 0.8 else mapped[:, ::-1]
