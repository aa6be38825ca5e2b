"""The solvers: each comes to the same minimum, and its steps are those of its formula."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.solvers import (
    BFGS,
    CG,
    LBFGS,
    SGD,
    Adam,
    Adaptive,
    Cosine,
    GradientDescent,
    LearningRate,
    OneCycle,
    TimeDecay,
)

SIZES = (4, 3, 3)
LAMBDA = 2.0


@pytest.fixture(scope="module")
def start():
    return Network(SIZES).initialize(random_state=3)


def steps(solver, iris, start, n_steps, **params):
    """Theta after some iterations of an estimator that has not converged by then."""
    X, y = iris
    clf = BackpropClassifier((3,), LAMBDA, solver=solver, max_iter=n_steps, tol=1e-9, **params)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        clf.fit(X, y, theta_init=start)
    assert clf.n_iter_ == n_steps
    return clf.network_.unroll(clf.theta_)


def gradient_of(iris, theta, rows=slice(None), reg_lambda=LAMBDA):
    """D of some rows. A batch has the penalty lambda/m with the m of all rows."""
    X, y = iris
    m, size = len(y), len(y[rows])
    objective = Objective(Network(SIZES), X[rows], y[rows], reg_lambda=reg_lambda * size / m)
    return objective(theta)[1]


# -- the same minimum --------------------------------------------------------------------

ALL_ROWS = 150
CONVEX = {
    "bfgs": BFGS(),
    "cg": CG(),
    "gradient descent": GradientDescent(1.0),
    "gradient descent with momentum": GradientDescent(0.5, momentum=0.9),
    "gradient descent with Nesterov momentum": GradientDescent(0.5, momentum=0.9, nesterov=True),
    "gradient descent with a decaying rate": GradientDescent(TimeDecay(2.0, decay=1e-3)),
    "adaptive gradient descent": GradientDescent(Adaptive(0.5)),
    "sgd with all rows": SGD(0.5, batch_size=ALL_ROWS),
    "sgd with Nesterov momentum and all rows": SGD(0.5, nesterov=True, batch_size=ALL_ROWS),
    "adam with all rows": Adam(TimeDecay(0.1, decay=0.01), batch_size=ALL_ROWS),
    "few corrections": LBFGS(n_corrections=3),
}


@pytest.mark.parametrize("output", ["logistic", "softmax"])
@pytest.mark.parametrize("solver", CONVEX.values(), ids=CONVEX.keys())
def test_a_convex_cost_has_one_minimum_for_all(iris, solver, output):
    X, y = iris
    clf = BackpropClassifier(
        (),
        10.0,
        output_activation=output,
        tol=1e-4,
        max_iter=5000,
        n_iter_no_change=5000,
        random_state=0,
    )
    lbfgs = clone(clf).set_params(tol=1e-8).fit(X, y)
    other = clf.set_params(solver=solver).fit(X, y)
    assert other.optimize_result_.success
    np.testing.assert_allclose(other.loss_, lbfgs.loss_, rtol=1e-6)
    assert other.loss_ >= lbfgs.loss_ * (1 - 1e-12)


@pytest.mark.parametrize("output", ["logistic", "softmax"])
def test_mini_batches_with_a_decaying_rate_come_to_the_minimum(iris, output):
    X, y = iris
    # The rate falls as 100/t and J curves by at least lambda/m = 1/3: the distance to the
    # minimum falls as the rate does, J's as its square.
    clf = BackpropClassifier((), 50.0, output_activation=output, tol=2e-4, random_state=0)
    lbfgs = clone(clf).set_params(tol=1e-8).fit(X, y)
    solver = SGD(TimeDecay(0.5, decay=0.005), momentum=0.0, batch_size=50)
    sgd = clf.set_params(solver=solver, max_iter=5000, n_iter_no_change=5000).fit(X, y)
    np.testing.assert_allclose(sgd.loss_, lbfgs.loss_, rtol=1e-6)


@pytest.mark.parametrize("name", ["lbfgs", "bfgs", "cg", "gradient_descent", "sgd", "adam"])
def test_a_name_is_the_solver_with_its_defaults(iris, name):
    by_name = {
        "lbfgs": LBFGS,
        "bfgs": BFGS,
        "cg": CG,
        "gradient_descent": GradientDescent,
        "sgd": SGD,
        "adam": Adam,
    }
    X, y = iris
    clf = BackpropClassifier((3,), max_iter=5, tol=1e-9, random_state=0)
    with pytest.warns(ConvergenceWarning, match=f"^The solver '{name}' has not converged"):
        named = clone(clf).set_params(solver=name).fit(X, y)
    with pytest.warns(ConvergenceWarning, match=f"^The solver '{name}' has not converged"):
        built = clone(clf).set_params(solver=by_name[name]()).fit(X, y)
    assert named.loss_curve_ == built.loss_curve_
    np.testing.assert_array_equal(named.theta_[0], built.theta_[0])


@pytest.mark.parametrize(
    "solver", [GradientDescent(0.1), GradientDescent(Adaptive(0.1, growth=1.0))]
)
def test_batch_descent_with_a_small_rate_lowers_j_monotonically(iris, start, solver):
    X, y = iris
    clf = BackpropClassifier((3,), LAMBDA, solver=solver, max_iter=300)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y, theta_init=start)
    first = Objective(Network(SIZES), X, y, reg_lambda=LAMBDA)(start)[0]
    assert (np.diff([first, *clf.loss_curve_]) < 0).all()


@pytest.mark.parametrize("solver", ["lbfgs", "bfgs", "cg"])
def test_line_searches_lower_j_monotonically(iris, start, solver):
    X, y = iris
    clf = BackpropClassifier((3,), LAMBDA, solver=solver).fit(X, y, theta_init=start)
    first = Objective(Network(SIZES), X, y, reg_lambda=LAMBDA)(start)[0]
    assert (np.diff([first, *clf.loss_curve_]) < 0).all()


# -- one step of each, by its formula ----------------------------------------------------


def test_gradient_descent_steps_along_the_gradient(iris, start):
    theta = start
    for n_steps in (1, 2, 3):
        theta = theta - 0.3 * gradient_of(iris, theta)
        taken = steps(GradientDescent(0.3), iris, start, n_steps)
        np.testing.assert_allclose(taken, theta, rtol=1e-10, atol=1e-13)


def test_gradient_descent_by_hand_without_any_of_our_mathematics(iris):
    X, y = iris
    Y = (y[:, np.newaxis] == np.arange(3)).astype(float)
    Theta = np.random.default_rng(0).normal(size=(3, 5)) * 0.1
    h = 1 / (1 + np.exp(-(Theta[:, 0] + X @ Theta[:, 1:].T)))
    D = (h - Y).T @ np.column_stack([np.ones(150), X]) / 150
    D[:, 1:] += LAMBDA / 150 * Theta[:, 1:]
    clf = BackpropClassifier((), LAMBDA, solver=GradientDescent(0.2), max_iter=1)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y, theta_init=[Theta])
    np.testing.assert_allclose(clf.theta_[0], Theta - 0.2 * D, rtol=1e-12)


def test_momentum_keeps_a_share_of_the_last_step(iris, start):
    theta, last = start, 0.0
    for n_steps in (1, 2, 3):
        step = 0.8 * last - 0.1 * gradient_of(iris, theta)
        theta, last = theta + step, step
        taken = steps(GradientDescent(0.1, momentum=0.8), iris, start, n_steps)
        np.testing.assert_allclose(taken, theta, rtol=1e-10, atol=1e-13)


def test_nesterov_takes_the_gradient_where_the_momentum_leads(iris, start):
    # In the form of the original: phi moves, the gradient is taken at phi + mu v, and that
    # point is what the solver calls theta.
    phi, v = start, np.zeros_like(start)
    for n_steps in (1, 2, 3):
        v = 0.8 * v - 0.1 * gradient_of(iris, phi + 0.8 * v)
        phi = phi + v
        taken = steps(GradientDescent(0.1, momentum=0.8, nesterov=True), iris, start, n_steps)
        np.testing.assert_allclose(taken, phi + 0.8 * v, rtol=1e-10, atol=1e-13)


def test_adam_divides_by_the_root_of_the_mean_square(iris, start):
    rate, beta_1, beta_2, epsilon = 0.01, 0.8, 0.99, 1e-3
    theta, gradients = start, []
    for n_steps in (1, 2, 3):
        gradients.append(gradient_of(iris, theta))
        # The running means written out as the weighted means they are.
        ages = np.arange(n_steps)[::-1]
        mean = np.average(gradients, axis=0, weights=beta_1**ages)
        mean_square = np.average(np.square(gradients), axis=0, weights=beta_2**ages)
        theta = theta - rate * mean / (np.sqrt(mean_square) + epsilon)
        solver = Adam(rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, batch_size=150)
        taken = steps(solver, iris, start, n_steps)
        np.testing.assert_allclose(taken, theta, rtol=1e-10, atol=1e-13)


def test_the_first_step_of_adam_has_the_length_of_the_rate(iris, start):
    moved = steps(Adam(0.01, batch_size=150), iris, start, 1) - start
    expected = -0.01 * np.sign(gradient_of(iris, start))
    np.testing.assert_allclose(moved, expected, rtol=1e-4)


def test_mini_batches_have_the_penalty_of_all_rows(iris, start):
    theta = start
    for first in range(0, 150, 40):  # the last batch has 30 rows
        theta = theta - 0.05 * gradient_of(iris, theta, slice(first, first + 40))
    solver = SGD(0.05, momentum=0.0, batch_size=40, shuffle=False)
    np.testing.assert_allclose(steps(solver, iris, start, 1), theta, rtol=1e-10, atol=1e-13)


def test_mini_batches_of_weighted_rows(iris, start):
    X, y = iris
    w = np.random.default_rng(0).uniform(0.5, 2.0, size=150)
    theta = start
    for first in range(0, 150, 50):
        rows = slice(first, first + 50)
        # The batch's weighted sum over 50 average weights, and lambda over the sum of all.
        network = Network(SIZES)
        objective = Objective(network, X[rows], y[rows], sample_weight=w[rows])
        gradient = objective(theta)[1] * w[rows].sum() / (50 * w.mean())
        gradient += LAMBDA / w.sum() * theta * objective.penalty.penalised
        theta = theta - 0.05 * gradient
    solver = SGD(0.05, momentum=0.0, batch_size=50, shuffle=False)
    clf = BackpropClassifier((3,), LAMBDA, solver=solver, max_iter=1)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y, sample_weight=w, theta_init=start)
    np.testing.assert_allclose(clf.network_.unroll(clf.theta_), theta, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("learning_rate", [0.3, TimeDecay(0.3, decay=0.1), Adaptive(0.3)])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_with_all_rows_in_a_batch_is_gradient_descent(
    iris, start, learning_rate, momentum, nesterov
):
    X, y = iris
    clf = BackpropClassifier((3,), LAMBDA, max_iter=30, tol=1e-9, n_iter_no_change=30)
    curves, thetas = [], []
    for solver in (
        GradientDescent(learning_rate, momentum, nesterov),
        SGD(learning_rate, momentum, nesterov, 150, shuffle=False, evaluate_every=1),
        SGD(learning_rate, momentum, nesterov, 1000, shuffle=False, evaluate_every=1),
    ):
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            clf.set_params(solver=solver).fit(X, y, theta_init=start)
        curves.append(clf.loss_curve_)
        thetas.append(clf.network_.unroll(clf.theta_))
    for curve, theta in zip(curves[1:], thetas[1:], strict=True):
        np.testing.assert_allclose(curve, curves[0], rtol=1e-11)
        np.testing.assert_allclose(theta, thetas[0], rtol=1e-8, atol=1e-10)


def test_shuffling_is_a_new_order_in_every_epoch(iris, start):
    solver = SGD(0.05, momentum=0.0, batch_size=40)
    ordered = steps(SGD(0.05, momentum=0.0, batch_size=40, shuffle=False), iris, start, 1)
    one = steps(solver, iris, start, 1, random_state=0)
    assert np.abs(one - ordered).max() > 1e-4
    np.testing.assert_array_equal(one, steps(solver, iris, start, 1, random_state=0))
    assert np.abs(one - steps(solver, iris, start, 1, random_state=1)).max() > 1e-4


def test_every_row_is_visited_once_an_epoch():
    # With zeros to start from, X = I and no penalty, a row moves the weight of its own column
    # and no other; with a tiny rate by the same length whatever the order.
    m = 60
    y = np.arange(m) % 2
    solver = SGD(1e-4, momentum=0.0, batch_size=7)
    clf = BackpropClassifier((), 0.0, solver=solver, max_iter=1, tol=1e-9, random_state=0)
    with pytest.warns(ConvergenceWarning):
        clf.fit(np.eye(m), y, theta_init=np.zeros(m + 1))
    batches = np.abs(1e-4 * 0.5 / clf.coefs_[0].ravel())  # the size of the batch it was in
    np.testing.assert_allclose(np.sort(batches), [4.0] * 4 + [7.0] * 56, rtol=1e-3)


# -- learning rates ----------------------------------------------------------------------


def test_time_decay_divides_by_the_number_of_steps(iris, start):
    theta = start
    for t in range(4):
        theta = theta - 0.5 / (1 + 0.2 * t) * gradient_of(iris, theta)
    taken = steps(GradientDescent(TimeDecay(0.5, decay=0.2)), iris, start, 4)
    np.testing.assert_allclose(taken, theta, rtol=1e-10, atol=1e-13)


def test_time_decay_counts_the_steps_of_a_stochastic_solver(iris, start):
    theta, t = start, 0
    for _ in range(2):
        for first in range(0, 150, 50):
            rate = 0.3 / (1 + 0.2 * t)
            theta = theta - rate * gradient_of(iris, theta, slice(first, first + 50))
            t += 1
    solver = SGD(TimeDecay(0.3, decay=0.2), momentum=0.0, batch_size=50, shuffle=False)
    np.testing.assert_allclose(steps(solver, iris, start, 2), theta, rtol=1e-10, atol=1e-13)


def test_adaptive_grows_while_j_falls(iris, start):
    theta, rate = start, 0.1
    for _ in range(4):
        theta = theta - rate * gradient_of(iris, theta)
        rate *= 1.5
    taken = steps(GradientDescent(Adaptive(0.1, growth=1.5)), iris, start, 4)
    np.testing.assert_allclose(taken, theta, rtol=1e-10, atol=1e-13)


def test_adaptive_shrinks_when_j_rises(iris):
    X, y = iris
    # A rate of 100 jumps over the minimum; only a rate that shrinks can come back.
    clf = BackpropClassifier((), 10.0, tol=1e-6, max_iter=2000, n_iter_no_change=2000)
    clf.set_params(solver=GradientDescent(Adaptive(100.0))).fit(X, y, theta_init=np.zeros(15))
    assert clf.loss_curve_[0] > 10 * np.log(8) > clf.loss_  # J of zeros: 3 log 2
    np.testing.assert_allclose(clf.loss_, BackpropClassifier((), 10.0).fit(X, y).loss_, rtol=1e-6)


def cosine_by_hand(t, total, warm_up):
    w = warm_up * total
    if t < w:
        return 0.2 * (t + 1) / (w + 1)
    return 0.2 * (1 + np.cos(np.pi * (t - w) / (total - w))) / 2


def one_cycle_by_hand(t, total, warm_up):
    w = warm_up * total
    if t < w:
        return 0.02 + 0.18 * (1 - np.cos(np.pi * t / w)) / 2
    return 0.2 * (1 + np.cos(np.pi * (t - w) / (total - w))) / 2


SCHEDULES = [
    (Cosine(0.2), cosine_by_hand, 0.0),
    (Cosine(0.2, warm_up=0.5), cosine_by_hand, 0.5),
    (OneCycle(0.2, div=10.0), one_cycle_by_hand, 0.3),
    (OneCycle(0.2, warm_up=0.0), one_cycle_by_hand, 0.0),
]


@pytest.mark.parametrize(("schedule", "by_hand", "warm_up"), SCHEDULES)
def test_schedules_by_their_formulas(schedule, by_hand, warm_up):
    rates = [schedule.after_step(np.nan, t, 40) for t in range(40)]
    # 1 + cos cancels near its zero: there only the rounding of 1 is left of its precision.
    expected = [by_hand(t, 40, warm_up) for t in range(40)]
    np.testing.assert_allclose(rates, expected, rtol=1e-14, atol=0.4 * np.finfo(float).eps)
    # Up to the peak at the end of the warm-up, then down to nearly nothing.
    top = int(np.argmax(rates))
    assert top == warm_up * 40
    assert rates[top] == 0.2
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert 0 < rates[-1] < 0.01 * 0.2
    assert schedule.after_step(np.nan, 41, 40) == 0.0


@pytest.mark.parametrize(("schedule", "by_hand", "warm_up"), SCHEDULES)
def test_schedules_reach_over_all_steps_of_a_fit(iris, start, schedule, by_hand, warm_up):
    theta = start
    for t in range(6):
        rows = slice(50 * (t % 3), 50 * (t % 3) + 50)
        theta = theta - by_hand(t, 6, warm_up) * gradient_of(iris, theta, rows)
    solver = SGD(schedule, momentum=0.0, batch_size=50, shuffle=False)
    np.testing.assert_allclose(steps(solver, iris, start, 2), theta, rtol=1e-10, atol=1e-13)
    theta = start
    for t in range(4):
        theta = theta - by_hand(t, 4, warm_up) * gradient_of(iris, theta)
    taken = steps(GradientDescent(schedule), iris, start, 4)
    np.testing.assert_allclose(taken, theta, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(
    ("schedule", "match"),
    [
        (Cosine(0.0), "peak"),
        (Cosine(0.1, warm_up=1.0), "warm_up"),
        (OneCycle(-1.0), "peak"),
        (OneCycle(0.1, warm_up=-0.1), "warm_up"),
        (OneCycle(0.1, div=0.5), "div must be at least 1"),
    ],
)
def test_schedules_that_make_no_sense(iris, schedule, match):
    with pytest.raises(ValueError, match=match):
        BackpropClassifier(solver=Adam(schedule)).fit(*iris)


class InverseRoot(LearningRate):
    """A rate of somebody's own."""

    def __init__(self, initial=0.3):
        self.initial = initial

    def check(self):
        pass

    def after_step(self, rate, n_steps, n_total):
        return self.initial / np.sqrt(1 + n_steps)


