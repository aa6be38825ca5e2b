"""One cost and gradient: ours, scikit-learn's, and the bare matrix products."""

from collections.abc import Iterator

import data
import numpy as np
from peers import LAMBDA, bare_products, scikit_learn_evaluation
from settings import Settings
from timing import Comparison, Contestant, compare, in_turn

from skbackprop import Network, Objective


def run(settings: Settings) -> Iterator[Comparison]:
    for problem in data.several(settings):
        for dtype in (np.float64, np.float32):
            contestants = [
                objective_evaluation(problem, dtype),
                Contestant("scikit-learn", scikit_learn_evaluation(problem, dtype)),
                Contestant("bare products", bare_products(problem, dtype)),
            ]
            times = in_turn(contestants, settings.rounds(7), at_least=settings.at_least)
            yield from compare("one cost and gradient", f"{problem}, {dtype.__name__}", times)


def objective_evaluation(problem: data.Problem, dtype) -> Contestant:
    """Ours as a solver calls it: class indices, and threads that are up already."""
    network = Network(problem.layer_sizes)
    theta = network.initialize(random_state=0)
    objective = Objective(network, problem.X.astype(dtype), problem.y, reg_lambda=LAMBDA)
    return Contestant("ours", lambda: objective(theta), objective.running)
