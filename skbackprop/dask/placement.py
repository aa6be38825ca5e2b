"""Which worker works on which partitions."""

from collections.abc import Sequence


def fair_places(
    holders: Sequence[Sequence[str]], sizes: Sequence[int], threads: dict[str, int]
) -> list[str]:
    """A worker for each partition, so that all threads have about as many rows.

    Partitions stay where they are as long as their worker does not get more than its share; the
    others go to the worker that has the fewest rows a thread, the largest ones first.

    Parameters
    ----------
    holders : sequence of sequences of str
        The addresses of the workers that have each partition now.
    sizes : sequence of int
        The number of rows of each partition.
    threads : dict of str to int
        The number of threads of each worker.

    Returns
    -------
    places : list of str
        The address of a worker for each partition.
    """
    share = sum(sizes) / sum(threads.values())
    rows = dict.fromkeys(threads, 0)
    places: dict[int, str] = {}
    for i, size in enumerate(sizes):
        here = [w for w in holders[i] if rows[w] + size <= threads[w] * share]
        if here:
            places[i] = here[0]
            rows[here[0]] += size
    left = [i for i in range(len(sizes)) if i not in places]
    for i in sorted(left, key=lambda i: -sizes[i]):
        # Where workers have the same, one of those that have the partition.
        places[i] = min(
            threads, key=lambda w: ((rows[w] + sizes[i]) / threads[w], w not in holders[i], w)
        )
        rows[places[i]] += sizes[i]
    return [places[i] for i in range(len(sizes))]


def groups_of(
    places: Sequence[str], sizes: Sequence[int], threads: dict[str, int]
) -> list[list[int]]:
    """The partitions of each thread of each worker, as lists of their numbers.

    Parameters
    ----------
    places : sequence of str
        The address of the worker of each partition.
    sizes : sequence of int
        The number of rows of each partition.
    threads : dict of str to int
        The number of threads of each worker; one where nothing is known.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    rows: dict[tuple[str, int], int] = {}
    for i, (place, size) in enumerate(zip(places, sizes, strict=True)):
        lanes = [(place, lane) for lane in range(threads.get(place, 1))]
        lane = min(lanes, key=lambda lane: rows.get(lane, 0))
        rows[lane] = rows.get(lane, 0) + size
        groups.setdefault(lane, []).append(i)
    return list(groups.values())
