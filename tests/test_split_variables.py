import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import random_problem

from skbackprop import numerical_gradient
from skbackprop.change_of_variables import change_of_variables, feature_change, no_change
from skbackprop.solvers.split_variables import SplitVariables


def shifted(objective, theta):
    """mu alone, as the solver uses it with this penalty."""
    return change_of_variables(
        objective, theta, feature_change(objective, mix=False), mix_outputs=False
    )


@pytest.fixture(params=[lambda objective, theta: no_change(objective), shifted], ids=["", "mu"])
def split(request):
    """An objective with "l1", a theta with zeros, and its split variables."""
    problem = random_problem(seed=2)
    objective = problem.objective(reg_lambda=0.9, penalty="l1")
    theta = problem.theta.copy()
    penalised = objective.penalty.penalised
    theta[np.flatnonzero(penalised)[::4]] = 0.0
    variables = SplitVariables(request.param(objective, theta), penalised, objective.penalty.l1)
    return objective, theta, variables


def test_the_parts_of_a_weight_are_the_weight_and_its_absolute_value(split):
    objective, theta, variables = split
    penalised = objective.penalty.penalised
    z = variables.from_theta(theta)
    plus, minus = z[: len(theta)][penalised], z[len(theta) :]
    assert_array_equal(plus - minus, theta[penalised])
    assert_array_equal(plus + minus, np.abs(theta[penalised]))
    assert (z >= variables.bounds.lb).all()
    assert_allclose(variables.to_theta(z), theta, rtol=0, atol=1e-14)


def test_only_parts_of_weights_have_a_bound(split):
    objective, theta, variables = split
    lower = np.full(len(theta), -np.inf)
    lower[objective.penalty.penalised] = 0.0
    zeros = np.zeros(objective.penalty.penalised.sum())
    assert_array_equal(variables.bounds.lb, np.concatenate([lower, zeros]))
    assert np.all(variables.bounds.ub == np.inf)


def test_j_of_the_parts_and_its_gradient(split):
    objective, theta, variables = split

    def smooth(z):
        return variables.pull_back(z, *objective.smooth(variables.to_theta(z)))

    z = variables.from_theta(theta)
    assert_allclose(smooth(z)[0], objective(theta)[0], rtol=1e-14)
    # Also where both parts of a weight are above 0.
    inside = z + np.random.RandomState(0).uniform(0, 0.5, len(z))
    for at in (z, inside):
        numeric = numerical_gradient(lambda z: smooth(z)[0], at)
        assert_allclose(smooth(at)[1], numeric, rtol=0, atol=1e-9)
