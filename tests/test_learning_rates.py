"""The options of learning rates; what they do in a fit is in test_solvers.py."""

import math
import sys

import pytest

from skbackprop.solvers import Adaptive, Cosine, OneCycle, TimeDecay
from skbackprop.solvers.learning_rates import learning_rate_of


@pytest.mark.parametrize(
    "rate",
    [
        math.ulp(0.0),
        0.5,
        1,
        sys.float_info.max,
        TimeDecay(0.1, decay=0),
        TimeDecay(0.1, decay=math.ulp(0.0)),
        Adaptive(growth=1),
        Adaptive(shrink=math.nextafter(1, 0)),
        Adaptive(shrink=math.ulp(0.0)),
        Cosine(warm_up=0),
        Cosine(warm_up=math.nextafter(1, 0)),
        OneCycle(div=1),
    ],
    ids=repr,
)
def test_options_up_to_their_limits(rate):
    checked = learning_rate_of(rate)
    assert checked is rate or checked.after_step(math.nan, 0, 10) == rate


@pytest.mark.parametrize(
    ("rate", "match"),
    [
        *((value, "learning_rate must be a positive") for value in (0, -0.5, math.inf, math.nan)),
        *((value, "learning_rate must be a positive") for value in (True, False)),
        *((value, "learning_rate must be") for value in ("adaptive", None, 0.1j, [0.1])),
        (TimeDecay(0.0), "initial"),
        (TimeDecay(0.1, decay=-math.ulp(0.0)), "decay"),
        (TimeDecay(0.1, decay=math.inf), "decay"),
        (Adaptive(0), "initial"),
        (Adaptive(growth=math.nextafter(1, 0)), "growth"),
        (Adaptive(growth=math.inf), "growth"),
        (Adaptive(shrink=1), "shrink"),
        (Adaptive(shrink=0), "shrink"),
        (Cosine(0), "peak"),
        (Cosine(warm_up=1), "warm_up"),
        (Cosine(warm_up=-math.ulp(0.0)), "warm_up"),
        (Cosine(warm_up="0.1"), "warm_up"),
        (OneCycle(0), "peak"),
        (OneCycle(warm_up=1), "warm_up"),
        (OneCycle(div=math.nextafter(1, 0)), "div"),
        (OneCycle(div=math.inf), "div"),
    ],
    ids=repr,
)
def test_options_beyond_their_limits(rate, match):
    with pytest.raises(ValueError, match=match):
        learning_rate_of(rate)


def test_a_number_is_a_constant_rate():
    rate = learning_rate_of(0.3)
    assert [rate.after_step(math.nan, t, 10) for t in (0, 1, 10**9)] == [0.3] * 3
    assert rate.after_epoch(0.3, fell=True) == rate.after_epoch(0.3, fell=False) == 0.3
    assert (rate.follows_loss, rate.follows_end) == (False, False)


def test_time_decay_halves_after_one_over_decay_steps():
    assert TimeDecay(0.8, decay=0.25).after_step(math.nan, 4, 10) == 0.4
    assert TimeDecay(0.8, decay=0.25).after_step(math.nan, 12, 10) == 0.2


def test_adaptive_starts_anew_and_follows_j():
    rate = Adaptive(0.5, growth=1.5, shrink=0.25)
    assert rate.after_step(0.1, 0, 10) == 0.5
    assert rate.after_step(0.1, 1, 10) == rate.after_step(0.1, 2, 10) == 0.1
    assert rate.after_epoch(0.5, fell=True) == 0.75
    assert rate.after_epoch(0.5, fell=False) == 0.125


def test_what_a_rate_depends_on_besides_the_steps():
    rates = [TimeDecay(), Adaptive(), Cosine(), OneCycle()]
    assert [rate.follows_loss for rate in rates] == [False, True, False, False]
    assert [rate.follows_end for rate in rates] == [False, False, True, True]
