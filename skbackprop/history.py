"""The history of the iterations of a fit, and the table that `verbose` prints."""

from math import nan
from typing import NamedTuple

HEAD_START = "head start"


class Entry(NamedTuple):
    """One iteration of a fit.

    Parameters
    ----------
    iteration : int
        Number of the iteration, from 1; 0 for those of a head start, which are not counted.
    stage : str
        The part of the fit: "head start", "float32", "float64", "plain", "partial_fit", or the
        name that a gradient solver gives.
    rows : int
        Number of rows over which J is computed.
    loss : float
        J after the iteration, over these rows. Between two evaluations of a stochastic solver, in
        the mini-batches of a head start and in `partial_fit` it is the mean of the batches'
        estimates, as is `gradient_max`.
    gradient_max : float
        The largest absolute entry of the gradient of J.
    step_length : float
        The Euclidean norm of the change of theta.
    n_evaluations : int
        Number of evaluations of J over all rows so far.
    seconds : float
        Time since the start of the run; for `partial_fit`, the duration of the call.
    validation_loss, validation_score : float
        Cost without penalty and accuracy on the validation rows; NaN if there are none.
    """

    iteration: int
    stage: str
    rows: int
    loss: float
    gradient_max: float
    step_length: float
    n_evaluations: int
    seconds: float
    validation_loss: float = nan
    validation_score: float = nan


History = dict[str, list]


def columns(entries: list[Entry]) -> History:
    """The entries as a dict with one list for each field, as `pandas.DataFrame` takes it."""
    return {name: [getattr(e, name) for e in entries] for name in Entry._fields}


def append(history: History | None, entry: Entry) -> History:
    """A new history with one more entry."""
    if history is None:
        return columns([entry])
    return {name: [*history[name], getattr(entry, name)] for name in Entry._fields}


def counted(history: History, name: str) -> list:
    """A column without the iterations of a head start."""
    return [
        value
        for value, iteration in zip(history[name], history["iteration"], strict=True)
        if iteration > 0
    ]


class Table:
    """The table that `verbose` prints: a line for every n-th iteration and one for the end.

    Parameters
    ----------
    every : int
        Print every n-th iteration; 0 prints nothing.
    start : int or None, default=None
        The number of the start, from 1, if there are several.
    """

    def __init__(self, every: int, start: int | None = None):
        self.every = every
        self.start = start
        self.has_header = False
        self.last_printed = True
        self._n_sampled = 0

    def add(self, entry: Entry) -> None:
        """Print an iteration or the initial point of a stage."""
        if not self.every:
            return
        if not self.has_header:
            self.has_header = True
            self._print(
                f"{'iteration':>9}  {'J':>12}  {'max|gradient|':>13}  {'validation':>10}  "
                f"{'seconds':>7}  stage",
                "start",
            )
        self.last = entry
        # Iterations of a head start all have the number 0.
        sampled = entry.stage == HEAD_START
        self.last_printed = (self._n_sampled if sampled else entry.iteration) % self.every == 0
        self._n_sampled += sampled
        if self.last_printed:
            self._print_entry(entry)

    def end(self, message: str) -> None:
        """Print why the run ended, after the last iteration."""
        if self.every:
            if not self.last_printed:
                self._print_entry(self.last)
            self._print(message)

    def _print_entry(self, e: Entry) -> None:
        cost = "-" if e.validation_loss != e.validation_loss else f"{e.validation_loss:.6f}"
        rows = f", {e.rows} rows" if e.stage == HEAD_START else ""
        self._print(
            f"{e.iteration:9d}  {e.loss:12.8f}  {e.gradient_max:13.3e}  {cost:>10}  "
            f"{e.seconds:7.2f}  {e.stage}{rows}"
        )

    def _print(self, line: str, start: str | None = None) -> None:
        if self.start is not None:
            line = f"{self.start if start is None else start:>5}  {line}"
        # One write per line: other starts print at the same time.
        print(line + "\n", end="", flush=True)
