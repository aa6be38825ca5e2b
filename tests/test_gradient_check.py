import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import random_problem

from skbackprop import Network, Objective, check_gradient, numerical_gradient


def test_numerical_gradient_of_known_functions():
    theta = [0.5, -1.5]
    gradient = numerical_gradient(lambda t: np.sin(t[0]) * np.exp(t[1]), theta)
    expected = [np.cos(0.5) * np.exp(-1.5), np.sin(0.5) * np.exp(-1.5)]
    assert_allclose(gradient, expected, rtol=1e-9)


@pytest.mark.parametrize("epsilon", [1e-1, 1e-2, 1e-3])
def test_two_sided_differences_miss_a_cube_by_epsilon_squared(epsilon):
    # ((x + e)^3 - (x - e)^3) / 2e = 3 x^2 + e^2; a one-sided difference misses it by 3 x e.
    gradient = numerical_gradient(lambda t: t[0] ** 3, [2.0], epsilon)
    assert_allclose(gradient - 12.0, [epsilon**2], rtol=1e-4)


def test_numerical_gradient_leaves_theta_and_gives_f_its_own():
    theta = np.array([1.0, 2.0])
    theta.flags.writeable = False

    def destructive(t):
        value = float(t @ t)
        t[:] = np.nan
        return value

    assert_allclose(numerical_gradient(destructive, theta), [2.0, 4.0], rtol=1e-9)
    assert_array_equal(theta, [1.0, 2.0])


def test_numerical_gradient_of_integers_is_not_rounded():
    assert_allclose(numerical_gradient(lambda t: 0.5 * t @ t, [1, 2, 3]), [1, 2, 3], rtol=1e-9)


def test_check_gradient_is_the_relative_difference_of_norms():
    # The numerical gradient of a linear function with exact sums is exact.
    def objective(t):
        return 3.0 * t[0] + 4.0 * t[1], np.array([0.0, 4.0])

    expected = 3.0 / np.hypot(3.0, 8.0)
    assert_allclose(check_gradient(objective, [0.0, 0.0], 0.5), expected, rtol=1e-15)


def test_check_gradient_at_a_stationary_point_is_zero():
    assert check_gradient(lambda t: (5.0, np.zeros(3)), np.ones(3)) == 0.0


def test_check_gradient_of_the_opposite_gradient_is_huge():
    assert check_gradient(lambda t: (2.0 * t[0], np.array([-2.0])), [0.0], 0.5) == np.inf


def test_default_epsilon_is_1e_5():
    points = []
    numerical_gradient(lambda t: points.append(t[0]) or 0.0, [0.0])
    assert points == [1e-5, -1e-5]


@pytest.mark.parametrize("epsilon", [0, -1e-5, np.nan])
def test_epsilon_must_be_positive(epsilon):
    with pytest.raises(ValueError, match="epsilon must be positive"):
        numerical_gradient(lambda t: 0.0, [1.0], epsilon)
    with pytest.raises(ValueError, match="epsilon must be positive"):
        check_gradient(lambda t: (0.0, t), [1.0], epsilon)


def test_the_small_network_of_the_notes_is_below_1e_9():
    network = Network((3, 5, 3))
    theta = network.unroll(
        [np.sin(np.arange(1, r * c + 1)).reshape(r, c, order="F") / 10 for r, c in network.shapes]
    )
    X = np.sin(np.arange(1, 16)).reshape(5, 3, order="F") / 10
    for reg_lambda in (0, 1, 3):
        objective = Objective(network, X, [1, 2, 0, 1, 2], reg_lambda=reg_lambda)
        assert check_gradient(objective, theta) < 1e-9


# -- planted bugs: what the notes get wrong is found --------------------------------------


def lambda_instead_of_lambda_over_m(problem, objective, theta):
    J, D = objective(theta)
    return J, D + objective.penalty.penalised * theta * objective.penalty.l2 * (
        objective.weight - 1
    )


def penalised_bias(problem, objective, theta):
    J, D = objective(theta)
    return J, D + ~objective.penalty.penalised * theta * objective.penalty.l2


def not_divided_by_m(problem, objective, theta):
    J, D = objective(theta)
    return J, D * objective.weight


def missing_sigmoid_gradient(problem, objective, theta):
    J, _ = objective(theta)
    _, D = problem._replace(theta=theta).reference(
        reg_lambda=objective.penalty.l2 * objective.weight, g_prime=lambda z: 1.0
    )
    return J, D


@pytest.mark.parametrize(
    "bug",
    [
        lambda_instead_of_lambda_over_m,
        penalised_bias,
        not_divided_by_m,
        missing_sigmoid_gradient,
    ],
)
def test_a_planted_bug_is_found(bug):
    problem = random_problem()
    objective = problem.objective(reg_lambda=1.0)
    assert check_gradient(objective, problem.theta) < 1e-8
    assert check_gradient(lambda theta: bug(problem, objective, theta), problem.theta) > 1e-4
