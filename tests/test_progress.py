"""What a run records of iterates that it is given; monitored fits are in test_monitoring.py."""

from types import SimpleNamespace

import numpy as np
import pytest
from problems import random_problem

from skbackprop.interrupts import Cancellation, Cancelled
from skbackprop.monitoring import Best, Iterate, Progress, Status, StoppingRule, Validation

OBJECTIVE = SimpleNamespace(dtype=np.dtype(np.float64), n_rows=7)


def iterate(loss, gradient_max=1.0):
    return Iterate(np.full(2, loss), loss, np.full(2, gradient_max), loss, gradient_max)


def progress(validate=None, *, sampled=False):
    rule = StoppingRule(1e-3, 100, 10, early_stopping=validate is not None)
    run = Progress(rule, validate=validate)
    run.enter("first", OBJECTIVE, sampled=sampled)
    return run


def test_the_last_iteration_gets_its_j_in_the_precision_of_the_next_stage():
    run = progress()
    run.start(iterate(5.0))
    for loss in (4.0, 3.0, 2.0):
        run.advance(iterate(loss))
    before = list(run.entries)
    run.enter("second", OBJECTIVE)
    run.start(iterate(2.25)._replace(theta=run.best.theta))
    assert run.entries[:2] == before[:2]
    assert run.entries[2] == before[2]._replace(loss=2.25)
    assert run.best.loss == 2.25


@pytest.mark.parametrize("bad", [iterate(1.0, np.inf), iterate(np.nan), iterate(-np.inf)])
def test_what_is_not_finite_is_never_the_best(bad):
    run = progress()
    assert run.start(bad) is Status.DIVERGED
    assert run.best is None
    run = progress()
    run.start(iterate(2.0))
    assert run.advance(bad) is Status.DIVERGED
    assert run.best.loss == 2.0


def test_of_equal_validation_costs_the_first_is_kept():
    run = progress(lambda theta: Validation(0.5, 0.9))
    run.start(iterate(3.0))
    run.advance(iterate(2.0))
    assert (run.best.n_iter, run.best.loss) == (0, 3.0)


def test_iterations_on_a_sample_are_not_corrected():
    run = progress(sampled=True)
    run.start(iterate(3.0))
    run.advance(iterate(2.0))
    before = list(run.entries)
    assert before[0].iteration == 0
    run.correct(0, iterate(1.0))
    assert run.entries == before


def test_an_iteration_is_corrected_by_its_number():
    run = progress()
    run.start(iterate(3.0))
    for loss in (2.0, 1.5, 1.25):
        run.advance(iterate(loss))
    before = list(run.entries)
    run.correct(2, iterate(1.75, 0.5))
    run.correct(1, iterate(2.25, 0.75))
    assert run.entries == [
        before[0]._replace(loss=2.25, gradient_max=0.75),
        before[1]._replace(loss=1.75, gradient_max=0.5),
        before[2],
    ]


# -- how a run ends ----------------------------------------------------------------------


def run_of(losses=(), *, validation=None, callbacks=None, table=None, **rule):
    """A run that has reported a start and iterations; `validation` has a cost for each."""
    costs = iter(validation or ())
    validate = (lambda theta: Validation(next(costs), 0.75)) if validation else None
    rule = StoppingRule(**{"tol": 1e-3, "max_iter": 100, "n_iter_no_change": 100, **rule})
    run = Progress(rule, validate=validate, callbacks=callbacks, table=table)
    run.enter("first", OBJECTIVE)
    for i, loss in enumerate(losses):
        (run.advance if i else run.start)(loss if isinstance(loss, Iterate) else iterate(loss))
    return run


def test_which_ends_are_a_success():
    assert {status.word: status.success for status in Status} == {
        "running": False,
        "converged": True,
        "max_iter": False,
        "no_change": False,
        "early_stopping": True,
        "callback": True,
        "diverged": False,
        "failed": False,
        "interrupted": False,
    }
    assert Status.EARLY_STOPPING.success
    assert Status.CONVERGED_PAST_BEST.success


def test_a_gradient_of_tol_has_converged():
    assert run_of([iterate(2.0, 1e-3)]).status is Status.CONVERGED
    assert run_of([iterate(2.0, 1.1e-3)]).status is Status.RUNNING
    # Near the minimum J may be higher by a rounding.
    assert run_of([2.0, iterate(2.0 + 1e-15, 1e-3)]).status is Status.CONVERGED


def test_convergence_after_the_lowest_validation_cost():
    early = {"early_stopping": True}
    at_tol = iterate(1.0, 1e-3)
    run = run_of([2.0, at_tol], validation=[0.5, 0.4], **early)
    assert (run.status, run.best.loss) == (Status.CONVERGED, 1.0)
    run = run_of([2.0, at_tol], validation=[0.5, 0.6], **early)
    assert (run.status, run.best.loss) == (Status.CONVERGED_PAST_BEST, 2.0)
    assert "lowest 1 iterations before" in run.message
    run = run_of([at_tol], validation=[0.5], **early)
    assert run.status is Status.CONVERGED


