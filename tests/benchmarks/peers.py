"""The peers: scikit-learn's MLPClassifier, the bare matrix products, PyTorch."""

import inspect
import warnings
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from time import perf_counter
from typing import Literal, NamedTuple
from unittest import mock

import data
import numpy as np
import scipy.optimize
from data import Problem
from sklearn.neural_network import MLPClassifier

from skbackprop import BackpropClassifier, Network, Objective

LAMBDA = 1.0


class Stop(NamedTuple):
    """A moment of a run: seconds since its start, J there and how many iterations it took."""

    seconds: float
    cost: float
    n_iter: int


NEVER = Stop(np.inf, np.inf, 0)


class Run(NamedTuple):
    """A fit: where it was looked at, and J against seconds as the fit itself saw them."""

    stops: list[Stop]
    seconds: list[float]
    costs: list[float]


def silently(run: Callable, *args):
    """A call without its warnings: max_iter ends some of these fits, others are of no use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run(*args)


def ours(problem: Problem, **parameters) -> BackpropClassifier:
    return BackpropClassifier(problem.hidden, reg_lambda=LAMBDA, **parameters)


def scikit_learn(problem: Problem, **parameters) -> MLPClassifier:
    """The same network, lambda and solver; on one-hot targets it has the same J too."""
    return MLPClassifier(
        problem.hidden, activation="logistic", solver="lbfgs", alpha=LAMBDA, **parameters
    )


def seconds_of_iterations(clf: BackpropClassifier, duration: float) -> list[float]:
    """When each iteration on all rows was done, in a `fit` that has taken so long.

    What is not in the history counts as done before: checks and encoding, and what comes after.
    """
    history = clf.history_
    seconds = [s for s, i in zip(history["seconds"], history["iteration"], strict=True) if i > 0]
    return [duration - seconds[-1] + s for s in seconds]


def cost(problem: Problem, theta: np.ndarray) -> float:
    """J in float64, whoever found theta and in whatever precision."""
    network = Network(problem.layer_sizes)
    return Objective(network, problem.X, problem.targets, reg_lambda=LAMBDA)(theta)[0]


def scikit_learn_targets(problem: Problem) -> np.ndarray:
    return problem.y if problem.layer_sizes[-1] == 1 else problem.targets


def scikit_learn_precision(dtype) -> np.dtype:
    """What scikit-learn's L-BFGS evaluates J in, given such rows."""
    seen = []
    evaluate = MLPClassifier._loss_grad_lbfgs

    def watched(self, packed_coef_inter, X, *args):
        seen.append(np.result_type(packed_coef_inter, X))
        return evaluate(self, packed_coef_inter, X, *args)

    problem = data.iris()
    with mock.patch.object(MLPClassifier, "_loss_grad_lbfgs", watched):
        silently(scikit_learn(problem, max_iter=3).fit, problem.X.astype(dtype), problem.targets)
    return seen[-1]


def scikit_learn_evaluation(problem: Problem, dtype) -> Callable:
    """One cost and gradient as scikit-learn's L-BFGS calls it, with its reused lists."""
    X = problem.X.astype(dtype)
    mlp = silently(
        scikit_learn(problem, max_iter=1).fit, X[:1000], scikit_learn_targets(problem)[:1000]
    )
    sizes = problem.layer_sizes
    packed = np.concatenate([part.ravel() for part in (*mlp.coefs_, *mlp.intercepts_)])
    arguments = {
        "packed_coef_inter": packed.astype(scikit_learn_precision(dtype)),
        "X": X,
        "y": problem.targets.astype(bool),  # as `fit` converts them
        "sample_weight": None,
        "activations": [X] + [None] * (len(sizes) - 1),
        "deltas": [None] * (len(sizes) - 1),
        "coef_grads": [np.empty(shape, dtype=dtype) for shape in pairwise(sizes)],
        "intercept_grads": [np.empty(units, dtype=dtype) for units in sizes[1:]],
    }
    evaluate = mlp._loss_grad_lbfgs
    known = inspect.signature(evaluate).parameters  # scikit-learn 1.6 has no sample_weight
    arguments = {name: value for name, value in arguments.items() if name in known}
    return lambda: evaluate(**arguments)


