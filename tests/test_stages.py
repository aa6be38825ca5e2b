"""The stages of a fit, as the docstring of `LBFGS` describes them, and how one follows another."""

import contextlib

import numpy as np
import pytest
from scipy.optimize import OptimizeResult

from skbackprop import Network, Objective
from skbackprop.monitoring import Progress, Status, StoppingRule
from skbackprop.solvers import stages
from skbackprop.solvers.base import Preparation
from skbackprop.solvers.stages import Method, descend_in_stages

LINE = Network((1, 1))
SHORTCUTS = {"head_start": True, "change_of_variables": True, "float32_stage": True}


def method(**switched):
    return Method("L-BFGS-B", {"ftol": 0.0, "gtol": 0.0}, **{**SHORTCUTS, **switched})


def objective_of(n_rows, network=LINE, dtype=np.float64, **options):
    x = np.linspace(-1.0, 2.0, n_rows, dtype=dtype)[:, np.newaxis]
    return Objective(network, x, (x[:, 0] > 0.3) ^ (np.arange(n_rows) % 7 == 0), **options)


def planned(objective, many_rows=True, **switched):
    return list(stages.stages(method(**switched), objective, Preparation(many_rows=many_rows)))


# -- which stages ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_rows", "expected"),
    [
        (6040, [100, 356, 1208]),  # 6040 = 99 * 61 + 1
        (6039, [356, 1208]),
        (1684, [100, 337]),  # 1684 = 99 * 17 + 1
        (1683, [337]),
        (496, [100]),
        (495, []),
    ],
)
def test_the_head_start_is_20_iterations_on_at_least_100_rows(n_rows, expected):
    head = planned(objective_of(n_rows))[: len(expected)]
    assert [stage.objective.n_rows for stage in head] == expected
    assert {stage.name for stage in head} <= {"head start"}
    assert {stage.max_iter for stage in head} <= {20}
    names = [stage.name for stage in planned(objective_of(n_rows))]
    assert names == ["head start"] * len(expected) + ["float64", "plain"]


@pytest.mark.parametrize(("n_rows", "mini_batches"), [(20_000, True), (19_999, False)])
def test_the_head_start_of_very_many_rows_takes_mini_batches(n_rows, mini_batches):
    objective = objective_of(n_rows, Network((1, 1, 1)))
    preparation = Preparation(np.zeros(1), many_rows=True)
    *head, _, _ = stages.stages(method(), objective, preparation)
    assert {stage.name for stage in head} == {"head start"}
    assert all(stage.sampled for stage in head)
    rows = [stage.objective.n_rows for stage in head]
    if mini_batches:
        assert rows == [n_rows]
        assert head[0].centre is preparation.centre
    else:
        assert rows == [328, 1177, 4000]
        assert [stage.centre for stage in head] == [None] * 3
    # No origin of the features is known: their mean overflows.
    without = stages.stages(method(), objective, Preparation(many_rows=True))
    assert {stage.centre for stage in without} == {None}


def test_no_head_start_without_many_rows_nor_where_it_is_not_wanted():
    objective = objective_of(6100)
    assert [s.name for s in planned(objective, many_rows=False)] == ["float64", "plain"]
    assert [s.name for s in planned(objective, head_start=False)] == ["float64", "plain"]


def test_no_head_start_on_rows_without_weight():
    weight = np.ones(1000)
    weight[::5] = 0.0
    objective = objective_of(1000, sample_weight=weight)
    assert [s.name for s in planned(objective)] == ["float64", "plain"]


def test_float32_from_16_million_products_on():
    """4096 rows and as many parameters are 2^24."""
    network = Network((1, 1365, 1))
    assert network.n_parameters == 4096
    for n_rows, expected in ((4096, ["float32"]), (4095, [])):
        found = planned(objective_of(n_rows, network), many_rows=False)
        assert [stage.name for stage in found] == [*expected, "float64", "plain"]
        assert [str(stage.objective.dtype) for stage in found[:-1]] == [*expected, "float64"]
    found = planned(objective_of(4096, network), float32_stage=False)
    assert "float32" not in [stage.name for stage in found]


