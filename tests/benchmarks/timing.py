"""Contestants run in turn, so that a busy moment of the machine hits all of them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from math import ceil, inf, isfinite, nan
from statistics import median
from time import perf_counter, sleep
from typing import NamedTuple

# The threads of a BLAS wait actively for their next call this long, whoever has called them.
BLAS_THREADS_SLEEP = 0.1


class Contestant(NamedTuple):
    """Something to time; `around` is entered before its calls of a round, untimed."""

    name: str
    run: Callable[[], object]
    around: Callable[[], AbstractContextManager] = nullcontext


class Comparison(NamedTuple):
    """A row of the table: paired measurements of us and of one peer."""

    benchmark: str
    what: str
    peer: str
    ours: list[float]
    theirs: list[float]
    unit: str = "s"
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """How many times less we need, one for each pair in which somebody got there.

        0 where we did not, infinite where the peer did not.
        """
        pairs = zip(self.ours, self.theirs, strict=True)
        return [b / a for a, b in pairs if isfinite(a) or isfinite(b)]

    @property
    def ratio(self) -> float:
        return median(self.ratios or [nan])

    @property
    def parts(self) -> list[str]:
        """The data first; then their type and what else tells rows of a benchmark apart."""
        return self.what.split(", ")


class Shares(NamedTuple):
    """Parts of a whole, in seconds."""

    what: str
    seconds: float
    parts: dict[str, float]

    @property
    def shares(self) -> dict[str, float]:
        """Parts of one, with the rest."""
        shares = {name: part / self.seconds for name, part in self.parts.items()}
        return shares | {"rest": 1.0 - sum(shares.values())}


class Curve(NamedTuple):
    """What a fit had reached when."""

    benchmark: str
    what: str
    who: str
    seconds: list[float]
    values: list[float]

    def reached(self, value: float) -> float:
        """When it passes a value for the last time; infinite if it ends below."""
        below = [i for i, found in enumerate(self.values) if found < value]
        first = below[-1] + 1 if below else 0
        return self.seconds[first] if first < len(self.seconds) else inf


Result = Comparison | Shares | Curve


def seconds(run: Callable[[], object], n_calls: int = 1) -> float:
    """The duration of one call, averaged over `n_calls`."""
    start = perf_counter()
    for _ in range(n_calls):
        run()
    return (perf_counter() - start) / n_calls


def in_turn(
    contestants: list[Contestant], rounds: int, *, at_least: float = 0.3
) -> dict[str, list[float]]:
    """Seconds a call for each contestant and round: A B C, A B C, ...

    The first call is not counted. Calls shorter than `at_least` seconds are repeated within a
    round, after one that is not counted. A pause keeps one contestant's threads out of the next
    one's time.
    """
    n_calls = {}
    for name, run, around in contestants:
        with around():
            run()
            n_calls[name] = max(1, ceil(at_least / seconds(run)))
    times: dict[str, list[float]] = {name: [] for name in n_calls}
    for _ in range(rounds):
        for name, run, around in contestants:
            sleep(BLAS_THREADS_SLEEP)
            with around():
                if n_calls[name] > 1:
                    run()
                times[name].append(seconds(run, n_calls[name]))
    return times


def compare(
    benchmark: str, what: str, times: dict[str, list[float]], note: str = ""
) -> list[Comparison]:
    """The first contestant against each of the others."""
    (_, ours), *peers = times.items()
    return [Comparison(benchmark, what, peer, ours, theirs, "s", note) for peer, theirs in peers]