def test_a_learning_rate_of_ones_own(iris, start):
    theta = start
    for t in range(3):
        theta = theta - 0.3 / np.sqrt(1 + t) * gradient_of(iris, theta)
    taken = steps(GradientDescent(InverseRoot()), iris, start, 3)
    np.testing.assert_allclose(taken, theta, rtol=1e-10, atol=1e-13)


# -- dropout -----------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [SGD, Adam])
def test_the_loss_curve_is_computed_with_all_units(iris, start, solver):
    X, y = iris
    dropped = solver(learning_rate=0.01, dropout=0.5)
    clf = BackpropClassifier((3,), LAMBDA, solver=dropped, max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y, theta_init=start)
    theta = clf.network_.unroll(clf.theta_)
    J = Objective(Network(SIZES), X, y, reg_lambda=LAMBDA)(theta)[0]
    np.testing.assert_allclose(clf.loss_curve_, [J], rtol=1e-12)
    whole = steps(solver(learning_rate=0.01), iris, start, 1, random_state=0)
    assert np.abs(theta - whole).max() > 1e-5
    # Prediction has no dropout, and nothing random.
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(X))


def test_dropout_is_reproducible(iris, start):
    one, same, other = [
        steps(SGD(0.01, dropout=0.5), iris, start, 2, random_state=seed) for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-6


def test_no_dropout_is_no_dropout(iris, start):
    plain = steps(SGD(0.01, batch_size=50), iris, start, 2, random_state=0)
    for nothing in (0, 0.0, [0.0], (0.0,)):
        solver = SGD(0.01, batch_size=50, dropout=nothing)
        np.testing.assert_array_equal(steps(solver, iris, start, 2, random_state=0), plain)


def test_dropped_units_do_not_move_and_the_others_make_up_for_them():
    # One row of weight 1, an output of 1/2 whatever is dropped (Theta^(2) = 0), and all hidden
    # activations 1/2 (Theta^(1) = 0): the step of Theta^(2) is rate * delta * a * mask.
    X, y, units = np.array([[1.0], [0.0]]), np.array([1, 0]), 2000
    solver = SGD(1e-6, momentum=0.0, batch_size=1, shuffle=False, dropout=0.25)
    clf = BackpropClassifier((units,), 0.0, solver=solver, random_state=0)
    theta = np.zeros(units * 2 + units + 1)
    clf.set_params(max_iter=1)
    clf.partial_fit(X[:1], y[:1], classes=[0, 1])  # any start: it is replaced
    for Theta in clf.theta_:
        Theta[:] = 0.0
    clf.partial_fit(X[:1], y[:1])
    moved = clf.coefs_[1].ravel() / (1e-6 * 0.5 * 0.5)
    kept = moved != 0
    np.testing.assert_allclose(moved[kept], 1 / 0.75, rtol=1e-9)
    # 2000 draws: 0.02 is two standard deviations, the seed is fixed.
    assert abs(kept.mean() - 0.75) < 0.02
    # Inverted scaling: the expected step, as the expected pre-activation, is that without.
    assert abs(moved.mean() - 1.0) < 0.03
    assert len(theta) == sum(Theta.size for Theta in clf.theta_)


def test_one_probability_for_each_layer():
    X, y = np.ones((2, 1)), np.array([1, 0])
    solver = SGD(1e-6, momentum=0.0, batch_size=1, shuffle=False, dropout=[0.0, 0.5])
    clf = BackpropClassifier((40, 50), 0.0, solver=solver, random_state=0)
    clf.partial_fit(X[:1], y[:1], classes=[0, 1])
    for Theta in clf.theta_:
        Theta[:] = 0.0
    clf.partial_fit(X[:1], y[:1])
    last = clf.coefs_[2].ravel()
    assert 10 < np.count_nonzero(last) < 40
    # Now let the last layer pass something back: Theta^(2) moves by delta^(3) A^(2), and all
    # of A^(2) is there.
    clf.theta_[2][:] = 1.0
    clf.partial_fit(X[:1], y[:1])
    moved = clf.coefs_[1] != 0
    assert moved.any(axis=0).sum() < 50
    assert moved[:, moved.any(axis=0)].all()


# -- options -----------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [LBFGS, BFGS, CG, GradientDescent, SGD, Adam])
def test_every_option_can_be_searched(solver):
    params = BackpropClassifier(solver=solver()).get_params()
    own = solver().get_params()
    for name, value in own.items():
        assert params[f"solver__{name}"] == value
        assert clone(solver()).set_params(**{name: value}).get_params() == own
    with pytest.raises(ValueError, match="Invalid parameter 'step'"):
        BackpropClassifier(solver=solver()).set_params(solver__step=1)


@pytest.mark.parametrize(
    ("solver", "absent"),
    [
        (LBFGS, ["learning_rate", "momentum", "dropout", "batch_size"]),
        (BFGS, ["learning_rate", "momentum", "dropout", "batch_size"]),
        (CG, ["learning_rate", "momentum", "dropout", "batch_size"]),
        (GradientDescent, ["dropout", "batch_size", "shuffle", "n_samples"]),
        (Adam, ["momentum", "nesterov"]),
    ],
)
def test_an_option_that_a_solver_cannot_honour_does_not_exist(solver, absent):
    for name in absent:
        with pytest.raises(TypeError, match=rf"{name}|takes no arguments"):
            solver(**{name: 0.5})


def test_repr_shows_what_was_chosen():
    assert repr(SGD(TimeDecay(0.5), momentum=0.5)) == (
        "SGD(learning_rate=TimeDecay(initial=0.5), momentum=0.5)"
    )
