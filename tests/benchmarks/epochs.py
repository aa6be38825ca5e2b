"""An epoch of Adam and a call of `partial_fit`: ours and scikit-learn's, at equal settings."""

from collections.abc import Callable, Iterator

import data
import numpy as np
from data import Problem
from peers import silently
from scipy.sparse import random as random_rows
from settings import Settings
from sklearn.neural_network import MLPClassifier
from timing import Comparison, Contestant, in_turn

from skbackprop import BackpropClassifier

CHUNK_ROWS = 200


def run(settings: Settings) -> Iterator[Comparison]:
    mnist = data.mnist(settings.data, settings.rows(50_000))
    letters = data.letter_like(settings.rows(15_000))
    for problem in (mnist, letters, sparse(settings.rows(6_000))):
        for dtype in ("float64", "float32"):
            typed = problem._replace(X=problem.X.astype(dtype))
            n_epochs = settings.iterations(10)
            what = f"{problem.name} {'x'.join(map(str, problem.X.shape))}, {dtype}"
            yield compare("an epoch of Adam", what, settings, fits(typed, n_epochs), n_epochs)
            yield compare("partial_fit of 200 rows", what, settings, partial_fits(typed))


def fits(problem: Problem, n_epochs: int) -> tuple[Callable, Callable]:
    """A fit of so many epochs: with its checks, and ours with J over all rows now and then."""
    options = {"max_iter": n_epochs, "tol": 0.0, "n_iter_no_change": n_epochs, "random_state": 0}
    estimators = adam(problem, **options)
    return tuple(lambda e=e: silently(e.fit, problem.X, problem.y) for e in estimators)


def partial_fits(problem: Problem) -> tuple[Callable, Callable]:
    X, y, classes = problem.X[:CHUNK_ROWS], problem.y[:CHUNK_ROWS], np.unique(problem.y)
    estimators = adam(problem, random_state=0)
    return tuple(lambda e=e: e.partial_fit(X, y, classes=classes) for e in estimators)


def adam(problem: Problem, **options) -> tuple[BackpropClassifier, MLPClassifier]:
    ours = BackpropClassifier(
        problem.hidden,
        activation="relu",
        output_activation="softmax",
        reg_lambda=1e-4,
        solver="adam",
        **options,
    )
    return ours, MLPClassifier(problem.hidden, batch_size=200, **options)


def compare(
    benchmark: str,
    what: str,
    settings: Settings,
    runs: tuple[Callable, Callable],
    n_epochs: int = 1,
) -> Comparison:
    contestants = [
        Contestant(name, run) for name, run in zip(("ours", "scikit-learn"), runs, strict=True)
    ]
    times = in_turn(contestants, settings.rounds(3), at_least=settings.at_least)
    ours, theirs = ([t / n_epochs for t in found] for found in times.values())
    return Comparison(benchmark, what, "scikit-learn", ours, theirs)


def sparse(n_rows: int) -> Problem:
    """20000 features with 80 entries a row, as of short texts; two classes."""
    rng = np.random.RandomState(4)
    X = random_rows(n_rows, 20_000, density=80 / 20_000, format="csr", random_state=4)
    scores = X @ rng.standard_normal(20_000)
    return Problem("sparse", X, (scores > np.median(scores)).astype(int), (100,))
