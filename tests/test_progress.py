"""What a run records of iterates that it is given; monitored fits are in test_monitoring.py."""

from types import SimpleNamespace

import numpy as np
import pytest

from skbackprop.monitoring import Iterate, Progress, Status, StoppingRule, Validation

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
    assert run.entries == [
        before[0],
        before[1]._replace(loss=1.75, gradient_max=0.5),
        before[2],
    ]
