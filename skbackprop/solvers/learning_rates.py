"""Learning rates that change during a fit; a plain number is a constant rate."""

from numbers import Real

from sklearn.base import BaseEstimator


class TimeDecay(BaseEstimator):
    """``initial / (1 + decay * t)`` after t steps.

    Parameters
    ----------
    initial : float, default=0.1
        The rate of the first step, positive.
    decay : float, default=0.01
        How fast it falls, at least 0.
    """

    def __init__(self, initial: float = 0.1, decay: float = 0.01):
        self.initial = initial
        self.decay = decay

    def check(self) -> None:
        """Raise ValueError for a value that makes no sense."""
        require_positive("initial", self.initial)
        if self.decay != 0:
            require_positive("decay", self.decay)

    def after_step(self, rate: float, n_steps: int) -> float:
        """The rate after `n_steps` steps."""
        return self.initial / (1.0 + self.decay * n_steps)

    def after_epoch(self, rate: float, fell: bool) -> float:
        """The same rate: it depends on time alone."""
        return rate


class Adaptive(BaseEstimator):
    """Large while J falls, small near the minimum: adjusted step by step.

    After an epoch in which J became lower the rate is multiplied by `growth`, after any
    other by `shrink`.

    Parameters
    ----------
    initial : float, default=0.1
        The rate of the first epoch, positive.
    growth : float, default=1.05
        At least 1.
    shrink : float, default=0.5
        Between 0 and 1.
    """

    def __init__(self, initial: float = 0.1, growth: float = 1.05, shrink: float = 0.5):
        self.initial = initial
        self.growth = growth
        self.shrink = shrink

    def check(self) -> None:
        """Raise ValueError for a value that makes no sense."""
        require_positive("initial", self.initial)
        require_positive("growth", self.growth)
        require_positive("shrink", self.shrink)
        if not (self.growth >= 1 and self.shrink < 1):
            raise ValueError(
                "growth must be at least 1 and shrink below 1; got "
                f"growth={self.growth!r}, shrink={self.shrink!r}."
            )

    def after_step(self, rate: float, n_steps: int) -> float:
        """The same rate: it changes with J, which is known after an epoch."""
        return rate

    def after_epoch(self, rate: float, fell: bool) -> float:
        """The rate of the next epoch."""
        return rate * (self.growth if fell else self.shrink)


LearningRate = TimeDecay | Adaptive


def learning_rate_of(value: float | LearningRate) -> LearningRate:
    """A checked learning rate; a number is one that does not decay."""
    if isinstance(value, Real):
        require_positive("learning_rate", value)
    rate = TimeDecay(value, decay=0.0) if isinstance(value, Real) else value
    if not isinstance(rate, LearningRate):
        raise ValueError(
            "learning_rate must be a positive number or a learning rate such as "
            f"TimeDecay(0.1, decay=0.01) or Adaptive(0.1); got {value!r}."
        )
    rate.check()
    return rate


def require_positive(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a positive number."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and 0 < value < float("inf")):
        raise ValueError(f"{name} must be a positive number; got {value!r}.")


def require_fraction(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a number in [0, 1)."""
    if not (isinstance(value, Real) and 0 <= value < 1):
        raise ValueError(f"{name} must be a number in [0, 1); got {value!r}.")