def scikit_learn_run(problem: Problem, dtype, seed: int, stops: list[int]) -> Run:
    """One fit of scikit-learn, looked at after some numbers of iterations.

    It passes only `gtol` to SciPy, whose `ftol` may end the fit before: the later stops
    are then where it ended.
    """
    X = problem.X.astype(dtype, copy=False)
    seen: dict[int, np.ndarray] = {}
    times, costs = [], []

    def watch(intermediate_result) -> None:
        times.append(perf_counter() - start)
        costs.append(float(intermediate_result.fun))
        if len(times) in stops:
            seen[len(times)] = intermediate_result.x.copy()

    minimize = scipy.optimize.minimize

    def watched(*args, **kwargs):
        result = minimize(*args, callback=watch, **kwargs)
        seen.setdefault(len(times), result.x)
        return result

    mlp = scikit_learn(problem, tol=0.0, max_iter=max(stops), random_state=seed)
    with mock.patch("scipy.optimize.minimize", watched):
        start = perf_counter()
        silently(mlp.fit, X, scikit_learn_targets(problem))
    exact = {n: cost(problem, from_scikit_learn(problem, x)) for n, x in seen.items()}
    ends = [min(stop, len(times)) for stop in stops]
    return Run([Stop(times[end - 1], exact[end], end) for end in ends], times, costs)


def from_scikit_learn(problem: Problem, packed: np.ndarray) -> np.ndarray:
    """Its packed weights and intercepts as our theta."""
    network = Network(problem.layer_sizes)
    start, weights = 0, []
    for rows, columns in network.shapes:
        stop = start + rows * (columns - 1)
        weights.append(packed[start:stop].reshape(columns - 1, rows).T)
        start = stop
    biases = np.split(packed[start:], np.cumsum(problem.layer_sizes[1:-1]))
    return network.unroll([np.column_stack(pair) for pair in zip(biases, weights, strict=True)])


def bare_products(problem: Problem, dtype, order: Literal["C", "F"] = "C") -> Callable:
    """The matrix products of one forward and back propagation and nothing else.

    Over all rows at once, into arrays of the given order that exist already, with the BLAS's
    own threads.
    """
    X = problem.X.astype(dtype)
    rng = np.random.RandomState(0)
    sizes = problem.layer_sizes
    W = [rng.standard_normal((b, a)).astype(dtype) for a, b in pairwise(sizes)]
    A = [X, *(np.ones((len(X), units), dtype, order) for units in sizes[1:])]
    delta = [np.ones_like(a) for a in A[1:]]
    gradients = [np.empty_like(w) for w in W]

    def run() -> None:
        for layer, w in enumerate(W):
            np.matmul(A[layer], w.T, out=A[layer + 1])
        for layer in reversed(range(len(W))):
            np.matmul(delta[layer].T, A[layer], out=gradients[layer])
            if layer:
                np.matmul(delta[layer], W[layer], out=delta[layer - 1])

    return run


class PyTorch:
    """The same network, J and number of corrections in PyTorch, with its own L-BFGS."""

    def __init__(self, problem: Problem, dtype):
        import torch

        self.torch = torch
        self.problem = problem
        self.dtype = getattr(torch, np.dtype(dtype).name)
        self.X = torch.from_numpy(problem.X.astype(dtype))
        self.Y = torch.from_numpy(problem.targets.astype(dtype))

    def run(self, seed: int, targets: list[float], max_iter: int) -> Run:
        """One fit until J is at most the last of some decreasing targets."""
        torch = self.torch
        torch.manual_seed(seed)
        sizes = self.problem.layer_sizes
        layers = [torch.nn.Linear(a, b, dtype=self.dtype) for a, b in pairwise(sizes)]
        for layer in layers:
            torch.nn.init.xavier_uniform_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        optimizer = torch.optim.LBFGS(
            [parameter for layer in layers for parameter in layer.parameters()],
            max_iter=max_iter,
            max_eval=100 * max_iter,
            history_size=30,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        times, costs = [], []

        def evaluate():
            optimizer.zero_grad()
            Z = layers[0](self.X)
            for layer in layers[1:]:
                Z = layer(torch.sigmoid(Z))
            cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
            J = cross_entropy(Z, self.Y, reduction="sum")
            J = J + LAMBDA / 2 * sum((layer.weight**2).sum() for layer in layers)
            J = J / len(self.X)
            J.backward()
            return J

        def watched():
            J = evaluate()
            costs.append(float(J.detach()))
            times.append(perf_counter() - start)
            if costs[-1] <= targets[-1]:
                raise ReachedError
            return J

        evaluate()  # its threads are up then
        start = perf_counter()
        with suppress(ReachedError):
            optimizer.step(watched)
        where = [np.flatnonzero(np.array(costs) <= target) for target in targets]
        stops = [Stop(times[i[0]], costs[i[0]], int(i[0]) + 1) if len(i) else NEVER for i in where]
        return Run(stops, times, costs)


class ReachedError(Exception):
    """Ends a fit of PyTorch."""
