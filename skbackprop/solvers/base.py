"""The base class of all solvers."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skbackprop.change_of_variables import LayerChange
from skbackprop.monitoring import Progress, Status
from skbackprop.objective import Objective


class Preparation(NamedTuple):
    """Quantities that a solver computes once per fit and that all starts share.

    Parameters
    ----------
    centre : ndarray of shape (n,) or None, default=None
        Origin of the features for random starts, see `Network.initialize`.
    features : LayerChange, optional
        The part of the change of variables that does not depend on theta.
    many_rows : bool, default=False
        Whether there are enough distinct rows for a head start on a subset of them.
    """

    centre: NDArray | None = None
    features: LayerChange = LayerChange()
    many_rows: bool = False


class Solver(BaseEstimator):
    """Base class of solvers, which minimise J over theta.

    A solver stores its options and no other state. It may use the members `smooth`, `batch`, `on`,
    `astype`, `n_rows`, `n_parameters`, `hidden_units`, `dtype`, `weight` and `penalty` of an
    objective. It reports to a `Progress`, which decides when to stop and keeps the best iterate.
    Options are searched as nested parameters: ``solver__momentum``.
    """

    # Name in messages; for the solvers of this package also in ``solver="lbfgs"``.
    name: str | None = None
    # Whether the solver steps after each mini-batch (required by `partial_fit`).
    stochastic = False
    # Whether several starts may run at the same time.
    concurrent = True

    def advice(self, status: Status) -> str:
        """Advice for the warning about a fit that did not converge.

        Parameters
        ----------
        status : Status
            Why the run ended.

        Returns
        -------
        advice : str
        """
        if status is Status.MAX_ITER:
            return "Increase max_iter, or tol if this is near enough."
        return (
            "Rounding or a kink of J prevents a further decrease: increase tol if this is near "
            "enough; else use float64 rows, or tanh instead of relu."
        )

    @abstractmethod
    def minimize(
        self,
        objective: Objective,
        theta: NDArray,
        progress: Progress,
        preparation: Preparation,
        random_state: np.random.RandomState,
    ) -> None:
        """Minimise from `theta` until `progress` ends the run; it then holds the result.

        Parameters
        ----------
        objective : Objective
            The objective to minimise.
        theta : ndarray of shape (n_parameters,)
            The initial parameters; must not be changed.
        progress : Progress
            Evaluates J, receives each iterate and holds the result.
        preparation : Preparation
            The result of `prepare`.
        random_state : RandomState
            Source of random numbers for a stochastic solver.
        """

    def check(self, objective: Objective) -> None:
        """Check the options, and that the solver can minimise this objective.

        Parameters
        ----------
        objective : Objective
            The objective to minimise.

        Raises
        ------
        ValueError
            If an option is invalid or the solver cannot minimise the objective.
        """

    def prepare(self, objective: Objective) -> Preparation:
        """Compute the quantities that all starts of a fit share.

        Parameters
        ----------
        objective : Objective
            The objective to minimise.

        Returns
        -------
        preparation : Preparation
        """
        return Preparation()
