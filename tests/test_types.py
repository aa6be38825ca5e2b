"""Names and signatures as editors show them; `typed_usage.py` has what type checkers see."""

import inspect
from typing import get_args

import pytest

from skbackprop import BackpropClassifier, Network, Objective
from skbackprop.activations import ACTIVATIONS, ActivationName
from skbackprop.losses import LOSSES, LossName, OutputName
from skbackprop.penalties import PENALTIES, PenaltyName
from skbackprop.solvers import SOLVERS, SolverName


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (ActivationName, ACTIVATIONS),
        (PenaltyName, PENALTIES),
        (SolverName, SOLVERS),
        (OutputName, dict.fromkeys(output for output, _ in LOSSES)),
        (LossName, dict.fromkeys(loss for _, loss in LOSSES)),
    ],
)
def test_type_checkers_know_the_names_of_the_tables(names, known):
    assert list(get_args(names)) == list(known)


@pytest.mark.parametrize(
    "function",
    [
        BackpropClassifier,
        BackpropClassifier.fit,
        BackpropClassifier.partial_fit,
        Network,
        Network.unroll,
        Objective,
    ],
)
def test_help_shows_each_parameter_on_a_line(function):
    # Without spelling out what numpy.typing.ArrayLike stands for.
    for parameter in inspect.signature(function).parameters.values():
        assert len(str(parameter)) < 80
