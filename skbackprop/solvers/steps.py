"""How a gradient becomes a step: momentum, Nesterov momentum, Adam.

A step rule lives as long as a run. It is given ``proximal(theta, step)``, what a gradient step
leaves to do for a penalty with a kink; without one that returns theta.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Proximal = Callable[[NDArray, float | NDArray], NDArray]


class MomentumStep:
    """A gradient step that keeps some of the last one.

    With ``x' = proximal(theta - rate * gradient)``, without momentum theta becomes x'. With
    momentum the last displacement is added before the proximal step; with Nesterov's, theta
    becomes ``x' + momentum * (x' - x)``: the next gradient is taken where the momentum leads.

    Without a proximal step these are ``velocity = momentum * velocity - rate * gradient``, then
    ``theta + velocity``, or ``theta + momentum * velocity - rate * gradient``.

    Parameters
    ----------
    momentum : float
        The share of the last step that is kept, in [0, 1).
    nesterov : bool
        Which of the two.
    """

    def __init__(self, momentum: float, nesterov: bool):
        self.momentum = momentum
        self.nesterov = nesterov
        self.velocity: float | NDArray = 0.0

    def after(self, last: "StepRule") -> "MomentumStep":
        """Go on from what another rule of this kind has gathered; returns self."""
        if isinstance(last, MomentumStep):
            self.velocity = last.velocity
        return self

    def __call__(
        self, theta: NDArray, gradient: NDArray, rate: float, proximal: Proximal
    ) -> NDArray:
        if self.nesterov:
            # theta is x + momentum * velocity.
            x = theta - self.momentum * self.velocity
            moved = proximal(theta - rate * gradient, rate)
            self.velocity = moved - x
            return moved + self.momentum * self.velocity
        moved = proximal(theta + self.momentum * self.velocity - rate * gradient, rate)
        # What was really moved: a velocity of gradients alone would weaken the proximal step.
        self.velocity = moved - theta
        return moved


class AdamStep:
    """Adam (Kingma and Ba, 2015): a rate for each entry, from the gradient's moments.

    Parameters
    ----------
    beta_1, beta_2 : float
        Decay of the running means of the gradient and of its square, in [0, 1).
    epsilon : float
        Added to the root of the mean square.
    """

    def __init__(self, beta_1: float, beta_2: float, epsilon: float):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.mean: float | NDArray = 0.0
        self.mean_square: float | NDArray = 0.0
        self.n_steps = 0

    def after(self, last: "StepRule") -> "AdamStep":
        """Go on from what another rule of this kind has gathered; returns self."""
        if isinstance(last, AdamStep):
            self.mean, self.mean_square = last.mean, last.mean_square
            self.n_steps = last.n_steps
        return self

    def __call__(
        self, theta: NDArray, gradient: NDArray, rate: float, proximal: Proximal
    ) -> NDArray:
        self.n_steps += 1
        self.mean = self.beta_1 * self.mean + (1.0 - self.beta_1) * gradient
        self.mean_square = self.beta_2 * self.mean_square + (1.0 - self.beta_2) * gradient**2
        # The running means start at 0; these divisors make them unbiased.
        mean = self.mean / (1.0 - self.beta_1**self.n_steps)
        mean_square = self.mean_square / (1.0 - self.beta_2**self.n_steps)
        step = rate / (np.sqrt(mean_square) + self.epsilon)
        return proximal(theta - step * mean, step)


StepRule = MomentumStep | AdamStep
