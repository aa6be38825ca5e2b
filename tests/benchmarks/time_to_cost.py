"""Time to the cost that scikit-learn's L-BFGS has after 50, 100 and 200 iterations.

Networks end in different local minima, so the cost to reach is 1.005 times the median of
scikit-learn's over the seeds, the same for all contestants. Ours is timed as a user would
call it: `fit` with `max_iter` the number of iterations that a fit before has shown to be
needed, with validation, set-up and head start. Each seed gives one pair of times.
"""

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import NamedTuple

import data
import numpy as np
from data import Problem
from peers import (
    NEVER,
    PyTorch,
    Run,
    Stop,
    cost,
    ours,
    scikit_learn_run,
    seconds_of_iterations,
    silently,
)
from settings import Settings
from timing import Comparison, Curve, Result, seconds

TOLERANCE = 1.005
# J of a float32 fit is only nearly what float64 recomputes from its theta.
ROUNDING = 1e-5
# How many iterations are tried in search of the one that reaches a cost.
ATTEMPTS = (60, 250, 1000)
MOST_ITERATIONS = ATTEMPTS[-1]


def run(settings: Settings) -> Iterator[Result]:
    large = (np.float64, np.float32)
    yield from on(settings, data.mnist(settings.data, settings.rows(60_000)), 2, large, torch=True)
    yield from on(settings, data.letter_like(settings.rows(15_000)), 3, large, torch=True)
    yield from on(settings, data.adult_like(settings.rows(32_561)), 2, large)
    yield from on(settings, data.digits(), 5, large)
    yield from on(settings, data.iris(), 25)
    yield from on(settings, data.wine(), 25)
    if find_spec("torch") is None:
        print("PyTorch is not installed, so it is left out of the time to a cost.")


class Target(NamedTuple):
    """What is to be reached: scikit-learn's iterations, and the cost they lead to."""

    n_iter: int
    cost: float
    ended: list[int]  # iterations that scikit-learn really did, by seed

    @property
    def note(self) -> str:
        early = [n for n in self.ended if n < self.n_iter]
        if not early:
            return f"J <= {self.cost:.5g}"
        return (
            f"J <= {self.cost:.5g}; ftol ended {len(early)} of {len(self.ended)} scikit-learn "
            f"runs, after {median(early):.0f} iterations"
        )


def targets_of(runs: list[Run], stops: list[int]) -> list[Target]:
    reached = zip(*(run.stops for run in runs), strict=True)
    return [
        Target(n, TOLERANCE * median(s.cost for s in ends), [s.n_iter for s in ends])
        for n, ends in zip(stops, reached, strict=True)
    ]


def on(
    settings: Settings, problem: Problem, n_seeds: int, dtypes=(np.float64,), torch: bool = False
) -> Iterator[Result]:
    stops = [settings.iterations(n) for n in (50, 100, 200)]
    attempts = [settings.iterations(n) for n in ATTEMPTS]
    seeds = range(settings.rounds(n_seeds))
    theirs: dict = {dtype: [] for dtype in dtypes}
    theirs[np.float64] = [scikit_learn_run(problem, np.float64, seed, stops) for seed in seeds]
    targets = targets_of(theirs[np.float64], stops)
    mine: dict = {dtype: [] for dtype in dtypes}
    torchs = []
    for seed in seeds:
        for dtype in dtypes:
            if dtype is not np.float64:
                theirs[dtype].append(scikit_learn_run(problem, dtype, seed, stops))
            mine[dtype].append(our_runs(problem, dtype, seed, targets, attempts))
        if torch and find_spec("torch"):
            costs = [target.cost * (1 - ROUNDING) for target in targets]
            torchs.append(PyTorch(problem, np.float32).run(seed, costs, attempts[-1]))
    for dtype in dtypes:
        yield from compare(problem, dtype, targets, mine[dtype], "scikit-learn", theirs[dtype])
    if torchs:
        yield from compare(problem, np.float32, targets, mine[np.float32], "PyTorch", torchs)
    if torch:
        runs = {"skbackprop": mine, "scikit-learn": theirs, "PyTorch": {np.float32: torchs}}
        for who, found in runs.items():
            yield from map(partial(curve, problem, who), found[np.float32][:1])


