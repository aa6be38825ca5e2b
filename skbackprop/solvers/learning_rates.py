"""Learning rates that change during a fit; a plain number is a constant rate."""

from abc import abstractmethod
from math import cos, pi
from numbers import Real

from sklearn.base import BaseEstimator


class LearningRate(BaseEstimator):
    """Base class of learning rates that change during a fit.

    A learning rate stores its options and no other state. `after_step` returns the rate of the
    next step. A rate that depends on J also overrides `after_epoch` and sets `follows_loss`; one
    that depends on the total number of steps sets `follows_end`.
    """

    # Whether it depends on J after each epoch.
    follows_loss = False
    # Whether it depends on the total number of steps.
    follows_end = False

    @abstractmethod
    def check(self) -> None:
        """Raise ValueError if an option is invalid."""

    @abstractmethod
    def after_step(self, rate: float, n_steps: int, n_total: int) -> float:
        """The rate of the next step, after `n_steps` steps.

        Parameters
        ----------
        rate : float
            The rate of the previous step.
        n_steps : int
            Number of steps so far; 0 before the first.
        n_total : int
            Number of steps of `max_iter` epochs.

        Returns
        -------
        rate : float
        """

    def after_epoch(self, rate: float, fell: bool) -> float:
        """The rate of the next epoch.

        Parameters
        ----------
        rate : float
            The rate of the last step.
        fell : bool
            Whether J decreased in the last epoch.

        Returns
        -------
        rate : float
        """
        return rate


class TimeDecay(LearningRate):
    """``initial / (1 + decay * t)`` after t steps.

    Parameters
    ----------
    initial : float, default=0.1
        The rate of the first step, positive.
    decay : float, default=0.01
        How fast the rate decreases, at least 0.
    """

    def __init__(self, initial: float = 0.1, decay: float = 0.01):
        self.initial = initial
        self.decay = decay

    def check(self) -> None:
        """Raise ValueError if an option is invalid."""
        require_positive("initial", self.initial)
        if self.decay != 0:
            require_positive("decay", self.decay)

    def after_step(self, rate: float, n_steps: int, n_total: int) -> float:
        """The rate after `n_steps` steps."""
        return self.initial / (1.0 + self.decay * n_steps)


class Adaptive(LearningRate):
    """Grows while J decreases and shrinks when it does not.

    After an epoch in which J decreased the rate is multiplied by `growth`, after any other by
    `shrink`.

    Parameters
    ----------
    initial : float, default=0.1
        The rate of the first epoch, positive.
    growth : float, default=1.05
        The factor after an epoch in which J decreased, at least 1.
    shrink : float, default=0.5
        The factor after any other epoch, between 0 and 1.
    """

    follows_loss = True

    def __init__(self, initial: float = 0.1, growth: float = 1.05, shrink: float = 0.5):
        self.initial = initial
        self.growth = growth
        self.shrink = shrink

    def check(self) -> None:
        """Raise ValueError if an option is invalid."""
        require_positive("initial", self.initial)
        require_positive("growth", self.growth)
        require_positive("shrink", self.shrink)
        if not (self.growth >= 1 and self.shrink < 1):
            raise ValueError(
                "growth must be at least 1 and shrink below 1; got "
                f"growth={self.growth!r}, shrink={self.shrink!r}."
            )

    def after_step(self, rate: float, n_steps: int, n_total: int) -> float:
        """The same rate: it changes only after an epoch."""
        return rate if n_steps else self.initial

    def after_epoch(self, rate: float, fell: bool) -> float:
        """The rate of the next epoch."""
        return rate * (self.growth if fell else self.shrink)


class Cosine(LearningRate):
    r"""Decreases from a peak to almost 0 along a cosine, over all epochs of a fit.

    With T the number of steps of `max_iter` epochs, and a rise to the peak in the first
    w = `warm_up` T steps,

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
        The fraction of the steps in which the rate rises, in [0, 1).
    """

    follows_end = True

    def __init__(self, peak: float = 0.1, warm_up: float = 0.0):
        self.peak = peak
        self.warm_up = warm_up

    def check(self) -> None:
        """Raise ValueError if an option is invalid."""
        require_positive("peak", self.peak)
        require_fraction("warm_up", self.warm_up)

    def after_step(self, rate: float, n_steps: int, n_total: int) -> float:
        """The rate after `n_steps` of `n_total` steps."""
        n_rising = self.warm_up * n_total
        if n_steps < n_rising:
            return self.peak * (n_steps + 1) / (n_rising + 1)
        return self.peak * _falling(n_steps - n_rising, n_total - n_rising)


class OneCycle(LearningRate):
    r"""Rises to a peak and decreases to almost 0, once, over all epochs of a fit.

    With T the number of steps of `max_iter` epochs, w = `warm_up` T and
    :math:`c(s) = \tfrac{1}{2} (1 + \cos \pi s)`, which falls from 1 to 0,

    .. math::

        \alpha_t = \begin{cases}
            \alpha_0 + (\alpha_{\max} - \alpha_0) (1 - c(t / w)) & t < w \\
            \alpha_{\max} \, c((t - w) / (T - w)) & t \ge w
        \end{cases}
        \qquad \alpha_0 = \alpha_{\max} / \mathrm{div}

    The high rate in the middle makes fast progress and leaves narrow minima; the decrease at the
    end lets the parameters converge. This gives a good score in few epochs.

    Parameters
    ----------
    peak : float, default=0.1
        The highest rate, positive; about the highest with which J does not diverge.
    warm_up : float, default=0.3
        The fraction of the steps in which the rate rises, in [0, 1).
    div : float, default=25.0
        The peak divided by the first rate, at least 1.

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
        """Raise ValueError if an option is invalid."""
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
    """Decreases from 1 to 0 along half a period of a cosine."""
    return 0.5 * (1.0 + cos(pi * min(n_steps / n_total, 1.0)))


def learning_rate_of(value: float | LearningRate) -> LearningRate:
    """A checked learning rate; for a number, a constant one."""
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
