"""Ways to look for the theta of lowest J.

Each solver is an object that carries its own options, a `BaseEstimator` for the sake of
``get_params`` and ``set_params``; a name stands for one with its defaults.
"""

from sklearn.base import clone

from skbackprop.solvers.base import Solver
from skbackprop.solvers.gradient_solvers import SGD, Adam, GradientDescent
from skbackprop.solvers.learning_rates import Adaptive, TimeDecay
from skbackprop.solvers.scipy_solvers import BFGS, CG, LBFGS

__all__ = [
    "BFGS",
    "CG",
    "LBFGS",
    "SGD",
    "Adam",
    "Adaptive",
    "GradientDescent",
    "Solver",
    "TimeDecay",
]

SOLVERS: dict[str, type[Solver]] = {
    "lbfgs": LBFGS,
    "bfgs": BFGS,
    "cg": CG,
    "gradient_descent": GradientDescent,
    "sgd": SGD,
    "adam": Adam,
}


def solver_of(solver: str | Solver) -> Solver:
    """The solver that a name stands for, or a solver as it is.

    Raises
    ------
    ValueError
        For an unknown name or anything that is not a solver.
    """
    if isinstance(solver, Solver):
        return clone(solver)
    if isinstance(solver, str) and solver in SOLVERS:
        return SOLVERS[solver]()
    raise ValueError(
        f"solver must be one of {list(SOLVERS)} or a solver from skbackprop.solvers such as "
        f"SGD(momentum=0.9); got {solver!r}."
    )
