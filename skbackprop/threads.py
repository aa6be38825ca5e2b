"""Threads over rows: how many, and the limits on the threads of the BLAS below them.

Row blocks run in our own threads, each with a single-threaded BLAS: that keeps every
core on a block that fits its cache, and it makes the sums independent of the number of
threads, which a multi-threaded matrix product is not.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from numbers import Integral

import joblib
from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    # Finding the loaded libraries takes milliseconds, setting their limits microseconds.
    return ThreadpoolController().select(user_api="blas")


class _SingleThreadedBlas:
    """One BLAS thread while anybody asks for it, in any thread of the process.

    Overlapping limits of threadpoolctl restore each other's values and can leave the
    process at one thread for good; this guard counts its holders and only the first sets
    and the last restores.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._limit = ExitStack()
        self._n_threads = 1

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._holders == 0:
                self._n_threads = _blas_threads()
                self._limit.enter_context(_controller().limit(limits=1))
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._limit.close()

    def n_threads(self) -> int:
        """What the BLAS may use when nobody limits it."""
        with self._lock:
            return self._n_threads if self._holders else _blas_threads()


def _blas_threads() -> int:
    return max((library.num_threads for library in _controller().lib_controllers), default=1)


single_threaded_blas = _SingleThreadedBlas()


@contextmanager
def row_threads(n_threads: int) -> Iterator[Callable]:
    """A ``map`` over row blocks or lanes, in `n_threads` threads with one BLAS thread each.

    The threads end with the context: none outlives it, so a process may fork afterwards.
    """
    with single_threaded_blas():
        if n_threads == 1:
            yield map
            return
        with ThreadPoolExecutor(n_threads) as executor:
            yield executor.map


def resolve_n_jobs(n_jobs: int | None) -> int:
    """The number of row threads that `n_jobs` stands for.

    Parameters
    ----------
    n_jobs : int or None
        None: as many as the BLAS may use here, which joblib lowers in its workers, so that
        a parallel search is not oversubscribed. A positive number is taken as it is; -1
        means all processors, -2 all but one, and so on.

    Raises
    ------
    ValueError
        If `n_jobs` is 0 or not an integer.
    """
    if n_jobs is None:
        return single_threaded_blas.n_threads()
    if not isinstance(n_jobs, Integral) or n_jobs == 0:
        raise ValueError(f"n_jobs must be None or an integer other than 0; got {n_jobs!r}.")
    return int(n_jobs) if n_jobs > 0 else max(1, joblib.cpu_count() + 1 + int(n_jobs))
