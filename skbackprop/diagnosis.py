"""Warnings after a fit that has not converged or has collapsed: the measured cause, a remedy."""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from skbackprop.exceptions import CollapsedFitWarning, warn_caller
from skbackprop.labels import Labels
from skbackprop.monitoring import quiet_overflow
from skbackprop.objective import Objective
from skbackprop.prediction import Outputs
from skbackprop.rows import RowBlock
from skbackprop.solvers.base import Solver
from skbackprop.threads import single_threaded_blas
from skbackprop.training import Outcome
from skbackprop.workspace import Workspace

# Rows to measure on, and so few that they cost nothing: most networks show there that they have
# not collapsed.
SAMPLE = 2000
FEW = 50
# A network has collapsed if no probability differs by this much between any two rows.
ALIKE = 0.01
# Ratio of the largest to the smallest standard deviation of features that slows a solver down.
UNLIKE_SPREADS = 1000.0
# Share of saturated activations from which a layer counts as saturated.
SATURATED = 0.9


class Extremes(NamedTuple):
    """The minimum and maximum output of each unit over some rows; other rows can be added."""

    least: NDArray
    largest: NDArray

    def copy(self) -> "Extremes":
        """Self, which is immutable."""
        return self

    def add_(self, other: "Extremes") -> "Extremes":
        """The extremes over both sets of rows."""
        return Extremes(
            np.minimum(self.least, other.least), np.maximum(self.largest, other.largest)
        )


class OutputExtremes(NamedTuple):
    """The extremes of a function of the logits over a block of rows."""

    outputs: Outputs

    @property
    def network(self):
        """The network."""
        return self.outputs.network

    def __call__(self, block: RowBlock, workspace: Workspace | None = None) -> Extremes:
        h = self.outputs(block, workspace)
        return Extremes(h.min(axis=0), h.max(axis=0))


class Remark(NamedTuple):
    """A warning about a fit."""

    message: str
    category: type[Warning]

    def warn(self) -> None:
        """Issue the warning at the user's line that called fit."""
        warn_caller(self.message, self.category)


def remark_on(
    solver: Solver, objective: Objective, labels: Labels, outcome: Outcome, tol: float
) -> Remark | None:
    """The warning about a fit that has not converged or predicts the same for every row.

    Parameters
    ----------
    solver : Solver
        The solver of the fit.
    objective : Objective
        J on the training rows.
    labels : Labels
        The meaning of the outputs.
    outcome : Outcome
        The result of the fit.
    tol : float
        The largest gradient entry that counts as converged.

    Returns
    -------
    remark : Remark or None
        A `ConvergenceWarning` with the result, why the fit ended and what to do; or a
        `CollapsedFitWarning` with the measured cause and what to do; or None.
    """
    collapse = collapse_of(objective, labels, outcome.best.theta)
    if outcome.status.success:
        message = f"The fit has collapsed: {collapse}"
        return Remark(message, CollapsedFitWarning) if collapse else None
    best, name = outcome.best, solver.name or type(solver).__name__
    advice = [
        solver.advice(outcome.status),
        unlike_spreads(objective),
        collapse and f"Besides, {collapse}",
    ]
    return Remark(
        f"The solver {name!r} has not converged. {outcome.message} "
        f"Best J = {best.loss:.8g}, largest gradient entry {best.gradient_max:.3g} (tol={tol:g}), "
        f"{outcome.n_iter} iterations, {outcome.n_evaluations} evaluations. "
        + " ".join(filter(None, advice)),
        ConvergenceWarning,
    )


def remark_on_interrupt(outcome: Outcome) -> Remark:
    """The warning about an interrupted fit, with the result that it keeps."""
    best = outcome.best
    return Remark(
        f"The fit was interrupted after {outcome.n_iter} iterations; the best parameters so far "
        f"are kept (J = {best.loss:.8g}, largest gradient entry {best.gradient_max:.3g}).",
        ConvergenceWarning,
    )


def unlike_spreads(objective: Objective) -> str:
    """Advice for features whose standard deviations differ by a factor of 1000; else ""."""
    C = spreads(objective.rows.gather(SAMPLE).X)
    C = C[C > 0]
    if not len(C) or C.max() < UNLIKE_SPREADS * C.min():
        return ""
    return (
        f"The standard deviations of the features range from {C.min():.3g} to {C.max():.3g}: put "
        "a StandardScaler before the classifier (MaxAbsScaler for sparse rows)."
    )


