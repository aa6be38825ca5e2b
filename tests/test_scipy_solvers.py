"""What the solvers of SciPy are given, as the docstrings of `LBFGS` and `BFGS` describe it."""

from types import SimpleNamespace

import numpy as np
import pytest

from skbackprop import Network, Objective
from skbackprop.monitoring import Progress, Status, StoppingRule
from skbackprop.solvers import BFGS, CG, LBFGS, stages

SOLVERS = [LBFGS, BFGS, CG]


def objective_of(X, **options):
    X = np.asarray(X, dtype=float)
    return Objective(Network((X.shape[1], 1)), X, np.arange(len(X)) % 2, **options)


@pytest.mark.parametrize(
    ("n_parameters", "n_corrections"),
    # 256 MB are 2^28 bytes, and 30 pairs of vectors of p float64 numbers are 480 p bytes.
    [(26, 30), (559_240, 30), (559_241, 29), (10**6, 16), (2**24, 1), (2**25, 1)],
)
def test_the_corrections_of_lbfgs_take_at_most_256_mb(n_parameters, n_corrections):
    options = LBFGS()._options(SimpleNamespace(n_parameters=n_parameters))
    assert options["maxcor"] == n_corrections
    assert isinstance(options["maxcor"], int)
    assert LBFGS(5)._options(SimpleNamespace(n_parameters=26))["maxcor"] == 5


@pytest.mark.parametrize("solver", SOLVERS)
def test_only_progress_decides_when_a_run_ends(monkeypatch, solver):
    """The minimum is known: the log odds of y on either side."""
    results = []

    def minimize(*args, **options):
        results.append(optimize(*args, **options))
        return results[-1]

    optimize = stages.minimize
    monkeypatch.setattr(stages, "minimize", minimize)
    x = np.repeat([-1.0, 1.0], [8, 4])
    y = np.array([1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0])
    objective = Objective(Network((1, 1)), x[:, np.newaxis], y)
    progress = Progress(StoppingRule(1e-8, 200, 50))
    method = solver()
    theta = np.array([0.5, -0.5])
    method.minimize(objective, theta, progress, method.prepare(objective), None)
    assert progress.status is Status.CONVERGED
    np.testing.assert_allclose(progress.best.theta, [0.0, np.log(3.0)], rtol=0, atol=1e-6)
    # SciPy never found that it had converged itself.
    assert not any(result.success for result in results)


def test_many_rows_are_1000_distinct_ones():
    x = np.arange(1000.0)[:, np.newaxis]
    assert LBFGS().prepare(objective_of(x)).many_rows
    assert not LBFGS().prepare(objective_of(x[:999])).many_rows
    assert not LBFGS().prepare(objective_of(np.tile(x[:999], (4, 1)))).many_rows


@pytest.mark.parametrize(
    ("wanted", "penalty", "mixed"),
    [(True, "l2", True), (True, "l1", False), (False, "l2", False), (False, "l1", False)],
)
def test_features_are_mixed_where_it_is_wanted_and_weights_are_not_penalised_singly(
    wanted, penalty, mixed
):
    X = np.random.RandomState(0).standard_normal((9, 2))
    objective = objective_of(X, reg_lambda=1.0, penalty=penalty)
    preparation = LBFGS(change_of_variables=wanted).prepare(objective)
    assert (preparation.features.P is not None) == mixed
    np.testing.assert_allclose(preparation.centre, X.mean(axis=0))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["head_start", "change_of_variables", "float32_stage"])
def test_a_switch_is_true_or_false(solver, name):
    objective = objective_of(np.eye(2))
    for value in (True, False, np.True_):
        solver(**{name: value}).check(objective)
    with pytest.raises(ValueError, match=f"{name} must be True or False; got 1."):
        solver(**{name: 1}).check(objective)


@pytest.mark.parametrize("name", ["n_corrections", "max_line_search"])
def test_a_number_is_positive(name):
    objective = objective_of(np.eye(2))
    LBFGS(**{name: 1}).check(objective)
    with pytest.raises(ValueError, match=f"{name} must be a positive integer; got 0."):
        LBFGS(**{name: 0}).check(objective)


@pytest.mark.parametrize("solver", [BFGS, CG])
def test_a_kink_is_for_lbfgs(solver):
    smooth, kinked = (objective_of(np.eye(2), reg_lambda=1.0, penalty=p) for p in ("l2", "l1"))
    LBFGS().check(kinked)
    solver().check(smooth)
    with pytest.raises(ValueError, match="derivative everywhere"):
        solver().check(kinked)


def test_bfgs_has_at_most_5000_parameters():
    BFGS().check(objective_of(np.zeros((2, 4999))))
    with pytest.raises(ValueError, match="5001 x 5001"):
        BFGS().check(objective_of(np.zeros((2, 5000))))
