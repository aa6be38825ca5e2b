"""Stress test: Ctrl-C at random moments of random fits, with busy processes in the background.

    python tests/stress/interrupts.py --count 1000

The fits use every solver, several starts, rows in memory, in files and sparse ones; with --dask
Dask's threads too, with --dask only nothing else. Half of the fits receive one SIGINT, the others
repeated ones until they have ended. Afterwards the estimator must be unchanged, or be usable and
consistent with itself; no thread may be left, and the BLAS limits must be as before. Prints how
the fits ended; exits with 1 if there was a fault.
"""

import argparse
import inspect
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import Counter
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits, load_iris
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from skbackprop import BackpropClassifier, Objective
from skbackprop.solvers import SGD, Adam, GradientDescent

BOUND = 60.0  # seconds after which an interrupted fit counts as hanging


def examples() -> list:
    found = []
    for load in (load_iris, load_digits):
        X, y = load(return_X_y=True)
        found.append((StandardScaler().fit_transform(X), y))
    X, y = found[1]
    found.append((np.tile(X, (8, 1)), np.tile(y, 8)))  # large enough for row threads
    return found


def in_file(X: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "X.npy"), X)
        return np.load(Path(folder, "X.npy"), mmap_mode="r")  # outlives its name


SOURCES = {
    "array": lambda X: X,
    "array by columns": np.asfortranarray,
    "CSR": csr_matrix,
    "memory map": in_file,
    "memory map by columns": lambda X: in_file(np.asfortranarray(X)),
}


def dask_classifier() -> type:
    from skbackprop.dask import DaskBackpropClassifier

    return DaskBackpropClassifier


def in_partitions(part: np.ndarray):
    import dask.array as da

    return da.from_array(part, chunks=(len(part) // 3, *part.shape[1:]))


FIT = inspect.unwrap(BackpropClassifier.fit).__code__
SOLVERS = ["lbfgs", "bfgs", "cg", GradientDescent(1e-4), SGD(1e-4), Adam(1e-5)]


def random_fit(rng: random.Random, data: list) -> tuple:
    """An estimator whose fit outlasts the interrupt, its data, and where the rows are."""
    source = rng.choice(sorted(SOURCES))
    lazy = source == "Dask"
    solver = rng.choice(SOLVERS[: 4 if lazy else None])
    X, y = data[0] if solver == "bfgs" else rng.choice(data)
    clf = (dask_classifier() if lazy else BackpropClassifier)(
        rng.choice([(3,), (8, 5)]) if solver == "bfgs" else rng.choice([(5,), (40,), (10, 10)]),
        1e-6,
        solver=solver,
        max_iter=10**6,
        n_iter_no_change=10**6,
        tol=0.0,
        n_init=rng.choice([1, 1, 2, 4]),
        n_jobs=rng.choice([None, 1, 3]),
        early_stopping=rng.random() < 0.3,
        random_state=rng.randrange(100),
    )
    X = SOURCES[source](X.astype(rng.choice([np.float32, np.float64])))
    return clf, X, in_partitions(y) if lazy else y, source


def blas_threads() -> list[int]:
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


def interrupt(rng: random.Random, over: threading.Event, sent: list) -> None:
    """Send SIGINT to this process after a random delay, as a terminal does, until the fit ends.

    Half the time the next signals follow so soon that they arrive while the fit is ending.
    """
    wait = rng.choice([0.0, 0.002, 0.01, 0.05, 0.2]) * rng.random()
    patience = rng.choice([0.001, 0.3])
    while not over.wait(wait):
        sent.append(wait)
        os.kill(os.getpid(), signal.SIGINT)
        wait = patience


def interrupt_a_fit(signum: int, frame) -> None:
    """Signal handler: raise KeyboardInterrupt only inside a fit, not elsewhere in this script."""
    while frame is not None and frame.f_code is not FIT:
        frame = frame.f_back
    if frame is not None:
        raise KeyboardInterrupt


def computed(part):
    return part.compute(scheduler="synchronous") if hasattr(part, "compute") else part


def faults(clf: BackpropClassifier, X, y, before: set) -> list[str]:
    """Faults of an estimator whose fit was interrupted."""
    if set(vars(clf)) == before:
        return []  # unchanged
    found = []
    if not clf.n_iter_ == len(clf.loss_curve_) == clf.optimize_result_.nit:
        found.append("n_iter_ is not the length of loss_curve_")
    theta = clf.network_.unroll(clf.theta_)
    if not np.array_equal(theta, clf.optimize_result_.x):
        found.append("theta_ and optimize_result_ are of two instants")
    if not clf.early_stopping:
        # Fits to float32 rows end in float64. With large weights the two differ by more than 1e-4.
        X_here, y_here = map(computed, (X, y))
        Js = [
            Objective(clf.network_, X_here.astype(dtype), y_here, reg_lambda=clf.reg_lambda)(
                theta
            )[0]
            for dtype in (X.dtype, np.float64)
        ]
        # The sum over partitions has another order.
        rounding = 1e-10 if X_here is X else 1e-5
        if min(abs(J - clf.loss_) / abs(J) for J in Js) > rounding:
            found.append(f"loss_ is {clf.loss_}, J is {Js}")
        if clf.loss_curve_ and clf.loss_ > min(clf.loss_curve_) * (1 + 1e-5):
            found.append("loss_ is not the lowest J")
    if not np.isfinite(clf.predict_proba(computed(X[:5]))).all():
        found.append("it cannot predict")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="how many fits to interrupt")
    parser.add_argument("--busy", type=int, default=2, help="busy processes beside")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dask", nargs="?", const="too", choices=["too", "only"])
    options = parser.parse_args()
    if options.dask == "only":
        SOURCES.clear()
    if options.dask:
        SOURCES["Dask"] = in_partitions
    signal.signal(signal.SIGINT, interrupt_a_fit)
    warnings.simplefilter("ignore")
    rng, data, limits, counts = random.Random(options.seed), examples(), blas_threads(), Counter()
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.busy)
    ]
    began, signals = perf_counter(), 0
    try:
        for number in range(options.count):
            clf, X, y, source = random_fit(rng, data)
            before, threads = set(vars(clf)), set(threading.enumerate())
            over, sent = threading.Event(), []
            sender = threading.Thread(target=interrupt, args=(rng, over, sent))
            started = perf_counter()
            sender.start()
            try:
                clf.fit(X, y)
                counts["ended first"] += 1
            except KeyboardInterrupt:
                counts["kept" if set(vars(clf)) != before else "as it was"] += 1
            over.set()
            sender.join()
            counts[f"rows: {source}"] += 1
            counts["interrupted again while ending"] += len(sent) > 1
            signals += len(sent)
            wrong = faults(clf, X, y, before)
            if perf_counter() - started > BOUND:
                wrong.append(f"it took {perf_counter() - started:.0f} s")
            left = {
                t for t in set(threading.enumerate()) - threads - {sender} if t.name[:5] != "Dummy"
            }
            if left:
                wrong.append(f"threads are left: {left}")
            if blas_threads() != limits:
                wrong.append(f"the BLAS has {blas_threads()} threads instead of {limits}")
            for fault in wrong:
                counts["WRONG"] += 1
                print(f"{number}: {clf}: {fault}", flush=True)
    finally:
        for process in busy:
            process.kill()
    seconds = perf_counter() - began
    print(
        f"{options.count} fits interrupted by {signals} signals in {seconds:.0f} s, with "
        f"{options.busy} busy processes:"
    )
    for what, n in sorted(counts.items()):
        print(f"  {what}: {n}")
    return 1 if counts["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
