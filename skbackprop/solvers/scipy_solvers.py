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

# Limit on the memory for corrections, each of which is two vectors of the length of theta.
CORRECTION_BYTES = 2**28
# BFGS holds a p x p matrix.
MAX_BFGS_PARAMETERS = 5000


class SciPySolver(Solver):
    """A method of `scipy.optimize.minimize`, run until `Progress` ends the run."""

    method: str
    head_start: bool
    change_of_variables: bool
    float32_stage: bool

    @abstractmethod
    def _options(self, objective: Objective) -> dict:
        """Options of the method, with its own stopping tests disabled."""

    def check(self, objective: Objective) -> None:
        for name in ("head_start", "change_of_variables", "float32_stage"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ValueError(f"{name} must be True or False; got {getattr(self, name)!r}.")

    def prepare(self, objective: Objective) -> Preparation:
        # No P for "l1", which depends on single weights.
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
    """Limited-memory BFGS (SciPy's L-BFGS-B), the default solver.

    The last three options save iterations or time. They do not affect what counts as an end: a
    fit ends where the gradient of J itself is small, and before it reports that no lower J was
    found it continues without them. If J has several minima, another path may lead to another.

    Parameters
    ----------
    n_corrections : int, default=30
        Number of stored pairs of steps and gradient changes, which approximate the curvature
        of J. More pairs save iterations. Each takes two vectors of the length of theta; fewer
        are stored if `n_corrections` pairs would take more than 256 MB.
    max_line_search : int, default=50
        Maximum number of evaluations in one line search.
    head_start : bool, default=True
        Whether to begin, from 1000 distinct rows on, with 20 iterations each on one row in 61,
        in 17 and in 5, if these are at least 100 rows. From 20000 dense rows on, and with a
        hidden layer, it is five epochs of mini-batches instead. They are not counted in
        `n_iter_`. The fit continues from their result only if J on all rows is lower there than
        at the start.
    change_of_variables : bool, default=True
        Whether to minimise over variables in which the inputs of each layer are centred, the
        features are less correlated and, from 1000 distinct rows on, the deltas too. J is the
        same.
    float32_stage : bool, default=True
        Whether to compute the first iterations in float32, if the rows are float64 and rows
        times parameters exceed 1.7e7, until the relative decrease of J is below 1e-7.
    """

    name = "lbfgs"
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
    """A method that requires J to be differentiable everywhere."""

    # SciPy changes the warning filters of the whole process around each line search.
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
                f"The solver {self.name!r} needs a cost with a derivative everywhere, which the "
                "penalty 'l1' does not have at 0. Use 'lbfgs' or a gradient solver."
            )


class BFGS(_SmoothSolver):
    """BFGS with a dense p x p matrix for p parameters, for small networks.

    `fit` raises ValueError beyond 5000 parameters, and for the penalty "l1", because the method
    needs a smooth J.

    Parameters
    ----------
    head_start, change_of_variables, float32_stage : bool, default=True
        As for `LBFGS`.
    """

    name = "bfgs"
    method = "BFGS"

    def check(self, objective: Objective) -> None:
        super().check(objective)
        p = objective.n_parameters
        if p > MAX_BFGS_PARAMETERS:
            raise ValueError(
                f"The solver {self.name!r} would store a {p} x {p} matrix for this network; at "
                f"most {MAX_BFGS_PARAMETERS} parameters are allowed. Use 'lbfgs'."
            )


class CG(_SmoothSolver):
    """Nonlinear conjugate gradients (Polak-Ribiere), which store only a few vectors.

    `fit` raises ValueError for the penalty "l1", because the method needs a smooth J.

    Parameters
    ----------
    head_start, change_of_variables, float32_stage : bool, default=True
        As for `LBFGS`.
    """

    name = "cg"
    method = "CG"
