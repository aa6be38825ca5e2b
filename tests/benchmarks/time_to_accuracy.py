"""Time to an accuracy on held-out rows: who passes it first, and stays there.

Adam of scikit-learn with its defaults and of PyTorch in a plain loop (if it is installed);
ours: the default, and what the guide recommends for images, one-cycle Adam, with few and with
more epochs. All rows are
float32. Scores are not part of any time. A seed draws the start and the batches; each gives
one pair of times.
"""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from statistics import mean
from time import sleep
from typing import NamedTuple

import data
import numpy as np
from data import Problem
from peers import seconds_of_iterations, silently
from settings import Settings
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from timing import BLAS_THREADS_SLEEP, Comparison, Curve, Result, seconds

from skbackprop import BackpropClassifier
from skbackprop.solvers import Adam, OneCycle

SHORT, LONG, DEFAULT = OURS = (
    "our short one-cycle Adam",
    "our one-cycle Adam",
    "our default L-BFGS",
)


class Task(NamedTuple):
    """Rows to fit and rows to score, what is to be reached, and how long fits are."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    accuracies: tuple[float, ...]
    peak: float  # of the recipe's rate
    n_epochs: tuple[int, int]  # of the recipe, short and long
    most: int  # epochs of peers; iterations of L-BFGS are four times as many

    def __str__(self) -> str:
        return f"{self.name} {len(self.X)}x{self.X.shape[1]}"


# Seconds, and the accuracy on the test rows then.
Path = tuple[list[float], list[float]]


def run(settings: Settings) -> Iterator[Result]:
    for task in (mnist(settings), letter(settings), adult(settings), digits(settings)):
        curves: dict[str, list[Curve]] = {name: [] for name in contestants()}
        for seed in range(settings.rounds(5)):
            for name, fit in contestants().items():
                sleep(BLAS_THREADS_SLEEP)
                found = Curve("accuracy against seconds", str(task), name, *fit(task, seed))
                curves[name].append(found)
                yield found
        yield from compare(task, curves)
    if find_spec("torch") is None:
        print("PyTorch is not installed, so it is left out of the time to an accuracy.")


def contestants() -> dict[str, Callable[[Task, int], Path]]:
    """Ours first, peers then."""
    recipe = [partial(one_cycle_adam, length=length) for length in range(2)]
    ours = dict(zip(OURS, (*recipe, default), strict=True))
    peers = {"scikit-learn's Adam": scikit_learn_adam}
    if find_spec("torch") is not None:
        peers["PyTorch's Adam"] = pytorch_adam
    return ours | peers


def mnist(settings: Settings) -> Task:
    if settings.data is None:
        problem = data.mnist_like(settings.rows(70_000))
        parts = train_test_split(problem.X, problem.y, test_size=1 / 7, random_state=0)
    else:
        problem = data.mnist(settings.data, settings.rows(60_000))
        X_test = data.read_idx(settings.data, "t10k-images-idx3-ubyte").reshape(-1, 784) / 255.0
        y_test = data.read_idx(settings.data, "t10k-labels-idx1-ubyte").astype(int)
        parts = [problem.X, X_test, problem.y, y_test]
    return task(problem, parts, (0.97, 0.975, 0.98), 0.015, (3, 8), settings.iterations(25))


def letter(settings: Settings) -> Task:
    problem = data.letter_like(settings.rows(20_000))
    parts = train_test_split(problem.X, problem.y, test_size=1 / 4, random_state=0)
    return task(problem, parts, (0.6, 0.65, 0.7), 0.04, (8, 30), settings.iterations(50))


def adult(settings: Settings) -> Task:
    problem = data.adult_like(settings.rows(48_842))
    parts = train_test_split(problem.X, problem.y, test_size=1 / 3, random_state=0)
    return task(problem, parts, (0.8, 0.81), 0.005, (3, 10), settings.iterations(15))


def digits(settings: Settings) -> Task:
    problem = data.digits()
    parts = train_test_split(
        problem.X, problem.y, test_size=0.3, random_state=0, stratify=problem.y
    )
    return task(problem, parts, (0.95, 0.96, 0.97), 0.04, (8, 20), settings.iterations(100))


def task(problem: Problem, parts: list, *options) -> Task:
    X, X_test, y, y_test = parts
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    return Task(problem.name, X, y, X_test, y_test, *options)


def one_cycle_adam(task: Task, seed: int, length: int) -> Path:
    solver = Adam(OneCycle(task.peak))
    clf = BackpropClassifier(
        activation="relu",
        output_activation="softmax",
        solver=solver,
        max_iter=task.n_epochs[length],
        random_state=seed,
    )
    return curve_of(clf, task)


def default(task: Task, seed: int) -> Path:
    return curve_of(BackpropClassifier(max_iter=4 * task.most, random_state=seed), task)


def curve_of(clf: BackpropClassifier, task: Task) -> Path:
    """Scores from one fit, times from the same fit without them."""
    silently(lambda: clf.fit(task.X, task.y, X_val=task.X_test, y_val=task.y_test))
    scores = clf.validation_scores_
    duration = seconds(lambda: silently(clf.fit, task.X, task.y))
    return seconds_of_iterations(clf, duration), list(map(float, scores))


def scikit_learn_adam(task: Task, seed: int) -> Path:
    """Its defaults; `partial_fit` of all rows is an epoch of `fit`, with the same batches."""
    mlp = MLPClassifier(random_state=seed)
    return epoch_by_epoch(
        lambda: mlp.partial_fit(task.X, task.y, classes=np.unique(task.y)),
        lambda: mlp.score(task.X_test, task.y_test),
        task.most,
    )


def pytorch_adam(task: Task, seed: int) -> Path:
    """The same network and options, batches from memory."""
    import torch

    torch.manual_seed(seed)
    X, y = torch.from_numpy(task.X), torch.from_numpy(task.y.astype(np.int64))
    X_test, y_test = torch.from_numpy(task.X_test), torch.from_numpy(task.y_test.astype(np.int64))
    sizes = task.X.shape[1], 100, int(task.y.max()) + 1
    first, last = (torch.nn.Linear(a, b) for a, b in pairwise(sizes))
    network = torch.nn.Sequential(first, torch.nn.ReLU(), last)
    optimizer = torch.optim.Adam(network.parameters())

    def epoch() -> None:
        for rows in torch.randperm(len(X)).split(200):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(X[rows]), y[rows]).backward()
            optimizer.step()

    def score() -> float:
        with torch.no_grad():
            return float((network(X_test).argmax(dim=1) == y_test).float().mean())

    return epoch_by_epoch(epoch, score, task.most)


def epoch_by_epoch(epoch: Callable[[], object], score: Callable[[], float], n_epochs: int) -> Path:
    times, scores = [], []
    for _ in range(n_epochs):
        times.append(seconds(epoch))
        scores.append(float(score()))
    return np.cumsum(times).tolist(), scores


def compare(task: Task, curves: dict[str, list[Curve]]) -> Iterator[Comparison]:
    for name in OURS:
        for accuracy in task.accuracies:
            for peer in curves:
                if peer in OURS:
                    continue
                a, b = ([c.reached(accuracy) for c in curves[who]] for who in (name, peer))
                yield Comparison(
                    "time to an accuracy",
                    f"{task}, {accuracy}, {name}",
                    peer,
                    a,
                    b,
                    "s",
                    f"at the end {ends(curves[name])}, its {ends(curves[peer])}",
                )


def ends(curves: list[Curve]) -> str:
    """How far fits come, and in what time."""
    accuracy = mean(curve.values[-1] for curve in curves)
    return f"{accuracy:.4f} in {mean(curve.seconds[-1] for curve in curves):.3g} s"
