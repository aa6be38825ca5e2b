"""The pictures of the documentation, drawn from the figures of a report."""

import re
from collections.abc import Callable
from math import isfinite, nan
from pathlib import Path
from statistics import median

import matplotlib
import numpy as np
from drawing import (
    COLOURS,
    LINE,
    STYLE,
    US,
    WIDTH,
    Bar,
    Group,
    bar_chart,
    legend,
    limits,
    seconds_axis,
    str_of,
    subplots,
    ticks,
    title_of,
)
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report import Report, ratio, typical
from timing import Comparison, Curve, Shares

SEVERAL = ("#0072B2", "#E69F00", "#009E73", "#B0558F", "#56B4E9")
MARKERS = "osD^"


def draw(report: Report, folder: Path) -> None:
    """Every picture for which there are figures."""
    with matplotlib.rc_context(STYLE):
        for name, picture in PICTURES.items():
            figure = picture(report)
            if figure is not None:
                metadata = {"Date": None, "Creator": None}
                figure.savefig(folder / f"{name}.svg", metadata=metadata)


def time_to_cost(report: Report) -> Figure | None:
    """Seconds to the last cost: everything in float64, in float32 where PyTorch takes part."""
    groups = cost_groups(report)
    shown = [key for key, rows in groups.items() if "float64" in key or len(rows) > 1]
    return bar_chart([(group_title(key), bars_of(groups[key])) for key in shown])


def readme(report: Report) -> Figure | None:
    """Seconds to the last cost on larger data, and the memory of a fit."""
    groups = cost_groups(report)
    larger = ("MNIST", "letter", "adult", "digits")
    shown = [key for key in groups if key[1] == "float64" and key[0].startswith(larger)]
    shown += [key for key in groups if key[0].startswith("MNIST") and len(groups[key]) > 1]
    bars = [(group_title(key), bars_of(groups[key])) for key in shown]
    memory = [(what, found) for what, found in memory_groups(report) if what.startswith("fit")]
    return bar_chart(bars, memory[:1])


def memory(report: Report) -> Figure | None:
    return bar_chart([], memory_groups(report))


def cost_against_seconds(report: Report) -> Figure | None:
    panels = by_what(report.every(Curve, "cost"))
    if not panels:
        return None
    figure, axes = subplots(len(panels), 2.5)
    for ax, (what, curves) in zip(axes, panels.items(), strict=True):
        for curve in curves:
            ax.plot(curve.seconds, curve.values, lw=2, color=COLOURS[curve.who], label=curve.who)
        low, high = limits(value for curve in curves for value in curve.values)
        ax.set(title=title_of(*what.split(", ")), yscale="log", ylim=(low * 0.9, high * 1.1))
        ax.set_ylabel("J")
        ticks(ax.yaxis, low * 0.9, high * 1.1, str_of)
        seconds_axis(ax, (s for curve in curves for s in curve.seconds))
    axes[-1].set_xlabel("seconds of the fit")
    legend(figure, axes, 3)
    return figure


def accuracy_against_seconds(report: Report) -> Figure | None:
    """The median of the seeds, and each of them thinly; images first, then a table."""
    panels = by_what(report.every(Curve, "accuracy"))
    panels = {k: v for k, v in panels.items() if k.startswith(("MNIST", "letter"))}
    if not panels:
        return None
    figure, axes = subplots(len(panels), 2.8)
    for ax, (what, curves) in zip(axes, panels.items(), strict=True):
        best = max(value for curve in curves for value in curve.values)
        for who in dict.fromkeys(curve.who for curve in curves):
            mine = [curve for curve in curves if curve.who == who]
            for curve in mine:
                ax.plot(curve.seconds, curve.values, lw=0.6, alpha=0.4, color=COLOURS[who])
            n = min(len(curve.seconds) for curve in mine)
            seconds = np.median([curve.seconds[:n] for curve in mine], axis=0)
            values = np.median([curve.values[:n] for curve in mine], axis=0)
            ax.plot(seconds, values, lw=2.2, color=COLOURS[who], label=who)
        # What is below is passed within the first steps.
        ax.set(title=title_of(what), ylim=(best - 1.5 * (1 - best), best + 0.1 * (1 - best)))
        ax.grid(axis="y", color="0.9")
        ax.set_ylabel("test accuracy")
        seconds_axis(ax, (s for curve in curves for s in curve.seconds))
    axes[-1].set_xlabel("seconds of the fit")
    legend(figure, axes, 2)
    return figure


