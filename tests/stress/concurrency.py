"""Stress test: fits in threads, forks, spawned processes, loky's workers and nested searches.

    python tests/stress/concurrency.py --forks 500 --fits 500

Each fit must have the bits that it has alone, and end in time; afterwards no thread may be left
and the BLAS limits must be as before, in forked processes too. Half of the forks are made while
another thread fits. Prints the counts; exits with 1 if there was a fault.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from time import monotonic, perf_counter, sleep

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from threadpoolctl import threadpool_info

from skbackprop import BackpropClassifier

BOUND = 60.0  # seconds after which a fit, or a forked process, counts as hanging
N_KINDS = 12


def make_fit(kind: int) -> tuple:
    """One of some estimators, and its data; the larger ones have row threads."""
    X, y = load_iris(return_X_y=True) if kind % 3 else load_digits(return_X_y=True)
    if kind % 3 == 0:
        X, y = np.tile(X, (4, 1)), np.tile(y, 4)
    solver = ["lbfgs", "sgd", "cg", "adam"][kind % 4]
    clf = BackpropClassifier(
        (20,),
        solver=solver,
        max_iter=3 if kind % 3 == 0 else 15,
        n_init=1 + kind % 2,
        n_jobs=2,
        random_state=kind,
    )
    return clf, X / X.max(), y


def bits(kind: int) -> bytes:
    """What a fit finds, in this thread and process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf, X, y = make_fit(kind)
        return b"".join(Theta.tobytes() for Theta in clf.fit(X, y).theta_)


def scores(n_jobs: int | None, backend: str = "loky") -> np.ndarray:
    """The scores of a search within a cross-validation, both in parallel."""
    X, y = load_iris(return_X_y=True)
    clf = BackpropClassifier((5,), max_iter=10, tol=1.0, random_state=0)
    search = GridSearchCV(clf, {"lambda": [0.1, 10.0]}, cv=3, n_jobs=n_jobs)
    with Parallel(n_jobs=n_jobs, backend=backend) as parallel:
        return np.array(parallel(delayed(cross_val_score)(search, X, y, cv=3) for _ in range(2)))


def blas_threads() -> list[int]:
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


class Stress:
    """The checks, and what they have counted.

    Parameters
    ----------
    fits, forks : int
        How many of each.
    """

    def __init__(self, fits: int, forks: int):
        self.fits, self.forks = fits, forks
        self.counts: Counter = Counter()
        self.limits = blas_threads()
        self.alone = [bits(kind) for kind in range(N_KINDS)]

    def count(self, what: str, right: bool) -> None:
        self.counts[what] += 1
        if not right:
            self.counts["WRONG"] += 1
            print(f"wrong: {what}", flush=True)

    def compare(self, what: str, kinds: range, found) -> None:
        for kind, theta in zip(kinds, found, strict=True):
            self.count(what, theta == self.alone[kind % N_KINDS])

    def threads(self) -> None:
        kinds = range(self.fits)
        with ThreadPoolExecutor(4) as executor:
            found = executor.map(lambda kind: bits(kind % N_KINDS), kinds)
            self.compare("fits in 4 threads at a time", kinds, found)

    def spawned(self) -> None:
        kinds = range(max(2, self.fits // 10))
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            found = executor.map(bits, [kind % N_KINDS for kind in kinds])
            self.compare("fits in spawned processes", kinds, found)

    def loky(self) -> None:
        kinds = range(max(2, self.fits // 5))
        found = Parallel(n_jobs=2)(delayed(bits)(kind % N_KINDS) for kind in kinds)
        self.compare("fits in loky's workers", kinds, found)

    def nested(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = scores(None)
            for backend in ("loky", "threading"):
                for _ in range(max(1, self.fits // 100)):
                    same = np.array_equal(scores(2, backend), expected)
                    self.count(f"nested searches, {backend}", same)

    def forked(self) -> None:
        """Forks, of which the second half is made while another thread fits."""
        over = threading.Event()

        def fit_all_the_time() -> None:
            while not over.is_set():
                for kind in (0, 1):  # 0 has row threads
                    self.count("fits beside forks", bits(kind) == self.alone[kind])

        for number in range(self.forks // 2):
            self.fork("forks", number)
        other = threading.Thread(target=fit_all_the_time)
        other.start()
        try:
            for number in range(self.forks - self.forks // 2):
                sleep(0.01 * (number % 7))  # at another moment of the fit each time
                self.fork("forks during another thread's fit", number)
        finally:
            over.set()
            other.join()

    def fork(self, what: str, number: int) -> None:
        """Fork, and fit in the child; it must end with the same bits and limits."""
        kind = 1 + number % 2
        child = os.fork()
        if not child:
            try:
                right = bits(kind) == self.alone[kind] and blas_threads() == self.limits
            except BaseException:
                right = False
            os._exit(0 if right else 1)
        deadline = monotonic() + BOUND
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            if monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
                print(f"a forked process has not ended after {BOUND:.0f} s", flush=True)
                break
            sleep(0.002)
        self.count(what, status == 0)

    def run(self) -> int:
        """All checks; returns the number of faults."""
        for check in (self.forked, self.threads, self.spawned, self.loky, self.nested):
            threads = set(threading.enumerate())
            check()
            self.count("limits of the BLAS restored", blas_threads() == self.limits)
            if check not in (self.loky, self.nested):  # loky keeps its own
                left = set(threading.enumerate()) - threads
                self.count("no thread left", not left)
        return self.counts["WRONG"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--forks", type=int, default=500)
    parser.add_argument("--fits", type=int, default=500)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
    began = perf_counter()
    stress = Stress(options.fits, options.forks)
    wrong = stress.run()
    print(f"{perf_counter() - began:.0f} s, {wrong} wrong:")
    for what, n in stress.counts.items():
        print(f"  {what}: {n}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
