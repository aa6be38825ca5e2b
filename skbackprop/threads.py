"""Threads over row blocks, and the limit on the BLAS threads below them.

Row blocks run in our own threads, each with a single-threaded BLAS. Each core then works on
a block that fits its cache, and the sums do not depend on the number of threads, unlike those
of a multi-threaded matrix product.
"""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from numbers import Integral
from typing import Any

import joblib
import numpy as np
from threadpoolctl import LibController, ThreadpoolController

# Seconds that a fork waits at most, for what takes microseconds.
FORK_PATIENCE = 1.0


@lru_cache(maxsize=1)
def _blas_libraries() -> list[LibController]:
    # Cached: finding the loaded libraries takes milliseconds, setting their limits microseconds.
    return ThreadpoolController().select(user_api="blas").lib_controllers


def _set_blas_threads(numbers: Iterable[int]) -> None:
    for library, n_threads in zip(_blas_libraries(), numbers, strict=True):
        library.set_num_threads(n_threads)
        # From threadpoolctl 3.8 on, only the thread that set a limit may change it. Here another
        # thread may lift the limit, so this restriction is cleared.
        getattr(library, "clear_controlling_thread", lambda: None)()


class _SingleThreadedBlas:
    """Process-wide limit of one BLAS thread, as long as any thread holds it.

    Overlapping limits of threadpoolctl restore each other's values and can leave the
    process at one thread permanently. This guard tracks its holders: the first sets the limit
    and the last lifts it. In a forked child process the holding threads do not exist, so the
    limit is lifted at once. A fork waits until no thread is changing the limit: OpenBLAS holds a
    lock of its own meanwhile, which would stay locked in the child for good.
    """

    def __init__(self) -> None:
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )

    def _begin(self) -> None:
        # Reentrant: a hold may be garbage-collected, and so released, while another is acquired.
        self._lock = threading.RLock()
        self._holders: dict[int, weakref.ref[_Hold]] = {}
        self._unlimited: list[int] | None = None

    def _before_fork(self) -> None:
        self._lock.acquire(timeout=FORK_PATIENCE)

    def _after_fork_in_parent(self) -> None:
        with suppress(RuntimeError):  # it was not acquired in time
            self._lock.release()

    def _after_fork_in_child(self) -> None:
        unlimited = self._unlimited
        self._begin()
        if unlimited is not None:
            _set_blas_threads(unlimited)

    def __call__(self) -> "_Hold":
        return _Hold(self)

    def acquire(self, hold: "_Hold") -> None:
        """Register a hold, and limit the BLAS if it is the first."""
        with self._lock:
            self._holders[id(hold)] = weakref.ref(hold)
            if self._unlimited is None:
                # Stored before the limit is set, so that a fork between the two can restore it.
                self._unlimited = [library.num_threads for library in _blas_libraries()]
                self.limit_this_thread()

    def release(self, hold: "_Hold | None" = None) -> None:
        """Remove a hold, and lift the limit if there is no other; may be called repeatedly."""
        with self._lock:
            if hold is not None:
                self._holders.pop(id(hold), None)
            # Remove holds that no longer exist: an interrupt prevented their release.
            for key, reference in list(self._holders.items()):
                if reference() is None:
                    del self._holders[key]
            if not self._holders and self._unlimited is not None:
                _set_blas_threads(self._unlimited)
                self._unlimited = None

    def limit_this_thread(self) -> None:
        """Limit the BLAS to one thread, also if its limit is per calling thread."""
        with self._lock:
            _set_blas_threads(1 for _ in _blas_libraries())

    def n_threads(self) -> int:
        """Number of threads that the BLAS uses without this limit."""
        with self._lock:
            self.release()
            if self._unlimited is not None:
                return max(self._unlimited, default=1)
            return max((library.num_threads for library in _blas_libraries()), default=1)


class _Hold:
    """Context manager in which the BLAS has one thread."""

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
        # After an interrupt between __enter__ and the with block, __exit__ is never called.
        if not self._released:
            self._guard.release(self)


single_threaded_blas = _SingleThreadedBlas()


def _begin_row_thread(error_state: Any) -> None:
    """Initialise a row thread: limit the BLAS, and use the error state of the caller."""
    single_threaded_blas.limit_this_thread()
    np.seterr(**error_state)


@contextmanager
def row_executor(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Context manager for an executor of `n_threads` threads with one BLAS thread each.

    It waits at its end for tasks that are running. No thread outlives it.
    """
    begin = partial(_begin_row_thread, np.geterr())
    with single_threaded_blas(), ThreadPoolExecutor(n_threads, initializer=begin) as executor:
        yield executor


@contextmanager
def row_threads(n_threads: int) -> Iterator[Callable]:
    """Context manager for a ``map`` in `n_threads` threads with one BLAS thread each.

    This thread is one of them. No thread outlives the context, so a process may fork afterwards.
    """
    with single_threaded_blas():
        # Another thread may have set the limit.
        single_threaded_blas.limit_this_thread()
        if n_threads == 1:
            yield map
            return
        with row_executor(n_threads - 1) as executor:
            yield partial(_map_in_threads, executor, n_threads)


def _map_in_threads(
    executor: ThreadPoolExecutor, n_threads: int, function: Callable, items: Iterable
) -> list:
    """``list(map(function, items))``, by this thread and by those of the executor.

    A thread that has finished an item takes the next. That this thread works, too, saves the time
    of waking another for each call, which is a good part of a short pass.
    """
    todo = deque(enumerate(items))
    results: list = [None] * len(todo)

    def take() -> tuple[int, Any] | None:
        try:
            return todo.popleft()
        except IndexError:
            return None

    def work() -> None:
        try:
            while taken := take():
                i, item = taken
                results[i] = function(item)
        except BaseException:
            todo.clear()  # the other threads end after the item they are at
            raise

    others = [executor.submit(work) for _ in range(min(n_threads, len(todo)) - 1)]
    try:
        work()
    finally:
        # One that has not begun by now has nothing left to do.
        others = [other for other in others if not other.cancel()]
        wait(others)
    for other in others:
        other.result()
    return results


def resolve_n_jobs(n_jobs: int | None) -> int:
    """The number of row threads for a value of `n_jobs`.

    Parameters
    ----------
    n_jobs : int or None
        None: as many as the BLAS may use here; joblib lowers this in its workers, so that a
        parallel search is not oversubscribed. A positive number is used as it is; -1 means all
        processors, -2 all but one, and so on.

    Returns
    -------
    n_threads : int

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
