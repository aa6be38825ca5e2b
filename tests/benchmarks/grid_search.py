"""GridSearchCV over digits: ours with its defaults and with a coarser tol, and scikit-learn's."""

from collections.abc import Iterator
from functools import partial

import data
from peers import silently
from settings import Settings
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from timing import Comparison, seconds

from skbackprop import BackpropClassifier


def run(settings: Settings) -> Iterator[Comparison]:
    problem = data.digits()
    lambdas = [0.1, 0.3, 1.0, 3.0][: settings.iterations(4)]
    sizes = [(25,), (50,), (100,)][: settings.iterations(3)]
    n_folds = 2 if settings.quick else 5

    def search(clf, name_of_lambda: str) -> GridSearchCV:
        grid = {name_of_lambda: lambdas, "hidden_layer_sizes": sizes}
        return GridSearchCV(clf, grid, cv=n_folds, n_jobs=2)

    peer = MLPClassifier(activation="logistic", solver="lbfgs", random_state=0)
    searches = {
        "scikit-learn": search(peer, "alpha"),
        "defaults": search(BackpropClassifier(random_state=0), "lambda"),
        "tol=1e-3": search(BackpropClassifier(tol=1e-3, random_state=0), "lambda"),
    }
    times: dict[str, list[float]] = {name: [] for name in searches}
    for candidate in searches.values():
        silently(candidate.fit, problem.X[:200], problem.y[:200])  # starts the workers
    for _ in range(settings.rounds(2)):
        for name, candidate in searches.items():
            times[name].append(seconds(partial(silently, candidate.fit, problem.X, problem.y)))
    theirs, its_score = times.pop("scikit-learn"), searches["scikit-learn"].best_score_
    what = f"digits, {len(lambdas)} lambdas x {len(sizes)} sizes x {n_folds} folds, n_jobs=2"
    for name, mine in times.items():
        note = f"best score {searches[name].best_score_:.4f}, its {its_score:.4f}"
        yield Comparison(
            "GridSearchCV", f"{what}, {name}", "scikit-learn", mine, theirs, note=note
        )
