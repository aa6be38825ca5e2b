"""Monitoring of a run, shared by all solvers: stopping, best iterate, history, validation."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skbackprop.callbacks import RunCallbacks
from skbackprop.history import Entry, Table
from skbackprop.interrupts import Cancellation
from skbackprop.objective import Objective

# J is evaluated exactly if the largest entry of an estimated gradient is at most this times tol.
NEAR = 10.0


class Status(Enum):
    """Why a run ended.

    RUNNING, CONVERGED, MAX_ITER, NO_CHANGE, EARLY_STOPPING, CONVERGED_PAST_BEST, CALLBACK,
    DIVERGED, FAILED or INTERRUPTED.

    Attributes
    ----------
    word : str
        `status` of `optimize_result_`, such as "converged".
    success : bool
        Whether it counts as success.
    sentence : str
        The message, with names in braces for its values.
    """

    RUNNING = "running", False, "The solver is running."
    CONVERGED = "converged", True, "The largest gradient entry {gradient_max:.3g} is at most tol."
    MAX_ITER = "max_iter", False, "The limit of max_iter={max_iter} iterations was reached."
    NO_CHANGE = (
        "no_change",
        False,
        "J, now {loss:.8g}, has not decreased for {n_iter_no_change} iterations.",
    )
    EARLY_STOPPING = (
        "early_stopping",
        True,
        "The validation cost has not decreased for {n_iter_no_change} iterations.",
    )
    CONVERGED_PAST_BEST = (
        "early_stopping",
        True,
        "J has converged; the validation cost was lowest {n_since_lowest} iterations before.",
    )
    CALLBACK = "callback", True, "A callback requested a stop."
    DIVERGED = "diverged", False, "J is {loss} after {n_iter} iterations."
    FAILED = "failed", False, "The line search found no lower J ({reason})."
    INTERRUPTED = "interrupted", False, "The fit was interrupted."

    def __init__(self, word: str, success: bool, sentence: str):
        self.word = word
        self.success = success
        self.sentence = sentence


class Validation(NamedTuple):
    """The mean cost without penalty, and the accuracy, on validation rows."""

    cost: float
    score: float


@dataclass(frozen=True)
class StoppingRule:
    """The criteria by which a run ends.

    Parameters
    ----------
    tol : float
        The largest absolute entry of J's gradient that counts as converged.
    max_iter : int
        Maximum number of iterations (for a stochastic solver, of epochs).
    n_iter_no_change : int
        Number of iterations without a lower J (with early stopping, without a lower
        validation cost) after which the run ends.
    early_stopping : bool, default=False
        Whether the validation cost decides when to stop and which iterate is the best.
    """

    tol: float
    max_iter: int
    n_iter_no_change: int
    early_stopping: bool = False


class Iterate(NamedTuple):
    """A theta with J and its gradient at this point. The arrays are never changed.

    Parameters
    ----------
    theta : ndarray of shape (n_parameters,)
        The unrolled parameters.
    smooth_loss : float
        J without the non-smooth part of the penalty, which only "l1" has; NaN for an estimate.
    gradient : ndarray of shape (n_parameters,)
        The gradient of `smooth_loss`; empty for an estimate.
    loss : float
        J.
    gradient_max : float
        The largest absolute entry of J's gradient; for the penalty "l1", of the subgradient of
        smallest norm.
    loss_estimated, gradient_estimated : bool, default=False
        Whether the losses and the gradient are estimates from mini-batches.
    """

    theta: NDArray
    smooth_loss: float
    gradient: NDArray
    loss: float
    gradient_max: float
    loss_estimated: bool = False
    gradient_estimated: bool = False

    @classmethod
    def at(cls, theta: NDArray, objective: Objective) -> "Iterate":
        """Evaluate an objective at theta."""
        smooth_loss, gradient = objective.smooth(theta)
        loss, whole = objective.penalty.add_kink(theta, smooth_loss, gradient)
        return cls(theta, smooth_loss, gradient, loss, float(np.abs(whole).max()))

    @classmethod
    def estimate(cls, theta: NDArray, loss: float, gradient_max: float) -> "Iterate":
        """With estimates of J and of its gradient's largest entry."""
        return cls(theta, np.nan, np.empty(0), loss, gradient_max, True, True)