@pytest.mark.parametrize("losses", [[2.0, 2.0, 2.0], [2.0, 3.0, 2.5]], ids=["equal", "higher"])
def test_iterations_without_a_lower_j_are_counted(losses):
    assert run_of(losses[:2], n_iter_no_change=2).status is Status.RUNNING
    run = run_of(losses, n_iter_no_change=2)
    assert (run.status, run.n_iter) == (Status.NO_CHANGE, 2)
    # After a lower J, and after an end that was not final, anew.
    assert run_of([3.0, *losses], n_iter_no_change=2).status is Status.NO_CHANGE
    run.resume()
    assert run.advance(iterate(4.0)) is Status.RUNNING
    assert run.advance(iterate(4.0)) is Status.NO_CHANGE
    run.resume()
    run.start(iterate(5.0))
    assert run.advance(iterate(6.0)) is Status.RUNNING
    assert run.advance(iterate(6.0)) is Status.NO_CHANGE


def test_iterations_without_a_lower_validation_cost_are_counted():
    costs = [0.5, 0.5, 0.6]
    early = {"early_stopping": True, "n_iter_no_change": 2}
    assert run_of([3.0, 2.0], validation=costs, **early).status is Status.RUNNING
    run = run_of([3.0, 2.0, 1.0], validation=costs, **early)
    assert (run.status, run.best.loss) == (Status.EARLY_STOPPING, 3.0)
    # An end that was not final does not change what has been counted.
    run = run_of([3.0, 2.0], validation=costs, **early)
    run.resume()
    assert run.advance(iterate(1.0)) is Status.EARLY_STOPPING


def test_max_iter_is_the_number_of_iterations():
    assert run_of([3.0, 2.0], max_iter=2).status is Status.RUNNING
    run = run_of([3.0, 2.0, 1.0], max_iter=2)
    assert (run.status, run.n_iter) == (Status.MAX_ITER, 2)


class Callbacks:
    def __init__(self, stop_at=None):
        self.stop_at, self.heard = stop_at, []

    def begin(self):
        self.heard.append("begin")

    def end(self, theta):
        self.heard.append(theta.tolist())
        theta[:] = np.nan  # theirs
        return self.heard.count("begin") == self.stop_at


def test_callbacks_hear_of_each_iteration_and_may_stop_the_run():
    callbacks = Callbacks(stop_at=2)
    run = run_of([3.0, 2.0, 1.0], callbacks=callbacks)
    assert run.status is Status.CALLBACK
    assert callbacks.heard == ["begin", [2.0, 2.0], "begin", [1.0, 1.0]]
    assert run.best.theta.tolist() == [1.0, 1.0]
    # Not where it has ended before.
    run = run_of([3.0, iterate(2.0, 1e-9)], callbacks=Callbacks(stop_at=1))
    assert run.status is Status.CONVERGED


# -- the best iterate --------------------------------------------------------------------


def test_without_early_stopping_j_decides():
    run = run_of([3.0, 2.0, 2.5], validation=[0.4, 0.6, 0.5])
    assert run.best.loss == 2.0
    assert run.best.rank == 0.6
    assert [entry.validation_loss for entry in run.entries] == [0.6, 0.5]
    assert [entry.validation_score for entry in run.entries] == [0.75, 0.75]


def test_runs_are_ranked_by_j_where_there_is_no_validation_cost():
    assert run_of([3.0, 2.0]).best.rank == 2.0


def test_of_equal_j_the_first_is_kept_except_near_a_minimum():
    first = iterate(2.0)
    assert run_of([first, iterate(2.0)]).best.theta is first.theta
    # Rounding decides nothing: a higher J is higher where the gradient is above tol.
    assert run_of([first, iterate(2.0 + 1e-15, 0.5)]).best.theta is first.theta
    # Nor does a small gradient where J is higher by more than rounding.
    assert run_of([first, iterate(2.1, 1e-6)]).best.theta is first.theta


def test_the_rounding_of_j_is_relative():
    flatter = iterate(1e6 + 1e-9, 1e-6)
    assert run_of([iterate(1e6), flatter]).best.theta is flatter.theta


def test_the_start_of_a_stage_does_not_replace_a_better_iterate():
    run = run_of([3.0, 2.0])
    run.enter("second", OBJECTIVE)
    run.start(iterate(2.5))
    assert run.best.loss == 2.0
    run.start(iterate(1.5))
    assert run.best.loss == 1.5
    assert [entry.loss for entry in run.entries] == [2.0]


@pytest.mark.parametrize(
    ("estimated", "decides", "exact"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"loss_estimated": True}, True, False),
        ({"gradient_estimated": True}, True, False),
        ({"gradient_estimated": True}, False, False),
    ],
)
def test_what_is_exact(estimated, decides, exact):
    run = run_of()
    run.enter("first", OBJECTIVE, decides=decides)
    run.start(iterate(2.0)._replace(**estimated))
    assert run.best.exact == exact


def test_a_stage_uses_all_rows_and_decides_unless_it_says_otherwise():
    run = run_of([2.0, 1.0])
    assert run.best == Best(run.best.theta, 1.0, 1.0, None, True, 1)
    assert run.entries[0].iteration == 1


