"""Where the default fit ends, and SciPy's L-BFGS on the plain J, over many random problems.

The plain path starts as the notes say, in Theta itself, and has our corrections, our length of a
line search and our test of convergence, so that what shortens our path is all that differs. That
may lead to another minimum, better or worse as it happens; what should not be is a fit that
fails, and costs that are higher more often than lower.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from data import Problem
from joblib import Parallel, delayed
from peers import silently
from scipy.optimize import minimize
from settings import Settings
from sklearn.datasets import make_classification
from sklearn.preprocessing import StandardScaler
from timing import Comparison

from skbackprop import BackpropClassifier, Objective
from skbackprop.solvers import LBFGS

ACTIVATIONS = ("logistic", "tanh", "relu")


class Size(NamedTuple):
    """How many problems of each activation, of how many rows, and how long their fits are."""

    name: str
    n_problems: int
    rows: tuple[int, int]
    max_iter: int


SIZES = (
    Size("random problems", 167, (120, 3000), 1000),
    # With a head start in mini-batches; ends before the minimum, which would take hours.
    Size("random problems of many rows", 34, (20_000, 60_000), 100),
)
# J that differs by more is that of another minimum, or of none.
SAME = 0.02


class Ends(NamedTuple):
    """How the two fits of a problem ended."""

    seed: int
    our_cost: float
    plain_cost: float
    our_evaluations: int
    plain_evaluations: int
    our_status: str
    plain_failed: bool

    @property
    def higher(self) -> float:
        """By how much our J is higher, relative to the other."""
        return self.our_cost / self.plain_cost - 1.0


def run(settings: Settings) -> Iterator[Comparison]:
    for size, (group, activation) in product(SIZES, enumerate(ACTIVATIONS)):
        # Every problem has a seed of its own: the third one of all is the first with relu.
        seeds = range(group, settings.rounds(size.n_problems) * len(ACTIVATIONS), len(ACTIVATIONS))
        ends = Parallel(n_jobs=settings.jobs)(
            delayed(ends_of)(settings, size, activation, seed) for seed in seeds
        )
        what = f"{size.name} with {activation}, {len(ends)} of them"
        ours, plain = [e.our_cost for e in ends], [e.plain_cost for e in ends]
        yield Comparison("J at the end", what, "plain path", ours, plain, "", summary(ends))
        ours, plain = [e.our_evaluations for e in ends], [e.plain_evaluations for e in ends]
        note = f"in all {sum(ours)}, its {sum(plain)}"
        yield Comparison("evaluations of J", what, "plain path", ours, plain, "passes", note)


def summary(ends: list[Ends]) -> str:
    """How many failed, ended higher or lower; the seeds to look at."""
    failed = [e for e in ends if e.our_status == "failed"]
    higher = sorted((e for e in ends if e.higher > SAME), key=lambda e: -e.higher)
    lower = sorted((e for e in ends if e.higher < -SAME), key=lambda e: e.higher)
    parts = [
        f"failed {len(failed)}{seeds_of(failed)}, its {sum(e.plain_failed for e in ends)}",
        f"J higher by over {SAME:.0%} {len(higher)}{seeds_of(higher[:5])}",
        f"lower {len(lower)}{seeds_of(lower[:3])}",
    ]
    return "; ".join(parts)


def seeds_of(ends: list[Ends]) -> str:
    listed = ", ".join(f"{e.seed}: {e.higher:+.0%}" for e in ends)
    return f" (seed {listed})" if ends else ""


def ends_of(settings: Settings, size: Size, activation: str, seed: int) -> Ends:
    problem, options = random_problem(settings, size, activation, seed)
    clf = BackpropClassifier(problem.hidden, random_state=seed, **options)
    clf.set_params(max_iter=settings.iterations(size.max_iter))
    silently(clf.fit, problem.X, problem.y)
    ours = clf.optimize_result_

    network, solver = clf.network_, LBFGS()
    objective = Objective(network, problem.X, problem.y, reg_lambda=options["reg_lambda"])
    plain = minimize(
        objective,
        network.initialize(random_state=seed),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxcor": solver.n_corrections,
            "maxls": solver.max_line_search,
            "maxiter": clf.max_iter,
            "maxfun": 10 * clf.max_iter,
            "ftol": 0.0,
            "gtol": clf.tol,
        },
    )
    return Ends(seed, clf.loss_, plain.fun, ours.nfev, plain.nfev, ours.status, plain.status == 2)


def random_problem(
    settings: Settings, size: Size, activation: str, seed: int
) -> tuple[Problem, dict]:
    """Scaled clusters to be told apart, and the parameters of a network for them.

    Rows of 5 to 60 features, two to ten classes, balanced or not; up to five
    hidden layers of 3 to 60 units; lambda from 1e-3 to 1e3.
    """
    rng = np.random.RandomState(seed)
    hidden = tuple(map(int, rng.randint(3, 61, size=rng.randint(0, 6))))
    n_classes, n_features = rng.randint(2, 11), rng.randint(5, 61)
    n_informative = rng.randint(5, n_features + 1)
    balanced = rng.uniform() < 0.5
    weights = None if balanced else rng.dirichlet(np.full(n_classes, 2.0))
    X, y = make_classification(
        settings.rows(int(log_uniform(rng, *size.rows))),
        n_features,
        n_informative=n_informative,
        n_redundant=rng.randint(0, n_features - n_informative + 1),
        n_classes=n_classes,
        n_clusters_per_class=rng.randint(1, 4),
        weights=weights,
        class_sep=rng.uniform(0.3, 2.0),
        flip_y=rng.choice([0.0, 0.05, 0.2]),
        random_state=rng,
    )
    y = np.unique(y, return_inverse=True)[1]  # a rare class may have no row
    parameters = {
        "reg_lambda": log_uniform(rng, 1e-3, 1e3),
        "activation": activation,
        "output_activation": str(rng.choice(["logistic", "softmax"])),
    }
    return Problem(f"random {seed}", StandardScaler().fit_transform(X), y, hidden), parameters


def log_uniform(rng: np.random.RandomState, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
