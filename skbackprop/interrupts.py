"""Safe handling of Ctrl-C: work runs in another thread and ends only at safe points.

Python handles signals in the main thread, between any two instructions: inside a lock, while a
thread is being started, between two assignments that belong together. Long work therefore runs
in a separate thread. The main thread only waits; an interrupt becomes a request to end, which the
work checks between blocks of rows.
"""

import contextvars
import sys
import threading
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import sklearn

T = TypeVar("T")

# Seconds per wait of the main thread: where a wait cannot be interrupted, a signal is handled
# after at most this time.
WAIT = 0.1


class Cancelled(Exception):  # noqa: N818, a request, not an error
    """Raised inside work after a request to end."""


class Cancellation:
    """A request to end, made in one thread and checked in others."""

    def __init__(self) -> None:
        # Not a threading.Event: a signal that arrives inside its lock would leave it locked.
        self.requested = False

    def request(self) -> None:
        """Request that the work ends."""
        self.requested = True

    def check(self) -> None:
        """Raise `Cancelled` if an end was requested."""
        if self.requested:
            raise Cancelled


class _Work(Generic[T]):
    """A function call in a separate thread, with the context of the calling thread."""

    def __init__(self, function: Callable[[Cancellation], T]):
        self.function = function
        self.cancellation = Cancellation()
        self.results: list[T] = []
        self.errors: list[BaseException] = []
        # The first thread to claim this decides whether the call happens (`dict.setdefault` is
        # atomic, and repeating it gives the same answer).
        self.owner: dict[str, str] = {}
        self.over = allocate_lock()
        self.over.acquire()
        self.context = contextvars.copy_context()
        # Settings that belong to a thread, not to a context: before NumPy 2 the error state, too.
        self.error_state = np.geterr()
        self.config = sklearn.get_config()

    def run(self) -> None:
        """Call the function, in the new thread."""
        if self.owner.setdefault("owner", "work") != "work":
            return  # the caller was interrupted before this thread had begun
        sys.settrace(threading.gettrace())  # for coverage and debuggers
        try:
            self.context.run(self._call)
        except BaseException as error:
            self.errors.append(error)
        finally:
            self.over.release()

    def _call(self) -> None:
        with np.errstate(**self.error_state), sklearn.config_context(**self.config):
            self.results.append(self.function(self.cancellation))

    def wait(self) -> None:
        """Wait until the call has ended; a signal may interrupt the wait."""
        while not (self.results or self.errors):
            self.over.acquire(timeout=WAIT)

    def end(self) -> None:
        """Request the call to end and wait until it has; further interrupts have no effect."""
        while True:
            try:
                self.cancellation.request()
                if self.owner.setdefault("owner", "caller") == "work":
                    self.wait()
                return
            except BaseException:
                continue


def shielded(function: Callable[[Cancellation], T]) -> T:
    """Call a function such that no signal interrupts it halfway.

    In the main thread, where Python handles signals, the function is called in another thread,
    in the same context and with the NumPy and scikit-learn settings of this thread.

    Parameters
    ----------
    function : callable
        ``function(cancellation)`` must end soon after the cancellation is requested, normally
        or with `Cancelled`.

    Returns
    -------
    result : object
        The return value of the function.

    Raises
    ------
    BaseException
        The exception of the function, or the exception of a signal handler, such as
        KeyboardInterrupt. In both cases the function has ended.
    """
    if threading.current_thread() is not threading.main_thread():
        return function(Cancellation())
    work = _Work(function)
    try:
        # Not Thread.start, which waits for the thread under a lock that a signal may leave locked.
        start_new_thread(work.run, ())
        work.wait()
    except BaseException:
        # `end` withstands further signals once inside its loop; the repetitions cover the entry.
        try:
            work.end()
        except BaseException:
            try:
                work.end()
            except BaseException:
                work.end()
        raise
    if work.errors:
        raise work.errors[0]
    return work.results[0]
