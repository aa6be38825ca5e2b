"""The stages of a fit by L-BFGS, BFGS or conjugate gradients.

Each stage minimises J over given rows, in a given precision and in given variables, and passes
its last accepted iterate to the next stage:

1. head start: on one row in 61, 17 and 5, or, from 20000 dense rows on, a few epochs of
   mini-batches (`head_start`);
2. float32: on all rows in float32, until rounding limits the progress;
3. float64: on all rows in float64, as long as J falls;
4. plain: the same in Theta itself, without a change of variables.

The first two stages and the change of variables only save time. A fit ends where J's own gradient
is small, and before it reports that no lower J was found it tries without them, finally from the
original start.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from skbackprop.change_of_variables import change_of_variables, no_change
from skbackprop.history import HEAD_START
from skbackprop.monitoring import Iterate, Progress, Status
from skbackprop.objective import Objective
from skbackprop.solvers.base import Preparation
from skbackprop.solvers.head_start import allows_mini_batches, descend_in_mini_batches
from skbackprop.solvers.split_variables import SplitVariables

# Number of distinct rows from which Q and a head start save time.
MANY_ROWS = 1000
# A few iterations on small subsets of the rows find a better start at little cost; subsets of
# fewer rows are not representative. The strides are odd, because classes may alternate.
HEAD_START_STRIDES: tuple[int, ...] = (61, 17, 5)
HEAD_START_ITERATIONS = 20
HEAD_START_ROWS = 100
# Multiplications of one forward propagation from which a fit of float64 rows begins in float32,
# which halves the time per pass, and the relative decrease of J in an iteration below which it
# leaves float32.
FLOAT32_PRODUCTS = 2**24
FLOAT32_ROUNDING = 1e-7
# Relative decrease of J below which a stage is not repeated.
ROUNDING = 1e-12


class Stage(NamedTuple):
    """A stage of a fit.

    Parameters
    ----------
    name : str
        Name in the history of the fit.
    objective : Objective
        J on the rows and in the precision of the stage.
    sampled : bool, default=False
        Whether the stage uses only subsets of the rows.
    decides : bool, default=True
        Whether convergence in the precision of the stage is final.
    max_iter : int or None, default=None
        Maximum number of iterations of the stage.
    least_fall : float or None, default=None
        Leave the stage when the relative decrease of J in an iteration is smaller.
    repeat : bool, default=False
        Whether to restart, with a new change of variables, as long as J falls.
    plain : bool, default=False
        Whether to minimise over Theta itself, without a change of variables.
    centre : ndarray of shape (n,), optional
        The origin of the features for epochs of mini-batches, which the stage then has instead
        of iterations of the method.
    """

    name: str
    objective: Objective
    sampled: bool = False
    decides: bool = True
    max_iter: int | None = None
    least_fall: float | None = None
    repeat: bool = False
    plain: bool = False
    centre: NDArray | None = None


class Method(NamedTuple):
    """A method of `scipy.optimize.minimize`, and the techniques that save iterations.

    Parameters
    ----------
    name : str
        The name of the method.
    options : dict
        Options of the method, with its own convergence tests disabled: they use the solver's
        variables, and L-BFGS-B's ``ftol`` would stop silently far from the minimum.
    head_start, change_of_variables, float32_stage : bool
        Whether to use these techniques.
    """

    name: str
    options: dict[str, Any]
    head_start: bool
    change_of_variables: bool
    float32_stage: bool


def stages(method: Method, objective: Objective, preparation: Preparation) -> Iterator[Stage]:
    """The stages of a fit, in order."""
    plain = not method.change_of_variables
    precision = objective.dtype
    products = objective.n_rows * objective.n_parameters
    large = method.float32_stage and products >= FLOAT32_PRODUCTS
    in_float32 = precision == np.float32 or large
    early = objective.astype(np.float32) if in_float32 else objective
    if method.head_start and preparation.many_rows:
        # None for one that overflows.
        centre = preparation.centre if allows_mini_batches(early) else None
        if centre is not None:
            yield Stage(HEAD_START, early, sampled=True, centre=centre)
        else:
            for stride in HEAD_START_STRIDES:
                some = early.on(early.rows.every_nth(stride))
                if some.n_rows >= HEAD_START_ROWS and some.rows.has_weight:
                    n_iter = HEAD_START_ITERATIONS
                    yield Stage(HEAD_START, some, sampled=True, max_iter=n_iter, plain=plain)
    if in_float32:
        decides = precision == np.float32
        yield Stage("float32", early, decides=decides, least_fall=FLOAT32_ROUNDING, plain=plain)
    whole = objective.astype(np.float64)
    yield Stage("float64", whole, repeat=True, plain=plain)
    if not plain:
        yield Stage("plain", whole, repeat=True, plain=True)


def descend_in_stages(
    method: Method,
    objective: Objective,
    theta: NDArray,
    progress: Progress,
    preparation: Preparation,
) -> None:
    """Minimise from `theta`, stage by stage, until `progress` ends the run."""
    last = Stage(str(objective.dtype), objective)
    progress.enter(last.name, objective)
    start = found = place = progress.evaluate(theta)
    progress.start(start)
    reason = ""
    for stage in stages(method, objective, preparation):
        if _is_over(progress, last):
            return
        progress.resume()
        progress.enter(stage.name, stage.objective, sampled=stage.sampled, decides=stage.decides)
        if _needs_evaluation(stage, last, place is start):
            place = progress.evaluate(place.theta)
            if last.sampled and not stage.sampled:
                # Continue from the result of the head start only if J over all rows is lower.
                place = found = place if place.loss < start.loss else start
            if place is not start:
                progress.start(place)
        last = stage
        while not _is_over(progress, stage) and np.isfinite(place.loss):
            before = place.loss
            place, reason = _descend(method, stage, place, progress, preparation)
            # A line search may fail because of outdated curvature information, or at the bounds
            # of split variables: restart from the last iterate.
            gained = before - place.loss > ROUNDING * abs(before)
            if not (stage.repeat and gained) or _is_over(progress, stage):
                break
            progress.resume()
    if not _is_over(progress, last) and place is found and found is not start:
        # No progress from the result of the head start: use the original start.
        progress.resume()
        progress.start(start)
        _, reason = _descend(method, last, start, progress, preparation)
    if progress.running:
        progress.end(Status.FAILED, reason=reason)


def _is_over(progress: Progress, stage: Stage) -> bool:
    """Whether the run has ended for a reason that a later stage cannot change."""
    if progress.status is Status.CONVERGED:
        return stage.decides
    if progress.n_iter >= progress.rule.max_iter:
        return True
    return progress.status not in (Status.RUNNING, Status.NO_CHANGE, Status.DIVERGED)


def _needs_evaluation(stage: Stage, last: Stage, at_start: bool) -> bool:
    """Whether J at the last iterate is unknown on the rows and in the precision of a stage."""
    if stage.centre is not None:
        return False  # it needs only theta
    if stage.sampled or last.sampled:
        return True
    before, now = last.objective.dtype.itemsize, stage.objective.dtype.itemsize
    return before < now if at_start else before != now


def _descend(
    method: Method, stage: Stage, start: Iterate, progress: Progress, preparation: Preparation
) -> tuple[Iterate, str]:
    """Call SciPy once; returns the last accepted iterate and SciPy's message.

    A stage in mini-batches does not call SciPy, and has no message.
    """
    objective, l1 = stage.objective, stage.objective.penalty.l1
    if stage.centre is not None:
        return descend_in_mini_batches(objective, start, stage.centre, progress), ""
    if stage.plain:
        change = no_change(objective)
    else:
        mix_outputs = not l1 and preparation.many_rows and objective.n_rows >= MANY_ROWS
        change = change_of_variables(
            objective, start.theta, preparation.features, mix_outputs=mix_outputs
        )
    variables = SplitVariables(change, objective.penalty.penalised, l1) if l1 else change
    z = variables.from_theta(start.theta)
    trials = [(z, start)]
    accepted = start
    n_iter = 0

    def evaluate(z: NDArray) -> tuple[float, NDArray]:
        if not np.array_equal(trials[-1][0], z):
            trials.append((z.copy(), progress.evaluate(variables.to_theta(z))))
        trial = trials[-1][1]
        return variables.pull_back(z, trial.smooth_loss, trial.gradient)

    def after_iteration(intermediate_result: OptimizeResult) -> None:
        nonlocal accepted, n_iter
        # The accepted point is one that the line search has evaluated, usually the last.
        z = intermediate_result.x
        trials[:] = [trial for trial in trials if np.array_equal(trial[0], z)][-1:]
        if not trials:
            trials.append((z.copy(), progress.evaluate(variables.to_theta(z))))
        before, accepted = accepted.loss, trials[-1][1]
        n_iter += 1
        progress.advance(accepted)
        fall = before - accepted.loss
        flat = stage.least_fall is not None and fall < stage.least_fall * abs(accepted.loss)
        if flat or n_iter == stage.max_iter or not progress.running:
            raise StopIteration

    result = minimize(
        evaluate,
        z,
        jac=True,
        method=method.name,
        bounds=variables.bounds,
        callback=after_iteration,
        options={"maxiter": np.iinfo(np.int32).max, **method.options},
    )
    return accepted, str(result.message)
