"""What a fit leaves behind of its iterations, and the table that `verbose` prints of them."""

from math import nan
from typing import NamedTuple

HEAD_START = "head start"


class Entry(NamedTuple):
    """One iteration of a fit.

    Parameters
    ----------
    iteration : int
        1 for the first; 0 for those of a head start, which are not counted.
    stage : str
        The part of the fit: "head start", "float32", "float64", "plain", or the name of a
        gradient solver.
    rows : int
        How many rows J is of.
    loss : float
        J after the iteration, of these rows.
    gradient_max : float
        The largest absolute entry of its gradient.
    step_length : float
        The Euclidean norm of the change of theta.
    n_evaluations : int
        Evaluations of J over all rows so far.
    seconds : float
        Since the start of the run; of `partial_fit`, the time of the call.
    validation_loss, validation_score : float
        The cost without penalty and the accuracy on the validation rows; NaN without any.
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
    """A list of each field: what `pandas.DataFrame` takes."""
    return {name: [getattr(e, name) for e in entries] for name in Entry._fields}


def append(history: History | None, entry: Entry) -> History:
    """A history with one entry more; the old one is not changed."""
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
    """Prints a line for each iteration, or for every n-th, and one for the end.

    Parameters
    ----------
    every : int
        Print every n-th iteration; 0 prints nothing.
    start : int or None
        The number of the start, where there are several.
    """

    def __init__(self, every: int, start: int | None = None):
        self.every = every
        self.start = start
        self.has_header = False
        self.last_printed = True

    def add(self, entry: Entry) -> None:
        """Print an iteration, or the start of a stage."""
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
        self.last_printed = not entry.iteration % self.every
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
        # In one piece: other starts print at the same time.
        print(line + "\n", end="", flush=True)
