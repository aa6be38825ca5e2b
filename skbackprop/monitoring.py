"""What happens between the iterations of any solver: curves, stopping, the best so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skbackprop.callbacks import RunCallbacks


class Validation(NamedTuple):
    """What a network is worth on rows that it is not fitted to.

    Parameters
    ----------
    cost : float
        The mean cost without penalty.
    score : float
        The accuracy.
    """

    cost: float
    score: float


@dataclass
class Monitor:
    """Watches one run of a solver and says when to stop.

    A solver calls `start` and then the monitor after each iteration; both return whether to
    stop. Convergence is judged here, in one place for all solvers: the largest
    absolute entry of J's own gradient is at most `tol`.

    Parameters
    ----------
    tol : float
        The largest absolute entry of the gradient that counts as converged.
    max_iter : int
        The most iterations (epochs, for a stochastic solver).
    n_iter_no_change : int
        Iterations without a lower J, or a lower validation cost with early stopping, after
        which the run ends.
    validate : callable, optional
        From theta to a `Validation`.
    early_stopping : bool, default=False
        Whether the validation cost decides when to stop and which iterate is the best.
    verbose : bool, default=False
        Whether to print a table, one line an iteration.
    callbacks : RunCallbacks, optional
        Whom to tell of each iteration.

    Attributes
    ----------
    best_theta, best_loss, best_gradient_max, best_validation
        The iterate of lowest J, or of lowest validation cost with early stopping, its J, the
        largest absolute entry of its gradient and its `Validation`.
    message : str
        Why the run ended, in words.
    status : {"running", "converged", "max_iter", "no_change", "early_stopping", \
            "callback", "diverged", "failed", "interrupted"}
        The same in one word.
    """

    tol: float
    max_iter: int
    n_iter_no_change: int
    validate: Callable[[NDArray], Validation] | None = None
    early_stopping: bool = False
    verbose: bool = False
    callbacks: RunCallbacks | None = None
    loss_curve: list[float] = field(default_factory=list)
    validation_curve: list[Validation] = field(default_factory=list)
    status: str = "running"
    message: str = "The solver is running."
    best_theta: NDArray | None = None
    best_loss: float = np.inf
    best_gradient_max: float = np.inf
    best_validation: Validation | None = None
    best_criterion: float = np.inf
    n_since_best: int = 0
    interrupted: bool = False
    has_header: bool = False
    started: float = field(default_factory=perf_counter)

    @property
    def n_iter(self) -> int:
        """Iterations so far."""
        return len(self.loss_curve)

    @property
    def rank(self) -> float:
        """What the best of several runs is lowest in: validation cost if known, else J."""
        return self.best_validation.cost if self.best_validation else self.best_loss

    def start(self, theta: NDArray, loss: float, gradient: NDArray) -> bool:
        """Look at a starting point; returns whether to stop there.

        Called again for a better one: costs before it are forgotten, because they may have
        been computed in another precision.
        """
        self.best_criterion, self.n_since_best = np.inf, 0
        validation = self.validate(theta) if self.validate else None
        self._look(theta, loss, gradient, validation)
        return not self._goes_on()

    def __call__(self, theta: NDArray, loss: float, gradient: NDArray) -> bool:
        """Look at the iterate after an iteration; returns whether to stop.

        Parameters
        ----------
        theta : ndarray
            The iterate; copied if it is kept.
        loss : float
            J there.
        gradient : ndarray
            J's gradient there (for the penalty "l1" its smallest subgradient).
        """
        validation = self.validate(theta) if self.validate else None
        self.loss_curve.append(loss)
        if validation is not None:
            self.validation_curve.append(validation)
        stop = self._look(theta, loss, gradient, validation)
        if self.callbacks and self.callbacks.end(theta.copy()) and not stop:
            stop = self.stop("callback", "A callback asked to stop.")
        return stop or not self._goes_on()

    def restate(self, loss: float, gradient: NDArray) -> bool:
        """Correct what is known of the best parameters, from arithmetic of more precision.

        Parameters
        ----------
        loss : float
            J at `best_theta`.
        gradient : ndarray
            Its gradient there.

        Returns
        -------
        over : bool
            Whether the run is over: not if only the coarser arithmetic said that it has
            converged or diverged.
        """
        self.best_loss = loss
        self.best_gradient_max = float(np.abs(gradient).max(initial=0.0))
        if not self.early_stopping:
            self.best_criterion = loss
        if self.loss_curve and self.n_since_best == 0:
            self.loss_curve[-1] = loss
        if self.status in ("converged", "diverged", "no_change"):
            self.status, self.n_since_best = "running", 0
        if self.status == "running" and self.best_gradient_max <= self.tol:
            self._converge(self.best_gradient_max)
        return not self._goes_on()

    def resume(self) -> bool:
        """Let a run that a line search has given up go on; returns whether it may."""
        if self.status == "no_change":
            self.status = "running"
        self.n_since_best = 0
        return self._goes_on()

    def interrupt(self) -> None:
        """Let the run end; from another thread, after its next iteration."""
        self.interrupted = True
        self.stop("interrupted", "The fit was interrupted.")

    def stop(self, status: str, message: str) -> bool:
        """End the run for a reason of the solver's own."""
        self.status, self.message = status, message
        return True

    def _goes_on(self) -> bool:
        """Whether the run goes on; then its next iteration begins."""
        goes_on = self.status == "running"
        if goes_on and self.callbacks:
            self.callbacks.begin()
        return goes_on

    def _look(
        self, theta: NDArray, loss: float, gradient: NDArray, validation: Validation | None
    ) -> bool:
        gradient_max = float(np.abs(gradient).max(initial=0.0))
        if not np.isfinite(loss) or not np.isfinite(gradient_max):
            return self.stop("diverged", f"J is {loss} after {self.n_iter} iterations.")
        early = self.early_stopping
        criterion = validation.cost if early and validation else loss
        self.n_since_best += 1
        converged = gradient_max <= self.tol
        # At a minimum J is flat to rounding: the gradient, not the last digit of J, tells it.
        if criterion < self.best_criterion or (converged and not early):
            self.best_criterion, self.n_since_best = criterion, 0
            self.best_theta, self.best_loss = theta.copy(), loss
            self.best_gradient_max = gradient_max
            self.best_validation = validation
        if self.verbose:
            self._print_row(loss, gradient_max, validation)
        if self.interrupted:
            return True
        if converged and early and self.n_since_best:
            return self.stop(
                "early_stopping",
                f"J has converged; the validation cost was lowest {self.n_since_best} iterations "
                "before.",
            )
        if converged:
            return self._converge(gradient_max)
        if self.n_since_best >= self.n_iter_no_change:
            what = "The validation cost" if early else f"J, now {loss:.8g},"
            return self.stop(
                "early_stopping" if early else "no_change",
                f"{what} has not become lower for {self.n_iter_no_change} iterations.",
            )
        if self.n_iter >= self.max_iter:
            return self.stop("max_iter", f"max_iter={self.max_iter} iterations are done.")
        return False

    def _converge(self, gradient_max: float) -> bool:
        message = f"The largest gradient entry {gradient_max:.3g} is at most tol."
        return self.stop("converged", message)

    def _print_row(self, loss: float, gradient_max: float, validation: Validation | None) -> None:
        if not self.has_header:
            self.has_header = True
            print(
                f"{'iteration':>9}  {'J':>12}  {'max|gradient|':>13}  {'validation':>10}  seconds"
            )
        cost = f"{validation.cost:10.6f}" if validation else f"{'-':>10}"
        seconds = perf_counter() - self.started
        print(f"{self.n_iter:9d}  {loss:12.8f}  {gradient_max:13.3e}  {cost}  {seconds:7.2f}")
