"""Learning rates that change during a fit; a plain number is a constant rate."""

from abc import abstractmethod
from math import cos, pi
from numbers import Real

from sklearn.base import BaseEstimator


class LearningRate(BaseEstimator):
    """What the rate of each step is.

    A learning rate carries its options and nothing else. Most follow the time alone and have
    `after_step`; one that follows J has `after_epoch`, and says so.
    """

    # Whether it needs J after each epoch.
    follows_loss = False
    # Whether it needs to know how many steps there will be.
    follows_end = False

    @abstractmethod
    def check(self) -> None:
        """Raise ValueError for a value that makes no sense."""

    @abstractmethod
    def after_step(self, rate: float, n_steps: int, n_total: int) -> float:
        """The rate of the step after `n_steps` steps; of the first one after none.

        Parameters
        ----------
        rate : float
            The rate so far.
        n_steps : int
            Steps so far.
        n_total : int
            Steps in all, up to `max_iter`.
        """

    def after_epoch(self, rate: float, fell: bool) -> float:
        """The rate of the next epoch, after one in which J became lower, or not."""
        return rate


class TimeDecay(LearningRate):
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

    def after_step(self, rate: float, n_steps: int, n_total: int) -> float:
        """The rate after `n_steps` steps."""
        return self.initial / (1.0 + self.decay * n_steps)


class Adaptive(LearningRate):
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

    follows_loss = True

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

    def after_step(self, rate: float, n_steps: int, n_total: int) -> float:
        """The same rate: it changes with J, which is known after an epoch."""
        return rate if n_steps else self.initial

    def after_epoch(self, rate: float, fell: bool) -> float:
        """The rate of the next epoch."""
        return rate * (self.growth if fell else self.shrink)


class Cosine(LearningRate):
    r"""From a peak to almost nothing along a cosine, over all epochs of a fit.

    With T the steps of `max_iter` epochs, of which the first w = `warm_up` T rise to the peak,

    .. math::

        \alpha_t = \alpha_{\max} \begin{cases}
            (t + 1) / (w + 1) & t < w \\
            \tfrac{1}{2} (1 + \cos \pi \tfrac{t - w}{T - w}) & t \ge w
        \end{cases}

    Parameters
    ----------
    peak : float, default=0.1
        The highest rate, positive.
    warm_up : float, default=0.0
        The share of the steps in which the rate rises, in [0, 1).
    """

    follows_end = True

    def __init__(self, peak: float = 0.1, warm_up: float = 0.0):
        self.peak = peak
        self.warm_up = warm_up

    def check(self) -> None:
        """Raise ValueError for a value that makes no sense."""
        require_positive("peak", self.peak)
        require_fraction("warm_up", self.warm_up)

    def after_step(self, rate: float, n_steps: int, n_total: int) -> float:
        """The rate after `n_steps` of `n_total` steps."""
        n_rising = self.warm_up * n_total
        if n_steps < n_rising:
            return self.peak * (n_steps + 1) / (n_rising + 1)
        return self.peak * _falling(n_steps - n_rising, n_total - n_rising)


class OneCycle(LearningRate):
    r"""Up to a peak and down to almost nothing, once, over all epochs of a fit.

    With T the steps of `max_iter` epochs, w = `warm_up` T and
    :math:`c(s) = \tfrac{1}{2} (1 + \cos \pi s)`, which falls from 1 to 0,

    .. math::

        \alpha_t = \begin{cases}
            \alpha_0 + (\alpha_{\max} - \alpha_0) (1 - c(t / w)) & t < w \\
            \alpha_{\max} \, c((t - w) / (T - w)) & t \ge w
        \end{cases}
        \qquad \alpha_0 = \alpha_{\max} / \mathrm{div}

    A high rate in the middle goes far and does not stay in a narrow minimum; the fall at the end
    settles. It is the quickest way to a good score in a few epochs.

    Parameters
    ----------
    peak : float, default=0.1
        The highest rate, positive; about as high as a fit bears.
    warm_up : float, default=0.3
        The share of the steps in which the rate rises, in [0, 1).
    div : float, default=25.0
        How many times smaller the first rate is, at least 1.

    References
    ----------
    L. N. Smith and N. Topin, "Super-convergence: very fast training of neural networks using
    large learning rates", 2019.
    """

    follows_end = True

    def __init__(self, peak: float = 0.1, warm_up: float = 0.3, div: float = 25.0):
        self.peak = peak
        self.warm_up = warm_up
        self.div = div

    def check(self) -> None:
        """Raise ValueError for a value that makes no sense."""
        require_positive("peak", self.peak)
        require_fraction("warm_up", self.warm_up)
        require_positive("div", self.div)
        if self.div < 1:
            raise ValueError(f"div must be at least 1; got {self.div!r}.")

    def after_step(self, rate: float, n_steps: int, n_total: int) -> float:
        """The rate after `n_steps` of `n_total` steps."""
        n_rising = self.warm_up * n_total
        if n_steps < n_rising:
            first = self.peak / self.div
            return self.peak - (self.peak - first) * _falling(n_steps, n_rising)
        return self.peak * _falling(n_steps - n_rising, n_total - n_rising)


def _falling(n_steps: float, n_total: float) -> float:
    """From 1 to 0 along a half wave of a cosine."""
    return 0.5 * (1.0 + cos(pi * min(n_steps / n_total, 1.0)))


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
