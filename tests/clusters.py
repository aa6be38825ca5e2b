"""A cluster of worker processes for tests, and a bound on what they may take."""

import signal
import threading
from contextlib import contextmanager

import pytest

pytest.importorskip("dask.array", reason="Dask is the extra 'dask'")
pytest.importorskip("distributed", reason="distributed is part of the extra 'dask'")
import dask
from distributed import Client, LocalCluster

# So long a test with worker processes may take, in seconds.
LIMIT = 120


@contextmanager
def two_processes(**options):
    """A client of two workers with one thread each, as their users start them."""
    with (
        dask.config.set({"distributed.worker.daemon": True}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs="CRITICAL",
            **options,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def at_most(seconds=LIMIT):
    """Fail instead of waiting for ever; where there are no such alarms, only wait."""
    if not hasattr(signal, "setitimer") or (
        threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def too_long(*_):
        raise TimeoutError(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
