"""What the documentation takes from a report: pictures, tables, numbers in its sentences.

A page includes the tables and, as substitutions, the numbers; README.md has its numbers between
comments with their names.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict
from math import isfinite
from pathlib import Path

import pictures
from report import Report, cells, grouped, quantity, ratio, titles, typical
from time_to_accuracy import DEFAULT, LONG, SHORT, ends
from timing import Comparison, Curve, Shares

ROOT = Path(__file__).resolve().parents[2]

# A name in a sentence, and the row that its numbers come from: the benchmark, how its data
# begin, what else tells the row apart, the peer. Of several rows it is the last.
NAMES = {
    "MNIST": ("cost", "MNIST", ["float64"], "scikit-learn"),
    "MNIST float32": ("cost", "MNIST", ["float32"], "scikit-learn"),
    "MNIST PyTorch": ("cost", "MNIST", ["float32"], "PyTorch"),
    "letter": ("cost", "letter-like", ["float64"], "scikit-learn"),
    "adult": ("cost", "adult-like", ["float64"], "scikit-learn"),
    "digits": ("cost", "digits", ["float64"], "scikit-learn"),
    "iris": ("cost", "iris", ["float64"], "scikit-learn"),
    "wine": ("cost", "wine", ["float64"], "scikit-learn"),
    "recipe": ("accuracy", "MNIST", ["0.975", SHORT], "scikit-learn's Adam"),
    "recipe PyTorch": ("accuracy", "MNIST", ["0.975", SHORT], "PyTorch's Adam"),
    "long recipe": ("accuracy", "MNIST", ["0.98", LONG], "scikit-learn's Adam"),
    "default": ("accuracy", "MNIST", ["0.975", DEFAULT], "scikit-learn's Adam"),
    "memory": ("memory", "200000", ["float64"], "scikit-learn"),
    "memory of a prediction": ("memory", "60000", ["float64"], "scikit-learn"),
    "search": ("grid", "digits", ["defaults"], "scikit-learn"),
    "coarse search": ("grid", "digits", ["tol=1e-3"], "scikit-learn"),
    "products": ("evaluation", "MNIST", ["float64"], "bare products"),
    "products float32": ("evaluation", "MNIST", ["float32"], "bare products"),
}


def write(report: Report, folder: Path) -> None:
    """All files of a folder such as docs/figures; for that folder README.md, too."""
    folder.mkdir(exist_ok=True)
    pictures.draw(report, folder)
    for name, text in pages(report).items():
        (folder / f"{name}.inc").write_text(text + "\n")
    if folder.resolve() == ROOT / "docs" / "figures":
        readme = ROOT / "README.md"
        readme.write_text(with_numbers(readme.read_text(), numbers(report)))


def pages(report: Report) -> dict[str, str]:
    substitutions = (f".. |{name}| replace:: {text}" for name, text in numbers(report).items())
    machine = asdict(report.machine).items()
    pages = {
        "numbers": "\n".join(substitutions),
        "machine": ".. code-block:: text\n\n" + "\n".join(f"   {k}: {v}" for k, v in machine),
    }
    for name in report.found:
        tables = accuracy_table(report) if name == "accuracy" else tables_of(report, name)
        pages[name] = "\n".join(tables)
    return pages


def numbers(report: Report) -> dict[str, str]:
    found = {}
    for name, (benchmark, problem, parts, peer) in NAMES.items():
        rows = [
            row
            for row in report.every(Comparison, benchmark)
            if row.what.startswith(problem) and row.peer == peer and {*parts} <= {*row.parts}
        ]
        if not rows:
            continue
        row = rows[-1]
        found[f"{name} ours"] = typical(row.ours, row.unit)
        found[f"{name} theirs"] = typical(row.theirs, row.unit)
        found[f"{name} speed-up"] = ratio(row.ratio)
        found[f"{name} starts"] = starts(row)
        found[f"{name} note"] = row.note
    return {name: text for name, text in found.items() if text}


def starts(row: Comparison) -> str:
    got_there = sum(map(isfinite, row.ours))
    n = len(row.ours)
    return f"all {n} starts" if got_there == n else f"{got_there} of {n} starts"


def with_numbers(text: str, numbers: dict[str, str]) -> str:
    """A text with the present numbers between their comments."""

    def present(match: re.Match) -> str:
        return f"{match[1]}{numbers.get(match[2], match[3])}{match[4]}"

    return re.sub(r"(<!--= (.*?) -->)(.*?)(<!--/-->)", present, text)


def tables_of(report: Report, name: str) -> Iterator[str]:
    for benchmark, rows in grouped(report.every(Comparison, name)).items():
        n_columns = 8 if any(row.note for row in rows) else 7
        lines = [titles(rows[0]), *map(cells, rows)]
        # The name of a method stays as it is.
        title = benchmark if "_" in benchmark.split()[0] else benchmark[0].upper() + benchmark[1:]
        yield from table(title, [line[:n_columns] for line in lines])
    shares = report.every(Shares, name)
    for kind in dict.fromkeys(share.what.split()[0] for share in shares):
        mine = [share for share in shares if share.what.startswith(kind)]
        lines = [("what", "precision", "time", *mine[0].shares)]
        for share in mine:
            dtype = re.search("float64|float32", share.what)[0]
            what = share.what.replace(f", {dtype}", "")
            parts = (f"{part:.0%}" for part in share.shares.values())
            lines.append((what, dtype, quantity(share.seconds, "s"), *parts))
        yield from table(f"Where the time of a {kind} goes", lines)


def accuracy_table(report: Report) -> Iterator[str]:
    """A column for each contestant instead of a row for each pair of them."""
    rows = report.every(Comparison, "accuracy")
    curves = report.every(Curve, "accuracy")
    who = list(dict.fromkeys(curve.who for curve in curves))
    lines = [("rows to fit", "test accuracy", *who)]
    for what in dict.fromkeys(curve.what for curve in curves):
        marks = dict.fromkeys(row.parts[1] for row in rows if row.what.startswith(what))
        mine = {name: [c for c in curves if (c.what, c.who) == (what, name)] for name in who}
        for mark in marks:
            times = ([c.reached(float(mark)) for c in mine[name]] for name in who)
            lines.append((what, mark, *(typical(found, "s") for found in times)))
        lines.append((what, "at the end", *(ends(mine[name]) for name in who)))
    yield from table("Time to an accuracy on test rows", lines)


def table(title: str, lines: list[tuple[str, ...]]) -> Iterator[str]:
    """A list-table in a dropdown."""
    kind = "measured noted" if lines[0][-1] == "note" else "measured"
    yield f".. dropdown:: {title}\n"
    yield f"   .. list-table::\n      :header-rows: 1\n      :class: {kind}\n"
    for line in lines:
        yield "      * " + "\n        ".join(f"- {cell}".rstrip() for cell in line)
    yield ""