def where_time_goes(report: Report) -> Figure | None:
    """Parts of a fit, and of a pass over the rows, in float64."""
    found = [share for share in report.every(Shares, "profile") if "float64" in share.what]
    kinds = {
        "A whole fit": [share for share in found if share.what.startswith("fit")],
        "A pass over a block of rows, in one thread": [
            share for share in found if share.what.startswith("block")
        ],
    }
    if not all(kinds.values()):
        return None
    figure = Figure((WIDTH, 2.4 + 2.8 * LINE * len(kinds["A whole fit"])), layout="constrained")
    for part, (title, shares) in zip(figure.subfigures(2, 1), kinds.items(), strict=True):
        stacked_bars(part.subplots(), shares)
        handles, names = part.axes[0].get_legend_handles_labels()
        n_columns = 2 if len(names) > 3 else 3
        title_font = {"title": title, "title_fontproperties": {"weight": "bold"}}
        options = {"loc": "outside upper left", "alignment": "left", "ncols": n_columns}
        part.legend(handles=handles, **options, **title_font)
    return figure


def stacked_bars(ax: Axes, shares: list[Shares]) -> None:
    labels = [re.search(r"([^ ,]+) \d+x", share.what)[1] for share in shares]
    # Parts are timed by themselves: where their sum is more than the whole, there is no rest.
    parts = [{name: max(0.0, p) for name, p in share.shares.items()} for share in shares]
    left = np.zeros(len(shares))
    colours = (*SEVERAL[: len(parts[0]) - 1], "0.75")
    for name, colour in zip(parts[0], colours, strict=True):
        widths = np.array([part[name] for part in parts])
        ax.barh(labels, widths, left=left, color=colour, label=name, height=0.75)
        for y, (x, width) in enumerate(zip(left, widths, strict=True)):
            if width >= 0.1:
                ink = "white" if colour == SEVERAL[0] else "black"
                ax.text(x + width / 2, y, f"{width:.0%}", color=ink, ha="center", va="center")
        left += widths
    ax.set(xlim=(0, max(left)), xticks=[])
    ax.invert_yaxis()
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def passes(report: Report) -> Figure | None:
    """Passes over the rows, technique after technique, from the top down."""
    rows = report.every(Comparison, "passes")
    if not rows:
        return None
    names = [*dict.fromkeys(row.peer for row in rows), "and the head start"]
    figure = Figure((WIDTH, 1.1 + 0.33 * len(names)), layout="constrained")
    ax = figure.subplots()
    problems = dict.fromkeys(row.what for row in rows)
    colours = SEVERAL[: len(problems)]
    for colour, marker, what in zip(colours, MARKERS, problems, strict=True):
        mine = [row for row in rows if row.what == what]
        needed = [median(row.theirs) for row in mine] + [median(mine[-1].ours)]
        label = f"{what.split()[0]}: {needed[0]:.0f} to {needed[-1]:.0f}"
        ax.plot(needed, range(len(names)), marker=marker, color=colour, lw=1.2, label=label)
    texts = [re.sub("^and ", "+ ", name.split(",")[0]).replace("mu ", "μ ") for name in names]
    ax.set_yticks(range(len(names)), texts)
    ax.set(ylim=(len(names) - 0.6, -0.4), xlabel="passes over the rows")
    ax.set_xlim(left=0)
    ax.grid(color="0.9")
    ax.tick_params(length=0)
    ax.spines["left"].set_visible(False)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


PICTURES: dict[str, Callable[[Report], Figure | None]] = {
    "readme": readme,
    "time_to_cost": time_to_cost,
    "cost_against_seconds": cost_against_seconds,
    "accuracy_against_seconds": accuracy_against_seconds,
    "memory": memory,
    "where_time_goes": where_time_goes,
    "passes": passes,
}


def cost_groups(report: Report) -> dict[tuple[str, str], list[Comparison]]:
    """By data and their type, a row for each peer: that of the lowest cost."""
    groups: dict[tuple[str, str], dict[str, Comparison]] = {}
    for row in report.every(Comparison, "cost"):
        problem, dtype, *_ = row.parts
        groups.setdefault((problem, dtype), {})[row.peer] = row
    return {key: list(rows.values()) for key, rows in groups.items()}


def group_title(key: tuple[str, str]) -> str:
    return title_of(*key)


def memory_groups(report: Report) -> list[Group]:
    groups = []
    for row in report.every(Comparison, "memory"):
        task = re.search("of (fit|predict_proba)", row.benchmark)[1]
        groups.append((f"{task}, {title_of('', *row.parts)}", bars_of([row])))
    return groups


def bars_of(rows: list[Comparison]) -> list[Bar]:
    """Ours, then each peer's with its ratio to ours."""
    ours, unit = rows[0].ours, rows[0].unit
    bars = [(US, middle(ours), typical(ours, unit))]
    for row in rows:
        text = f"{typical(row.theirs, unit)} · {ratio(row.ratio)}\N{MULTIPLICATION SIGN}"
        bars.append((row.peer, middle(row.theirs), text))
    return bars


def middle(values: list[float]) -> float:
    """The median of what got there."""
    return median([value for value in values if isfinite(value)] or [nan])


def by_what(curves: list[Curve]) -> dict[str, list[Curve]]:
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(curve.what, []).append(curve)
    return groups
