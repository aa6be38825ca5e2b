"""predict_proba of many rows, predict of one row."""

from collections.abc import Iterator
from functools import partial

import data
from peers import ours, scikit_learn, scikit_learn_targets, silently
from settings import Settings
from timing import Comparison, Contestant, compare, in_turn


def run(settings: Settings) -> Iterator[Comparison]:
    problem = data.mnist(settings.data, settings.rows(60_000))
    for dtype in ("float64", "float32"):
        X = problem.X.astype(dtype)
        mine, its = ours(problem, max_iter=2), scikit_learn(problem, max_iter=2)
        silently(mine.fit, X[:1000], problem.y[:1000])
        silently(its.fit, X[:1000], scikit_learn_targets(problem)[:1000])
        many = [
            Contestant("ours", partial(mine.predict_proba, X)),
            Contestant("scikit-learn", partial(its.predict_proba, X)),
        ]
        one = [
            Contestant("ours", partial(mine.predict, X[:1])),
            Contestant("scikit-learn", partial(its.predict, X[:1])),
        ]
        what = f"{problem}, {dtype}"
        rounds, at_least = settings.rounds(9), settings.at_least
        yield from compare("predict_proba", what, in_turn(many, rounds, at_least=at_least))
        yield from compare("predict one row", what, in_turn(one, rounds, at_least=at_least))
