"""Spark's MultilayerPerceptronClassifier on the same rows and cores: logistic units, softmax.

Both minimise the same J, without a penalty, which Spark does not have. Seconds an iteration are
those of Spark's iterations without what a fit of one iteration takes, so that its start does not
count; ours are those of the whole fit. The cost to reach is Spark's after 100 iterations,
recomputed from its parameters.
"""

import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from math import inf
from time import perf_counter

import data
import numpy as np
from peers import silently
from settings import Settings
from timing import Comparison

from skbackprop import BackpropClassifier, Network, Objective

N_CORES = 2
# J in the float32 part of our fits is only nearly what float64 recomputes.
ROUNDING = 1e-5


def run(settings: Settings) -> Iterator[Comparison]:
    if find_spec("pyspark") is None:
        print("spark: skipped, it needs pyspark (and Java 17)")
        return
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master(f"local[{N_CORES}]")
        .config("spark.driver.memory", "6g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    problems = [
        data.mnist(settings.data, settings.rows(60_000)),
        data.letter_like(settings.rows(15_000)),
    ]
    try:
        for problem in problems:
            yield from beside(settings, session, problem)
    finally:
        session.stop()


def beside(settings: Settings, session, problem: data.Problem) -> Iterator[Comparison]:
    frame = as_frame(session, problem)
    network = Network(problem.layer_sizes, output_activation="softmax")
    fit_spark(frame, network, 1, 0)  # the first one starts more than others
    n_iter = settings.iterations(100)
    an_iteration: tuple[list, list] = ([], [])
    to_its_cost: tuple[list, list] = ([], [])
    costs = []
    for seed in range(settings.rounds(3)):
        start, _, _ = fit_spark(frame, network, 1, seed)
        seconds, done, theta = fit_spark(frame, network, n_iter, seed)
        cost = Objective(network, problem.X, problem.y)(theta)[0]
        costs.append(cost)
        clf, ours = fit_ours(problem, n_iter, seed)
        an_iteration[0].append(ours / clf.n_iter_)
        an_iteration[1].append(max(seconds - start, 0.0) / max(done - 1, 1))
        to_its_cost[0].append(seconds_to(cost, clf, ours))
        to_its_cost[1].append(seconds)
    note = f"J = {', '.join(f'{cost:.4g}' for cost in costs)} after {n_iter} iterations of Spark"
    peer = f"Spark, local[{N_CORES}]"
    yield Comparison("an iteration", str(problem), peer, *an_iteration)
    yield Comparison("time to Spark's cost", str(problem), peer, *to_its_cost, note=note)


def as_frame(session, problem: data.Problem):
    """The rows in Spark's memory, in as many partitions as there are cores."""
    import pandas as pd
    from pyspark.ml.functions import array_to_vector

    table = pd.DataFrame({"X": list(problem.X), "label": problem.y.astype(float)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = session.createDataFrame(table)
    frame = frame.select(array_to_vector("X").alias("features"), "label")
    frame = frame.repartition(N_CORES).cache()
    frame.count()
    return frame


def fit_spark(frame, network: Network, n_iter: int, seed: int) -> tuple[float, int, np.ndarray]:
    """Seconds, iterations that it really did, theta."""
    from pyspark.ml.classification import MultilayerPerceptronClassifier

    layers = list(network.layer_sizes)
    classifier = MultilayerPerceptronClassifier(
        layers=layers, maxIter=n_iter, tol=0.0, solver="l-bfgs", seed=seed
    )
    start = perf_counter()
    model = classifier.fit(frame)
    seconds = perf_counter() - start
    # Each layer: W by columns, then b.
    numbers, thetas = np.array(model.weights), []
    for n, s in pairwise(layers):
        W, b, numbers = np.split(numbers, [n * s, n * s + s])
        thetas.append(np.column_stack([b, W.reshape(s, n, order="F")]))
    return seconds, model.summary().totalIterations, network.unroll(thetas)


def fit_ours(problem: data.Problem, n_iter: int, seed: int) -> tuple[BackpropClassifier, float]:
    clf = BackpropClassifier(
        problem.hidden,
        reg_lambda=0.0,
        output_activation="softmax",
        max_iter=n_iter,
        tol=0.0,
        n_jobs=N_CORES,
        random_state=seed,
    )
    start = perf_counter()
    silently(clf.fit, problem.X, problem.y)
    return clf, perf_counter() - start


def seconds_to(cost: float, clf: BackpropClassifier, seconds: float) -> float:
    """When J over all rows reached a cost; what is not part of an iteration counts, too."""
    history = clf.history_
    outside = seconds - history["seconds"][-1]
    m = max(history["rows"])
    for rows, J, t in zip(history["rows"], history["loss"], history["seconds"], strict=True):
        if rows == m and J <= cost * (1.0 - ROUNDING):
            return outside + t
    return inf
