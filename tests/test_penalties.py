import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import random_problem
from scipy.optimize import minimize_scalar

from skbackprop import Objective, numerical_gradient
from skbackprop.penalties import (
    PENALTIES,
    PenaltyTerm,
    minimum_norm_subgradient,
    soft_threshold,
)

NUMBERS = st.floats(-10, 10, allow_subnormal=False)
STRENGTHS = st.floats(0, 5, allow_subnormal=False)


def test_names():
    assert set(PENALTIES) == {"l1", "l2"}


# -- the proximal step ---------------------------------------------------------------------


@given(NUMBERS, STRENGTHS)
def test_soft_threshold_minimises_its_problem(w, step):
    def problem(v):
        return 0.5 * (v - w) ** 2 + step * abs(v)

    found = float(soft_threshold(np.array(w), step))
    # Convex: no lower value left, right or at the kink.
    others = [0.0, *np.linspace(-11, 11, 221)]
    others.append(minimize_scalar(problem, bounds=(-11, 11), method="bounded").x)
    assert problem(found) <= min(map(problem, others)) + 1e-13


def test_soft_threshold_by_hand():
    w = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
    assert soft_threshold(w, 1.0).tolist() == [-2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]
    steps = np.array([0.5, 1.0, 1.0, 1.0, 0.25, 0.0, 4.0])
    assert soft_threshold(w, steps).tolist() == [-2.5, 0.0, 0.0, 0.0, 0.25, 1.0, 0.0]


def test_the_proximal_step_of_a_penalty_leaves_the_bias_alone():
    problem = random_problem()
    objective = problem.objective(reg_lambda=2.0, penalty="l1")
    theta, step = problem.theta, 0.5
    found = objective.penalty.proximal(theta.copy(), step)
    shrink = step * 2.0 / 7
    for Found, Theta in zip(
        problem.network.reshape(found), problem.network.reshape(theta), strict=True
    ):
        assert_array_equal(Found[:, 0], Theta[:, 0])
        towards_zero = np.where(Theta > 0, Theta - shrink, Theta + shrink)
        expected = np.where(np.abs(Theta) <= shrink, 0.0, towards_zero)
        assert_allclose(Found[:, 1:], expected[:, 1:], atol=1e-15)
    assert np.any(found[objective.penalty.penalised] == 0.0)


def test_the_proximal_step_may_be_another_for_each_entry():
    problem = random_problem()
    objective = problem.objective(reg_lambda=2.0, penalty="l1")
    steps = np.random.RandomState(0).uniform(size=problem.theta.size)
    found = objective.penalty.proximal(problem.theta, steps)
    for j, step in enumerate(steps):
        assert found[j] == objective.penalty.proximal(problem.theta, float(step))[j]


def test_a_smooth_penalty_has_no_proximal_step():
    problem = random_problem()
    objective = problem.objective(reg_lambda=2.0)
    assert_array_equal(objective.penalty.proximal(problem.theta, 0.5), problem.theta)


# -- the subgradient -------------------------------------------------------------------------


@given(st.one_of(st.just(0.0), NUMBERS), NUMBERS, STRENGTHS)
def test_minimum_norm_subgradient_is_the_smallest_of_all(w, gradient, strength):
    found = float(minimum_norm_subgradient(np.array(w), np.array(gradient), strength))
    slopes = np.linspace(-1, 1, 201) if w == 0 else np.array([np.sign(w)])
    subgradients = gradient + strength * slopes
    # It is one of them, and no other is smaller.
    assert subgradients.min() - 1e-14 <= found <= subgradients.max() + 1e-14
    assert abs(found) <= np.abs(subgradients).min() + 1e-14


@given(NUMBERS, STRENGTHS)
def test_minimum_norm_subgradient_is_zero_exactly_at_the_minimum(a, strength):
    # (w - a)^2 / 2 + strength |w| is least at the soft threshold of a.
    w = soft_threshold(np.array(a), strength)
    found = minimum_norm_subgradient(w, w - a, strength)
    assert_allclose(found, 0.0, atol=1e-14)
    moved = w + 0.5
    assert minimum_norm_subgradient(moved, moved - a, strength) != 0.0


