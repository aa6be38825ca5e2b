"""The package requires the versions that it is tested with as the oldest, and no older ones."""

from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

CI = Path(__file__).resolve().parent.parent / ".ci"
OLDEST, OLDEST_DASK = CI / "oldest.txt", CI / "oldest-dask.txt"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")

if not OLDEST.exists():
    pytest.skip("the oldest versions are listed in a checkout", allow_module_level=True)


def pins(path):
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    return [Requirement(line) for line in lines if line]


OLDEST_TESTED = pins(OLDEST)
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


def of_extra(name):
    return [r for r in REQUIRED if r.marker and r.marker.evaluate({"extra": name})]


ALWAYS = [r for r in REQUIRED if r.marker is None]
# onnxruntime reads the files that are written, in any version.
EXTRAS = [r for name in ("plots", "onnx", "skops") for r in of_extra(name) if r.specifier]


@pytest.mark.parametrize("required", ALWAYS + EXTRAS, ids=lambda required: required.name)
def test_the_lower_bound_is_tested(required):
    (bound,) = required.specifier
    assert bound.operator == ">="
    versions = [oldest(required.name, python) for python in PYTHONS]
    assert versions[0] == Version(bound.version)
    assert versions == sorted(versions)


def test_the_extras_with_bounds_are_these():
    assert {r.name for r in EXTRAS} == {"matplotlib", "skl2onnx", "skops"}


def test_the_lower_bounds_of_dask_are_tested():
    tested = {pin.name: str(pin.specifier) for pin in pins(OLDEST_DASK) if pin.marker is None}
    required = of_extra("dask")
    assert {r.name for r in required} == {"dask", "distributed"}
    for requirement in required:
        (bound,) = requirement.specifier
        (pin,) = Requirement(f"{requirement.name}{tested[requirement.name]}").specifier
        assert (bound.operator, pin.operator) == (">=", "==")
        assert Version(bound.version) == Version(pin.version)