def test_the_head_start_of_a_large_fit_is_in_float32():
    first, *_, last = planned(objective_of(4096, Network((1, 1365, 1))))
    assert (str(first.objective.dtype), str(last.objective.dtype)) == ("float32", "float64")


@pytest.mark.parametrize("float32_stage", [True, False])
def test_float32_rows_converge_in_float32(float32_stage):
    found = planned(objective_of(300, dtype=np.float32), float32_stage=float32_stage)
    assert [stage.name for stage in found] == ["float32", "float64", "plain"]
    assert [stage.decides for stage in found] == [True, True, True]
    large = planned(objective_of(4096, Network((1, 1365, 1))), many_rows=False)
    assert [stage.decides for stage in large] == [False, True, True]
    assert [stage.least_fall for stage in large] == [1e-7, None, None]


def test_without_a_change_of_variables_all_stages_are_plain():
    found = planned(objective_of(6100), change_of_variables=False)
    assert [stage.name for stage in found] == ["head start"] * 3 + ["float64"]
    assert all(stage.plain for stage in found)
    found = planned(objective_of(6100))
    assert [stage.name for stage in found if stage.plain] == ["plain"]


# -- how one stage follows another -------------------------------------------------------


class Tried(list):
    """A point that a line search evaluates and does not accept."""


class Script:
    """In place of SciPy's minimize: each call goes through the points of the next entry."""

    def __init__(self, calls):
        self.calls, self.begun = list(calls), []

    def __call__(self, evaluate, z, *, callback, **options):
        self.begun.append(z.tolist())
        for point in self.calls.pop(0) if self.calls else ():
            z = np.array(point)
            evaluate(z)
            if isinstance(point, Tried):
                continue
            try:
                callback(OptimizeResult(x=z))
            except StopIteration:
                break
        return OptimizeResult(message="no step")


class Printed:
    """A table that notes J of each line."""

    def __init__(self):
        self.losses = []

    def add(self, entry):
        self.losses.append(entry.loss)


@pytest.fixture
def descend(monkeypatch):
    """Runs scripted calls; returns the progress and where each call began."""

    def run(objective, start, *calls, many_rows=False, rule=(1e-9, 50, 50), **switched):
        script = Script(calls)
        monkeypatch.setattr(stages, "minimize", script)
        progress = Progress(StoppingRule(*rule), table=Printed())
        switched = {"change_of_variables": False, **switched}
        preparation = Preparation(many_rows=many_rows)
        descend_in_stages(method(**switched), objective, np.array(start), progress, preparation)
        return progress, script.begun

    return run


START, LOWER, LOWEST, HIGHER = [0.0, 0.5], [0.0, 1.0], [0.0, 1.5], [0.0, -1.0]


@pytest.fixture(scope="module")
def line():
    """1000 rows of one feature and its class; the four points are ordered as they are called."""
    objective = objective_of(1000)
    losses = [objective(np.array(theta))[0] for theta in (LOWEST, LOWER, START, HIGHER)]
    assert losses == sorted(losses)
    return objective


def loss(objective, theta):
    return objective(np.array(theta))[0]


def test_a_start_that_has_converged_is_the_result(descend, line):
    progress, begun = descend(line, START, [LOWER], rule=(10.0, 50, 50))
    assert (progress.status, progress.n_iter, begun) == (Status.CONVERGED, 0, [])


def test_a_stage_begins_again_as_long_as_j_falls(descend, line):
    progress, begun = descend(line, START, [LOWER], [LOWEST], change_of_variables=True)
    # Twice with success, once without, and once in plain variables.
    assert len(begun) == 4
    progress, begun = descend(line, START, [LOWER], [LOWEST])
    assert begun == [START, LOWER, LOWEST]
    assert progress.best.theta.tolist() == LOWEST
    assert progress.status is Status.FAILED
    assert progress.message == "The line search found no lower J (no step)."


def test_a_plain_stage_begins_again_too(descend, line):
    _, begun = descend(line, START, [], [LOWER], [LOWEST], change_of_variables=True)
    assert begun[1:] == [START, LOWER, LOWEST]


def test_a_fall_by_a_rounding_is_none(descend, line):
    """J of a slope is as large as the slope: here 10^4, and the step lowers it by 10^-9."""
    big = [0.0, -1e4]
    step = [0.0, -1e4 + 3e-9]
    before, after = loss(line, big), loss(line, step)
    assert 1e-14 < (before - after) / before < 1e-12
    _, begun = descend(line, big, [step])
    assert begun == [big]


