"""Where the time of a fit goes: passes over the rows, mini-batches, SciPy, set-up, and so on.

And where that of a pass goes, looked at in one thread: the matrix products of its blocks,
what is done element by element, the rest.
"""

import cProfile
import pstats
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import data
import numpy as np
from peers import bare_products, ours, silently
from settings import Settings
from timing import Contestant, Shares, in_turn

from skbackprop import Network
from skbackprop.objective import block_sums, one_hot
from skbackprop.rows import RowBlock, partition
from skbackprop.threads import row_threads
from skbackprop.workspace import Workspace

# Functions of a fit that do not call each other, by what their time is for.
PARTS = {
    "passes over the rows": ("smooth",),
    "mini-batches": ("descend_in_mini_batches",),
    "SciPy's L-BFGS": ("<built-in method scipy.optimize._lbfgsb.setulb>",),
    "change of variables": ("to_theta", "from_theta", "pull_back"),
    "set-up": (
        "_means_and_deltas",
        "feature_covariance",
        "feature_mean",
        "feature_preconditioner",
        "delta_preconditioner",
        "validate_data",
    ),
}


def run(settings: Settings) -> Iterator[Shares]:
    for problem in data.several(settings):
        for dtype in ("float64", "float32"):
            as_dtype = problem._replace(X=problem.X.astype(dtype))
            yield of_a_fit(as_dtype, settings.iterations(60))
            yield of_a_block(settings, as_dtype)


def of_a_fit(problem: data.Problem, n_iter: int) -> Shares:
    clf = ours(problem, max_iter=n_iter, tol=0.0, random_state=0)
    profile = cProfile.Profile()
    # From the main thread a fit goes to a thread of its own, which a profile would not see.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(profile.runcall, silently, clf.fit, problem.X, problem.y).result()
    stats = pstats.Stats(profile)
    cumulative: dict[str, float] = {}
    for (_, _, function), (_, _, _, duration, _) in stats.stats.items():
        cumulative[function] = cumulative.get(function, 0.0) + duration
    parts = {
        part: sum(cumulative.get(function, 0.0) for function in functions)
        for part, functions in PARTS.items()
    }
    what = f"fit of {problem}, {problem.X.dtype}, {clf.n_iter_} iterations"
    return Shares(what, stats.total_tt, parts)


def of_a_block(settings: Settings, problem: data.Problem) -> Shares:
    network = Network(problem.layer_sizes)
    n_rows = min(partition(network, len(problem.X), problem.X.dtype)[0], len(problem.X))
    block = RowBlock(problem.X[:n_rows], problem.y[:n_rows], None)
    theta = network.initialize(random_state=0)
    rng = np.random.RandomState(0)
    A, deltas, _ = Workspace.of(network, n_rows, block.X.dtype)
    for a in (*A, *deltas):
        a[...] = rng.uniform(size=a.shape)
    targets = one_hot(block.y, network.n_outputs, block.X.dtype)

    def elementwise() -> None:
        for a, delta, activation in zip(A, deltas, network.hidden_activations, strict=False):
            activation.function(a)
            activation.times_derivative(delta, a)
        network.loss_record.cost_and_delta(A[-1], targets)

    contestants = [
        Contestant("block", lambda: block_sums(network, theta, block)),
        Contestant("products", bare_products(problem._replace(X=block.X), block.X.dtype, "F")),
        Contestant("elementwise", elementwise),
    ]
    with row_threads(1):
        times = in_turn(contestants, settings.rounds(9), at_least=settings.at_least / 3)
    block_time, products, elements = (median(times[name]) for name in times)
    parts = {"matrix products": products, "element by element": elements}
    return Shares(f"block of {n_rows} rows, {problem}, {block.X.dtype}", block_time, parts)
