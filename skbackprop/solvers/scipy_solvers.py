"""The solvers of `scipy.optimize.minimize`: limited-memory BFGS, BFGS, conjugate gradients."""

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from skbackprop.change_of_variables import LayerChange, change_of_variables, feature_change
from skbackprop.monitoring import Monitor
from skbackprop.network import is_positive_integer
from skbackprop.objective import Objective
from skbackprop.solvers.base import Solver
from skbackprop.solvers.split_variables import SplitVariables

# Corrections shorten the path, but each is two vectors of the length of theta.
CORRECTION_BYTES = 2**28
# BFGS holds a p x p matrix.
MAX_BFGS_PARAMETERS = 5000
# Multiplications of one forward propagation from which a fit of float64 rows begins in float32,
# at half the time a pass, until J falls by less than this part of it in an iteration.
FLOAT32_PRODUCTS = 2**24
FLOAT32_ROUNDING = 1e-7
# What J has to fall by, relative to itself, for another try to be worth while.
ROUNDING = 1e-12
# From so many rows on, Q and a head start shorten the path.
LARGE_ROWS = 1000
# A few iterations on one in so many rows, then on more, find a better start at little cost;
# fewer rows than these have nothing to say. Odd strides, because classes may take turns.
HEAD_START_STRIDES = (61, 17, 5)
HEAD_START_ITERATIONS = 20
HEAD_START_ROWS = 100


class Trial(NamedTuple):
    """A point that was tried: theta, the smooth J and its gradient, J and its (sub)gradient."""

    theta: NDArray
    smooth: tuple[float, NDArray]
    whole: tuple[float, NDArray]

    @classmethod
    def at(cls, theta: NDArray, objective: Objective) -> "Trial":
        """Evaluate the objective."""
        smooth = objective.smooth(theta)
        return cls(theta, smooth, objective.add_l1(theta, *smooth))

    @property
    def loss(self) -> float:
        """J."""
        return self.whole[0]


class SciPySolver(Solver):
    """A method of `scipy.optimize.minimize`, run until the monitor says stop.

    SciPy's own tests of convergence are switched off: they look at the solver's variables,
    and `ftol` would stop in silence far from the minimum.
    """

    method: str
    centred_start = True

    @abstractmethod
    def _options(self, objective: Objective) -> dict:
        """Options of the method, with its own stopping tests off."""

    def minimize(
        self,
        objective: Objective,
        theta: NDArray,
        monitor: Monitor,
        random_state: np.random.RandomState,
    ) -> None:
        self.check(objective)
        with np.errstate(over="ignore", invalid="ignore"), objective.running():
            start = Trial.at(theta, objective)
            if monitor.start(start.theta, *start.whole):
                return
            inputs = feature_change(objective.rows, mix=not objective.l1)
            precision = objective.dtype
            if objective.n_products >= FLOAT32_PRODUCTS:
                objective.dtype = np.dtype(np.float32)
            start = self._head_start(objective, start, inputs, monitor)
            while True:
                reason = ""
                if monitor.status == "running":
                    reason = self._run(objective, start, inputs, monitor)
                if monitor.best_theta is None:
                    break
                coarse = objective.dtype == np.float32
                if coarse and (monitor.status == "running" or precision == np.float64):
                    # What float32 has found, seen in float64; it may be the end, too.
                    objective.dtype = np.dtype(np.float64)
                    start = Trial.at(monitor.best_theta, objective)
                    if monitor.restate(*start.whole):
                        break
                    continue
                gained = start.loss - monitor.best_loss
                if gained <= ROUNDING * abs(start.loss) or not monitor.resume():
                    break
                # A line search may fail where the curvature it remembers misleads, and the parts
                # of split variables may stand in its way: begin again from the best.
                start = Trial.at(monitor.best_theta, objective)
        if monitor.status == "running":
            monitor.stop("failed", f"The line search found no lower J ({reason}).")

    def _head_start(
        self, objective: Objective, start: "Trial", inputs: LayerChange, monitor: Monitor
    ) -> "Trial":
        """A better place to start from, found on more and more of the rows."""
        if not _is_large(objective):
            return start
        theta = start.theta
        for stride in HEAD_START_STRIDES:
            some = objective.every_nth(stride)
            if some.rows.n_rows >= HEAD_START_ROWS and some.rows.weight:
                theta = self._iterated(some, theta, inputs, HEAD_START_ITERATIONS)
        found = Trial.at(theta, objective)
        if not found.loss < start.loss:
            return start
        monitor.start(found.theta, *found.whole)
        return found

    def _iterated(
        self, objective: Objective, theta: NDArray, inputs: LayerChange, n_iter: int
    ) -> NDArray:
        """Where a number of iterations lead."""
        last = Trial.at(theta, objective)
        rest = iter(range(n_iter - 1))

        def report(trial: Trial) -> bool:
            nonlocal last
            last = trial
            return next(rest, None) is None

        self._iterate(objective, last, inputs, report)
        return last.theta

    def _run(
        self, objective: Objective, start: "Trial", inputs: LayerChange, monitor: Monitor
    ) -> str:
        """Iterate until the monitor says stop, or SciPy; returns SciPy's reason."""
        last = [start.loss]

        def report(trial: Trial) -> bool:
            stop = monitor(trial.theta, *trial.whole)
            fell, last[0] = last[0] - trial.loss, trial.loss
            # Below this float32 sees its own rounding: time for float64.
            flat = objective.dtype == np.float32 and fell < FLOAT32_ROUNDING * abs(trial.loss)
            return stop or flat

        return self._iterate(objective, start, inputs, report)

    def _iterate(
        self,
        objective: Objective,
        start: "Trial",
        inputs: LayerChange,
        report: Callable[["Trial"], bool],
    ) -> str:
        """One call of SciPy, which stops when `report` of an iterate says so."""
        change = change_of_variables(
            objective.network,
            objective.rows,
            start.theta,
            inputs,
            mix_outputs=not objective.l1 and _is_large(objective),
        )
        variables = (
            SplitVariables(change, objective.penalised, objective.l1) if objective.l1 else change
        )
        z = variables.from_theta(start.theta)
        trials = [(z, start)]

        def evaluate(z: NDArray) -> tuple[float, NDArray]:
            if not np.array_equal(trials[-1][0], z):
                trials.append((z.copy(), Trial.at(variables.to_theta(z), objective)))
            return variables.pull_back(z, *trials[-1][1].smooth)

        def after_iteration(intermediate_result) -> None:
            # The point that the line search accepted is one it has tried, mostly the last.
            z = intermediate_result.x
            trials[:] = [trial for trial in trials if np.array_equal(trial[0], z)][-1:]
            if not trials:
                trials.append((z.copy(), Trial.at(variables.to_theta(z), objective)))
            if report(trials[-1][1]):
                raise StopIteration

        result = minimize(
            evaluate,
            z,
            jac=True,
            method=self.method,
            bounds=variables.bounds,
            callback=after_iteration,
            options={"maxiter": np.iinfo(np.int32).max, **self._options(objective)},
        )
        return str(result.message)