def test_steepest_descent_along_the_subgradient():
    # The directional derivative of J along -d is -|d|^2 for the subgradient d of least norm.
    problem = random_problem(seed=3)
    objective = problem.objective(reg_lambda=0.3, penalty="l1")
    theta = problem.theta.copy()
    theta[::3] = 0.0
    J, d = objective(theta)
    assert np.any(d[objective.penalty.penalised & (theta == 0.0)] == 0.0)
    assert np.any(d[objective.penalty.penalised & (theta == 0.0)] != 0.0)
    step = 1e-7
    slope = (objective(theta - step * d)[0] - J) / step
    assert_allclose(slope, -(d @ d), rtol=1e-5)


# -- the term of J -------------------------------------------------------------------------------


def term_of(l1, l2):
    """A term for seven entries, of which two are biases."""
    penalised = np.array([False, True, True, True, False, True, True])
    return PenaltyTerm(l1, l2, penalised)


THETA = np.array([3.0, -1.5, 0.25, 2.0, -4.0, 0.5, -0.125])


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.7), (0.3, 1.1)])
def test_the_two_parts_make_the_penalty_and_its_gradient(l1, l2):
    term = term_of(l1, l2)

    def whole(theta):
        # Of a cost that is 2 everywhere.
        return term.add_kink(theta, *term.add_smooth(theta, 2.0, np.zeros(7)))

    w = [-1.5, 0.25, 2.0, 0.5, -0.125]
    by_hand = 2.0 + sum(l2 * w_j**2 / 2 + l1 * abs(w_j) for w_j in w)
    J, D = whole(THETA)
    assert_allclose(J, by_hand, rtol=1e-14)
    assert_allclose(term.add_value(THETA, 2.0), by_hand, rtol=1e-14)
    assert_allclose(D, numerical_gradient(lambda theta: whole(theta)[0], THETA), atol=1e-9)
    assert_array_equal(D[[0, 4]], 0.0)


def test_the_squares_are_added_to_the_gradient_in_place():
    gradient, kept = np.ones(7), THETA.copy()
    _, found = term_of(0.3, 1.1).add_smooth(THETA, 2.0, gradient)
    assert found is gradient
    assert_array_equal(THETA, kept)


def test_a_term_without_strength_adds_nothing():
    term, gradient = term_of(0.0, 0.0), np.arange(7.0)
    assert term.add_smooth(THETA, 2.0, gradient) == (2.0, gradient)
    assert term.add_kink(THETA, 2.0, gradient) == (2.0, gradient)
    assert_array_equal(gradient, np.arange(7.0))
    assert_array_equal(term.proximal(THETA, 0.5), THETA)


