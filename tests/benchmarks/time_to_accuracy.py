"""Time to an accuracy on held-out rows: who passes it first, and stays there.

Adam of scikit-learn with its defaults and of PyTorch in a plain loop (if it is installed);
ours: the default, and what the guide recommends for images, one-cycle Adam. Scores are
not part of any time. A seed draws the start and the batches; each gives one pair of times.
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from statistics import mean
from time import perf_counter
from typing import NamedTuple

import data
import numpy as np
from data import Problem
from peers import silently
from settings import Settings
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from timing import Comparison

from skbackprop import BackpropClassifier
from skbackprop.solvers import Adam, OneCycle


class Task(NamedTuple):
    """Rows to fit and rows to score, what is to be reached, and how long fits are."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    accuracies: tuple[float, ...]
    peak: float  # of the recipe's rate
    n_epochs: int  # of the recipe
    most: int  # epochs of peers; iterations of L-BFGS are three times as many


class Point(NamedTuple):
    """A moment of a fit."""

    seconds: float
    accuracy: float


Curve = list[Point]


def run(settings: Settings) -> Iterator[Comparison]:
    for task, rounds in ((mnist(settings), 5), (digits(settings), 9)):
        curves: dict[str, list[Curve]] = {name: [] for name in contestants()}
        for seed in range(settings.rounds(rounds)):
            for name, fit in contestants().items():
                curves[name].append(fit(task, seed))
        yield from compare(task, curves)
    if find_spec("torch") is None:
        print("PyTorch is not installed, so it is left out of the time to an accuracy.")


def contestants() -> dict[str, Callable[[Task, int], Curve]]:
    """Ours first, peers then."""
    ours = {"one-cycle Adam": one_cycle_adam, "L-BFGS, the default": default}
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
    return task(problem, parts, (0.97, 0.975, 0.98), 0.005, 8, settings.iterations(25))


def digits(settings: Settings) -> Task:
    problem = data.digits()
    parts = train_test_split(
        problem.X, problem.y, test_size=0.3, random_state=0, stratify=problem.y
    )
    return task(problem, parts, (0.95, 0.96, 0.97), 0.02, 20, settings.iterations(200))


def task(problem: Problem, parts: list, *options) -> Task:
    X, X_test, y, y_test = parts
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    return Task(problem.name, X, y, X_test, y_test, *options)


def one_cycle_adam(task: Task, seed: int) -> Curve:
    solver = Adam(OneCycle(task.peak))
    clf = BackpropClassifier(
        activation="relu",
        output_activation="softmax",
        solver=solver,
        max_iter=task.n_epochs,
        random_state=seed,
    )
    return curve_of(clf, task)


def default(task: Task, seed: int) -> Curve:
    return curve_of(BackpropClassifier(max_iter=3 * task.most, random_state=seed), task)


def curve_of(clf: BackpropClassifier, task: Task) -> Curve:
    """Scores from one fit, times from the same fit without them."""
    silently(lambda: clf.fit(task.X, task.y, X_val=task.X_test, y_val=task.y_test))
    scores = clf.validation_scores_
    start = perf_counter()
    silently(clf.fit, task.X, task.y)
    duration = perf_counter() - start
    history = clf.history_
    seconds = [s for s, i in zip(history["seconds"], history["iteration"], strict=True) if i > 0]
    # What is not in the history: checking and encoding before it, and what comes after it.
    beside = duration - seconds[-1]
    return [Point(beside + s, score) for s, score in zip(seconds, scores, strict=True)]


def scikit_learn_adam(task: Task, seed: int) -> Curve:
    """Its defaults; `partial_fit` of all rows is an epoch of `fit`, with the same batches."""
    mlp = MLPClassifier(random_state=seed)
    return epoch_by_epoch(
        lambda: mlp.partial_fit(task.X, task.y, classes=np.unique(task.y)),
        lambda: mlp.score(task.X_test, task.y_test),
        task.most,
    )


def pytorch_adam(task: Task, seed: int) -> Curve:
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


def epoch_by_epoch(
    epoch: Callable[[], object], score: Callable[[], float], n_epochs: int
) -> Curve:
    seconds, curve = 0.0, []
    for _ in range(n_epochs):
        start = perf_counter()
        epoch()
        seconds += perf_counter() - start
        curve.append(Point(seconds, score()))
    return curve


def reached(curve: Curve, accuracy: float) -> float:
    """When a fit passes an accuracy for the last time; infinite if it ends below."""
    seconds = np.inf
    for point in reversed(curve):
        if point.accuracy < accuracy:
            break
        seconds = point.seconds
    return seconds


def compare(task: Task, curves: dict[str, list[Curve]]) -> Iterator[Comparison]:
    ours = ("one-cycle Adam", "L-BFGS, the default")
    for name in ours:
        for accuracy in task.accuracies:
            for peer in curves:
                if peer in ours:
                    continue
                a, b = ([reached(c, accuracy) for c in curves[who]] for who in (name, peer))
                yield Comparison(
                    "time to an accuracy",
                    f"{task.name} {len(task.X)} rows, {name}, {accuracy}",
                    peer,
                    a,
                    b,
                    "s",
                    f"at the end {ends(curves[name])}, its {ends(curves[peer])}",
                )


def ends(curves: list[Curve]) -> str:
    """How far fits come, and in what time."""
    last = [curve[-1] for curve in curves]
    return f"{mean(p.accuracy for p in last):.4f} in {mean(p.seconds for p in last):.3g} s"
