"""A fit: runs of the solver from each start, and the choice of the best result."""

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

from skbackprop.callbacks import FitCallbacks
from skbackprop.history import History, Table, columns
from skbackprop.interrupts import Cancellation, Cancelled
from skbackprop.monitoring import Best, Iterate, Progress, Status, StoppingRule, quiet_overflow
from skbackprop.objective import Objective
from skbackprop.prediction import Validator
from skbackprop.solvers.base import Preparation, Solver


@dataclass(frozen=True)
class Outcome:
    """The result of a fit: the best run.

    Parameters
    ----------
    best : Best
        The parameters, with J and its largest gradient entry.
    status : Status
        Why the run ended.
    message : str
        The status as a sentence.
    n_iter : int
        Number of iterations.
    n_evaluations : int
        Number of evaluations of J over all rows.
    history : dict of lists
        One entry per iteration.
    """

    best: Best
    status: Status
    message: str
    n_iter: int
    n_evaluations: int
    history: History

    @property
    def result(self) -> OptimizeResult:
        """The outcome as a result of `scipy.optimize`."""
        return OptimizeResult(
            x=self.best.theta,
            fun=self.best.loss,
            gradient_max=self.best.gradient_max,
            nit=self.n_iter,
            nfev=self.n_evaluations,
            success=self.status.success,
            status=self.status.word,
            message=self.message,
        )


@dataclass
class Training:
    """Runs of a solver from every start. The runs share the rows, but no mutable state.

    Parameters
    ----------
    solver : Solver
        The solver.
    objective : Objective
        The objective to minimise.
    rule : StoppingRule
        The stopping criteria of a run.
    initialize : callable
        ``initialize(centre)`` returns a random start; `centre` is the origin of the features,
        or None.
    given : list of ndarrays
        Starts that are not random; they come first.
    n_starts : int
        Total number of starts.
    random_state : RandomState
        Source of a seed for each run, so that no run depends on the others.
    validator : Validator or None
        Cost and accuracy on validation rows.
    callbacks : FitCallbacks
        Notified of the iterations.
    verbose : int, default=0
        Print every `verbose`-th iteration; 0 prints nothing.
    runs : dict of int to Progress
        The progress of each run; filled by `run`.
    outcome : Outcome or None
        The result; set by `run`.
    """

    solver: Solver
    objective: Objective
    rule: StoppingRule
    initialize: Callable[[NDArray | None], NDArray]
    given: list[NDArray]
    n_starts: int
    random_state: np.random.RandomState
    validator: Validator | None
    callbacks: FitCallbacks
    verbose: int = 0
    runs: dict[int, Progress] = field(default_factory=dict)
    outcome: Outcome | None = None

    def run(self, cancellation: Cancellation) -> Outcome:
        """Minimise from every start, choose the best result and store it as `outcome`.

        Parameters
        ----------
        cancellation : Cancellation
            A request to end, checked between blocks of rows; the outcome is then the best
            result so far.

        Returns
        -------
        outcome : Outcome

        Raises
        ------
        ValueError
            If J is not finite at any start.
        """
        try:
            with quiet_overflow(), self.objective.running(cancellation) as objective:
                preparation = self.solver.prepare(objective)
            n_random = self.n_starts - len(self.given)
            starts = self.given + [self.initialize(preparation.centre) for _ in range(n_random)]
            self._minimize_from(starts, preparation, cancellation)
        except Cancelled:
            pass
        except KeyboardInterrupt:
            # Raised by a solver or a callback itself.
            with suppress(ValueError):
                self.outcome = self._best()
            raise
        self.outcome = self._best()
        return self.outcome

    def _minimize_from(
        self, starts: list[NDArray], preparation: Preparation, cancellation: Cancellation
    ) -> None:
        """Run the solver from every start, in parallel if the solver allows it."""
        rows = self.objective.rows
        n_parallel = min(len(starts), rows.n_threads) if self.solver.concurrent else 1
        if n_parallel > 1:
            rows = rows.on_threads(max(1, rows.n_threads // len(starts)))
        objective = self.objective.on(rows)
        seeds = [self.random_state.randint(np.iinfo(np.int32).max) for _ in starts]

        def minimize(index: int) -> None:
            rng = np.random.RandomState(seeds[index])
            self._minimize(index, objective, starts[index], preparation, cancellation, rng)

        if n_parallel == 1:
            for index in range(len(starts)):
                minimize(index)
            return
        with ThreadPoolExecutor(n_parallel) as executor:
            runs = [executor.submit(minimize, index) for index in range(len(starts))]
            done, _ = wait(runs, return_when=FIRST_EXCEPTION)
            if any(run.exception() for run in done):
                cancellation.request()
            for run in runs:
                run.result()

    def _minimize(
        self,
        index: int,
        objective: Objective,
        theta: NDArray,
        preparation: Preparation,
        cancellation: Cancellation,
        rng: np.random.RandomState,
    ) -> None:
        """Run the solver from one start."""
        table = Table(self.verbose, index + 1 if self.n_starts > 1 else None)
        with ExitStack() as stack:
            stack.enter_context(quiet_overflow())
            objective = stack.enter_context(objective.running(cancellation))
            validator = self.validator
            if validator is not None:
                validator = stack.enter_context(validator.running(cancellation))
            progress = self.runs[index] = Progress(
                self.rule,
                validate=validator,
                callbacks=self.callbacks.run(index),
                table=table,
                cancellation=cancellation,
            )
            try:
                self.solver.minimize(objective, theta, progress, preparation, rng)
            except (Cancelled, KeyboardInterrupt) as interrupt:
                if progress.running:
                    progress.end(Status.INTERRUPTED)
                if isinstance(interrupt, KeyboardInterrupt):
                    raise
            finally:
                table.end(progress.message)

    def _best(self) -> Outcome:
        """The run of lowest J, or of lowest validation cost if there are validation rows."""
        usable = []
        for index in sorted(self.runs):
            progress = self.runs[index]
            best = self._exact(progress)
            if best is not None:
                usable.append((best, progress))
        if not usable:
            raise ValueError(
                "J is not finite at the start. Scale the features (StandardScaler), or choose a "
                "smaller init_epsilon or theta_init."
            )
        best, progress = min(usable, key=lambda pair: pair[0].rank)
        return Outcome(
            best,
            progress.status,
            progress.message,
            progress.n_iter,
            progress.n_evaluations,
            columns(progress.entries),
        )

    def _exact(self, progress: Progress) -> Best | None:
        """The best iterate of a run, with J evaluated on all rows and in their precision."""
        best = progress.best
        with quiet_overflow():
            if best is not None and not best.exact:
                iterate = Iterate.at(best.theta, self.objective)
                progress.correct(best.n_iter, iterate)
                loss, gradient_max = iterate.loss, iterate.gradient_max
                best = best._replace(loss=loss, gradient_max=gradient_max, exact=True)
                progress.n_evaluations += 1
            if progress.candidate is not None:
                # The run has ended in the head start, or between two evaluations over all rows.
                iterate = Iterate.at(progress.candidate, self.objective)
                validation = self.validator(iterate.theta) if self.validator else None
                progress.correct(progress.n_iter, iterate)
                found = Best(
                    iterate.theta,
                    iterate.loss,
                    iterate.gradient_max,
                    validation,
                    exact=True,
                    n_iter=progress.n_iter,
                )
                progress.n_evaluations += 1
                if best is None or found.rank < best.rank:
                    best = found
        return best