def test_the_head_start_is_followed_where_it_leads_to_a_lower_j(descend, line):
    # One row in 5; then all rows from there.
    progress, begun = descend(line, START, [LOWER], [LOWEST], many_rows=True)
    assert begun == [START, LOWER, LOWEST]
    assert [(e.stage, e.rows) for e in progress.entries] == [
        ("head start", 200),
        ("float64", 1000),
    ]
    assert progress.best.loss == loss(line, LOWEST)


def test_the_head_start_is_left_where_it_leads_to_no_lower_j(descend, line):
    progress, begun = descend(line, START, [HIGHER], [LOWER], many_rows=True)
    assert begun == [START, START, LOWER]
    # The start on one row in 5, the end there, and all rows; the start on all was first.
    assert len(progress.table.losses) == 4
    assert progress.table.losses[::3] == [loss(line, START), loss(line, LOWER)]


def test_a_head_start_without_a_step_is_not_left(descend, line):
    progress, begun = descend(line, START, [], [], many_rows=True)
    assert begun == [START, START]
    assert progress.best.theta.tolist() == START


def test_without_progress_from_the_head_start_the_fit_begins_anew(descend, line):
    calls = [LOWER], [], [], [LOWEST]
    progress, begun = descend(line, START, *calls, many_rows=True, change_of_variables=True)
    # In the head start, in both stages over all rows, and anew.
    assert len(begun) == 4
    assert begun[2:] == [LOWER, START]
    assert progress.best.theta.tolist() == LOWEST


def test_the_result_of_the_head_start_is_kept_where_nothing_lowers_j(descend, line):
    progress, begun = descend(line, START, [LOWER], many_rows=True)
    assert begun == [START, LOWER, START]
    assert progress.best.theta.tolist() == LOWER
    assert progress.best.loss == loss(line, LOWER)
    assert progress.status is Status.FAILED


def test_the_iterations_of_the_head_start_end_after_20(descend, line):
    steps = [[0.0, 0.5 + 0.01 * i] for i in range(1, 31)]
    progress, begun = descend(line, START, steps, many_rows=True)
    assert [entry.stage for entry in progress.entries] == ["head start"] * 20
    assert begun[1] == steps[19]


def test_a_run_without_progress_does_not_exceed_max_iter(descend, line):
    calls = [HIGHER] * 9, [LOWER] * 9
    progress, begun = descend(line, START, *calls, rule=(1e-9, 3, 3), change_of_variables=True)
    assert (progress.n_iter, len(begun)) == (3, 1)
    assert progress.status is Status.NO_CHANGE


def test_no_stage_begins_where_j_is_not_finite(descend, line):
    with np.errstate(over="ignore", invalid="ignore"):
        progress, begun = descend(line, [1e308, 1e308], [LOWER])
    assert begun == []
    assert not progress.status.success


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_j_is_evaluated_once_at_each_point_on_the_same_rows(descend, dtype):
    objective = objective_of(300, dtype=dtype)
    # Without a step: at the start, and if that was in float32, once in float64.
    progress, begun = descend(objective, START)
    assert progress.n_evaluations == len(begun) == {np.float32: 2, np.float64: 1}[dtype]
    # After a step it is evaluated again only where the precision is another.
    progress, begun = descend(objective, START, [LOWER], change_of_variables=True)
    assert progress.n_evaluations == {np.float32: 3, np.float64: 2}[dtype]


def test_a_float64_start_is_not_evaluated_again_for_float32(descend):
    objective = objective_of(4096, Network((1, 1365, 1)))
    start = objective.network.initialize(random_state=0)
    progress, _ = descend(objective, start)
    assert progress.n_evaluations == 2  # at the start, and where float32 has led


