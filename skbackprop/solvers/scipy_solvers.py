"""The solvers of `scipy.optimize.minimize`: limited-memory BFGS, BFGS, conjugate gradients."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from skbackprop.change_of_variables import feature_change
from skbackprop.monitoring import Progress
from skbackprop.network import is_positive_integer
from skbackprop.objective import Objective
from skbackprop.rows import has_distinct_rows
from skbackprop.solvers.base import Preparation, Solver
from skbackprop.solvers.stages import MANY_ROWS, Method, descend_in_stages

# Corrections shorten the path, but each is two vectors of the length of theta.
CORRECTION_BYTES = 2**28
# BFGS holds a p x p matrix.
MAX_BFGS_PARAMETERS = 5000


class SciPySolver(Solver):
    """A method of `scipy.optimize.minimize`, run until `Progress` says stop."""

    method: str
    head_start: bool
    change_of_variables: bool
    float32_stage: bool

    @abstractmethod
    def _options(self, objective: Objective) -> dict:
        """Options of the method, with its own stopping tests off."""

    def check(self, objective: Objective) -> None:
        for name in ("head_start", "change_of_variables", "float32_stage"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ValueError(f"{name} must be True or False; got {getattr(self, name)!r}.")

    def prepare(self, objective: Objective) -> Preparation:
        # Without P for "l1", to which single weights matter.
        mix = self.change_of_variables and not objective.penalty.l1
        features = feature_change(objective, mix=mix)
        many_rows = has_distinct_rows(objective.rows.gather(5 * MANY_ROWS), MANY_ROWS)
        return Preparation(features.mu, features, many_rows)

    def minimize(
        self,
        objective: Objective,
        theta: NDArray,
        progress: Progress,
        preparation: Preparation,
        random_state: np.random.RandomState,
    ) -> None:
        method = Method(
            self.method,
            self._options(objective),
            self.head_start,
            self.change_of_variables,
            self.float32_stage,
        )
        descend_in_stages(method, objective, theta, progress, preparation)


class LBFGS(SciPySolver):
    """Limited-memory BFGS (SciPy's L-BFGS-B), the "advanced optimisation" of choice.

    Three things shorten its path. None of them decides where it ends: it ends where the gradient
    of J itself is small, and it goes on without them before it says that no lower J was found.

    Parameters
    ----------
    n_corrections : int, default=30
        Pairs of steps and gradient changes that stand for the curvature of J. More shorten
        the path; each takes two vectors of the length of theta, so that fewer are kept
        where `n_corrections` would take more than 256 MB.
    max_line_search : int, default=50
        The most evaluations in one line search.
    head_start : bool, default=True
        From 1000 different rows on, begin with 20 iterations each on one row in 61, in 17 and
        in 5, where these are at least 100 rows. They are not counted in `n_iter_`. J on all
        rows decides whether the fit goes on from where they lead.
    change_of_variables : bool, default=True
        Minimise over variables in which the inputs of each layer are centred and the features
        uncorrelated and, from 1000 different rows on, the deltas too. J is the same.
    float32_stage : bool, default=True
        Do the early iterations of a large fit (more than 1.7e7 rows times parameters) of float64
        rows in float32, until J falls by less than 1e-7 of itself.
    """

    method = "L-BFGS-B"

    def __init__(
        self,
        n_corrections: int = 30,
        max_line_search: int = 50,
        head_start: bool = True,
        change_of_variables: bool = True,
        float32_stage: bool = True,
    ):
        self.n_corrections = n_corrections
        self.max_line_search = max_line_search
        self.head_start = head_start
        self.change_of_variables = change_of_variables
        self.float32_stage = float32_stage

    def check(self, objective: Objective) -> None:
        super().check(objective)
        for name in ("n_corrections", "max_line_search"):
            if not is_positive_integer(getattr(self, name)):
                raise ValueError(
                    f"{name} must be a positive integer; got {getattr(self, name)!r}."
                )

    def _options(self, objective: Objective) -> dict:
        affordable = CORRECTION_BYTES // (16 * objective.n_parameters)
        return {
            "maxcor": max(1, min(self.n_corrections, affordable)),
            "maxls": self.max_line_search,
            "maxfun": np.iinfo(np.int32).max,
            "ftol": 0.0,
            "gtol": 0.0,
        }


class _SmoothSolver(SciPySolver):
    """A method that needs a derivative everywhere, and all of SciPy's warning filters."""

    # SciPy changes the filters of the whole process around each line search.
    concurrent = False

    def __init__(
        self,
        head_start: bool = True,
        change_of_variables: bool = True,
        float32_stage: bool = True,
    ):
        self.head_start = head_start
        self.change_of_variables = change_of_variables
        self.float32_stage = float32_stage

    def _options(self, objective: Objective) -> dict:
        return {"gtol": 0.0}

    def check(self, objective: Objective) -> None:
        super().check(objective)
        if objective.penalty.l1:
            raise ValueError(
                f"The solver {type(self).__name__!r} needs a cost with a derivative everywhere, "
                "which the penalty 'l1' does not have at 0. Use 'lbfgs' or a gradient solver."
            )


class BFGS(_SmoothSolver):
    """BFGS with the whole p x p matrix, for small networks.

    Refused beyond 5000 parameters and, as it needs a smooth J, for the penalty "l1".

    Parameters
    ----------
    head_start, change_of_variables, float32_stage : bool, default=True
        As for `LBFGS`.
    """

    method = "BFGS"

    def check(self, objective: Objective) -> None:
        super().check(objective)
        p = objective.n_parameters
        if p > MAX_BFGS_PARAMETERS:
            raise ValueError(
                f"The solver 'bfgs' keeps a {p} x {p} matrix for this network; it is refused "
                f"beyond {MAX_BFGS_PARAMETERS} parameters. Use 'lbfgs'."
            )


class CG(_SmoothSolver):
    """Nonlinear conjugate gradients (Polak-Ribiere), which need no memory beyond theta.

    Needs a smooth J: refused for the penalty "l1".

    Parameters
    ----------
    head_start, change_of_variables, float32_stage : bool, default=True
        As for `LBFGS`.
    """

    method = "CG"
