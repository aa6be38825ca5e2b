"""Where fits end: J and held-out accuracy of ours, and of SciPy's L-BFGS on the plain J.

The plain path starts as the notes say, in Theta itself, with SciPy's ten corrections, and
ends by the same test, so that all that shortens our path is what differs. Each seed draws
the rows to hold out and the start.
"""

from collections.abc import Iterator

import data
import numpy as np
from data import Problem
from peers import LAMBDA, ours, silently
from scipy.optimize import minimize
from settings import Settings
from sklearn.model_selection import train_test_split
from timing import Comparison

from skbackprop import Network, Objective

MAX_ITER = 5000
TOL = 1e-4


def run(settings: Settings) -> Iterator[Comparison]:
    for problem in (data.iris(), data.wine(), data.breast_cancer(), data.digits()):
        ends = [ends_of(settings, problem, seed) for seed in range(settings.rounds(10))]
        our_J, our_score, plain_J, plain_score = np.transpose(ends)
        gained = 100 * (our_score - plain_score)
        error = gained.std() / np.sqrt(max(1, len(gained) - 1))
        yield Comparison(
            "J at the end of a fit", str(problem), "plain path", [*our_J], [*plain_J], ""
        )
        yield Comparison(
            "accuracy on held-out rows",
            f"{problem}, ours higher by {gained.mean():.2f} ± {error:.2f} points",
            "plain path",
            [*our_score],
            [*plain_score],
            "",
        )


def ends_of(settings: Settings, problem: Problem, seed: int) -> tuple[float, ...]:
    """J and held-out accuracy, ours and those of the plain path."""
    X, X_test, y, y_test = train_test_split(
        problem.X, problem.y, test_size=0.4, random_state=seed, stratify=problem.y
    )
    max_iter = settings.iterations(MAX_ITER)
    clf = ours(problem, tol=TOL, max_iter=max_iter, random_state=seed)
    silently(clf.fit, X, y)
    network = Network(problem.layer_sizes)
    objective = Objective(network, X, y, reg_lambda=LAMBDA)
    options = {"gtol": TOL, "ftol": 0.0, "maxiter": max_iter, "maxfun": 10 * max_iter}
    start = network.initialize(random_state=seed)
    with objective.running():
        plain = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    h = network.forward_propagate(plain.x, X_test)[-1]
    predicted = h[:, 0] > 0.5 if h.shape[1] == 1 else h.argmax(axis=1)
    return clf.loss_, clf.score(X_test, y_test), plain.fun, float(np.mean(predicted == y_test))
