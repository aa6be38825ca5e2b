"""Where the rows are worked on: every thread has its share, and none of them moves in a fit."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

da = pytest.importorskip("dask.array", reason="Dask is the extra 'dask'")
pytest.importorskip("distributed", reason="distributed is part of the extra 'dask'")
from clusters import at_most, two_processes

from skbackprop import Network, Objective
from skbackprop.dask import DaskBackpropClassifier
from skbackprop.dask.placement import fair_places, groups_of

pytestmark = pytest.mark.filterwarnings(
    # A cluster that is closed leaves sockets to the garbage collector.
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
X, Y = load_digits(return_X_y=True)
X = X / 16.0


def load_of(places, sizes):
    return {w: sum(s for p, s in zip(places, sizes, strict=True) if p == w) for w in set(places)}


def test_fair_partitions_stay():
    holders = [["a"], ["b"], ["b", "a"], ["a"]]
    assert fair_places(holders, [10, 10, 10, 10], {"a": 1, "b": 1}) == ["a", "b", "b", "a"]


def test_what_is_too_much_for_a_worker_goes_to_others():
    places = fair_places([["a"]] * 6, [10] * 6, {"a": 1, "b": 2})
    assert load_of(places, [10] * 6) == {"a": 20, "b": 40}
    # One partition of two moves, not three of three.
    assert fair_places([["a"]] * 3, [10] * 3, {"a": 1, "b": 1}).count("b") == 1


@pytest.mark.parametrize("seed", range(20))
def test_no_worker_has_much_more_than_its_share(seed):
    rng = np.random.RandomState(seed)
    threads = {f"w{i}": int(n) for i, n in enumerate(rng.randint(1, 5, rng.randint(1, 6)))}
    sizes = rng.randint(1, 1000, rng.randint(1, 40)).tolist()
    holders = [rng.choice([*threads], rng.randint(0, 3)).tolist() for _ in sizes]
    places = fair_places(holders, sizes, threads)
    share = sum(sizes) / sum(threads.values())
    for worker, n_rows in load_of(places, sizes).items():
        assert n_rows <= threads[worker] * share + max(sizes)
    groups = groups_of(places, sizes, threads)
    assert sorted(i for group in groups for i in group) == list(range(len(sizes)))
    for group in groups:
        assert len({places[i] for i in group}) == 1
    for worker, n_threads in threads.items():
        assert sum(places[group[0]] == worker for group in groups) <= n_threads


@pytest.fixture(scope="module")
def client():
    with at_most(), two_processes() as client:
        yield client


def received(dask_worker):
    return list(dask_worker.transfer_incoming_log)


def test_rows_are_divided_once_and_never_move_during_a_fit(client):
    workers = list(client.scheduler_info()["workers"])
    # 16 small partitions, each of which any worker could be lent; all are with one of them.
    chunks = client.scatter([X[i::16] for i in range(16)], workers=workers[:1])
    sizes = [len(X[i::16]) for i in range(16)]
    X_ = da.concatenate(
        [da.from_delayed(c, (n, 64), float) for c, n in zip(chunks, sizes, strict=True)]
    )
    y_ = da.from_array(np.concatenate([Y[i::16] for i in range(16)]), chunks=(tuple(sizes),))
    clf = DaskBackpropClassifier(8, random_state=0, client=client)
    _, rows, _ = clf._sources(X_, y_, None, (None, None, None), np.random.RandomState(0))

    def holders():
        return client.who_has([part.X for part in rows.partitions])

    at_first = holders()
    assert sorted(at_first.values()) == sorted([(worker,) for worker in workers] * 8)
    theta = np.zeros(8 * 65 + 10 * 9)
    objective = Objective.from_rows(Network((64, 8, 10)), rows)
    objective(theta)
    before = client.run(received)
    for _ in range(30):
        objective(theta)
    assert holders() == at_first
    assert client.run(received) == before