@pytest.mark.parametrize(
    ("points", "n_evaluations"),
    [
        ([START, LOWER], 2),  # the first is the start itself
        ([Tried(LOWER), LOWER], 2),
        ([Tried(HIGHER), Tried(LOWER), Tried(LOWER), LOWER, Tried(LOWER)], 3),
        ([LOWER, LOWER, LOWEST], 3),
        ([[0.0, 0.6], [0.0, 0.7], LOWER, LOWEST], 5),
    ],
)
def test_a_point_that_was_just_tried_is_not_evaluated_again(descend, line, points, n_evaluations):
    progress, _ = descend(line, START, points)
    accepted = [point for point in points if not isinstance(point, Tried)]
    assert progress.n_evaluations == n_evaluations
    assert [entry.loss for entry in progress.entries] == [loss(line, point) for point in accepted]


def test_an_accepted_point_may_be_one_tried_before_the_last(monkeypatch, line):
    def minimize(evaluate, z, *, callback, **options):
        for point in (LOWEST, LOWER, HIGHER):
            J, D = evaluate(np.array(point))
            expected = line(np.array(point))
            assert (J, D.tolist()) == (expected[0], expected[1].tolist())
        with contextlib.suppress(StopIteration):
            callback(OptimizeResult(x=np.array(LOWER)))
        evaluate(np.array(LOWER))
        return OptimizeResult(message="done")

    monkeypatch.setattr(stages, "minimize", minimize)
    progress = Progress(StoppingRule(1e-9, 1, 50))
    plain = method(change_of_variables=False)
    descend_in_stages(plain, line, np.array(START), progress, Preparation())
    assert progress.n_evaluations == 4
    assert [entry.loss for entry in progress.entries] == [loss(line, LOWER)]


def test_float32_is_left_where_j_falls_by_less_than_a_ten_millionth(descend):
    objective = objective_of(300, dtype=np.float32)
    steps = [LOWER, [0.0, 1.0 + 1e-7], LOWEST]
    progress, begun = descend(objective, START, steps)
    assert [entry.stage for entry in progress.entries] == ["float32", "float32"]
    assert begun[1] == steps[1]


def test_what_float32_calls_a_small_fall_is_relative_to_j(descend):
    # J is about e^-8 where each row is on its side by 8.
    x = np.repeat([[-1.0], [1.0]], 150, axis=0).astype(np.float32)
    objective = Objective(LINE, x, x[:, 0] > 0)
    steps = [[0.0, 8.0 + 0.1 * i] for i in range(1, 4)]
    falls = -np.diff([loss(objective, step) for step in steps])
    assert (falls < 1e-4).all()
    progress, _ = descend(objective, [0.0, 8.0], steps)
    assert [entry.stage for entry in progress.entries] == ["float32"] * 3


@pytest.mark.parametrize(
    ("n_rows", "many_rows", "penalty", "expected"),
    [
        (1000, True, "l2", True),
        (999, True, "l2", False),
        (1000, False, "l2", False),
        (1000, True, "l1", False),
    ],
)
def test_the_deltas_are_made_less_correlated_from_1000_rows_on(
    monkeypatch, descend, n_rows, many_rows, penalty, expected
):
    mixed = []

    def change_of_variables(objective, theta, features, *, mix_outputs):
        mixed.append(mix_outputs)
        return stages.no_change(objective)

    monkeypatch.setattr(stages, "change_of_variables", change_of_variables)
    objective = objective_of(n_rows, reg_lambda=1.0, penalty=penalty)
    switched = {"head_start": False, "change_of_variables": True}
    descend(objective, START, many_rows=many_rows, **switched)
    assert [bool(mix) for mix in mixed] == [expected]


def test_l1_makes_a_weight_zero_and_leaves_the_log_odds_to_the_bias():
    objective = objective_of(300, reg_lambda=1e3, penalty="l1")
    progress = Progress(StoppingRule(1e-9, 200, 50))
    descend_in_stages(method(), objective, np.array(START), progress, Preparation())
    share = objective.rows.block(slice(None)).y.mean()
    bias, weight = progress.best.theta
    assert weight == 0.0
    assert bias == pytest.approx(np.log(share / (1.0 - share)), rel=1e-7)


def test_float64_goes_on_from_where_float32_has_ended(descend):
    """Only the head start is on other rows, so that its end may be no better than its start."""
    progress, begun = descend(objective_of(300, dtype=np.float32), START, [HIGHER])
    assert begun == [START, HIGHER]
    assert progress.n_evaluations == 3
