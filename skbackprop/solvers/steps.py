"""How a gradient becomes a step: momentum, Nesterov momentum, Adam.

A step rule lives as long as a run. It returns where the step leads and the length of the
step for each entry, which the proximal step of a penalty with a kink needs.
"""

import numpy as np
from numpy.typing import NDArray


class MomentumStep:
    """A gradient step that keeps some of the last one.

    ``velocity = momentum * velocity - rate * gradient``, then ``theta + velocity``, or with
    Nesterov's momentum ``theta + momentum * velocity - rate * gradient``: the gradient is
    taken where the momentum is about to lead.

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

    def __call__(self, theta: NDArray, gradient: NDArray, rate: float) -> tuple[NDArray, float]:
        self.velocity = self.momentum * self.velocity - rate * gradient
        if self.nesterov:
            return theta + self.momentum * self.velocity - rate * gradient, rate
        return theta + self.velocity, rate


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

    def __call__(self, theta: NDArray, gradient: NDArray, rate: float) -> tuple[NDArray, NDArray]:
        self.n_steps += 1
        self.mean = self.beta_1 * self.mean + (1.0 - self.beta_1) * gradient
        self.mean_square = self.beta_2 * self.mean_square + (1.0 - self.beta_2) * gradient**2
        # The running means start at 0; these divisors make them unbiased.
        mean = self.mean / (1.0 - self.beta_1**self.n_steps)
        mean_square = self.mean_square / (1.0 - self.beta_2**self.n_steps)
        step = rate / (np.sqrt(mean_square) + self.epsilon)
        return theta - step * mean, step


StepRule = MomentumStep | AdamStep