def quiet_overflow() -> np.errstate:
    """Silence floating-point warnings: `Progress` checks whether J is finite after each step."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


class Best(NamedTuple):
    """The iterate that a run keeps."""

    theta: NDArray
    loss: float
    gradient_max: float
    validation: Validation | None
    # Whether loss and gradient_max are over all rows, in their precision.
    exact: bool
    # The iteration that led there.
    n_iter: int

    @property
    def rank(self) -> float:
        """The criterion for the best of several runs: validation cost if known, else J."""
        return self.validation.cost if self.validation else self.loss


class Progress:
    """The progress of one run of a solver: decides when to stop and keeps the best iterate.

    A solver enters a stage with `enter`, evaluates J with `evaluate`, and reports the initial
    iterate of the stage with `start` and the result of each iteration with `advance`.
    Convergence is judged here for all solvers: by the largest absolute entry of J's own gradient,
    at an iterate whose J is the lowest up to rounding.

    Parameters
    ----------
    rule : StoppingRule
        The stopping criteria.
    validate : callable, optional
        ``validate(theta)`` returns a `Validation`.
    callbacks : RunCallbacks, optional
        Notified of each iteration; they may request a stop.
    table : Table, optional
        Prints the iterations.
    cancellation : Cancellation, optional
        A request to end, checked before each evaluation.

    Attributes
    ----------
    status : Status
        Why the run ended, or RUNNING.
    message : str
        The status as a sentence.
    best : Best or None
        The iterate of lowest J; with early stopping, of lowest validation cost.
    candidate : ndarray or None
        The last iterate, as long as J over all rows is unknown there.
    entries : list of Entry
        The history of the run.
    n_iter : int
        Number of iterations so far.
    n_evaluations : int
        Number of evaluations of J over all rows so far.
    """

    # Set by `enter` and `start`.
    _stage: str
    _objective: Objective
    _sampled: bool
    _decides: bool
    _last: NDArray

    def __init__(
        self,
        rule: StoppingRule,
        *,
        validate: Callable[[NDArray], Validation] | None = None,
        callbacks: RunCallbacks | None = None,
        table: Table | None = None,
        cancellation: Cancellation | None = None,
    ):
        self.rule = rule
        self.validate = validate
        self.callbacks = callbacks
        self.table = table or Table(0)
        self.cancellation = cancellation or Cancellation()
        self.status = Status.RUNNING
        self.message = Status.RUNNING.sentence
        self.best: Best | None = None
        self.candidate: NDArray | None = None
        self.entries: list[Entry] = []
        self.n_iter = 0
        self.n_evaluations = 0
        self._began = perf_counter()
        self._lowest = np.inf
        self._n_since_lowest = 0

    # -- called by a solver ------------------------------------------------------------------

    def enter(
        self, stage: str, objective: Objective, *, sampled: bool = False, decides: bool = True
    ) -> None:
        """Begin a stage.

        Parameters
        ----------
        stage : str
            The name of the stage in the history.
        objective : Objective
            J on the rows and in the precision of the stage.
        sampled : bool, default=False
            Whether the stage uses only subsets of the rows. J is then an estimate: it does
            not decide anything, and the iterations are not counted.
        decides : bool, default=True
            Whether convergence in the precision of the stage is final.
        """
        self._stage, self._objective = stage, objective
        self._sampled, self._decides = sampled, decides

    def evaluate(self, theta: NDArray) -> Iterate:
        """Evaluate J and its gradient in this stage.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            The unrolled parameters; not copied, so they must not be changed afterwards.

        Returns
        -------
        iterate : Iterate

        Raises
        ------
        Cancelled
            After an interrupt; a solver lets it pass.
        """
        self.cancellation.check()
        self.n_evaluations += not self._sampled
        return Iterate.at(theta, self._objective)

    def evaluate_loss(self, estimate: Iterate) -> Iterate:
        """Evaluate J alone, and leave the gradient an estimate.

        Parameters
        ----------
        estimate : Iterate
            The iterate, estimated from mini-batches.

        Returns
        -------
        iterate : Iterate
            The same with the exact J.
        """
        self.cancellation.check()
        self.n_evaluations += 1
        loss = self._objective.cost(estimate.theta)
        return estimate._replace(loss=loss, loss_estimated=False)

    def may_end(self, estimate: Iterate) -> bool:
        """Whether the run may end with this iterate, so that an estimate is not enough.

        Parameters
        ----------
        estimate : Iterate
            The iterate, estimated from mini-batches.

        Returns
        -------
        near : bool
        """
        near = not estimate.gradient_max > NEAR * self.rule.tol
        return near or self.n_iter + 1 >= self.rule.max_iter

    def start(self, iterate: Iterate) -> Status:
        """Report the iterate that a stage starts from.

        Parameters
        ----------
        iterate : Iterate
            The result of `evaluate`.

        Returns
        -------
        status : Status
            The status of the run.
        """
        self._last = iterate.theta
        if self._sampled:
            self._print(iterate, None)
            return self.status
        self.candidate = None
        if self.best and iterate.theta is self.best.theta:
            # The best iterate, evaluated in the precision of this stage: correct its record.
            validation = self.best.validation
            self.best = self._as_best(iterate, validation)
            if self.entries and self.n_iter:
                self.entries[-1] = self.entries[-1]._replace(loss=iterate.loss)
        else:
            validation = self.validate(iterate.theta) if self.validate else None
            self._keep_if_best(iterate, validation)
        if not self.rule.early_stopping:
            self._lowest, self._n_since_lowest = iterate.loss, 0
        elif validation:
            self._lowest = min(self._lowest, validation.cost)
        self._print(iterate, validation)
        self._judge(iterate)
        self._begin_iteration()
        return self.status

    def advance(self, iterate: Iterate) -> Status:
        """Report the result of an iteration.

        Parameters
        ----------
        iterate : Iterate
            The result of `evaluate`, or an estimate. An estimate is recorded, but only its
            validation cost is judged.

        Returns
        -------
        status : Status
            The status of the run.
        """
        step_length = float(np.linalg.norm(iterate.theta - self._last))
        self._last = iterate.theta
        if self._sampled:
            self.candidate = iterate.theta
            self._record(iterate, None, step_length)
            return self.status
        validation = self.validate(iterate.theta) if self.validate else None
        self.n_iter += 1
        self._record(iterate, validation, step_length)
        early = validation if self.rule.early_stopping else None
        self._n_since_lowest += 1
        if early or not iterate.loss_estimated:
            self.candidate = None
            self._keep_if_best(iterate, validation)
            criterion = early.cost if early else iterate.loss
            if criterion < self._lowest:
                self._lowest, self._n_since_lowest = criterion, 0
            self._judge(iterate)
        elif np.isfinite(iterate.loss):
            self.candidate = iterate.theta
        else:
            self.end(Status.DIVERGED, loss=iterate.loss)
        if self.callbacks and self.callbacks.end(iterate.theta.copy()) and self.running:
            self.end(Status.CALLBACK)
        self._begin_iteration()
        return self.status

    def resume(self) -> None:
        """Continue after an end that is not final, such as convergence in a lower precision."""
        self.status = Status.RUNNING
        if not self.rule.early_stopping:
            self._n_since_lowest = 0

    def end(self, status: Status, **facts: object) -> Status:
        """End the run.

        Parameters
        ----------
        status : Status
            Why it ends.
        **facts : object
            Values for the message of the status.

        Returns
        -------
        status : Status
        """
        self.status = status
        self.message = status.sentence.format(
            n_iter=self.n_iter, n_since_lowest=self._n_since_lowest, **vars(self.rule), **facts
        )
        return status

    @property
    def running(self) -> bool:
        """Whether the run has not ended."""
        return self.status is Status.RUNNING

    # -- stopping and the best iterate ---------------------------------------------------------

    def _judge(self, iterate: Iterate) -> None:
        rule, gradient_max = self.rule, iterate.gradient_max
        if not np.isfinite(iterate.loss) or not np.isfinite(gradient_max):
            self.end(Status.DIVERGED, loss=iterate.loss)
        elif gradient_max <= rule.tol and rule.early_stopping and self._n_since_lowest:
            self.end(Status.CONVERGED_PAST_BEST)
        elif gradient_max <= rule.tol and self.best and iterate.theta is self.best.theta:
            self.end(Status.CONVERGED, gradient_max=gradient_max)
        elif self._n_since_lowest >= rule.n_iter_no_change:
            early = rule.early_stopping
            self.end(Status.EARLY_STOPPING if early else Status.NO_CHANGE, loss=iterate.loss)
        elif self.n_iter >= rule.max_iter:
            self.end(Status.MAX_ITER)

    def _keep_if_best(self, iterate: Iterate, validation: Validation | None) -> None:
        if not np.isfinite(iterate.loss) or not np.isfinite(iterate.gradient_max):
            return
        best = self.best
        if best is None:
            lower = True
        elif self.rule.early_stopping and validation and best.validation:
            lower = validation.cost < best.validation.cost
        else:
            # Near a minimum J is constant up to rounding: the gradient decides there.
            flat = 100.0 * np.finfo(self._objective.dtype).eps * abs(best.loss)
            at_minimum = iterate.gradient_max <= min(self.rule.tol, best.gradient_max)
            lower = iterate.loss < best.loss + (flat if at_minimum else 0.0)
        if lower:
            self.best = self._as_best(iterate, validation)

    def _as_best(self, iterate: Iterate, validation: Validation | None) -> Best:
        exact = self._decides and not (iterate.loss_estimated or iterate.gradient_estimated)
        found = iterate.theta, iterate.loss, iterate.gradient_max
        return Best(*found, validation, exact, self.n_iter)

    def correct(self, n_iter: int, iterate: Iterate) -> None:
        """Replace the J of an iteration in the history by J over all rows.

        Parameters
        ----------
        n_iter : int
            The iteration.
        iterate : Iterate
            Its result, evaluated over all rows.
        """
        for i, entry in enumerate(self.entries):
            if entry.iteration == n_iter > 0:
                loss, gradient_max = iterate.loss, iterate.gradient_max
                self.entries[i] = entry._replace(loss=loss, gradient_max=gradient_max)

    # -- callbacks, history and table ----------------------------------------------------------

    def _begin_iteration(self) -> None:
        if self.callbacks and self.running:
            self.callbacks.begin()

    def _entry(
        self, iterate: Iterate, validation: Validation | None, step_length: float = np.nan
    ) -> Entry:
        cost, score = validation or (np.nan, np.nan)
        return Entry(
            0 if self._sampled else self.n_iter,
            self._stage,
            self._objective.n_rows,
            iterate.loss,
            iterate.gradient_max,
            step_length,
            self.n_evaluations,
            perf_counter() - self._began,
            cost,
            score,
        )

    def _record(self, iterate: Iterate, validation: Validation | None, step_length: float) -> None:
        entry = self._entry(iterate, validation, step_length)
        self.entries.append(entry)
        self.table.add(entry)

    def _print(self, iterate: Iterate, validation: Validation | None) -> None:
        self.table.add(self._entry(iterate, validation))
