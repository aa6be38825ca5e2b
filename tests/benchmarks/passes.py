"""How the number of passes over the rows was reduced: the steps from SciPy's L-BFGS to ours.

A pass is one cost and gradient over all rows, those of line searches included, or an epoch of
mini-batches; one over some of the rows, in the head start, counts for that part. The cost to
reach is that of scikit-learn's L-BFGS after 200 iterations, as in the time to a cost.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from unittest import mock

import data
import numpy as np
from data import Problem
from peers import LAMBDA, scikit_learn_run
from scipy.optimize import minimize
from settings import Settings
from time_to_cost import MOST_ITERATIONS, Target, iterations_to, our_run, targets_of
from timing import Comparison

from skbackprop import Network, Objective
from skbackprop.change_of_variables import (
    ChangeOfVariables,
    LayerChange,
    change_of_variables,
    feature_change,
)
from skbackprop.solvers import head_start


def run(settings: Settings) -> Iterator[Comparison]:
    for problem in data.several(settings, mnist_rows=15_000):
        seeds = range(settings.rounds(1))
        stops = [settings.iterations(200)]
        peers = [scikit_learn_run(problem, np.float64, seed, stops) for seed in seeds]
        target = targets_of(peers, stops)[-1]
        most = settings.iterations(MOST_ITERATIONS)
        ours = [passes_of_fit(problem, seed, target, most) for seed in seeds]
        for name, change in CHANGES.items():
            theirs = [passes_with(problem, seed, target, most, *change) for seed in seeds]
            yield Comparison("passes over the rows", str(problem), name, ours, theirs, "passes")


def nothing(objective: Objective, theta: np.ndarray) -> list[LayerChange]:
    return [LayerChange() for _ in objective.network.shapes]


def of_features(objective: Objective, theta: np.ndarray, *, mix: bool) -> list[LayerChange]:
    features = feature_change(objective, mix=mix)
    return [features, *nothing(objective, theta)[1:]]


def of_all_layers(objective: Objective, theta: np.ndarray, *, mix: bool) -> list[LayerChange]:
    features = feature_change(objective)
    return change_of_variables(objective, theta, features, mix_outputs=mix).layers


# Corrections of L-BFGS, and the change of variables of each layer.
CHANGES: dict[str, tuple[int, Callable]] = {
    "10 corrections, no change of variables": (10, nothing),
    "30 corrections": (30, nothing),
    "and mu of the features": (30, partial(of_features, mix=False)),
    "and P": (30, partial(of_features, mix=True)),
    "and mu of the hidden layer": (30, partial(of_all_layers, mix=False)),
    "and Q": (30, partial(of_all_layers, mix=True)),
}


@contextmanager
def rows_seen() -> Iterator[list[int]]:
    """How many rows cost and gradient are computed over, for each evaluation or epoch."""
    seen: list[int] = []
    smooth, row_order = Objective.smooth, head_start.row_order

    def counted(self, theta):
        seen.append(self.rows.n_rows)
        return smooth(self, theta)

    def counted_epoch(n_rows, random_state):
        seen.append(n_rows)
        return row_order(n_rows, random_state)

    with (
        mock.patch.object(Objective, "smooth", counted),
        mock.patch.object(head_start, "row_order", counted_epoch),
    ):
        yield seen


def passes_of_fit(problem: Problem, seed: int, target: Target, most: int) -> float:
    n_iter = iterations_to(problem, np.float64, seed, [target], [most])[0]
    with rows_seen() as seen:
        reached = our_run(problem, np.float64, seed, n_iter)
    # The last evaluation of `our_run` is the one that looks at J.
    return sum(seen[:-1]) / len(problem.X) if np.isfinite(reached.cost) else np.inf


def passes_with(
    problem: Problem, seed: int, target: Target, most: int, corrections: int, layers_of: Callable
) -> float:
    network = Network(problem.layer_sizes)
    objective = Objective(network, problem.X, problem.targets, reg_lambda=LAMBDA)
    mu = layers_of(objective, network.initialize(random_state=seed))[0].mu
    theta = network.initialize(random_state=seed, centre=mu)
    change = ChangeOfVariables(network, layers_of(objective, theta))
    reached = False

    def look(intermediate_result) -> None:
        nonlocal reached
        reached = intermediate_result.fun <= target.cost
        if reached:
            raise StopIteration

    options = {"maxcor": corrections, "maxiter": most, "maxfun": 10 * most, "ftol": 0, "gtol": 0}
    with objective.running() as running, rows_seen() as seen:

        def evaluate(z: np.ndarray) -> tuple[float, np.ndarray]:
            return change.pull_back(z, *running(change.to_theta(z)))

        minimize(
            evaluate,
            change.from_theta(theta),
            jac=True,
            method="L-BFGS-B",
            callback=look,
            options=options,
        )
    return sum(seen) / len(problem.X) if reached else np.inf