@pytest.mark.parametrize(("penalty", "l1", "l2"), [("l1", 1.0, 0.0), ("l2", 0.0, 1.0)])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_the_strengths_are_lambda_over_m(penalty, l1, l2, weighted):
    problem = random_problem(weighted=weighted)
    term = problem.objective(reg_lambda=0.9, penalty=penalty).penalty
    m = problem.sample_weight.sum() if weighted else 7
    assert_allclose([term.l1, term.l2], [l1 * 0.9 / m, l2 * 0.9 / m], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("l2", [0.0, 0.75])
def test_the_l2_term_in_any_precision_by_hand(l2, dtype):
    theta = np.arange(-3, 4, dtype=dtype)
    gradient = np.full(7, 0.5, dtype=dtype)
    term_of(1.5, l2).add_gradient(theta, gradient)
    # Small binary fractions: exact in both precisions. The entries -3 and 1 are biases.
    slopes = np.array([0.0, -2.0, -1.0, 0.0, 0.0, 2.0, 3.0])
    assert gradient.dtype == dtype
    assert_array_equal(gradient, 0.5 + l2 * slopes)


@given(st.lists(NUMBERS, min_size=7, max_size=7), STRENGTHS, STRENGTHS)
def test_the_proximal_step_minimises_its_problem(entries, step, l1):
    term, theta = term_of(l1, 0.9), np.array(entries)
    found = term.proximal(theta, step)
    assert_array_equal(found[[0, 4]], theta[[0, 4]])
    # Convex, and each entry by itself.
    others = np.append(np.linspace(-11, 11, 221), 0.0)
    for v, w in zip(found[term.penalised], theta[term.penalised], strict=True):
        value = 0.5 * (v - w) ** 2 + step * l1 * abs(v)
        assert value <= (0.5 * (others - w) ** 2 + step * l1 * abs(others)).min() + 1e-12


# -- J ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_l1_adds_lambda_over_m_times_the_absolute_weights(weighted):
    problem = random_problem(weighted=weighted)
    objective = problem.objective(reg_lambda=0.9, penalty="l1")
    m = problem.sample_weight.sum() if weighted else 7
    absolute = sum(np.abs(Theta[:, 1:]).sum() for Theta in problem.network.reshape(problem.theta))
    J, D = objective(problem.theta)
    smooth_J, smooth_D = objective.smooth(problem.theta)
    free_J, free_D = problem.objective()(problem.theta)
    assert (smooth_J, smooth_D.tolist()) == (free_J, free_D.tolist())
    assert_allclose(J - smooth_J, 0.9 / m * absolute, rtol=1e-12)
    assert_allclose(D - smooth_D, 0.9 / m * np.sign(problem.theta) * objective.penalty.penalised)


def test_the_kink_is_added_without_changing_the_smooth_gradient():
    problem = random_problem()
    objective = problem.objective(reg_lambda=0.9, penalty="l1")
    smooth_J, smooth_D = objective.smooth(problem.theta)
    kept = smooth_D.copy()
    J, D = objective.penalty.add_kink(problem.theta, smooth_J, smooth_D)
    assert_array_equal(smooth_D, kept)
    assert J == objective(problem.theta)[0]
    assert_array_equal(D, objective(problem.theta)[1])


def test_l2_is_smooth_as_a_whole():
    problem = random_problem()
    objective = problem.objective(reg_lambda=0.9)
    J, D = objective(problem.theta)
    smooth_J, smooth_D = objective.smooth(problem.theta)
    assert J == smooth_J
    assert_array_equal(D, smooth_D)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_the_bias_is_never_penalised(penalty):
    problem = random_problem((3, 4, 5, 2))
    network = problem.network
    without = problem.objective()
    with_penalty = problem.objective(reg_lambda=1e3, penalty=penalty)
    _, D = with_penalty(problem.theta)
    _, D_free = without(problem.theta)
    for layer, free in zip(network.reshape(D), network.reshape(D_free), strict=True):
        assert_array_equal(layer[:, 0], free[:, 0])
        assert np.all(layer[:, 1:] != free[:, 1:])
    # Moving the biases changes J by what it changes without a penalty.
    moved = problem.theta.copy()
    for Theta in network.reshape(moved):
        Theta[:, 0] += 1.0
    change = with_penalty(moved)[0] - with_penalty(problem.theta)[0]
    free_change = without(moved)[0] - without(problem.theta)[0]
    assert_allclose(change, free_change, rtol=1e-9)


def test_penalised_is_everything_but_column_zero():
    objective = random_problem((3, 4, 5, 2)).objective()
    expected = [np.ones((4, 4)), np.ones((5, 5)), np.ones((2, 6))]
    for Theta in expected:
        Theta[:, 0] = 0
    assert objective.penalty.penalised.dtype == bool
    assert_array_equal(
        objective.penalty.penalised, np.concatenate([Theta.ravel() for Theta in expected])
    )


def test_gradient_of_the_l1_penalty_by_differences():
    problem = random_problem(seed=1)
    objective = problem.objective(reg_lambda=0.7, penalty="l1")
    assert np.abs(problem.theta).min() > 1e-4
    numeric = numerical_gradient(lambda theta: objective(theta)[0], problem.theta)
    assert_allclose(objective(problem.theta)[1], numeric, atol=1e-9)


def test_penalty_alone_on_a_network_that_fits_nothing():
    # All X zero: the weights of a network without hidden layer change the penalty only.
    problem = random_problem((3, 2))
    objective = Objective(
        problem.network, np.zeros((4, 3)), [0, 1, 0, 1], reg_lambda=2.0, penalty="l2"
    )
    Theta = problem.network.reshape(problem.theta)[0]
    D = problem.network.reshape(objective(problem.theta)[1])[0]
    assert_allclose(D[:, 1:], 2.0 / 4 * Theta[:, 1:], rtol=1e-15)


def test_terms_are_compared_by_identity():
    # A comparison of their masks would have no single truth.
    term = term_of(0.3, 1.1)
    assert term == term
    assert term != term_of(0.3, 1.1)
