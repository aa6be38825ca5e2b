"""Threads over rows: how many, and the limits on the threads of the BLAS below them.

Row blocks run in our own threads, each with a single-threaded BLAS: that keeps every
core on a block that fits its cache, and it makes the sums independent of the number of
threads, which a multi-threaded matrix product is not.
"""

import os
import threading
import weakref
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
    process at one thread for good; this guard knows its holders, the first sets the limit
    and the last lifts it. A process that is forked meanwhile has none of the threads that hold
    it, so there it is lifted at once.
    """

    def __init__(self) -> None:
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _begin(self) -> None:
        # Reentrant: a hold may be collected, and so released, while another is being taken.
        self._lock = threading.RLock()
        self._holders: dict[int, weakref.ref[_Hold]] = {}
        self._unlimited: list[int] | None = None

    def _after_fork(self) -> None:
        unlimited = self._unlimited
        self._begin()
        if unlimited is not None:
            _set_blas_threads(unlimited)

    def __call__(self) -> "_Hold":
        return _Hold(self)

    def acquire(self, hold: "_Hold") -> None:
        """Limit the BLAS on behalf of a hold."""
        with self._lock:
            self._holders[id(hold)] = weakref.ref(hold)
            if self._unlimited is None:
                # Noted before the limit is set: a fork between the two finds what to restore.
                self._unlimited = [library.num_threads for library in _blas_libraries()]
                _limit_this_thread()

    def release(self, hold: "_Hold | None" = None) -> None:
        """Lift the limit if nobody else holds it; once or more often."""
        with self._lock:
            if hold is not None:
                self._holders.pop(id(hold), None)
            # Those that an interrupt has kept from being released, if nothing is left of them.
            for key, reference in list(self._holders.items()):
                if reference() is None:
                    del self._holders[key]
            if not self._holders and self._unlimited is not None:
                _set_blas_threads(self._unlimited)
                self._unlimited = None

    def n_threads(self) -> int:
        """What the BLAS may use when nobody limits it."""
        with self._lock:
            self.release()
            if self._unlimited is not None:
                return max(self._unlimited, default=1)
            return max((library.num_threads for library in _blas_libraries()), default=1)


class _Hold:
    """A context in which the BLAS has one thread."""

    def __init__(self, guard: _SingleThreadedBlas):
        self._guard = guard
        self._released = True

    def __enter__(self) -> None:
        self._released = False
        self._guard.acquire(self)

    def __exit__(self, *error: object) -> None:
        self._guard.release(self)
        self._released = True

    def __del__(self) -> None:
        # An interrupt between taking the hold and the block under it leaves nobody to end it.
        if not self._released:
            self._guard.release(self)


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
