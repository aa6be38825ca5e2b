"""When gradient solvers evaluate J, and what they tell a learning rate; steps: test_solvers.py."""

from types import SimpleNamespace

import numpy as np
import pytest

from skbackprop import Network, Objective
from skbackprop.interrupts import Cancellation
from skbackprop.monitoring import Progress, Status, StoppingRule
from skbackprop.penalties import PenaltyTerm
from skbackprop.solvers import SGD, Adam, GradientDescent, LearningRate
from skbackprop.solvers.gradient_solvers import StochasticRun
from skbackprop.solvers.layout import Layout

NETWORK = Network((1, 2, 1))
START = NETWORK.initialize(random_state=0)
STOCHASTIC = pytest.mark.parametrize("solver", [SGD, Adam])
EVERY = pytest.mark.parametrize("solver", [GradientDescent, SGD, Adam])


class Recorded(LearningRate):
    """A constant rate that notes what it is told."""

    def __init__(self, value=1e-3):
        self.value = value
        self.steps, self.epochs = [], []

    def check(self):
        pass

    def after_step(self, rate, n_steps, n_total):
        self.steps.append((rate, n_steps, n_total))
        return self.value

    def after_epoch(self, rate, fell):
        self.epochs.append(fell)
        return rate


class FollowsLoss(Recorded):
    follows_loss = True


def objective_of(n_rows=10):
    x = np.linspace(-1.0, 1.0, n_rows)[:, np.newaxis]
    return Objective(NETWORK, x, (x[:, 0] > 0.2).astype(int))


def minimized(solver, objective=None, rule=(1e-9, 7, 50)):
    progress = Progress(StoppingRule(*rule))
    objective = objective_of() if objective is None else objective
    start = START[: objective.n_parameters]
    solver.minimize(objective, start, progress, None, np.random.RandomState(0))
    return progress


# -- learning rates ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "n_batches"),
    [(GradientDescent, 1), (SGD, 3), (Adam, 3)],
)
def test_a_learning_rate_is_told_the_numbers_of_steps(solver, n_batches):
    rate = Recorded()
    options = {} if solver is GradientDescent else {"batch_size": 4}  # 4, 4 and 2 rows
    minimized(solver(rate, **options))
    n_total = 7 * n_batches
    told = [(0.0 if i == 0 else rate.value, i, n_total) for i in range(n_total + 1)]
    assert rate.steps == told


@EVERY
def test_j_that_stays_has_not_fallen(solver):
    # So small a step changes no theta.
    rate = FollowsLoss(1e-300)
    progress = minimized(solver(rate))
    assert rate.epochs == [False] * 7
    assert len({entry.loss for entry in progress.entries}) == 1
    assert (progress.status, progress.n_iter) == (Status.MAX_ITER, 7)


def test_whether_j_has_fallen():
    """J falls and rises as told: only its values and some gradient are needed."""
    losses = iter([5.0, 4.0, 4.5, 4.5, 3.0])
    stub = SimpleNamespace(
        smooth=lambda theta: (next(losses), np.ones(3)),
        penalty=PenaltyTerm(0.0, 0.0, np.array([False, True, True])),
        n_rows=10,
        n_parameters=3,
        dtype=np.dtype(np.float64),
    )
    rate = Recorded()
    progress = minimized(GradientDescent(rate), stub, rule=(1e-9, 4, 50))
    assert rate.epochs == [True, False, False, True]
    assert [entry.loss for entry in progress.entries] == [4.0, 4.5, 4.5, 3.0]


# -- evaluations of J --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "evaluated"),
    [
        ({"evaluate_every": 3}, [3, 6, 7]),
        ({"evaluate_every": 1}, [1, 2, 3, 4, 5, 6, 7]),
        ({}, [5, 7]),
        ({"evaluate_every": 3, "dropout": 0.5}, [1, 2, 3, 4, 5, 6, 7]),
        ({"evaluate_every": 3, "learning_rate": FollowsLoss()}, [1, 2, 3, 4, 5, 6, 7]),
    ],
)
@STOCHASTIC
def test_after_which_epochs_j_is_evaluated(solver, options, evaluated):
    progress = minimized(solver(**options))
    counts = [1, *[entry.n_evaluations for entry in progress.entries]]
    assert [i for i in range(1, 8) if counts[i] > counts[i - 1]] == evaluated
    assert counts[-1] == 1 + len(evaluated)
    assert progress.best.exact


@STOCHASTIC
def test_estimates_are_not_judged(solver):
    """J never falls, which is known after the fifth epoch."""
    progress = minimized(solver(Recorded(1e-300)), rule=(1e-9, 50, 2))
    assert (progress.status, progress.n_iter) == (Status.NO_CHANGE, 5)


@STOCHASTIC
def test_a_small_estimate_of_the_gradient_is_made_sure_of(solver):
    _, gradient = objective_of()(START)
    tol = np.abs(gradient).max() / 5
    progress = minimized(solver(Recorded(1e-300), batch_size=10), rule=(tol, 3, 50))
    assert [entry.n_evaluations for entry in progress.entries] == [2, 3, 4]


# -- batches -----------------------------------------------------------------------------


@STOCHASTIC
def test_batches_in_order_are_slices_of_the_rows(solver):
    batches = list(solver(batch_size=4, shuffle=False)._batches(10, None))
    assert batches == [slice(0, 4), slice(4, 8), slice(8, 10)]


@STOCHASTIC
def test_shuffled_batches_have_every_row_once(solver):
    batches = list(solver(batch_size=4)._batches(10, np.random.RandomState(0)))
    assert [len(rows) for rows in batches] == [4, 4, 2]
    rows = np.concatenate(batches)
    assert sorted(rows) == list(range(10))
    assert rows.tolist() == np.random.RandomState(0).permutation(10).tolist()


