"""How a gradient becomes a step: momentum, Nesterov momentum, Adam.

A step rule is used for a whole run and reuses its arrays: allocating new ones of the length of
theta would take as much time as the arithmetic. If the penalty has a kink, it receives
``proximal(theta, step, out)``, the proximal step that follows a gradient step.
"""

from collections.abc import Callable
from copy import copy
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from skbackprop.blas import add_multiple

# Number of entries that stay in a core's cache during all operations of a step. Working in such
# parts makes the steps of large networks a quarter faster.
CACHED = 2**16

Proximal = Callable[[NDArray, float | NDArray, NDArray], NDArray]


class MomentumStep:
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

    def __init__(self, momentum: float, nesterov: bool):
        self.momentum = momentum
        self.nesterov = nesterov
        self.velocity: NDArray | None = None

    def after(self, last: "StepRule") -> "MomentumStep":
        """Copy the state of another rule if it is of the same kind; returns self."""
        if isinstance(last, MomentumStep):
            self.velocity = copy(last.velocity)
        return self

    def reorder(self, reordered: Callable[[NDArray], NDArray]) -> None:
        """Apply a change of the order of theta's entries to the velocity."""
        if self.velocity is not None:
            self.velocity = reordered(self.velocity)

    def __call__(
        self, theta: NDArray, gradient: NDArray, rate: float, proximal: Proximal | None = None
    ) -> None:
        """Change theta by one step, in place; the gradient is overwritten."""
        if self.velocity is None:
            self.velocity = np.zeros_like(theta)
        v = self.velocity = self.velocity.astype(theta.dtype, copy=False)
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


class AdamStep:
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

    def __init__(self, beta_1: float, beta_2: float, epsilon: float):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        # Rows: the mean, the mean square, and the last step's rate of each entry.
        self.moments: NDArray | None = None
        self.n_steps = 0

    def after(self, last: "StepRule") -> "AdamStep":
        """Copy the state of another rule if it is of the same kind; returns self."""
        if isinstance(last, AdamStep):
            self.moments, self.n_steps = copy(last.moments), last.n_steps
        return self

    def reorder(self, reordered: Callable[[NDArray], NDArray]) -> None:
        """Apply a change of the order of theta's entries to the moments."""
        if self.moments is not None:
            self.moments = np.array([reordered(moment) for moment in self.moments])

    def __call__(
        self, theta: NDArray, gradient: NDArray, rate: float, proximal: Proximal | None = None
    ) -> None:
        """Change theta by one step, in place; the gradient is overwritten."""
        if self.moments is None:
            self.moments = np.zeros((3, len(theta)), dtype=theta.dtype)
        self.moments = self.moments.astype(theta.dtype, copy=False)
        self.n_steps += 1
        # The sums of the weights: dividing by them corrects the moments for their start at 0.
        total, total_of_squares = (1.0 - beta**self.n_steps for beta in (self.beta_1, self.beta_2))
        rate, epsilon = (x * sqrt(total_of_squares) for x in (rate, self.epsilon))
        for start in range(0, len(theta), CACHED):
            part = slice(start, start + CACHED)
            (mean, mean_square, step), g = self.moments[:, part], gradient[part]
            mean *= self.beta_1
            add_multiple(mean, 1.0 - self.beta_1, g)
            mean_square *= self.beta_2
            add_multiple(mean_square, 1.0 - self.beta_2, np.square(g, out=g))
            np.sqrt(mean_square, out=step)
            step += epsilon
            np.divide(rate, step, out=step)
            add_multiple(theta[part], -1.0 / total, np.multiply(step, mean, out=g))
        if proximal is not None:
            proximal(theta, self.moments[2], theta)


StepRule = MomentumStep | AdamStep
