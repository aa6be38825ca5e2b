"""The defaults that docstrings state are those of the signatures."""

import ast
import inspect
import re

import pytest

import skbackprop
import skbackprop.callbacks
import skbackprop.display
import skbackprop.solvers
from skbackprop.solvers import SOLVERS

MODULES = [skbackprop, skbackprop.solvers, skbackprop.display, skbackprop.callbacks]
CALLABLES = {
    name: value
    for module in MODULES
    for name, value in vars(module).items()
    if callable(value) and getattr(value, "__module__", "").startswith("skbackprop")
}
METHODS = {
    f"{owner}.{name}": method
    for owner, value in CALLABLES.items()
    if inspect.isclass(value)
    for name, method in inspect.getmembers(value, inspect.isfunction)
    if not name.startswith("_") and method.__module__.startswith("skbackprop")
}
# "name : type, default=value"; names may be several. A value goes up to the end of the line.
STATED = re.compile(r"^(\w+(?:, \w+)*) : .*default=(.+)$", re.MULTILINE)
DEFAULTS = [
    pytest.param(function, name, value, id=f"{label}-{name}")
    for label, function in {**CALLABLES, **METHODS}.items()
    for names, value in STATED.findall(inspect.getdoc(function) or "")
    for name in names.split(", ")
]


@pytest.mark.parametrize(("function", "name", "value"), DEFAULTS)
def test_the_default_is_the_one_that_is_documented(function, name, value):
    default = inspect.signature(function).parameters[name].default
    assert default == ast.literal_eval(value)
    assert isinstance(default, bool) == (value in ("True", "False"))


def test_the_estimator_and_the_solvers_state_defaults():
    stated = {case.id.split("-")[0] for case in DEFAULTS}
    assert {"BackpropClassifier", "TimeDecay", "Adaptive", "Cosine", "OneCycle"} <= stated
    assert {solver.__name__ for solver in SOLVERS.values()} <= stated
