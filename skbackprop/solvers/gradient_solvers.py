"""Gradient descent over all rows, and its stochastic forms over mini-batches."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skbackprop.dropout import dropout_masks, dropout_rates
from skbackprop.interrupts import Cancellation
from skbackprop.monitoring import Iterate, Progress, Status, quiet_overflow
from skbackprop.network import Network, is_positive_integer
from skbackprop.objective import Objective
from skbackprop.solvers.base import Preparation, Solver
from skbackprop.solvers.batches import Batches, are_many, is_large
from skbackprop.solvers.layout import Layout
from skbackprop.solvers.learning_rates import (
    LearningRate,
    learning_rate_of,
    require_fraction,
    require_positive,
)
from skbackprop.solvers.steps import AdamStep, MomentumStep, StepRule


class GradientSolver(Solver):
    """A solver that steps along the gradient with a learning rate."""

    learning_rate: float | LearningRate

    def advice(self, status: Status) -> str:
        if status is Status.MAX_ITER:
            return (
                f"Increase max_iter, adjust the learning rate of {self.learning_rate!r}, or use "
                "'lbfgs'."
            )
        patience = ", a larger n_iter_no_change," if status is Status.NO_CHANGE else ""
        return f"Use a smaller learning rate than {self.learning_rate!r}{patience} or 'lbfgs'."

    @abstractmethod
    def step_rule(self) -> StepRule:
        """A new step rule with these options."""


class GradientDescent(GradientSolver):
    """Batch gradient descent: ``theta - learning_rate * gradient`` of J over all rows.

    Parameters
    ----------
    learning_rate : float or learning rate, default=0.1
        A number, `TimeDecay`, `Adaptive`, `Cosine` or `OneCycle`.
    momentum : float, default=0.0
        The fraction of the previous step that is added to the next, in [0, 1).
    nesterov : bool, default=False
        Whether to use Nesterov's momentum; requires a momentum above 0.
    """

    name = "gradient_descent"

    def __init__(
        self,
        learning_rate: float | LearningRate = 0.1,
        momentum: float = 0.0,
        nesterov: bool = False,
    ):
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov

    def check(self, objective: Objective) -> None:
        learning_rate_of(self.learning_rate)
        _check_momentum(self.momentum, self.nesterov)

    def step_rule(self) -> StepRule:
        return MomentumStep(self.momentum, self.nesterov)

    def minimize(
        self,
        objective: Objective,
        theta: NDArray,
        progress: Progress,
        preparation: Preparation,
        random_state: np.random.RandomState,
    ) -> None:
        learning_rate, step = learning_rate_of(self.learning_rate), self.step_rule()
        n_total, proximal = progress.rule.max_iter, objective.penalty.proximal_step
        rate = learning_rate.after_step(0.0, 0, n_total)
        progress.enter("gradient descent", objective)
        iterate = progress.evaluate(theta)
        progress.start(iterate)
        while progress.running:
            theta = iterate.theta.copy()
            step(theta, iterate.gradient.copy(), rate, proximal)
            previous, iterate = iterate.loss, progress.evaluate(theta)
            progress.advance(iterate)
            rate = learning_rate.after_step(rate, progress.n_iter, n_total)
            rate = learning_rate.after_epoch(rate, iterate.loss < previous)


class StochasticSolver(GradientSolver):
    """A gradient solver that steps after each mini-batch.

    A batch estimates J and its gradient (`Batches`), with the penalty lambda/m of all m rows.
    Within an epoch theta and the state of the step rule have the precision of the rows. Threads
    share a large batch by features, and a pass over all rows by blocks of rows. The BLAS is
    limited to one thread: its own wait actively for each other, which is many times slower when
    another process needs the cores.

    Evaluating J over all rows, without dropout, takes a good part of the time of an epoch, and
    with its gradient three times as long; the mean of the epoch's estimates takes little.
    Therefore J is evaluated only after every `evaluate_every`-th epoch, and its gradient only
    after the last and when the mean gradient is so small that J may have converged; for other
    epochs the loss curve contains the mean. With dropout, which affects the estimates but not J,
    and with a learning rate that depends on J, J is evaluated after each epoch.
    """

    stochastic = True

    batch_size: int
    shuffle: bool
    dropout: float | Sequence[float]
    n_samples: int | None
    evaluate_every: int

    def check(self, objective: Objective) -> None:
        if not hasattr(objective.rows, "block"):
            raise ValueError(
                f"The solver {self.name!r} picks single rows for its mini-batches, which these "
                "rows do not allow. Use a solver over all rows, such as 'lbfgs'."
            )
        learning_rate_of(self.learning_rate)
        if not is_positive_integer(self.batch_size):
            raise ValueError(f"batch_size must be a positive integer; got {self.batch_size!r}.")
        if not is_positive_integer(self.evaluate_every):
            raise ValueError(
                f"evaluate_every must be a positive integer; got {self.evaluate_every!r}."
            )
        if self.n_samples is not None and not is_positive_integer(self.n_samples):
            raise ValueError(
                f"n_samples must be a positive integer or None; got {self.n_samples!r}."
            )
        dropout_rates(objective.hidden_units, self.dropout)

    def minimize(
        self,
        objective: Objective,
        theta: NDArray,
        progress: Progress,
        preparation: Preparation,
        random_state: np.random.RandomState,
    ) -> None:
        if self.n_samples not in (None, objective.n_rows):
            raise ValueError(
                f"n_samples={self.n_samples} is for partial_fit; fit was given "
                f"{objective.n_rows} rows."
            )
        learning_rate = learning_rate_of(self.learning_rate)
        n_batches = ceil(objective.n_rows / int(self.batch_size))
        run = self.new_run(random_state, progress.rule.max_iter * n_batches)
        progress.enter(type(self).__name__, objective)
        iterate = progress.evaluate(theta)
        progress.start(iterate)
        batches = Batches(objective, theta, int(self.batch_size))
        run.adopt(batches.layout)
        exact = np.any(self.dropout) or learning_rate.follows_loss
        evaluate_every = 1 if exact else self.evaluate_every
        while progress.running:
            self.epoch(batches, run, progress.cancellation)
            theta = batches.unrolled()
            previous = iterate.loss
            iterate = Iterate.estimate(theta, *batches.mean())
            if progress.may_end(iterate):
                iterate = progress.evaluate(theta)
            elif (progress.n_iter + 1) % evaluate_every == 0:
                iterate = progress.evaluate_loss(iterate)
            run.rate = learning_rate.after_epoch(run.rate, iterate.loss < previous)
            progress.advance(iterate)

    def new_run(self, random_state: np.random.RandomState, n_total: int = 0) -> "StochasticRun":
        """A new run with these options; `n_total` is its number of steps, 0 if unknown."""
        rate = learning_rate_of(self.learning_rate).after_step(0.0, 0, n_total)
        return StochasticRun(self.step_rule(), rate, random_state, n_total)

    def epoch(self, batches: Batches, run: "StochasticRun", cancellation: Cancellation) -> None:
        """One pass over the rows, a step after each batch.

        Parameters
        ----------
        batches : Batches
            Where theta is, and changes.
        run : StochasticRun
            The state of the run; changed.
        cancellation : Cancellation
            A request to end, checked before each batch.
        """
        learning_rate = learning_rate_of(self.learning_rate)
        units = batches.network.layer_sizes[1:-1]
        rates = dropout_rates(units, self.dropout)
        for n_rows in batches.each(self._batches(batches.n_rows, run.random_state)):
            cancellation.check()
            masks = dropout_masks(units, n_rows, batches.theta.dtype, rates, run.random_state)
            batches.evaluate(masks)
            batches.step(run.step, run.rate)
            run.n_steps += 1
            run.rate = learning_rate.after_step(run.rate, run.n_steps, run.n_total)

    def resume(self, run: "StochasticRun", n_rows: int, weight: float) -> "StochasticRun":
        """A copy of a run for another call of `partial_fit`, with the current options.

        Parameters
        ----------
        run : StochasticRun
            The state after the previous call.
        n_rows : int
            Number of rows of this call.
        weight : float
            The sum of their weights.
        """
        learning_rate = learning_rate_of(self.learning_rate)
        # The first call draws the initial theta. A copy takes a tenth of a short call's time.
        draws = not run.rows_seen or self._shuffles(n_rows) or np.any(self.dropout)
        return replace(
            run,
            step=self.step_rule().after(run.step),
            rate=learning_rate.after_step(run.rate, run.n_steps, run.n_total),
            random_state=_copy_of(run.random_state) if draws else run.random_state,
            rows_seen=run.rows_seen + n_rows,
            weight_seen=run.weight_seen + weight,
        )

    def uses_threads(self, network: Network, n_rows: int) -> bool:
        """Whether `partial_minimize` can use more than one thread.

        Parameters
        ----------
        network : Network
            The network.
        n_rows : int
            Number of rows of the call.
        """
        return are_many(n_rows, int(self.batch_size)) or is_large(network.n_parameters)

    def partial_minimize(
        self,
        objective: Objective,
        theta: NDArray,
        run: "StochasticRun",
        cancellation: Cancellation,
    ) -> Iterate:
        """One epoch of `partial_fit`, over the rows of one call.

        Parameters
        ----------
        objective : Objective
            J on the rows of the call, with the weight of all rows.
        theta : ndarray
            The parameters before the epoch.
        run : StochasticRun
            The state that is kept between calls; changed.
        cancellation : Cancellation
            A request to end, checked before each batch.

        Returns
        -------
        iterate : Iterate
            The parameters after the epoch, with the batches' estimates of J and its gradient.
        """
        with quiet_overflow(), objective.running(cancellation) as objective:
            batches = Batches(objective, theta, int(self.batch_size))
            run.adopt(batches.layout)
            self.epoch(batches, run, cancellation)
            theta = batches.unrolled()
            loss, gradient_max = batches.mean()
            loss = loss if np.isfinite(theta).all() else np.nan
            return Iterate.estimate(theta, loss, gradient_max)

    def _batches(
        self, n_rows: int, random_state: np.random.RandomState
    ) -> Iterator[slice | NDArray]:
        """The rows of each batch."""
        # All random numbers come before the first batch: later ones may be taken ahead of the
        # dropout masks of this one, and by another thread.
        order = random_state.permutation(n_rows) if self._shuffles(n_rows) else None
        batch_size = int(self.batch_size)
        for start in range(0, n_rows, batch_size):
            rows = slice(start, min(start + batch_size, n_rows))
            yield rows if order is None else order[rows]

    def _shuffles(self, n_rows: int) -> bool:
        """Whether an epoch shuffles its rows; within a single batch their order has no effect."""
        return self.shuffle and n_rows > self.batch_size


@dataclass
class StochasticRun:
    """The state of a stochastic solver, which is kept between steps and `partial_fit` calls."""

    step: StepRule
    rate: float
    random_state: np.random.RandomState
    # The number of steps of the run; 0 for `partial_fit`, where it is unknown.
    n_total: int
    n_steps: int = 0
    rows_seen: int = 0
    weight_seen: float = 0.0
    # How the arrays of the step rule are stored. Not a `Layout`: a run is saved with the estimator
    # and should need no further trusted type.
    n_ranges: int = 1
    order: Literal["C", "F"] = "C"

    def adopt(self, layout: Layout) -> None:
        """Bring the arrays of the step rule into a layout."""
        before = Layout(layout.network, self.n_ranges, self.order)
        if before != layout:
            self.step.reorder(lambda v: layout.stored(before.unrolled(v), v.dtype))
            self.n_ranges, self.order = layout.n_ranges, layout.order

    @property
    def mean_weight(self) -> float:
        """The mean weight of the rows seen so far."""
        return self.weight_seen / self.rows_seen


class SGD(StochasticSolver):
    """Stochastic gradient descent with momentum over mini-batches.

    Parameters
    ----------
    learning_rate : float or learning rate, default=0.1
        A number, `TimeDecay`, `Adaptive`, `Cosine` or `OneCycle`.
    momentum : float, default=0.9
        The fraction of the previous step that is added to the next, in [0, 1).
    nesterov : bool, default=False
        Whether to use Nesterov's momentum; requires a momentum above 0.
    batch_size : int, default=200
        Number of rows of a mini-batch; the last of an epoch may have fewer.
    shuffle : bool, default=True
        Whether each epoch takes the rows in a new random order.
    dropout : float or sequence of float, default=0.0
        The probability that a hidden unit is dropped in a step, one for all hidden layers
        or one for each. The other activations are divided by the keep probability;
        prediction uses the whole network.
    n_samples : int, optional
        The total number of rows, for `partial_fit`, where lambda is divided by this number times
        the mean weight of the rows seen so far; None uses the number of rows seen so far.
    evaluate_every : int, default=5
        Number of epochs between evaluations of J over all rows, which decide which iterate is the
        best and whether to stop. J and its gradient are also evaluated after the last epoch and
        when the fit may have converged. For other epochs the
        loss curve contains the mean of the batches' estimates. With dropout or an `Adaptive`
        learning rate J is evaluated after each epoch.
    """

    name = "sgd"

    def __init__(
        self,
        learning_rate: float | LearningRate = 0.1,
        momentum: float = 0.9,
        nesterov: bool = False,
        batch_size: int = 200,
        shuffle: bool = True,
        dropout: float | Sequence[float] = 0.0,
        n_samples: int | None = None,
        evaluate_every: int = 5,
    ):
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.dropout = dropout
        self.n_samples = n_samples
        self.evaluate_every = evaluate_every

    def check(self, objective: Objective) -> None:
        super().check(objective)
        _check_momentum(self.momentum, self.nesterov)

    def step_rule(self) -> StepRule:
        return MomentumStep(self.momentum, self.nesterov)


class Adam(StochasticSolver):
    """Adam over mini-batches: each parameter has a step length from its gradient's moments.

    Parameters
    ----------
    learning_rate : float or learning rate, default=0.001
        A number, `TimeDecay`, `Adaptive`, `Cosine` or `OneCycle`.
    beta_1 : float, default=0.9
        Decay of the running mean of the gradient, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the running mean of the squared gradient, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root of the mean square, positive.
    batch_size : int, default=200
        Number of rows of a mini-batch, as for `SGD`.
    shuffle : bool, default=True
        Whether each epoch takes the rows in a new random order.
    dropout : float or sequence of float, default=0.0
        The probability that a hidden unit is dropped in a step, as for `SGD`.
    n_samples : int, optional
        The total number of rows for `partial_fit`, as for `SGD`.
    evaluate_every : int, default=5
        Number of epochs between evaluations of J over all rows, as for `SGD`.

    References
    ----------
    D. P. Kingma and J. L. Ba, "Adam: a method for stochastic optimization", 2015.
    """

    name = "adam"

    def __init__(
        self,
        learning_rate: float | LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        batch_size: int = 200,
        shuffle: bool = True,
        dropout: float | Sequence[float] = 0.0,
        n_samples: int | None = None,
        evaluate_every: int = 5,
    ):
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.dropout = dropout
        self.n_samples = n_samples
        self.evaluate_every = evaluate_every

    def check(self, objective: Objective) -> None:
        super().check(objective)
        require_fraction("beta_1", self.beta_1)
        require_fraction("beta_2", self.beta_2)
        require_positive("epsilon", self.epsilon)

    def step_rule(self) -> StepRule:
        return AdamStep(self.beta_1, self.beta_2, self.epsilon)


def _copy_of(random_state: np.random.RandomState) -> np.random.RandomState:
    """A copy with the same state; `copy.copy` takes ten times as long."""
    other = np.random.RandomState(0)
    other.set_state(random_state.get_state(legacy=False))
    return other


def _check_momentum(momentum: float, nesterov: bool) -> None:
    require_fraction("momentum", momentum)
    if nesterov and not momentum:
        raise ValueError("nesterov=True requires a momentum above 0.")
