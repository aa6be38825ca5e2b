"""Fits and evaluations on worker processes: the constants of the guide's cost model, and a check.

The constants are taken from one process and from clusters of one and of two workers: hardly any
rows show the latency, a large network what theta and the gradients cost on their way. What the
model then says of MNIST's shape, of one and two workers and of a network with a delay, stands
beside what is measured.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import NamedTuple

import data
import numpy as np
from peers import LAMBDA, silently
from settings import Settings
from timing import Comparison, Contestant, compare, in_turn

from skbackprop import BackpropClassifier, Network, Objective

BENCHMARK = "one cost and gradient on {} of a Dask cluster"
MODEL = "the cost model of a Dask cluster"
# Seconds that each message takes longer, to stand for a network.
DELAYS = (0.005, 0.02)


class Model(NamedTuple):
    """Seconds of an evaluation: ``t0 + 8 delay + W (t1 + p t2)``, and what is computed."""

    t0: float  # the way there and back
    t1: float  # a task
    t2: float  # a parameter, there and back, for each task

    # One-way messages, one after the other: the call, its task, its end, the news of it, and a
    # question and an answer on two legs for the sum.
    N_MESSAGES = 8

    def seconds(self, p: int, n_workers: int, delay: float, compute: float) -> float:
        way = self.t0 + self.N_MESSAGES * delay
        return way + n_workers * (self.t1 + p * self.t2) + compute


def run(settings: Settings) -> Iterator[Comparison]:
    try:
        import distributed  # noqa: F401
    except ImportError:
        print("cluster: skipped, it needs the extra 'dask'")
        return
    rng = np.random.RandomState(0)
    tiny = data.Problem("random", rng.rand(200, 10), rng.randint(0, 2, 200), (5,))
    wide = data.Problem("random", rng.rand(20, 1000), rng.randint(0, 2, 20), (1000,))
    mnist = data.mnist(settings.data, settings.rows(60_000))
    found: dict[tuple, float] = {}
    compute: dict[tuple, float] = {}
    for n_workers in (1, 2):
        with workers(n_workers) as client:
            for problem in (tiny, wide, mnist):
                rows = beside_one_process(settings, client, problem, n_workers)
                found[n_workers, str(problem), 0.0] = median(rows[0].ours)
                compute[n_workers, str(problem)] = median(rows[0].theirs)
                yield from rows
            if n_workers == 2:
                yield from fits(settings, client, mnist)
                many = data.Problem("random", np.tile(tiny.X, (50, 1)), np.tile(tiny.y, 50), (5,))
                yield from beside_one_process(settings, client, many, n_workers, 100)
                for delay in DELAYS:
                    with slower_messages(client, delay):
                        for problem in (tiny, mnist):
                            times = evaluations(settings, client, problem, n_workers)
                            found[n_workers, str(problem), delay] = median(times)
    way = {key: seconds - compute[key[:2]] for key, seconds in found.items()}
    one, two = (way[n, str(tiny), 0.0] for n in (1, 2))
    t1 = max(two - one, 0.0)
    t2 = max(way[1, str(wide), 0.0] - one, 0.0) / Network(wide.layer_sizes).n_parameters
    model = Model(one - t1, t1, t2)
    note = ", ".join(f"{name} = {value:.3g} s" for name, value in model._asdict().items())
    for (n_workers, name, delay), seconds in found.items():
        problem = next(p for p in (tiny, wide, mnist) if str(p) == name)
        p = Network(problem.layer_sizes).n_parameters
        said = model.seconds(p, n_workers, delay, compute[n_workers, name])
        what = f"{name}, workers: {n_workers}, delay {1e3 * delay:.0f} ms"
        yield Comparison(MODEL, what, "what it says", [seconds], [said], "s", note)


@contextmanager
def workers(n: int) -> Iterator:
    """A client of so many worker processes with one thread each."""
    from distributed import Client, LocalCluster

    options = {"n_workers": n, "threads_per_worker": 1, "processes": True}
    with LocalCluster(**options, dashboard_address=":0") as cluster, Client(cluster) as client:
        yield client


@contextmanager
def slower_messages(client, delay: float) -> Iterator[None]:
    """Each message of client, scheduler and workers takes so many seconds longer."""
    delay_messages(delay)
    client.run(delay_messages, delay)
    try:
        yield
    finally:
        delay_messages(0.0)
        client.run(delay_messages, 0.0)


def delay_messages(delay: float) -> None:
    """Make the messages that this process sends take longer."""
    from distributed.comm.tcp import TCP

    write = getattr(TCP.write, "original", TCP.write)

    async def later(self, *args, **kwargs):
        await asyncio.sleep(delay)
        return await write(self, *args, **kwargs)

    later.original = write
    TCP.write = later if delay else write


def fits(settings: Settings, client, problem: data.Problem) -> list[Comparison]:
    """The same iterations from the same start, on rows that the workers hold."""
    import dask.array as da
    from distributed import wait

    from skbackprop.dask import DaskBackpropClassifier

    n_iter = settings.iterations(50)
    options = {"max_iter": n_iter, "tol": 0.0, "random_state": 0}
    here = BackpropClassifier(problem.hidden, LAMBDA, n_jobs=2, **options)
    there = DaskBackpropClassifier(problem.hidden, LAMBDA, client=client, **options)
    size = -(-len(problem.y) // 2)
    X = da.from_array(problem.X, chunks=(size, problem.X.shape[1]))
    X, y = client.persist([X, da.from_array(problem.y, chunks=size)])
    wait([X, y])
    contestants = [
        Contestant("ours", lambda: silently(there.fit, X, y)),
        Contestant("one process, threads: 2", lambda: silently(here.fit, problem.X, problem.y)),
    ]
    times = in_turn(contestants, settings.rounds(3), at_least=settings.at_least)
    note = f"J = {there.loss_:.6g} and {here.loss_:.6g}"
    what = f"{problem}, iterations: {n_iter}"
    return list(compare("a fit on 2 workers of a Dask cluster", what, times, note))


def evaluation(client, problem: data.Problem, n_partitions: int) -> tuple[Objective, np.ndarray]:
    import dask.array as da

    from skbackprop.dask import DaskBackpropClassifier

    network = Network(problem.layer_sizes)
    size = -(-len(problem.y) // n_partitions)
    X = da.from_array(problem.X, chunks=(size, problem.X.shape[1]))
    y = da.from_array(problem.y, chunks=size)
    clf = DaskBackpropClassifier(problem.hidden, client=client)
    _, rows, _ = clf._sources(X, y, None, (None, None, None), np.random.RandomState(0))
    on_cluster = Objective.from_rows(network, rows, reg_lambda=LAMBDA)
    return on_cluster, network.initialize(random_state=0)


def evaluations(
    settings: Settings, client, problem: data.Problem, n_partitions: int
) -> list[float]:
    objective, theta = evaluation(client, problem, n_partitions)
    call = Contestant("", partial(objective, theta))
    times = in_turn([call], settings.rounds(7), at_least=settings.at_least)
    return times[""]


def beside_one_process(
    settings: Settings, client, problem: data.Problem, n_workers: int, n_partitions: int = 0
) -> list[Comparison]:
    n_partitions = n_partitions or n_workers
    objective, theta = evaluation(client, problem, n_partitions)
    here = Objective(objective.network, problem.X, problem.y, reg_lambda=LAMBDA, n_jobs=n_workers)
    contestants = [
        Contestant("ours", lambda: objective(theta)),
        Contestant(f"one process, threads: {n_workers}", lambda: here(theta), here.running),
    ]
    times = in_turn(contestants, settings.rounds(7), at_least=settings.at_least)
    ours, theirs = (1e3 * median(found) for found in times.values())
    note = f"{ours - theirs:.1f} ms more"
    benchmark = BENCHMARK.format(f"{n_workers} worker{'s' if n_workers > 1 else ''}")
    return list(compare(benchmark, f"{problem}, {n_partitions} partitions", times, note))
