"""What every solver is: its own options, and one way to be called."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skbackprop.monitoring import Monitor
from skbackprop.objective import Objective


class Solver(BaseEstimator):
    """A way to look for the theta of lowest J.

    A solver carries its options and nothing else, sees an objective and a vector, and
    reports to a monitor, which decides when to stop and keeps the best iterate. Options
    are searched like those of any estimator: ``solver__momentum``.
    """

    # Whether an epoch is many steps, each on some of the rows (`partial_fit` needs it).
    stochastic = False
    # Whether random starts are measured from the mean of the features (`Network.initialize`):
    # its variables are, and a start far from them may be on a plateau that it cannot leave.
    centred_start = False

    @property
    def advice(self) -> str:
        """What to do when it did not converge."""
        return "Increase max_iter, or tol if this is near enough; scaled features help most."

    @abstractmethod
    def minimize(
        self,
        objective: Objective,
        theta: NDArray,
        monitor: Monitor,
        random_state: np.random.RandomState,
    ) -> None:
        """Run from `theta` until the monitor says stop; it then holds the result.

        Parameters
        ----------
        objective : Objective
            What to minimise.
        theta : ndarray of shape (n_parameters,)
            The start; not changed.
        monitor : Monitor
            Told of the start and of each iteration.
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
