"""What all tests share."""

import gc
import signal
import sys
from time import monotonic, sleep

import pytest
from hypothesis import settings

# The same examples in every run: a failure is the code's, and can be repeated.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")


def pytest_configure():
    # A shell without job control starts a background process with SIGINT ignored.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    # What is imported by now stays to the end: the garbage collector need not search it.
    # Hypothesis before 6.140 takes objects that it does not list for garbage.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def iris():
    """The rows of iris, scaled, and their classes."""
    # Here, because the process that only hands the tests to others reads this file, too.
    from sklearn.datasets import load_iris
    from sklearn.preprocessing import StandardScaler

    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture
def no_thread_is_left():
    """Every thread that has begun in a test ends with it, soon."""
    # Those that run, by their identifiers: not what `threading` remembers of them.
    before = set(sys._current_frames())
    yield
    deadline = monotonic() + 20.0
    while left := set(sys._current_frames()) - before:
        assert monotonic() < deadline, f"{len(left)} threads are left"
        sleep(0.01)
