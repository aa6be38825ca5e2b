"""Who computes the tasks of a fit: threads of this process, or a cluster."""

from dataclasses import dataclass, field
from threading import Event
from time import monotonic, sleep
from typing import Any, NamedTuple

import dask
from dask.delayed import Delayed

from skbackprop.interrupts import Cancellation
from skbackprop.threads import resolve_n_jobs

# Seconds between two looks at whether a fit was interrupted and the cluster is still there.
WAIT = 0.1
# Seconds without any worker after which a fit gives up. Dask's own configuration may say
# otherwise: dask.config.set({"skbackprop.no-workers-timeout": "5 minutes"}).
NO_WORKERS_TIMEOUT = "60 s"


class Threads(NamedTuple):
    """Dask's scheduler of this process; partitions are read again at each pass.

    Parameters
    ----------
    n_threads : int
        How many partitions are worked on at a time.
    """

    n_threads: int

    def persist(self, tasks: list[Delayed]) -> list[Delayed]:
        """Compute small things once, to be kept in memory."""
        return list(dask.persist(*tasks, **self._options))

    def keep_rows(self, tasks: list[Delayed]) -> list[Delayed]:
        """The rows themselves are not kept."""
        return tasks

    def places(self, Xs: list[Delayed]) -> list:
        """What a task should be near to: nothing, everything is near."""
        return [None] * len(Xs)

    def compute(self, task: Delayed, cancellation: Cancellation | None = None) -> Any:
        """The result of a task, which itself looks for a cancellation."""
        return task.compute(**self._options)

    def to_task(self, cancellation: Cancellation) -> Cancellation | None:
        """What tasks know of a request to end."""
        return cancellation

    @property
    def _options(self) -> dict:
        # Another scheduler may be chosen as for anything else, such as "synchronous" to debug; a
        # client that was closed may have left its name.
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
        The keys of what is kept.
    """

    client: Any
    kept: set = field(default_factory=set)

    def persist(self, tasks: list[Delayed]) -> list[Delayed]:
        """Compute once and keep the results where they are."""
        persisted = self.client.persist(tasks)
        self.kept.update(task.key for task in persisted)
        return persisted

    def keep_rows(self, tasks: list[Delayed]) -> list[Delayed]:
        """The workers keep the rows, too."""
        return self.persist(tasks)

    def places(self, Xs: list[Delayed]) -> list:
        """What a task should be near to: the rows."""
        return Xs

    def compute(self, task: Delayed, cancellation: Cancellation | None = None) -> Any:
        """The result of a task; no longer wanted after a cancellation, or without a cluster."""
        from distributed import CancelledError

        patience, done = Patience(self.client), Event()
        future = None
        try:
            # The parameters of a large network are not what Dask warns of: they change each time.
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
                future = self.client.compute(task)
            # Not future.result(timeout): a timeout may hit the moment in which the result comes.
            future.add_done_callback(lambda _: done.set())
            while not done.wait(WAIT):
                if cancellation:
                    cancellation.check()
                patience.check()
            return future.result()
        except (CancelledError, OSError) as error:
            self._raise_cause(task.key)
            raise RuntimeError(f"The cluster is gone, or what it held: {error}") from error
        finally:
            if future is not None:
                future.release()  # what nobody wants is no longer computed

    def _raise_cause(self, key: str) -> None:
        """Raise the error of a task or of what was kept, which says more than its loss."""
        from distributed import Future

        for _ in range(10):
            for known in {key, *self.kept} & self.client.futures.keys():
                if self.client.futures[known].status == "error":
                    Future(known, self.client).result()
            sleep(WAIT)  # it may be on its way

    def to_task(self, cancellation: Cancellation) -> Cancellation | None:
        """A request to end does not reach the workers."""
        return None


class Patience:
    """Whether to go on waiting for a cluster."""

    def __init__(self, client: Any):
        self.client = client
        self.limit = dask.utils.parse_timedelta(
            dask.config.get("skbackprop.no-workers-timeout", NO_WORKERS_TIMEOUT)
        )
        self.last_look = self.last_seen = monotonic()

    def check(self) -> None:
        """Raise RuntimeError where there has been nobody to wait for."""
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
    """The given client, else the one that was started last, else threads."""
    if client is None:
        try:
            from distributed import default_client

            client = default_client()
        except (ImportError, ValueError):
            return Threads(resolve_n_jobs(n_jobs))
    if client.asynchronous:
        raise ValueError("DaskBackpropClassifier needs a client with asynchronous=False.")
    return Cluster(client)