def our_runs(
    problem: Problem, dtype, seed: int, targets: list[Target], attempts: list[int]
) -> Run:
    """A timed fit for each target, and the path of the fit that found how long they must be."""
    n_iters, times, costs = search(problem, dtype, seed, targets, attempts)
    return Run([our_run(problem, dtype, seed, n_iter) for n_iter in n_iters], times, costs)


def iterations_to(
    problem: Problem, dtype, seed: int, targets: list[Target], attempts: list[int]
) -> list[int | None]:
    """How many iterations we need for each target; None for what is not reached."""
    return search(problem, dtype, seed, targets, attempts)[0]


def search(
    problem: Problem, dtype, seed: int, targets: list[Target], attempts: list[int]
) -> tuple[list[int | None], list[float], list[float]]:
    """The iterations that are needed, and seconds and J of each iteration on all rows."""
    X = problem.X.astype(dtype, copy=False)
    for max_iter in attempts:
        clf = ours(problem, max_iter=max_iter, tol=1e-6, random_state=seed)
        duration = seconds(partial(silently, clf.fit, X, problem.y))
        costs = np.array(clf.loss_curve_)
        reached = [np.flatnonzero(costs <= target.cost * (1 - ROUNDING)) for target in targets]
        if all(map(len, reached)) or clf.n_iter_ < max_iter:
            break
    needed = [int(where[0]) + 1 if len(where) else None for where in reached]
    return needed, seconds_of_iterations(clf, duration), clf.loss_curve_


def our_run(problem: Problem, dtype, seed: int, n_iter: int | None) -> Stop:
    """A timed fit of so many iterations; endless where the target is never reached."""
    if n_iter is None:
        return NEVER
    X = problem.X.astype(dtype, copy=False)
    clf = ours(problem, max_iter=n_iter, tol=1e-6, random_state=seed)
    duration = seconds(partial(silently, clf.fit, X, problem.y))
    return Stop(duration, cost(problem, clf.optimize_result_.x), clf.optimize_result_.nfev)


def curve(problem: Problem, who: str, run: Run) -> Curve:
    """J against seconds in float32, only where J becomes lower, and at most 60 points."""
    costs = np.array(run.costs)
    lower = np.flatnonzero(costs <= np.minimum.accumulate(costs))
    few = lower[np.unique(np.geomspace(1, len(lower), 60).round().astype(int)) - 1]
    what = f"{problem}, float32"
    return Curve("J against seconds", what, who, [run.seconds[i] for i in few], [*costs[few]])


def compare(
    problem: Problem,
    dtype,
    targets: list[Target],
    mine: list[Run],
    peer: str,
    theirs: list[Run],
) -> Iterator[Comparison]:
    """One row for each target; a pair for each seed."""
    for index, target in enumerate(targets):
        a, b = ([run.stops[index] for run in side] for side in (mine, theirs))
        yield Comparison(
            "time to the cost of scikit-learn",
            f"{problem}, {np.dtype(dtype).name}, its {target.n_iter} iterations",
            peer,
            [stop.seconds for stop in a],
            [stop.seconds for stop in b],
            "s",
            f"{target.note}; {our_note(target, a)}",
        )


def our_note(target: Target, runs: list[Stop]) -> str:
    """What was reached, with J recomputed in float64."""
    reached = [run for run in runs if run.cost <= target.cost]
    evaluations = f"{median(run.n_iter for run in runs):.0f} evaluations after the head start"
    if len(reached) == len(runs):
        return evaluations
    return f"{evaluations}, J reached by {len(reached)} of {len(runs)} starts"