# -- partial_fit -------------------------------------------------------------------------


@STOCHASTIC
def test_a_run_is_resumed_where_it_was(solver):
    rate = Recorded()
    method = solver(rate, batch_size=4)
    assert solver.stochastic
    first = method.new_run(np.random.RandomState(3))
    assert rate.steps == [(0.0, 0, 0)]  # of an unknown number
    assert (first.n_total, first.n_steps, first.rows_seen, first.weight_seen) == (0, 0, 0, 0.0)
    run = method.resume(first, 10, 5.0)
    iterate = method.partial_minimize(objective_of(), START, run, Cancellation())
    assert (run.n_steps, run.rows_seen, run.mean_weight) == (3, 10, 0.5)
    again = method.resume(run, 30, 1.0)
    assert (again.n_steps, again.rows_seen, again.mean_weight) == (3, 40, 0.15)
    # The random numbers go on, in a copy.
    assert again.random_state is not run.random_state
    assert again.random_state.uniform() == run.random_state.uniform()
    assert (iterate.loss_estimated, iterate.gradient_estimated) == (True, True)
    assert np.isfinite(iterate.loss)


@pytest.mark.parametrize(
    ("options", "draws"),
    [
        ({"batch_size": 9}, True),
        ({"batch_size": 10}, False),  # a single batch
        ({"batch_size": 9, "shuffle": False}, False),
        ({"batch_size": 9, "shuffle": False, "dropout": 0.5}, True),
    ],
)
def test_a_call_that_draws_has_its_own_random_state(options, draws):
    method = Adam(**options)
    first = method.new_run(np.random.RandomState(3))
    second = method.resume(first, 10, 10.0)
    assert second.random_state is not first.random_state  # the initial theta is drawn
    third = method.resume(second, 10, 10.0)
    assert (third.random_state is not second.random_state) == draws
    before = third.random_state.get_state()[1:3]
    method.partial_minimize(objective_of(), START, third, Cancellation())
    (keys, place), (old_keys, old_place) = third.random_state.get_state()[1:3], before
    assert (not np.array_equal(keys, old_keys) or place != old_place) == draws


@STOCHASTIC
def test_threads_can_share_many_batches_or_a_large_theta(solver):
    method = solver(batch_size=10)
    small, large = Network((3, 2)), Network((1000, 1000))
    assert not method.uses_threads(small, 80)
    assert method.uses_threads(small, 81)
    assert method.uses_threads(large, 1)


@STOCHASTIC
def test_parameters_that_are_not_finite_have_no_cost(solver):
    method = solver(Recorded(np.inf))
    run = method.new_run(np.random.RandomState(0))
    iterate = method.partial_minimize(objective_of(), START, run, Cancellation())
    assert np.isnan(iterate.loss)


def test_the_state_of_a_step_is_reordered_with_the_batches():
    turned = []
    step = SimpleNamespace(reorder=lambda turn: turned.append(turn(np.arange(9.0)).tolist()))
    run = StochasticRun(step, 0.1, np.random.RandomState(0), n_total=0)
    network = Network((2, 2, 1))
    by_row, by_column = Layout(network), Layout(network, order="F")
    run.adopt(by_row)
    assert turned == []
    run.adopt(by_column)
    run.adopt(by_column)
    # Theta^(1) is [[0, 1, 2], [3, 4, 5]]: its weights by column, then its biases.
    assert turned == [[1.0, 4.0, 2.0, 5.0, 0.0, 3.0, 6.0, 7.0, 8.0]]
    assert (run.n_ranges, run.order) == (1, "F")
    run.adopt(by_row)
    assert len(turned) == 2


# -- options and advice ------------------------------------------------------------------


@STOCHASTIC
def test_n_samples_of_a_fit_is_its_number_of_rows(solver):
    assert minimized(solver(n_samples=10)).n_iter == 7
    assert minimized(solver()).n_iter == 7
    with pytest.raises(ValueError, match="n_samples=9 is for partial_fit; fit was given 10 rows"):
        minimized(solver(n_samples=9))


@pytest.mark.parametrize("name", ["batch_size", "evaluate_every", "n_samples"])
@STOCHASTIC
def test_numbers_are_positive(solver, name):
    objective = objective_of()
    solver().check(objective)
    solver(**{name: 3}).check(objective)
    with pytest.raises(ValueError, match=f"{name} must be a positive integer.*; got 0"):
        solver(**{name: 0}).check(objective)


@STOCHASTIC
def test_rows_must_be_given_one_by_one(solver):
    whole = SimpleNamespace(rows=SimpleNamespace(), hidden_units=())
    with pytest.raises(ValueError, match="picks single rows"):
        solver().check(whole)


@pytest.mark.parametrize("solver", [GradientDescent, SGD])
def test_nesterov_needs_a_momentum(solver):
    objective = objective_of()
    for options in ({"momentum": 0.0}, {"momentum": 0.5}, {"momentum": 0.5, "nesterov": True}):
        solver(**options).check(objective)
    with pytest.raises(ValueError, match="requires a momentum above 0"):
        solver(momentum=0.0, nesterov=True).check(objective)


@EVERY
def test_advice_is_about_what_has_happened(solver):
    advice = {status: solver(0.25).advice(status) for status in Status}
    assert advice[Status.MAX_ITER].startswith("Increase max_iter")
    assert "n_iter_no_change" in advice[Status.NO_CHANGE]
    assert advice[Status.DIVERGED].startswith("Use a smaller learning rate than 0.25 or")
