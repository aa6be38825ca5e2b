"""Whole fits of small data, each estimator to the end that its own defaults give it."""

from collections.abc import Iterator
from functools import partial
from statistics import median

import data
from peers import ours, scikit_learn, scikit_learn_targets, silently
from settings import Settings
from timing import Comparison, compare, seconds


def run(settings: Settings) -> Iterator[Comparison]:
    for problem in (data.iris(), data.wine()):
        y = scikit_learn_targets(problem)
        times: dict[str, list[float]] = {"ours": [], "scikit-learn": []}
        costs: dict[str, list[float]] = {"ours": [], "scikit-learn": []}
        for seed in range(settings.rounds(25)):
            for name, clf, targets in (
                ("ours", ours(problem, random_state=seed), problem.y),
                ("scikit-learn", scikit_learn(problem, max_iter=1000, random_state=seed), y),
            ):
                times[name].append(seconds(partial(silently, clf.fit, problem.X, targets)))
                costs[name].append(clf.loss_)
        note = "median J {:.5g}, its {:.5g}".format(*map(median, costs.values()))
        yield from compare("small fit", str(problem), times, note)