# -- estimates and samples ---------------------------------------------------------------


def test_an_estimate_is_recorded_and_not_judged():
    estimate = iterate(1.0, 0.0)._replace(loss_estimated=True)
    run = run_of([2.0, estimate])
    assert (run.status, run.best.loss, run.n_iter) == (Status.RUNNING, 2.0, 1)
    assert run.candidate is estimate.theta
    run.advance(iterate(1.5))
    assert run.candidate is None
    assert run.advance(iterate(np.inf)._replace(loss_estimated=True)) is Status.DIVERGED


def test_the_validation_cost_of_an_estimate_is_judged():
    estimate = iterate(2.5)._replace(loss_estimated=True)
    run = run_of([2.0, estimate], validation=[0.5, 0.4], early_stopping=True)
    assert (run.best.loss, run.best.exact, run.candidate) == (2.5, False, None)
    assert run.best.rank == 0.4


def test_a_sample_decides_nothing():
    run = run_of([2.0])
    run.enter("sample", OBJECTIVE, sampled=True)
    run.start(iterate(1.0, 1e-9))
    last = iterate(0.5, 1e-9)
    assert run.advance(last) is Status.RUNNING
    assert (run.n_iter, run.best.loss) == (0, 2.0)
    assert run.candidate is last.theta
    assert [entry.iteration for entry in run.entries] == [0]
    # The start, evaluated again over all rows: the entry is that of another iterate.
    run.enter("all", OBJECTIVE)
    run.start(iterate(2.25)._replace(theta=run.best.theta))
    assert (run.best.loss, run.candidate) == (2.25, None)
    assert [entry.loss for entry in run.entries] == [0.5]


def test_a_run_may_end_near_tol_or_in_its_last_iteration():
    run = run_of([9.0], tol=0.5, max_iter=3)
    assert [run.may_end(iterate(1.0, g)) for g in (4.9, 5.0, 5.1, np.nan)] == [
        True,
        True,
        False,
        True,
    ]
    run.advance(iterate(8.0))
    assert not run.may_end(iterate(7.0, 6.0))
    run.advance(iterate(7.0))
    assert run.may_end(iterate(6.0, 6.0))


# -- evaluations and what is recorded ----------------------------------------------------


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_evaluations_are_of_the_objective_and_counted(penalty):
    problem = random_problem()
    objective = problem.objective(reg_lambda=0.9, penalty=penalty)
    run = Progress(StoppingRule(1e-3, 100, 100))
    run.enter("first", objective)
    found = run.evaluate(problem.theta)
    J, D = objective(problem.theta)
    assert (found.loss, found.gradient_max) == (J, np.abs(D).max())
    assert (found.loss_estimated, found.gradient_estimated, run.n_evaluations) == (False, False, 1)
    estimate = Iterate.estimate(problem.theta, 3.0, 0.01)
    assert (estimate.loss_estimated, estimate.gradient_estimated) == (True, True)
    assert np.isnan(estimate.smooth_loss)
    assert not estimate.gradient.size
    exact = run.evaluate_loss(estimate)
    assert (exact.loss, exact.gradient_max) == (J, 0.01)
    assert (exact.loss_estimated, exact.gradient_estimated, run.n_evaluations) == (False, True, 2)
    run.enter("sample", objective, sampled=True)
    assert run.evaluate(problem.theta).smooth_loss == objective.smooth(problem.theta)[0]
    assert run.n_evaluations == 2


def test_the_largest_entry_of_a_small_gradient():
    objective = random_problem().objective()
    theta = np.zeros(objective.n_parameters)
    small = np.linspace(-0.3, 0.2, len(theta))
    objective.smooth = lambda theta: (1.0, small)
    found = Iterate.at(theta, objective)
    assert (found.gradient_max, found.loss_estimated) == (0.3, False)


def test_nothing_is_evaluated_after_an_interrupt():
    problem = random_problem()
    cancellation = Cancellation()
    run = Progress(StoppingRule(1e-3, 100, 100), cancellation=cancellation)
    run.enter("first", problem.objective())
    estimate = run.evaluate(problem.theta)
    cancellation.request()
    with pytest.raises(Cancelled):
        run.evaluate(problem.theta)
    with pytest.raises(Cancelled):
        run.evaluate_loss(estimate)
    assert run.n_evaluations == 1


def test_an_entry_says_what_an_iteration_did(capsys):
    run = run_of([5.0, iterate(3.0, 0.5)])
    (entry,) = run.entries
    # theta went from (5, 5) to (3, 3).
    assert entry.step_length == pytest.approx(8**0.5)
    assert entry[:5] == (1, "first", 7, 3.0, 0.5)
    assert entry.n_evaluations == 0
    assert 0 <= entry.seconds < 60
    assert np.isnan([entry.validation_loss, entry.validation_score]).all()
    assert capsys.readouterr().out == ""


def test_the_table_has_each_start_and_iteration():
    added = []
    run_of([5.0, 4.0, 3.0], table=SimpleNamespace(add=added.append))
    assert [(entry.iteration, entry.loss) for entry in added] == [(0, 5.0), (1, 4.0), (2, 3.0)]
