"""The solvers of `scipy.optimize.minimize`: limited-memory BFGS, BFGS, conjugate gradients."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from skbackprop.change_of_variables import ChangeOfVariables, change_of_variables
from skbackprop.monitoring import Monitor
from skbackprop.objective import Objective
from skbackprop.solvers.base import Solver
from skbackprop.solvers.split_variables import SplitVariables

# Corrections shorten the path, but each is two vectors of the length of theta.
CORRECTION_BYTES = 2**28
# BFGS holds a p x p matrix.
MAX_BFGS_PARAMETERS = 5000


class Trial(NamedTuple):
    """A point that the line search has tried: SciPy's variables, theta, smooth J, gradient."""

    z: NDArray
    theta: NDArray
    cost: float
    gradient: NDArray


class SciPySolver(Solver):
    """A method of `scipy.optimize.minimize`, run until the monitor says stop.

    SciPy's own tests of convergence are switched off: they look at the solver's variables,
    and `ftol` would stop in silence far from the minimum.
    """

    method: str

    @abstractmethod
    def _options(self, objective: Objective) -> dict:
        """Options of the method, with its own stopping tests off."""

    def _variables(self, objective: Objective) -> ChangeOfVariables | SplitVariables:
        return change_of_variables(objective.network, objective.rows, mix=True)

    def minimize(
        self,
        objective: Objective,
        theta: NDArray,
        monitor: Monitor,
        random_state: np.random.RandomState,
    ) -> None:
        self.check(objective)
        with objective.running():
            reason = self._run(objective, theta, monitor)
            best = monitor.best_theta
            if monitor.status == "running" and best is not None and objective.dtype == np.float32:
                # The rounding of float32 hides what is left to gain: finish in float64.
                objective.dtype = np.dtype(np.float64)
                reason = self._run(objective, best, monitor)
        if monitor.status == "running":
            monitor.stop("failed", f"The line search found no lower J ({reason}).")

    def _run(self, objective: Objective, theta: NDArray, monitor: Monitor) -> str:
        """One call of SciPy; returns why it ended, if it was not the monitor."""
        variables = self._variables(objective)
        trials: list[Trial] = []

        def evaluate(z: NDArray) -> tuple[float, NDArray]:
            if not (trials and np.array_equal(trials[-1].z, z)):
                theta = variables.to_theta(z)
                trials.append(Trial(z.copy(), theta, *objective.smooth(theta)))
            return variables.pull_back(z, trials[-1].cost, trials[-1].gradient)

        def after_iteration(intermediate_result) -> None:
            # The point that the line search accepted is one it has tried, mostly the last.
            z = intermediate_result.x
            accepted = [trial for trial in trials if np.array_equal(trial.z, z)]
            trials[:] = accepted[-1:]
            evaluate(z)
            _, theta, cost, gradient = trials[-1]
            if monitor(theta, *objective.add_l1(theta, cost, gradient)):
                raise StopIteration

        start = variables.from_theta(theta)
        evaluate(start)
        _, theta, cost, gradient = trials[-1]
        if monitor.start(theta, *objective.add_l1(theta, cost, gradient)):
            return monitor.message
        result = minimize(
            evaluate,
            start,
            jac=True,
            method=self.method,
            bounds=variables.bounds,
            callback=after_iteration,
            options={"maxiter": np.iinfo(np.int32).max, **self._options(objective)},
        )
        return str(result.message)


class LBFGS(SciPySolver):
    """Limited-memory BFGS (SciPy's L-BFGS-B), the "advanced optimisation" of choice.

    Parameters
    ----------
    n_corrections : int, default=50
        Pairs of steps and gradient changes that stand for the curvature of J. More shorten
        the path; each takes two vectors of the length of theta, so that fewer are kept
        where `n_corrections` would take more than 256 MB.
    max_line_search : int, default=50
        The most evaluations in one line search.
    """

    method = "L-BFGS-B"

    def __init__(self, n_corrections: int = 50, max_line_search: int = 50):
        self.n_corrections = n_corrections
        self.max_line_search = max_line_search

    def _options(self, objective: Objective) -> dict:
        affordable = CORRECTION_BYTES // (16 * objective.network.n_parameters)
        return {
            "maxcor": max(3, min(self.n_corrections, affordable)),
            "maxls": self.max_line_search,
            "maxfun": np.iinfo(np.int32).max,
            "ftol": 0.0,
            "gtol": 0.0,
        }

    def _variables(self, objective: Objective) -> ChangeOfVariables | SplitVariables:
        change = change_of_variables(objective.network, objective.rows, mix=not objective.l1)
        if not objective.l1:
            return change
        return SplitVariables(change, objective.penalised, objective.l1)


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
