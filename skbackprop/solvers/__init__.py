"""Solvers that minimise J over theta.

Each solver is an object with options of its own. It derives from `BaseEstimator` for
``get_params`` and ``set_params``. A name such as "lbfgs" stands for a solver with default options.
"""

from typing import Literal

from sklearn.base import clone

from skbackprop.solvers.base import Preparation, Solver
from skbackprop.solvers.gradient_solvers import SGD, Adam, GradientDescent
from skbackprop.solvers.learning_rates import (
    Adaptive,
    Cosine,
    LearningRate,
    OneCycle,
    TimeDecay,
)
from skbackprop.solvers.scipy_solvers import BFGS, CG, LBFGS

__all__ = [
    "BFGS",
    "CG",
    "LBFGS",
    "SGD",
    "Adam",
    "Adaptive",
    "Cosine",
    "GradientDescent",
    "LearningRate",
    "OneCycle",
    "Preparation",
    "Solver",
    "TimeDecay",
]

SolverName = Literal["lbfgs", "bfgs", "cg", "gradient_descent", "sgd", "adam"]

SOLVERS: dict[str, type[Solver]] = {
    str(solver.name): solver for solver in (LBFGS, BFGS, CG, GradientDescent, SGD, Adam)
}


def solver_of(solver: str | Solver) -> Solver:
    """The solver for a name, with default options, or a copy of a solver object.

    Raises
    ------
    ValueError
        If the name is unknown or the object is not a solver.
    """
    if isinstance(solver, Solver):
        return clone(solver)
    if isinstance(solver, str) and solver in SOLVERS:
        return SOLVERS[solver]()
    raise ValueError(
        f"solver must be one of {list(SOLVERS)} or a solver from skbackprop.solvers such as "
        f"SGD(momentum=0.9); got {solver!r}."
    )
