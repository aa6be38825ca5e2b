"""One cost and gradient on two worker processes: the constants of the guide's cost model.

A full run takes them apart: hardly any rows show the latency, many partitions what one more task
costs, a large network what theta and the gradients cost on their way, MNIST what is computed.
"""

from collections.abc import Iterator
from statistics import median

import data
import numpy as np
from peers import LAMBDA
from settings import Settings
from timing import Comparison, Contestant, compare, in_turn

from skbackprop import Network, Objective

BENCHMARK = "one cost and gradient on two processes of a Dask cluster"


def run(settings: Settings) -> Iterator[Comparison]:
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        print("cluster: skipped, it needs the extra 'dask'")
        return
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with LocalCluster(**options, dashboard_address=":0") as cluster, Client(cluster) as client:
        rng = np.random.RandomState(0)
        shapes = {
            "latency": (200, 10, 2, (5,)),
            "100 partitions": (10_000, 10, 100, (5,)),
            "1e6 parameters": (200, 1000, 2, (1000,)),
        }
        for what, (m, n, n_partitions, hidden) in shapes.items():
            problem = data.Problem("random", rng.rand(m, n), rng.randint(0, 2, m), hidden)
            yield from beside_one_process(settings, client, problem, what, n_partitions)
        for n_rows in (60_000, 30_000):
            problem = data.mnist(settings.data, settings.rows(n_rows))
            yield from beside_one_process(settings, client, problem, "compute", 2)


def beside_one_process(
    settings: Settings, client, problem: data.Problem, what: str, n_partitions: int
) -> Iterator[Comparison]:
    import dask.array as da

    from skbackprop.dask import DaskBackpropClassifier

    network = Network(problem.layer_sizes)
    theta = network.initialize(random_state=0)
    size = -(-len(problem.y) // n_partitions)
    X = da.from_array(problem.X, chunks=(size, problem.X.shape[1]))
    y = da.from_array(problem.y, chunks=size)
    clf = DaskBackpropClassifier(problem.hidden, client=client)
    _, rows, _ = clf._sources(X, y, None, (None, None, None), np.random.RandomState(0))
    on_cluster = Objective.from_rows(network, rows, reg_lambda=LAMBDA)
    here = Objective(network, problem.X, problem.y, reg_lambda=LAMBDA)
    contestants = [
        Contestant("ours", lambda: on_cluster(theta)),
        Contestant("one process, all threads", lambda: here(theta), here.running),
    ]
    times = in_turn(contestants, settings.rounds(7), at_least=settings.at_least)
    ours, theirs = (1e3 * median(found) for found in times.values())
    note = f"{what}: {ours - theirs:.1f} ms more"
    yield from compare(BENCHMARK, f"{problem}, {n_partitions} partitions", times, note)
