"""Threads over rows: how many, and the limits on the threads of the BLAS below them.

Row blocks run in our own threads, each with a single-threaded BLAS: that keeps every
core on a block that fits its cache, and it makes the sums independent of the number of
threads, which a multi-threaded matrix product is not.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from numbers import Integral
from typing import Any

import joblib
import numpy as np
from threadpoolctl import LibController, ThreadpoolController


@lru_cache(maxsize=1)
def _blas_libraries() -> list[LibController]:
    # Finding the loaded libraries takes milliseconds, setting their limits microseconds.
    return ThreadpoolController().select(user_api="blas").lib_controllers


def _set_blas_threads(numbers: Iterable[int]) -> None:
    for library, n_threads in zip(_blas_libraries(), numbers, strict=True):
        library.set_num_threads(n_threads)
        # From threadpoolctl 3.8 on, the thread that has set a limit keeps others from setting
        # one. Here the thread that lifts it may be another, so none of them keeps that right.
        getattr(library, "clear_controlling_thread", lambda: None)()


def _limit_this_thread() -> None:
    """One BLAS thread, also where the BLAS counts threads for each caller."""
    _set_blas_threads(1 for _ in _blas_libraries())


def _begin_row_thread(error_state: Any) -> None:
    """A row thread limits the BLAS and treats overflow as its caller does."""
    _limit_this_thread()
    np.seterr(**error_state)


class _SingleThreadedBlas:
    """One BLAS thread while anybody asks for it, in any thread of the process.

    Overlapping limits of threadpoolctl restore each other's values and can leave the
    process at one thread for good; this guard counts its holders, the first sets the limit
    and the last lifts it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._unlimited: list[int] = []

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._holders == 0:
                self._unlimited = [library.num_threads for library in _blas_libraries()]
                _limit_this_thread()
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    _set_blas_threads(self._unlimited)

    def n_threads(self) -> int:
        """What the BLAS may use when nobody limits it."""
        with self._lock:
            if self._holders:
                return max(self._unlimited, default=1)
            return max((library.num_threads for library in _blas_libraries()), default=1)


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
        with ThreadPoolExecutor(
            n_threads, initializer=partial(_begin_row_thread, np.geterr())
        ) as executor:
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
