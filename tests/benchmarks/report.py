"""The machine, and the tables: for a terminal, for the documentation, as JSON."""

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import scipy
import sklearn
from peers import scikit_learn_precision
from threadpoolctl import threadpool_info
from timing import Comparison, Shares

import skbackprop

COLUMNS = ("what", "peer", "ours", "theirs", "times less", "min..max", "note")


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
        return cls(
            processor_name(),
            n_cores(),
            platform.system(),
            ", ".join(
                [
                    f"Python {platform.python_version()}",
                    *(f"{package.__name__} {package.__version__}" for package in packages),
                ]
            ),
            ", ".join(
                "{internal_api} {version} ({num_threads} threads)".format(**library)
                for library in libraries
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


def quantity(value: float, unit: str) -> str:
    """Three digits in a unit in which they can be read."""
    if not np.isfinite(value):
        return "never"
    if unit == "s" and value < 1.0:
        value, unit = (1e3 * value, "ms") if value >= 1e-3 else (1e6 * value, "µs")
    if unit == "passes":
        return f"{value:.0f}"
    if not unit:
        return f"{value:.5g}"
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def cells(row: Comparison) -> tuple[str, ...]:
    return (
        row.what,
        row.peer,
        quantity(float(np.median(row.ours)), row.unit),
        quantity(float(np.median(row.theirs)), row.unit),
        f"{row.ratio:.2f}",
        f"{min(row.ratios):.2f}..{max(row.ratios):.2f}",
        row.note,
    )


def grouped(rows: list[Comparison]) -> dict[str, list[Comparison]]:
    groups: dict[str, list[Comparison]] = {}
    for row in rows:
        groups.setdefault(row.benchmark, []).append(row)
    return groups


def as_text(rows: list[Comparison]) -> Iterator[str]:
    for benchmark, group in grouped(rows).items():
        table = [COLUMNS, *map(cells, group)]
        widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
        yield f"\n{benchmark}"
        for line in table:
            padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            yield "  " + "  ".join(padded).rstrip()


def as_rst(rows: list[Comparison]) -> Iterator[str]:
    for benchmark, group in grouped(rows).items():
        title = benchmark[0].upper() + benchmark[1:]
        yield f"\n.. list-table:: {title}\n   :header-rows: 1\n   :class: figures\n"
        n_columns = len(COLUMNS) - (not any(row.note for row in group))
        for line in (COLUMNS, *map(cells, group)):
            yield "   * - " + "\n     - ".join(line[:n_columns])


def as_json(machine: Machine, rows: list[Comparison], shares: list[Shares]) -> str:
    content = {
        "machine": asdict(machine),
        "comparisons": [row._asdict() for row in rows],
        "profile": [share._asdict() for share in shares],
    }
    return json.dumps(content, indent=1)


def from_json(text: str) -> tuple[Machine, list[Comparison], list[Shares]]:
    content = json.loads(text)
    return (
        Machine(**content["machine"]),
        [Comparison(**row) for row in content["comparisons"]],
        [Shares(**share) for share in content["profile"]],
    )
