"""Gradient checking: back propagation compared with finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray


def numerical_gradient(
    f: Callable[[NDArray], float], theta: ArrayLike, epsilon: float = 1e-5
) -> NDArray:
    r"""The gradient of a function by two-sided finite differences.

    .. math::

        \frac{\partial f}{\partial \theta_j} \approx
        \frac{f(\theta + \epsilon e_j) - f(\theta - \epsilon e_j)}{2 \epsilon}

    Parameters
    ----------
    f : callable
        Function of a vector that returns a number.
    theta : array-like of shape (p,)
        The point at which to compute the gradient; not changed.
    epsilon : float, default=1e-5
        Half the distance between the two points, positive. The common choice 1e-4 leaves
        truncation errors of up to 1e-7 where the curvature is strong.

    Returns
    -------
    gradient : ndarray of shape (p,)
        The gradient. Each entry takes two calls of `f`: for checking, not for training.

    Raises
    ------
    ValueError
        If `epsilon` is not positive.

    Examples
    --------
    >>> from skbackprop import numerical_gradient
    >>> numerical_gradient(lambda theta: theta[0] ** 2 * theta[1], [3.0, 2.0]).round(6)
    array([12.,  9.])
    """
    if not epsilon > 0:
        raise ValueError(f"epsilon must be positive; got {epsilon!r}.")
    theta = np.array(theta, dtype=np.float64)
    gradient = np.empty_like(theta)
    for j, value in enumerate(theta):
        theta[j] = value + epsilon
        above = f(theta.copy())
        theta[j] = value - epsilon
        below = f(theta.copy())
        theta[j] = value
        gradient[j] = (above - below) / (2.0 * epsilon)
    return gradient


def check_gradient(
    objective: Callable[[NDArray], tuple[float, NDArray]],
    theta: ArrayLike,
    epsilon: float = 1e-5,
) -> float:
    r"""The relative difference between the gradient of an objective and the numerical one.

    Parameters
    ----------
    objective : callable
        Function of theta that returns (J, gradient), such as an `Objective`.
    theta : array-like of shape (p,)
        The point at which to check; random values, not zeros.
    epsilon : float, default=1e-5
        Half the distance between the two points of a finite difference, positive.

    Returns
    -------
    relative_difference : float
        :math:`\|numeric - D\| / \|numeric + D\|` for the gradient D of the objective. Below
        1e-8 for a correct gradient; a bug gives 1e-4 and more. 0 if both gradients are zero.

    Raises
    ------
    ValueError
        If `epsilon` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from skbackprop import Network, Objective, check_gradient
    >>> network = Network((3, 4, 2))
    >>> objective = Objective(network, np.eye(3), [0, 1, 1], reg_lambda=1)
    >>> check_gradient(objective, network.initialize(random_state=0)) < 1e-8
    True
    """
    theta = np.asarray(theta, dtype=np.float64)
    _, gradient = objective(theta)
    numeric = numerical_gradient(lambda point: objective(point)[0], theta, epsilon)
    total = float(np.linalg.norm(numeric + gradient))
    difference = float(np.linalg.norm(numeric - gradient))
    if difference == 0.0:
        return 0.0
    return difference / total if total > 0.0 else float("inf")
