"""`partial_fit`: one epoch of a stochastic solver over a chunk of rows."""

from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target

from skbackprop.callbacks import Method
from skbackprop.fitted import fitted_attributes, result_attributes
from skbackprop.history import Entry, append
from skbackprop.interrupts import Cancellation, shielded
from skbackprop.labels import Labels
from skbackprop.monitoring import Iterate, Status, quiet_overflow
from skbackprop.objective import Objective
from skbackprop.preparation import class_factors, examples_of, weigh_classes
from skbackprop.rows import ArrayRows
from skbackprop.solvers import SOLVERS, solver_of
from skbackprop.threads import resolve_n_jobs


def has_partial_fit(estimator: Any) -> bool:
    """Whether `partial_fit` is available.

    Raises
    ------
    AttributeError
        If it is not, with the reason.
    """
    solver = (
        SOLVERS.get(estimator.solver) if isinstance(estimator.solver, str) else estimator.solver
    )
    rate = getattr(solver, "learning_rate", None)
    reason = None
    if not getattr(solver, "stochastic", False):
        reason = (
            f"partial_fit requires a stochastic solver, 'sgd' or 'adam'; "
            f"solver={estimator.solver!r} minimises J over all rows at once."
        )
    elif getattr(rate, "follows_loss", False):
        reason = (
            f"The learning rate {rate!r} depends on J over all rows, which is unknown in "
            "partial_fit; use a number or TimeDecay."
        )
    elif getattr(rate, "follows_end", False):
        reason = (
            f"The learning rate {rate!r} depends on the number of epochs, max_iter, which "
            "partial_fit does not have; use a number or TimeDecay."
        )
    elif estimator.early_stopping:
        reason = (
            "partial_fit receives only a part of the rows and cannot stop early; set "
            "early_stopping=False, and use a score on validation rows to decide when to stop."
        )
    elif estimator.class_weight == "balanced":
        reason = (
            "class_weight='balanced' requires all rows at once; for partial_fit use a dict of "
            "class weights."
        )
    if reason:
        raise AttributeError(reason)
    return True


def available_if_streaming(method: Method) -> Method:
    """Decorate `partial_fit`: it exists only if `has_partial_fit`."""
    return available_if(has_partial_fit)(method)


def next_chunk(
    estimator: Any, X, y, classes: ArrayLike | None, sample_weight: ArrayLike | None
) -> dict:
    """The fitted attributes of an estimator after another chunk of rows, without setting them.

    Parameters
    ----------
    estimator : BackpropClassifier
        Unfitted, or after earlier calls.
    X, y, classes, sample_weight : array-likes
        The arguments of `partial_fit`.

    Returns
    -------
    attributes : dict
    """
    began = perf_counter()
    first = not hasattr(estimator, "theta_")
    examples = examples_of(
        estimator,
        X,
        y,
        sample_weight,
        reset=first,
        labels_of=lambda y: _labels_of(estimator, y, classes, first),
    )
    network = examples.network
    if not first and network != estimator.network_:
        raise ValueError(
            f"The parameters require another network than the one fitted so far, "
            f"{estimator.network_}; call fit for a new one."
        )
    rows = examples.rows
    factors = class_factors(estimator.class_weight, examples.labels, rows)
    rows = weigh_classes(rows, factors, "training")
    solver: Any = solver_of(estimator.solver)
    run = getattr(estimator, "_stream", None) or solver.new_run(
        check_random_state(estimator.random_state)
    )
    run = solver.resume(run, len(rows.y), ArrayRows.of(rows).weight)
    if first:
        theta = network.initialize(estimator.init_epsilon, run.random_state)
    else:
        theta = network.unroll(estimator.theta_)
    objective = Objective.from_rows(
        network,
        ArrayRows.of(rows, resolve_n_jobs(estimator.n_jobs), run.mean_weight),
        reg_lambda=estimator.reg_lambda,
        penalty=estimator.penalty,
        weight=run.mean_weight * (solver.n_samples or run.rows_seen),
    )
    solver.check(objective)

    def steps(cancellation: Cancellation) -> Iterate:
        return solver.partial_minimize(objective, theta, run, cancellation)

    # An interrupt must not come between threads. Without them it could only break a copy, and a
    # small chunk takes hardly longer than starting a thread.
    in_threads = solver.uses_threads(network, objective.n_rows)
    found = shielded(steps) if in_threads else steps(Cancellation())
    if not np.isfinite(found.loss):
        raise ValueError(
            f"J is {found.loss} after these rows; the previous parameters are kept. "
            f"{solver.advice(Status.DIVERGED)}"
        )
    n_iter = 1 if first else estimator.n_iter_ + 1
    with quiet_overflow():
        step_length = float(np.linalg.norm(np.subtract(theta, found.theta, out=theta)))
    entry = Entry(
        iteration=n_iter,
        stage="partial_fit",
        rows=objective.n_rows,
        loss=found.loss,
        gradient_max=found.gradient_max,
        step_length=step_length,
        n_evaluations=n_iter,
        seconds=perf_counter() - began,
    )
    result = OptimizeResult(
        x=found.theta,
        fun=found.loss,
        gradient_max=found.gradient_max,
        nit=n_iter,
        nfev=n_iter,
        success=True,
        status="partial",
        message=f"{run.n_steps} steps of partial_fit.",
    )
    history = append(None if first else estimator.history_, entry)
    return (
        fitted_attributes(examples, found.theta)
        | result_attributes(result, history)
        | {"_stream": run}
    )


def _labels_of(estimator: Any, y, classes: ArrayLike | None, first: bool) -> Labels:
    """The labels of `partial_fit`, which are given in the first call and fixed afterwards."""
    if first:
        if classes is None and type_of_target(y) != "multilabel-indicator":
            raise ValueError(
                "The first call to partial_fit needs classes: all labels that can occur."
            )
        return Labels.of(y, estimator.output_activation == "softmax", classes)
    if classes is not None and not np.array_equal(np.unique(classes), estimator.classes_):
        raise ValueError(
            f"The classes were {estimator.classes_.tolist()} in the first call to partial_fit; "
            f"got {np.unique(classes).tolist()}."
        )
    return estimator._labels
