"""What every solver is: its own options, and one way to be called."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skbackprop.change_of_variables import LayerChange
from skbackprop.monitoring import Progress, Status
from skbackprop.objective import Objective


class Preparation(NamedTuple):
    """What a solver works out once for all starts of a fit.

    Parameters
    ----------
    centre : ndarray of shape (n,) or None
        Where random starts measure the features from (`Network.initialize`).
    features : LayerChange
        The part of the change of variables that does not depend on theta.
    many_rows : bool
        Whether there are enough different rows to learn something from a part of them.
    """

    centre: NDArray | None = None
    features: LayerChange = LayerChange()
    many_rows: bool = False


class Solver(BaseEstimator):
    """A way to look for the theta of lowest J.

    A solver carries its options and nothing else. Of an objective it uses `smooth`, `batch`,
    `on` and `astype`, `n_rows`, `n_parameters`, `hidden_units`, `dtype`, `weight` and `penalty`;
    it reports to a `Progress`, which decides when to stop and keeps the best iterate. Options
    are searched like those of any estimator: ``solver__momentum``.
    """

    # Whether an epoch is many steps, each on some of the rows (`partial_fit` needs it).
    stochastic = False
    # Whether several starts may run at the same time.
    concurrent = True

    def advice(self, status: Status) -> str:
        """What to do when it did not converge.

        Parameters
        ----------
        status : Status
            Why the run ended.
        """
        if status is Status.MAX_ITER:
            return "Increase max_iter, or tol if this is near enough."
        return (
            "Rounding, or a kink of J, hides what would be lower: increase tol if this is near "
            "enough; else try float64 rows, or tanh instead of relu."
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
        """Run from `theta` until `progress` says stop; it then holds the result.

        Parameters
        ----------
        objective : Objective
            What to minimise.
        theta : ndarray of shape (n_parameters,)
            The start; not changed.
        progress : Progress
            Evaluates J, is told of each iterate and holds the result.
        preparation : Preparation
            What `prepare` has worked out.
        random_state : RandomState
            The source of the random numbers of a stochastic solver.
        """

    def check(self, objective: Objective) -> None:
        """Raise ValueError if the solver cannot minimise this objective, saying why.

        Parameters
        ----------
        objective : Objective
            What is to be minimised.
        """

    def prepare(self, objective: Objective) -> Preparation:
        """What all starts of a fit share.

        Parameters
        ----------
        objective : Objective
            What is to be minimised.
        """
        return Preparation()
