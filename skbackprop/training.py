"""One fit: the solver from each start, the best of the results, and what to say of it."""

import warnings
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from copy import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult
from sklearn.exceptions import ConvergenceWarning

from skbackprop.callbacks import DECORATOR_FRAMES, FitCallbacks
from skbackprop.monitoring import Monitor
from skbackprop.objective import Objective
from skbackprop.solvers.base import Solver

# The ends of a fit that are what was asked for.
ENDS_WELL = ("converged", "early_stopping", "callback")


class Run(NamedTuple):
    """The solver from one starting point. Runs share rows, nothing that changes.

    Parameters
    ----------
    objective : Objective
        What to minimise.
    theta : ndarray
        The start.
    monitor : Monitor
        Holds the result, also of a run that was interrupted.
    random_state : RandomState
        Of this run alone, so that its result does not depend on the others.
    """

    objective: Objective
    theta: NDArray
    monitor: Monitor
    random_state: np.random.RandomState

    def result(self) -> OptimizeResult:
        """What a fit keeps of the run, in the terms of `scipy.optimize`."""
        monitor = self.monitor
        return OptimizeResult(
            x=monitor.best_theta,
            fun=monitor.best_loss,
            gradient_max=monitor.best_gradient_max,
            nit=monitor.n_iter,
            nfev=self.objective.n_evaluations,
            success=monitor.status in ENDS_WELL,
            status=monitor.status,
            message=monitor.message,
        )


def plan_runs(
    objective: Objective,
    starts: list[NDArray],
    monitor: Monitor,
    callbacks: FitCallbacks,
    rng: np.random.RandomState,
) -> list[Run]:
    """One run from each start; `objective` and `monitor` are the patterns of theirs."""
    objective.n_threads = max(1, objective.n_threads // len(starts))
    return [
        Run(
            copy(objective),
            theta,
            replace(monitor, loss_curve=[], validation_curve=[], callbacks=callbacks.run(index)),
            np.random.RandomState(rng.randint(np.iinfo(np.int32).max)),
        )
        for index, theta in enumerate(starts)
    ]


def train(solver: Solver, runs: list[Run], n_threads: int) -> None:
    """Minimise from every start, at most `n_threads` of them at a time.

    The results are in the runs' monitors. An interrupt ends all runs and goes on; each
    monitor then holds what its run has found so far.
    """

    def minimize(run: Run) -> None:
        solver.minimize(run.objective, run.theta, run.monitor, run.random_state)

    with ThreadPoolExecutor(min(len(runs), n_threads)) as executor:
        try:
            if len(runs) == 1:
                # In this thread, where an interrupt reaches it at once.
                minimize(runs[0])
                return
            pending = {executor.submit(minimize, run) for run in runs}
            while pending:
                # A wait that ends now and then lets an interrupt through on every system.
                done, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        except BaseException:
            # Leaving the executor waits for the runs that are under way.
            for run in runs:
                run.monitor.interrupt()
            executor.shutdown(wait=True, cancel_futures=True)
            raise


def best_of(runs: list[Run]) -> Run:
    """The run of lowest J, or of lowest validation cost where there is one.

    Raises
    ------
    ValueError
        If J is not finite at any start: there is nothing to keep.
    """
    usable = [run for run in runs if run.monitor.best_theta is not None]
    if not usable:
        raise ValueError(
            "J is not finite at the start. Scale the features (StandardScaler), or choose a "
            "smaller init_epsilon or theta_init."
        )
    return min(usable, key=lambda run: run.monitor.rank)


def warn_unless_converged(solver: Solver, run: Run) -> None:
    """A ConvergenceWarning that says how far the fit came, why it ended and what to do."""
    result = run.result()
    if result.success:
        return
    warnings.warn(
        f"{type(solver).__name__} stopped before it converged: {result.message} The best "
        f"parameters have J = {result.fun:.8g}, largest gradient entry {result.gradient_max:.3g} "
        f"(tol={run.monitor.tol:g}), after {result.nit} iterations, {result.nfev} evaluations. "
        f"{solver.advice}",
        ConvergenceWarning,
        stacklevel=3 + DECORATOR_FRAMES,
    )


def warn_interrupted(run: Run) -> None:
    """A warning that says what an interrupted fit has kept."""
    monitor = run.monitor
    warnings.warn(
        f"The fit was interrupted after {monitor.n_iter} iterations; the best parameters so far "
        f"are kept (J = {monitor.best_loss:.8g}, largest gradient entry "
        f"{monitor.best_gradient_max:.3g}).",
        ConvergenceWarning,
        stacklevel=3 + DECORATOR_FRAMES,
    )
