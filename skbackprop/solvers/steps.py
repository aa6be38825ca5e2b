"""How a gradient becomes a step: momentum, Nesterov momentum, Adam.

A step rule is used for a whole run and reuses its arrays: allocating new ones of the length of
theta would take as much time as the arithmetic. A step is made part by part, so that all its
operations on a part find the entries in a core's cache. If the penalty has a kink, the rule
receives ``proximal(theta, step, out)``, the proximal step that follows a gradient step.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from skbackprop.blas import add_multiple

Proximal = Callable[[NDArray, float | NDArray, NDArray], NDArray]


class StepRule(ABC):
    """How a gradient becomes a step, with what is kept from step to step."""

    # One array of the length of theta, or one for each row of a matrix; None before a step.
    kept: NDArray | None = None
    n_kept: int
    n_steps = 0

    def after(self, last: "StepRule") -> "StepRule":
        """Copy the state of another rule if it is of the same kind; returns self."""
        if isinstance(last, type(self)):
            self.kept, self.n_steps = copy(last.kept), last.n_steps
        return self

    def reorder(self, reordered: Callable[[NDArray], NDArray]) -> None:
        """Apply a change of the order of theta's entries to what is kept."""
        if self.kept is not None:
            self.kept = np.array([reordered(row) for row in self.kept])

    def begin(self, theta: NDArray) -> None:
        """Begin a step of theta."""
        if self.kept is None:
            self.kept = np.zeros((self.n_kept, len(theta)), dtype=theta.dtype)
        self.kept = self.kept.astype(theta.dtype, copy=False)
        self.n_steps += 1

    @abstractmethod
    def move(
        self,
        part: slice,
        theta: NDArray,
        gradient: NDArray,
        rate: float,
        proximal: Proximal | None = None,
    ) -> None:
        """Change a part of theta by the step that has begun, in place.

        Parameters
        ----------
        part : slice
            Where these entries lie in the whole vector.
        theta, gradient : ndarrays
            The entries, contiguous; the gradient is overwritten.
        rate : float
            The learning rate.
        proximal : callable, optional
            The proximal step for these entries.
        """

    def __call__(
        self, theta: NDArray, gradient: NDArray, rate: float, proximal: Proximal | None = None
    ) -> None:
        """Change theta by one step, in place; the gradient is overwritten."""
        self.begin(theta)
        self.move(slice(None), theta, gradient, rate, proximal)


class MomentumStep(StepRule):
    """A gradient step with momentum.

    With momentum mu and velocity v, ``v = mu * v - rate * gradient`` and ``x = x + v``. The next
    gradient is evaluated at ``theta = x``; with Nesterov's momentum at ``theta = x + mu * v``.
    A proximal step is applied to x, and v is then the actual change of x, including this step;
    otherwise the momentum would weaken it.

    Parameters
    ----------
    momentum : float
        The fraction of the previous step that is added to the next, in [0, 1).
    nesterov : bool
        Whether to use Nesterov's momentum.
    """

    n_kept = 1

    def __init__(self, momentum: float, nesterov: bool):
        self.momentum = momentum
        self.nesterov = nesterov

    def move(
        self,
        part: slice,
        theta: NDArray,
        gradient: NDArray,
        rate: float,
        proximal: Proximal | None = None,
    ) -> None:
        assert self.kept is not None
        (v,) = self.kept[:, part]
        v *= self.momentum
        if self.nesterov:
            theta -= v
        add_multiple(v, -rate, gradient)
        if proximal is None:
            theta += v
        else:
            x = theta.copy()
            theta += v
            proximal(theta, rate, theta)
            np.subtract(theta, x, out=v)
        if self.nesterov:
            add_multiple(theta, self.momentum, v)


class AdamStep(StepRule):
    """Adam (Kingma and Ba, 2015): a rate for each entry, from the gradient's moments.

    ``theta = theta - rate * mean / (sqrt(mean_square) + epsilon)`` with the weighted means of all
    gradients so far and of their squares; a gradient k steps ago has the weight ``beta ** k``.

    Parameters
    ----------
    beta_1, beta_2 : float
        Decay of the weights in the mean and in the mean square, in [0, 1).
    epsilon : float
        Added to the root of the mean square.
    """

    n_kept = 2

    def __init__(self, beta_1: float, beta_2: float, epsilon: float):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def move(
        self,
        part: slice,
        theta: NDArray,
        gradient: NDArray,
        rate: float,
        proximal: Proximal | None = None,
    ) -> None:
        assert self.kept is not None
        # The sums of the weights: dividing by them corrects the moments for their start at 0.
        total, total_of_squares = (1.0 - beta**self.n_steps for beta in (self.beta_1, self.beta_2))
        root = sqrt(total_of_squares)
        mean, mean_square = self.kept[:, part]
        mean *= self.beta_1
        add_multiple(mean, 1.0 - self.beta_1, gradient)
        mean_square *= self.beta_2
        squares = np.square(gradient, out=gradient)
        add_multiple(mean_square, 1.0 - self.beta_2, squares)
        roots = np.sqrt(mean_square, out=gradient)
        roots += self.epsilon * root
        if proximal is None:
            add_multiple(theta, -rate * root / total, np.divide(mean, roots, out=roots))
        else:
            rates = np.divide(rate * root, roots, out=roots)
            add_multiple(theta, -1.0 / total, rates * mean)
            proximal(theta, rates, theta)
