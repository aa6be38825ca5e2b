"""Schedulers for the tasks of a fit: threads of this process, or a cluster."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from copy import copy
from itertools import zip_longest
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import dask
from dask import delayed
from dask.callbacks import Callback
from dask.delayed import Delayed

from skbackprop.dask.placement import fair_places, groups_of
from skbackprop.interrupts import Cancellation
from skbackprop.partitions import Facts, as_floats
from skbackprop.threads import resolve_n_jobs, row_executor

# Seconds between two checks whether the fit was interrupted.
WAIT = 0.1
# Seconds between two requests to the scheduler: does it answer, and does it have workers?
ASK = 1.0
# Seconds after which the locations of the rows are requested again: a worker may be lost.
LOOK = 5.0
# Time without any worker, or any answer, after which a fit fails. It can be changed:
# dask.config.set({"skbackprop.no-workers-timeout": "5 minutes"}).
NO_WORKERS_TIMEOUT = "60 s"
# Maximum number of tasks that get theta from the client and return their sums to it; above it
# theta is a task of its own and sums are added in a tree.
FAN_IN = 8

T = TypeVar("T")


class Threads(NamedTuple):
    """Dask's scheduler in this process; partitions are read again in each pass.

    Parameters
    ----------
    n_threads : int
        Number of partitions that are processed at the same time.
    cancellation : Cancellation, optional
        A request to end, checked before each task of Dask.
    executor : ThreadPoolExecutor, optional
        The threads, which `running` opens.
    """

    n_threads: int
    cancellation: Cancellation | None = None
    executor: ThreadPoolExecutor | None = None

    @contextmanager
    def running(self, cancellation: Cancellation) -> Iterator["Threads"]:
        """Context manager for computations that end with `Cancelled` on request.

        It waits at its end for tasks that are running. No thread outlives it.
        """
        with row_executor(self.n_threads) as executor:
            yield Threads(self.n_threads, cancellation, executor)

    def idle(self) -> "Threads":
        """The same scheduler before `running`."""
        return Threads(self.n_threads)

    @property
    def cancellation_in_tasks(self) -> Cancellation | None:
        """The request to end that tasks can check themselves."""
        return self.cancellation

    def keep_rows(self, tasks: list[Delayed]) -> list[Delayed]:
        """The tasks unchanged: rows are not kept in memory."""
        return tasks

    def spread(self, Xs: list[Delayed], facts: list[Facts]) -> list[Delayed]:
        """The rows unchanged: there is only one process."""
        return Xs

    def groups(self, Xs: Sequence[Delayed], n_rows: Sequence[int]) -> list[list[int]]:
        """The partitions of each task: a single one, so that few are in memory at a time."""
        return [[i] for i in range(len(Xs))]

    def share(self, value: Any, n_tasks: int) -> Delayed:
        """A value as an argument of `n_tasks` tasks."""
        return as_task(value)

    def task(self, function: Callable, *arguments: Any, near: Any = None) -> Delayed:
        """A lazy call, run by `compute` or `persist`."""
        return delayed(function, pure=False)(*arguments)

    def persist(self, tasks: list[Delayed]) -> list[Delayed]:
        """Compute small results once and keep them in memory."""
        return self._run(dask.persist, tasks)

    def compute(self, tasks: list[Delayed]) -> list:
        """The results of tasks."""
        return self._run(dask.compute, tasks)

    def _run(self, run: Callable, tasks: list[Delayed]) -> list:
        # Dask's configuration may name another scheduler, such as "synchronous" for debugging, or
        # still a client that was closed.
        scheduler = dask.config.get("scheduler", "threads")
        if scheduler in (None, "dask.distributed", "distributed"):
            scheduler = "threads"
        assert self.cancellation is not None
        check = self.cancellation.check
        before_each_task = Callback(pretask=lambda *_: check())._callback
        options = {
            "scheduler": scheduler,
            "num_workers": self.n_threads,
            # Beside those of the user, such as a progress bar.
            "callbacks": [*Callback.active, before_each_task],
        }
        if scheduler == "threads":
            options["pool"] = self.executor
        return list(run(*tasks, **options))


class Cluster:
    """The workers of a `distributed.Client`, which keep the rows. Tasks are its futures.

    Parameters
    ----------
    client : Client
        A synchronous client.
    """

    def __init__(self, client: Any):
        self.client = client
        self.cancellation: Cancellation | None = None
        self.kept: set[str] = set()  # keys
        self.places: dict[str, str] = {}  # the worker for each key of rows
        self.threads: dict[str, int] = {}
        self.looked = 0.0

    @contextmanager
    def running(self, cancellation: Cancellation) -> Iterator["Cluster"]:
        """Context manager for computations that end with `Cancelled` on request."""
        yield self._with(cancellation)

    def idle(self) -> "Cluster":
        """The same scheduler before `running`."""
        return self._with(None)

    def _with(self, cancellation: Cancellation | None) -> "Cluster":
        same = copy(self)
        same.cancellation = cancellation
        return same

    @property
    def cancellation_in_tasks(self) -> None:
        """None: a request to end does not reach the workers."""
        return None

    def keep_rows(self, tasks: list[Delayed]) -> list:
        """Compute once and keep the results on the workers."""
        from distributed import Future

        # The rows of an array in the client's memory are part of the graph.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            persisted = self.client.persist(tasks)
        return self.persist([Future(task.key, self.client) for task in persisted])

    def spread(self, Xs: list, facts: list[Facts]) -> list:
        """Move as few partitions as possible so that all threads have about as many rows."""
        held, n_rows = self._look(X.key for X in Xs), [fact.n_rows for fact in facts]
        if not self.threads:
            raise RuntimeError("The cluster has lost all its workers.")
        holders = [held[X.key] for X in Xs]
        places, found = fair_places(holders, n_rows, self.threads), list(Xs)
        self.places.update((X.key, place) for X, place in zip(Xs, places, strict=True))
        for group in zip_longest(*groups_of(places, n_rows, self.threads)):
            # One per thread at a time: idle workers would steal waiting tasks.
            ready = []
            for i in group:
                # A new result, because Dask may delete any one of several copies.
                if i is not None and not (facts[i].aligned and [places[i]] == holders[i]):
                    found[i] = self.task(as_floats, Xs[i], near=Xs[i])
                    self.places[found[i].key] = places[i]
                    ready.append(self.task(_nothing, found[i], near=found[i]))
            self.compute(ready)
        return self.persist(found)

    def groups(self, Xs: Sequence[Any], n_rows: Sequence[int]) -> list[list[int]]:
        """The partitions of each task: those of one thread of a worker."""
        if monotonic() - self.looked > LOOK:
            for key, here in self._look(self.places).items():
                if here and self.places[key] not in here:
                    self.places[key] = here[0]
        return groups_of([self.places[X.key] for X in Xs], n_rows, self.threads)

    def _look(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """The workers that hold the result of each task."""
        self._require_client()
        try:
            found = self._wait(self.client.scheduler.who_has(keys=list(keys)))
            self.threads = self._wait(self.client.scheduler.ncores())
        except OSError as error:
            raise RuntimeError(f"The cluster was lost: {error}") from error
        self.looked = monotonic()
        return {key: sorted(set(here) & self.threads.keys()) for key, here in found.items()}

    def share(self, value: Any, n_tasks: int) -> Any:
        """A value as an argument of `n_tasks` tasks; if many, workers copy it from each other."""
        return value if n_tasks <= FAN_IN else self.task(_same, value)

    def task(self, function: Callable, *arguments: Any, near: Any = None) -> Any:
        """Start a call, on the worker of the rows `near` as long as it exists."""
        self._check_cancellation()
        self._require_client()
        place = None if near is None else self.places[near.key]
        pinned = {"workers": [place], "allow_other_workers": True} if place else {}
        # Dask would warn about large parameters in the call; they change in each evaluation.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            return self.client.submit(function, *arguments, pure=False, **pinned)

    def persist(self, tasks: list) -> list:
        """Keep the results on the workers."""
        self.kept.update(task.key for task in tasks)
        return tasks

    def compute(self, tasks: list) -> list:
        """The results of tasks; the wait ends after a cancellation or if the cluster is lost."""
        from distributed import CancelledError

        futures: list = []
        try:
            futures = self.client.compute(tasks)
            return self._wait(self._results(futures))
        except (CancelledError, OSError) as error:
            self._raise_cause({future.key for future in futures})
            raise RuntimeError(f"The cluster was lost, or the data on it: {error}") from error
        finally:
            for future in futures:
                future.release()  # so that it is no longer computed if it is not needed

    async def _results(self, futures: list) -> list:
        # With errors="raise" asyncio reports all errors but the first as never retrieved.
        found = await self.client.gather(futures, errors="skip", asynchronous=True)
        if len(found) < len(futures):
            for future in futures:
                if future.status != "finished":
                    await future  # raises its error
        return found

    def _wait(self, answer: Coroutine) -> Any:
        """The result of a coroutine of the client; the wait ends as that of `compute`."""
        self._require_client()
        loop, patience = self.client.loop.asyncio_loop, Patience(self.client)
        future = asyncio.run_coroutine_threadsafe(answer, loop)
        try:
            while not wait([future], timeout=WAIT).done:
                self._check_cancellation()
                self._require_client()
                patience.check()
            return future.result()
        except Exception:
            self._require_client()  # else it would be whatever its absence leads to
            raise
        finally:
            if not loop.is_closed():
                future.cancel()
                patience.end()

    def _check_cancellation(self) -> None:
        if self.cancellation:
            self.cancellation.check()

    def _require_client(self) -> None:
        if self.client.status in ("closing", "closed"):
            raise RuntimeError("The client of the cluster was closed.")

    def _raise_cause(self, keys: set[str]) -> None:
        """Raise the error of a task or of the kept data, which is the cause of the loss."""
        from distributed import Future

        for _ in range(10):
            for known in (keys | self.kept) & self.client.futures.keys():
                if self.client.futures[known].status == "error":
                    Future(known, self.client).result()
            sleep(WAIT)  # the error may not have arrived yet


class Patience:
    """Decides whether to continue waiting: the scheduler must answer and have workers."""

    def __init__(self, client: Any):
        self.client = client
        self.limit = dask.utils.parse_timedelta(
            dask.config.get("skbackprop.no-workers-timeout", NO_WORKERS_TIMEOUT)
        )
        self.asked = self.last_seen = monotonic()
        self.answer: Any = None

    def end(self) -> None:
        """Wait no longer."""
        if self.answer is not None:
            self.answer.cancel()

    def check(self) -> None:
        """Raise RuntimeError if the scheduler has not answered or had workers for too long."""
        now = monotonic()
        if self.answer is None:
            if now - self.asked > ASK:
                self.asked = now
                self.answer = asyncio.run_coroutine_threadsafe(
                    self.client.scheduler.ncores(), self.client.loop.asyncio_loop
                )
        elif self.answer.done():
            workers, self.answer = self.answer.result(), None
            if workers:
                self.last_seen = now
            elif now - self.last_seen > self.limit:
                raise RuntimeError(f"The cluster has had no workers for {self.limit:g} seconds.")
        elif now - self.asked > self.limit:
            raise RuntimeError(f"The scheduler has not answered for {self.limit:g} seconds.")


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


def as_task(value: Any) -> Delayed:
    """A value as a separate task, which Dask neither traverses nor compares with others."""
    return delayed(value, name=f"{type(value).__name__}-{uuid4().hex}", traverse=False)


def _same(value: T) -> T:
    return value


def _nothing(value: Any) -> None:
    """Used to wait for a value without fetching it."""
