"""Schedulers for the tasks of a fit: threads of this process, or a cluster."""

from dataclasses import dataclass, field
from threading import Event
from time import monotonic, sleep
from typing import Any, NamedTuple

import dask
from dask.delayed import Delayed

from skbackprop.interrupts import Cancellation
from skbackprop.threads import resolve_n_jobs

# Seconds between two checks whether the fit was interrupted or the cluster was lost.
WAIT = 0.1
# Time without any worker after which a fit fails. It can be changed:
# dask.config.set({"skbackprop.no-workers-timeout": "5 minutes"}).
NO_WORKERS_TIMEOUT = "60 s"


class Threads(NamedTuple):
    """Dask's scheduler in this process; partitions are read again in each pass.

    Parameters
    ----------
    n_threads : int
        Number of partitions that are processed at the same time.
    """

    n_threads: int

    def persist(self, tasks: list[Delayed]) -> list[Delayed]:
        """Compute small results once and keep them in memory."""
        return list(dask.persist(*tasks, **self._options))

    def keep_rows(self, tasks: list[Delayed]) -> list[Delayed]:
        """The tasks unchanged: rows are not kept in memory."""
        return tasks

    def places(self, Xs: list[Delayed]) -> list:
        """Data that a task should run next to: none, all data are in this process."""
        return [None] * len(Xs)

    def compute(self, task: Delayed, cancellation: Cancellation | None = None) -> Any:
        """The result of a task, which itself checks for a cancellation."""
        return task.compute(**self._options)

    def to_task(self, cancellation: Cancellation) -> Cancellation | None:
        """The request to end that tasks check."""
        return cancellation

    @property
    def _options(self) -> dict:
        # Dask's configuration may name another scheduler, such as "synchronous" for debugging, or
        # still a client that was closed.
        scheduler = dask.config.get("scheduler", "threads")
        if scheduler in (None, "dask.distributed", "distributed"):
            scheduler = "threads"
        return {"scheduler": scheduler, "num_workers": self.n_threads}


@dataclass(frozen=True)
class Cluster:
    """The workers of a `distributed.Client`, which keep the rows.

    Parameters
    ----------
    client : Client
        A synchronous client.
    kept : set of str
        The keys of the results that are kept.
    """

    client: Any
    kept: set = field(default_factory=set)

    def persist(self, tasks: list[Delayed]) -> list[Delayed]:
        """Compute once and keep the results on the workers."""
        persisted = self.client.persist(tasks)
        self.kept.update(task.key for task in persisted)
        return persisted

    def keep_rows(self, tasks: list[Delayed]) -> list[Delayed]:
        """Keep the rows on the workers."""
        return self.persist(tasks)

    def places(self, Xs: list[Delayed]) -> list:
        """Data that a task should run next to: the rows."""
        return Xs

    def compute(self, task: Delayed, cancellation: Cancellation | None = None) -> Any:
        """The result of a task; the wait ends after a cancellation or if the cluster is lost."""
        from distributed import CancelledError

        patience, done = Patience(self.client), Event()
        future = None
        try:
            # Dask would warn about large parameters in the task; they change in each evaluation.
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
                future = self.client.compute(task)
            # Not future.result(timeout): the timeout may coincide with the arrival of the result.
            future.add_done_callback(lambda _: done.set())
            while not done.wait(WAIT):
                if cancellation:
                    cancellation.check()
                patience.check()
            return future.result()
        except (CancelledError, OSError) as error:
            self._raise_cause(task.key)
            raise RuntimeError(f"The cluster was lost, or the data on it: {error}") from error
        finally:
            if future is not None:
                future.release()  # so that it is no longer computed if it is not needed

    def _raise_cause(self, key: str) -> None:
        """Raise the error of the task or of the kept data, which is the cause of the loss."""
        from distributed import Future

        for _ in range(10):
            for known in {key, *self.kept} & self.client.futures.keys():
                if self.client.futures[known].status == "error":
                    Future(known, self.client).result()
            sleep(WAIT)  # the error may not have arrived yet

    def to_task(self, cancellation: Cancellation) -> Cancellation | None:
        """None: a request to end does not reach the workers."""
        return None


class Patience:
    """Decides whether to continue waiting for a cluster."""

    def __init__(self, client: Any):
        self.client = client
        self.limit = dask.utils.parse_timedelta(
            dask.config.get("skbackprop.no-workers-timeout", NO_WORKERS_TIMEOUT)
        )
        self.last_look = self.last_seen = monotonic()

    def check(self) -> None:
        """Raise RuntimeError if the client is closed or has had no workers for too long."""
        if self.client.status in ("closing", "closed"):
            raise RuntimeError("The client of the cluster was closed.")
        now = monotonic()
        if now - self.last_look < 1.0:
            return
        self.last_look = now
        if self.client.scheduler_info().get("workers"):
            self.last_seen = now
        elif now - self.last_seen > self.limit:
            raise RuntimeError(f"The cluster has had no workers for {self.limit:g} seconds.")


def scheduler_of(client: Any, n_jobs: int | None) -> Threads | Cluster:
    """The scheduler for a client: the given one, else the one started last, else threads."""
    if client is None:
        try:
            from distributed import default_client

            client = default_client()
        except (ImportError, ValueError):
            return Threads(resolve_n_jobs(n_jobs))
    if client.asynchronous:
        raise ValueError("DaskBackpropClassifier needs a client with asynchronous=False.")
    return Cluster(client)