def spreads(X) -> NDArray:
    """The standard deviation of each feature; 0 where it is only a rounding error."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.asarray(X.mean(axis=0), dtype=np.float64).ravel()
        squares = np.asarray((X.multiply(X) if hasattr(X, "multiply") else X * X).mean(axis=0))
        variances = squares.ravel().astype(np.float64) - mean**2
        rounding = 10 * np.finfo(X.dtype).eps * mean**2
    return np.sqrt(np.where(variances > rounding, variances, 0.0))


def collapse_of(objective: Objective, labels: Labels, theta: NDArray) -> str:
    """Description of a network that predicts the same for every row, its cause and a remedy.

    Parameters
    ----------
    objective : Objective
        J on the training rows.
    labels : Labels
        The meaning of the outputs.
    theta : ndarray of shape (n_parameters,)
        The unrolled parameters.

    Returns
    -------
    description : str
        Empty if predictions differ between rows.
    """
    network = objective.network
    with quiet_overflow(), single_threaded_blas():
        thetas = network.reshape(theta.astype(objective.dtype))
        outputs = Outputs(network, thetas, partial(_indices_and_probabilities, labels))
        extremes = OutputExtremes(outputs)
        if not _alike(extremes(objective.rows.gather(FEW))):
            return ""
        sample = objective.rows.gather(SAMPLE)
        if not _classes_differ(sample):
            return ""
        # A pass over all rows only if the sample has collapsed.
        if not (_alike(extremes(sample)) and _alike(objective.rows.add_up(extremes))):
            return ""
        cause = _cause(objective, thetas, sample)
    return (
        "the network predicts the same for every row, and no probability differs by more than "
        f"{ALIKE:g} between any two rows. {cause}"
    )


def _indices_and_probabilities(labels: Labels, Z: NDArray) -> NDArray:
    return np.column_stack([labels.indices(Z), labels.probabilities(Z)])


def _classes_differ(sample: RowBlock) -> bool:
    _, y, w = sample
    y = y if w is None else y[w > 0]
    return bool((y != y[:1]).any())


def _alike(extremes: Extremes) -> bool:
    return bool((extremes.largest - extremes.least < ALIKE).all())


def _cause(objective: Objective, thetas: list[NDArray], sample: RowBlock) -> str:
    """The measured cause of a collapse, and its remedy."""
    network, m, weight = objective.network, objective.n_rows, objective.weight
    if not spreads(sample.X).any():
        return "No feature varies."
    strength = (objective.penalty.l1 or objective.penalty.l2) * weight
    if strength and weight < m / 10:
        return (
            f"The sample weights of the {m} rows sum to {weight:.3g}, and lambda is divided by "
            f"this sum: multiply the weights by {m / weight:.3g}, or set reg_lambda to "
            f"{strength * weight / m:.3g}."
        )
    for layer, A in enumerate(network.propagate(thetas, sample.X).activations):
        name = network.activation[layer]
        if name != "identity" and _saturated(A, name) > SATURATED:
            what = "is 0 for" if name == "relu" else "is at the end of its range for"
            return (
                f"The activation {name!r} of hidden layer {layer + 1} {what} more than "
                f"{SATURATED:.0%} of its units and rows: scale the features, or choose a smaller "
                "init_epsilon or another activation."
            )
    n_logistic = network.activation.count("logistic")
    if n_logistic > 1 and strength:
        return (
            f"The variation of the inputs decreases in each of the {n_logistic} logistic layers; "
            f"with reg_lambda={strength:.3g} none is left: use tanh or relu, fewer layers, or a "
            "smaller reg_lambda."
        )
    if strength:
        return f"The penalty outweighs the costs: choose a reg_lambda smaller than {strength:.3g}."
    return (
        "The features may carry no information about the classes; try another random_state, or "
        "n_init."
    )


def _saturated(A: NDArray, name: str) -> float:
    """The share of activations that are saturated, that is, where g is flat."""
    if name == "relu":
        return float((A == 0).mean())
    lowest = -1.0 if name == "tanh" else 0.0
    return float(((A < lowest + 1e-3) | (A > 1.0 - 1e-3)).mean())
