"""The package requires the versions that it is tested with as the oldest, and no older ones."""

from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

OLDEST = Path(__file__).resolve().parent.parent / ".ci" / "oldest.txt"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")

if not OLDEST.exists():
    pytest.skip("the oldest versions are listed in a checkout", allow_module_level=True)

LINES = [line.partition("#")[0].strip() for line in OLDEST.read_text().splitlines()]
OLDEST_TESTED = [Requirement(line) for line in LINES if line]
REQUIRED = [Requirement(line) for line in requires("skbackprop")]


def oldest(name, python):
    """The version that is tested with a Python: exactly one, given by ==."""
    (requirement,) = (
        tested
        for tested in OLDEST_TESTED
        if tested.name == name
        and (tested.marker is None or tested.marker.evaluate({"python_version": python}))
    )
    (pin,) = requirement.specifier
    assert pin.operator == "=="
    return Version(pin.version)


@pytest.mark.parametrize(
    "required", [r for r in REQUIRED if r.marker is None], ids=lambda required: required.name
)
def test_the_lower_bound_is_tested(required):
    (bound,) = required.specifier
    assert bound.operator == ">="
    versions = [oldest(required.name, python) for python in PYTHONS]
    assert versions[0] == Version(bound.version)
    assert versions == sorted(versions)
