"""The iterations of a fit as tasks of `sklearn.callback`, from scikit-learn 1.9 on.

Progress bars, score monitors and whatever else follows that protocol are told of each
iteration of any solver and may ask to stop. Older versions have no callbacks: there is
nothing to set, and nobody to tell.
"""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
    from sklearn.callback import with_callbacks as with_callbacks

    # How many calls lie between a decorated method and who calls it.
    DECORATOR_FRAMES = 1
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """No callbacks."""

    def with_callbacks(method):
        """`method` itself."""
        return method

    DECORATOR_FRAMES = 0


class RunCallbacks:
    """The iterations of one run; one of them is under way at a time.

    Parameters
    ----------
    context : CallbackContext
        The task that the iterations belong to.
    arguments : dict
        What every hook is told: the estimator, X, y and metadata.
    fitted_attributes : callable
        From theta to the attributes of an estimator fitted with it.
    """

    def __init__(
        self, context: Any, arguments: dict, fitted_attributes: Callable[[NDArray], dict]
    ):
        self._context = context
        self._arguments = arguments
        self._fitted_attributes = fitted_attributes
        self._iteration: Any = None

    def begin(self) -> None:
        """An iteration begins."""
        if self._iteration is None:
            self._iteration = self._context.subcontext(task_name="iteration")
            self._iteration.call_on_fit_task_begin(**self._arguments)

    def end(self, theta: NDArray) -> bool:
        """The iteration has led to `theta`; returns whether a callback asks to stop."""
        iteration, self._iteration = self._iteration, None
        try:
            return iteration.call_on_fit_task_end(
                **self._arguments, reconstruction_attributes=lambda: self._fitted_attributes(theta)
            )
        except StopIteration as error:
            # SciPy would take it for a request of its own to stop.
            raise RuntimeError(
                "A callback has raised StopIteration; to stop the fit let its hook return True."
            ) from error

    def close(self) -> None:
        """End an iteration that has begun and led nowhere."""
        if self._iteration is not None:
            self._iteration.call_on_fit_task_end(estimator=self._arguments["estimator"])
            self._iteration = None


class FitCallbacks:
    """A fit: its iterations, or its runs and their iterations where there are several.

    Parameters
    ----------
    estimator : BackpropClassifier
        The estimator; without callbacks set on it, or on what contains it, nothing happens.
    X, y : array-like
        What `fit` was given.
    sample_weight : array-like or None
        Likewise.
    n_runs : int
        How many starts there are.
    max_iter : int
        The most iterations of a run.
    fitted_attributes : callable
        From theta to the attributes of an estimator fitted with it.
    """

    def __init__(
        self,
        estimator: Any,
        X,
        y,
        sample_weight,
        n_runs: int,
        max_iter: int,
        fitted_attributes: Callable[[NDArray], dict],
    ):
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._runs: list[RunCallbacks] = []
        self._context: Any = None
        if not hasattr(estimator, "set_callbacks"):
            return
        # One iteration more than max_iter: the solver may begin one that leads nowhere.
        n_iterations = max_iter + 1
        self._context = estimator._init_callback_context(
            max_subtasks=n_iterations if n_runs == 1 else n_runs,
            sequential_subtasks=n_runs == 1,
        )
        self._context.call_on_fit_task_begin(**self._arguments)
        if not hasattr(estimator, "_skl_callbacks"):
            return
        contexts = [self._context]
        if n_runs > 1:
            contexts = [
                self._context.subcontext(
                    task_name="run", task_id=run, max_subtasks=n_iterations
                ).call_on_fit_task_begin(**self._arguments)
                for run in range(n_runs)
            ]
        self._runs = [
            RunCallbacks(context, self._arguments, fitted_attributes) for context in contexts
        ]
        self._run_contexts = contexts if n_runs > 1 else []

    def run(self, index: int) -> RunCallbacks | None:
        """The callbacks of one run; None where nobody wants to know."""
        return self._runs[index] if self._runs else None

    def end(self, fitted_attributes: dict) -> None:
        """The fit has ended, with these attributes."""
        if self._context is None:
            return
        for run in self._runs:
            run.close()
        for context in self._run_contexts if self._runs else []:
            context.call_on_fit_task_end(estimator=self._arguments["estimator"])
        self._context.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=fitted_attributes
        )