def _is_large(objective: Objective) -> bool:
    return objective.rows.n_rows >= LARGE_ROWS


class LBFGS(SciPySolver):
    """Limited-memory BFGS (SciPy's L-BFGS-B), the "advanced optimisation" of choice.

    Parameters
    ----------
    n_corrections : int, default=30
        Pairs of steps and gradient changes that stand for the curvature of J. More shorten
        the path; each takes two vectors of the length of theta, so that fewer are kept
        where `n_corrections` would take more than 256 MB.
    max_line_search : int, default=50
        The most evaluations in one line search.
    """

    method = "L-BFGS-B"

    def __init__(self, n_corrections: int = 30, max_line_search: int = 50):
        self.n_corrections = n_corrections
        self.max_line_search = max_line_search

    def check(self, objective: Objective) -> None:
        for name in ("n_corrections", "max_line_search"):
            if not is_positive_integer(getattr(self, name)):
                raise ValueError(
                    f"{name} must be a positive integer; got {getattr(self, name)!r}."
                )

    def _options(self, objective: Objective) -> dict:
        affordable = CORRECTION_BYTES // (16 * objective.network.n_parameters)
        return {
            "maxcor": max(1, min(self.n_corrections, affordable)),
            "maxls": self.max_line_search,
            "maxfun": np.iinfo(np.int32).max,
            "ftol": 0.0,
            "gtol": 0.0,
        }


class BFGS(SciPySolver):
    """BFGS with the whole p x p matrix, for small networks.

    Refused beyond 5000 parameters and, as it needs a smooth J, for the penalty "l1".
    """

    method = "BFGS"

    def _options(self, objective: Objective) -> dict:
        return {"gtol": 0.0}

    def check(self, objective: Objective) -> None:
        _refuse_l1(self, objective)
        p = objective.network.n_parameters
        if p > MAX_BFGS_PARAMETERS:
            raise ValueError(
                f"The solver 'bfgs' keeps a {p} x {p} matrix for this network; it is refused "
                f"beyond {MAX_BFGS_PARAMETERS} parameters. Use 'lbfgs'."
            )


class CG(SciPySolver):
    """Nonlinear conjugate gradients (Polak-Ribiere), which need no memory beyond theta.

    Needs a smooth J: refused for the penalty "l1".
    """

    method = "CG"

    def _options(self, objective: Objective) -> dict:
        return {"gtol": 0.0}

    def check(self, objective: Objective) -> None:
        _refuse_l1(self, objective)


def _refuse_l1(solver: Solver, objective: Objective) -> None:
    if objective.l1:
        raise ValueError(
            f"The solver {type(solver).__name__!r} needs a cost with a derivative everywhere, "
            "which the penalty 'l1' does not have at 0. Use 'lbfgs' or a gradient solver."
        )
