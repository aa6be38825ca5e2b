"""Ctrl-C: work that runs in a thread no signal reaches, and ends where it is safe to end.

Python handles signals in the main thread, between any two of its instructions: inside a lock,
while a thread is being started, between two assignments that belong together. Long work is
therefore done in a thread of its own. The main thread only waits, and what interrupts it becomes
a request to end, which the work looks for between blocks of rows.
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

# How long the main thread waits at a time: where a wait cannot be interrupted, a signal is
# handled after so many seconds.
WAIT = 0.1


class Cancelled(Exception):  # noqa: N818, a request, not an error
    """Raised inside work that was asked to end."""


class Cancellation:
    """A request to end, made in one thread and looked for in others."""

    def __init__(self) -> None:
        # Not a threading.Event: a signal that arrives inside its lock leaves it locked.
        self.requested = False

    def request(self) -> None:
        """Ask the work to end."""
        self.requested = True

    def check(self) -> None:
        """Raise `Cancelled` if the work was asked to end."""
        if self.requested:
            raise Cancelled


class _Work(Generic[T]):
    """A call in a thread of its own, with the context of the thread that asks for it."""

    def __init__(self, function: Callable[[Cancellation], T]):
        self.function = function
        self.cancellation = Cancellation()
        self.results: list[T] = []
        self.errors: list[BaseException] = []
        # Whose it is to say whether the call happens: the first who asks (`dict.setdefault` is
        # atomic, and asking again gives the same answer).
        self.owner: dict[str, str] = {}
        self.over = allocate_lock()
        self.over.acquire()
        self.context = contextvars.copy_context()
        # What belongs to a thread, not to a context: before NumPy 2 the error state, too.
        self.error_state = np.geterr()
        self.config = sklearn.get_config()

    def run(self) -> None:
        """Call the function; in the new thread."""
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
        """Wait until the call is over; a signal may interrupt it."""
        while not (self.results or self.errors):
            self.over.acquire(timeout=WAIT)

    def end(self) -> None:
        """Ask the call to end and wait for that; further interrupts change nothing."""
        while True:
            try:
                self.cancellation.request()
                if self.owner.setdefault("owner", "caller") == "work":
                    self.wait()
                return
            except BaseException:
                continue


def shielded(function: Callable[[Cancellation], T]) -> T:
    """Call a function where no signal can interrupt it halfway.

    Parameters
    ----------
    function : callable
        ``function(cancellation)`` ends soon after the cancellation is requested, normally or
        with `Cancelled`. It is called in another thread if this is the main one, which is where
        Python handles signals; in the same context and with NumPy's and scikit-learn's settings
        of this thread.

    Returns
    -------
    result : object
        What the function returns.

    Raises
    ------
    BaseException
        What the function raises, or what a signal's handler has raised meanwhile, such as
        KeyboardInterrupt; then the function has ended.
    """
    if threading.current_thread() is not threading.main_thread():
        return function(Cancellation())
    work = _Work(function)
    try:
        # Not Thread.start: it waits for the thread under a lock that a signal may leave locked.
        start_new_thread(work.run, ())
        work.wait()
    except BaseException:
        # `end` holds out against further signals once it is inside; this is the way in.
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
