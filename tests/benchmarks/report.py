"""The machine, and the figures as text and as JSON."""

import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from math import inf, isfinite, isnan
from pathlib import Path
from statistics import median

import numpy as np
import scipy
import sklearn
from peers import scikit_learn_precision
from threadpoolctl import threadpool_info
from timing import Comparison, Curve, Result, Shares

import skbackprop

KINDS = {kind.__name__: kind for kind in (Comparison, Shares, Curve)}


@dataclass
class Machine:
    """What the figures were measured on."""

    processor: str
    cores: int
    system: str
    versions: str
    blas: str
    float32: str

    @classmethod
    def this(cls) -> "Machine":
        packages = (skbackprop, sklearn, scipy, np)
        libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
        versions = [f"Python {platform.python_version()}"]
        versions += [f"{package.__name__} {package.__version__}" for package in packages]
        if find_spec("torch"):
            versions.append(f"torch {version('torch')}")
        return cls(
            processor_name(),
            n_cores(),
            platform.system(),
            ", ".join(versions),
            ", ".join(
                sorted(  # they are found in the order in which they were loaded
                    "{internal_api} {version} ({num_threads} threads)".format(**library)
                    for library in libraries
                )
            ),
            f"scikit-learn's L-BFGS computes in {scikit_learn_precision(np.float32)}",
        )

    def __str__(self) -> str:
        return "\n".join(f"{name:>9}: {value}" for name, value in asdict(self).items())


def n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@dataclass
class Report:
    """The machine, and what each benchmark has found on it."""

    machine: Machine
    found: dict[str, list[Result]] = field(default_factory=dict)

    def every(self, kind: type, *benchmarks: str) -> list:
        """The results of a kind, of some benchmarks or of all."""
        names = benchmarks or self.found
        results = (result for name in names for result in self.found.get(name, []))
        return [result for result in results if isinstance(result, kind)]

    def as_text(self) -> Iterator[str]:
        for benchmark, rows in grouped(self.every(Comparison)).items():
            table = [titles(rows[0]), *map(cells, rows)]
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            yield f"\n{benchmark}"
            for line in table:
                padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
                yield "  " + "  ".join(padded).rstrip()
        for share in self.every(Shares):
            listed = ", ".join(f"{name} {part:.0%}" for name, part in share.shares.items())
            yield f"  {share.what}, {quantity(share.seconds, 's')}: {listed}"

    def as_json(self) -> str:
        """A line for each result."""
        machine = json.dumps(asdict(self.machine), indent=1)
        groups = (
            f"{json.dumps(name)}: [\n" + ",\n".join(map(to_json, results)) + "\n]"
            for name, results in self.found.items()
        )
        return f'{{"machine": {machine},\n"found": {{\n' + ",\n".join(groups) + "\n}}\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        content = json.loads(text)
        found = {
            name: [from_json(result) for result in results]
            for name, results in content["found"].items()
        }
        return cls(Machine(**content["machine"]), found)


def to_json(result: Result) -> str:
    """Five digits; what is not finite becomes null."""

    def short(value):
        if isinstance(value, list):
            return [short(v) for v in value]
        if isinstance(value, dict):
            return {key: short(v) for key, v in value.items()}
        if isinstance(value, float):
            return float(f"{value:.5g}") if isfinite(value) else None
        return value

    content = {name: short(value) for name, value in result._asdict().items()}
    return json.dumps({"kind": type(result).__name__} | content, allow_nan=False)


def from_json(content: dict) -> Result:
    fields = {
        name: [inf if v is None else v for v in value] if isinstance(value, list) else value
        for name, value in content.items()
    }
    return KINDS[fields.pop("kind")](**fields)


def grouped(rows: Iterable[Comparison]) -> dict[str, list[Comparison]]:
    groups: dict[str, list[Comparison]] = {}
    for row in rows:
        groups.setdefault(row.benchmark, []).append(row)
    return groups


def titles(row: Comparison) -> tuple[str, ...]:
    """Of the columns of a table with such rows."""
    ratio = "speed-up" if row.unit == "s" else "ratio"
    return "what", "peer", "ours", "theirs", ratio, "range", "pairs", "note"


def cells(row: Comparison) -> tuple[str, ...]:
    return (
        row.what,
        row.peer,
        typical(row.ours, row.unit),
        typical(row.theirs, row.unit),
        ratio(row.ratio),
        *spread(row),
        row.note,
    )


def typical(values: list[float], unit: str) -> str:
    """The median of what got there, and how many did, if not all."""
    got_there = [value for value in values if isfinite(value)]
    if not got_there:
        return "not reached"
    text = quantity(median(got_there), unit)
    n = len(values)
    return text if len(got_there) == n else f"{text} ({len(got_there)} of {n})"


def quantity(value: float, unit: str) -> str:
    """Three digits in a unit in which they can be read."""
    if unit == "s" and value < 0.9995:
        value, unit = (1e3 * value, "ms") if value >= 0.9995e-3 else (1e6 * value, "µs")
    if unit == "passes":
        return f"{value:.0f}"
    return f"{three_digits(value)} {unit}" if unit else f"{value:.5g}"


def three_digits(value: float) -> str:
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def ratio(value: float) -> str:
    if isnan(value):
        return "neither"
    if value == 0.0:
        return "only theirs"
    return three_digits(value) if isfinite(value) else "only ours"


def spread(row: Comparison) -> tuple[str, str]:
    """The range of the ratios of the pairs in which both got there, and how many these are."""
    n = len(row.ours)
    both = [r for r in row.ratios if isfinite(r) and r > 0.0]
    if not both:
        return "", f"0 of {n}"
    pairs = str(n) if len(both) == n else f"{len(both)} of {n}"
    return f"{three_digits(min(both))} to {three_digits(max(both))}" if n > 1 else "", pairs
