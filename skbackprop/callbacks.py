"""Support for `sklearn.callback` (scikit-learn 1.9 or newer): iterations as callback tasks.

Progress bars, score monitors and other callbacks are notified of each iteration of any
solver and may request a stop. Older versions of scikit-learn have no callbacks; everything
here then does nothing.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numpy.typing import NDArray

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Placeholder without callbacks."""

    def _with_callbacks(method):
        return method


Method = TypeVar("Method", bound=Callable)


def with_callbacks(method: Method) -> Method:
    """Decorate `fit` to release its callbacks at the end; without callbacks, change nothing."""
    return _with_callbacks(method)


class RunCallbacks:
    """Callbacks for the iterations of one run.

    Parameters
    ----------
    context : CallbackContext
        The parent task of the iterations.
    arguments : dict
        Arguments for every hook: the estimator, X, y and metadata.
    fitted_attributes : callable
        ``fitted_attributes(theta)`` returns the fitted attributes of an estimator with these
        parameters.
    """

    def __init__(
        self, context: Any, arguments: dict, fitted_attributes: Callable[[NDArray], dict]
    ):
        self._context = context
        self._arguments = arguments
        self._fitted_attributes = fitted_attributes
        self._iteration: Any = None

    def begin(self) -> None:
        """Begin an iteration, unless one has begun already."""
        if self._iteration is None:
            self._iteration = self._context.subcontext(task_name="iteration")
            self._iteration.call_on_fit_task_begin(**self._arguments)

    def end(self, theta: NDArray) -> bool:
        """End the iteration, which led to `theta`; returns whether a callback requests a stop."""
        iteration, self._iteration = self._iteration, None
        try:
            return iteration.call_on_fit_task_end(
                **self._arguments, reconstruction_attributes=lambda: self._fitted_attributes(theta)
            )
        except StopIteration as error:
            # SciPy treats StopIteration in its own callback as a request to stop.
            raise RuntimeError(
                "A callback raised StopIteration; to stop the fit, its hook must return True."
            ) from error

    def close(self) -> None:
        """End an iteration that has begun but has no result."""
        if self._iteration is not None:
            self._iteration.call_on_fit_task_end(estimator=self._arguments["estimator"])
            self._iteration = None


class FitCallbacks:
    """Callbacks for a fit: its iterations, or its runs and their iterations if several.

    Parameters
    ----------
    estimator : BackpropClassifier
        The estimator. Nothing happens if no callbacks are set on it or on a meta-estimator
        around it.
    X, y : array-like
        The arguments of `fit`.
    sample_weight : array-like or None
        The argument of `fit`.
    n_runs : int
        Number of starts.
    max_iter : int
        Maximum number of iterations of a run.
    fitted_attributes : callable
        ``fitted_attributes(theta)`` returns the fitted attributes of an estimator with these
        parameters.
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
        # One more than max_iter: the solver may begin an iteration that has no result.
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
        """The callbacks of one run; None if there are none."""
        return self._runs[index] if self._runs else None

    def end(self, fitted_attributes: dict) -> None:
        """End the tasks of the fit, which resulted in these attributes."""
        if self._context is None:
            return
        for run in self._runs:
            run.close()
        for context in self._run_contexts if self._runs else []:
            context.call_on_fit_task_end(estimator=self._arguments["estimator"])
        self._context.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=fitted_attributes
        )
