"""What the pictures have in common: style, axes, bars.

They are as narrow as a phone, so that their letters can be read there, and white, so that they
can be seen on a dark page.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor, isfinite, log10

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from report import quantity

US = "skbackprop"
STYLE = {
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.6",
    "figure.facecolor": "white",
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.columnspacing": 1.2,
    "xtick.color": "0.25",
    "ytick.color": "0.25",
    "svg.fonttype": "none",  # letters stay letters
    "svg.hashsalt": "figures",  # the same file each time
}
WIDTH = 4.7  # inches: 451 pixels of a browser
LINE = 0.21  # the height of a bar
COLOURS = {
    US: "#0072B2",
    "scikit-learn": "#E69F00",
    "PyTorch": "#B0558F",
    "our default L-BFGS": "#0072B2",
    "our short one-cycle Adam": "#56B4E9",
    "our one-cycle Adam": "#009E73",
    "scikit-learn's Adam": "#E69F00",
    "PyTorch's Adam": "#B0558F",
}
# A bar: who, how much, and what is written on it. A group of them has a title.
Bar = tuple[str, float, str]
Group = tuple[str, list[Bar]]


def bar_chart(times: Sequence[Group], amounts: Sequence[Group] = ()) -> Figure | None:
    """Times on a log scale, amounts of memory below on a linear one."""
    panels = [groups for groups in (times, amounts) if groups]
    if not panels:
        return None
    heights = [LINE * sum(len(bars) + 1.4 for _, bars in groups) for groups in panels]
    figure = Figure((WIDTH, sum(heights) + 0.55 * len(panels) + 0.3), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, groups in zip(axes, panels, strict=True):
        y = 0.0
        values = [value for _, bars in groups for _, value, _ in bars if isfinite(value)]
        low, high = limits(values)
        low = low / 3 if groups is times else 0.0
        for title, bars in groups:
            ax.annotate(title, (0, y), xycoords=("axes fraction", "data"), va="center")
            for who, value, text in bars:
                y += 1.0
                value = value if isfinite(value) else low  # nobody got there: no bar
                ax.barh(y, value - low, left=low, height=0.9, color=COLOURS[who])
                place = {"xytext": (3, 0), "textcoords": "offset points", "va": "center"}
                ax.annotate(text, (value, y), fontweight="bold", **place)
            y += 1.4
        ax.set_ylim(y - 0.6, -0.7)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        if groups is times:
            ax.set(xscale="log", xlim=(low, high * (high / low) ** 0.5))
            ticks(ax.xaxis, low, high * 1.5, short_quantity)
            ax.set_xlabel("time to the same cost, log scale")
        else:
            ax.set_xlim(0, high * 1.5)
            ax.set_xlabel("MB at the peak, beyond the data or the result")
    who = dict.fromkeys(name for groups in panels for _, bars in groups for name, _, _ in bars)
    handles = [Patch(color=COLOURS[name], label=name) for name in who]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    return figure


def title_of(problem: str, *rest: str) -> str:
    """Such as "MNIST, 60000 rows, float64"."""
    parts = [problem, *rest]
    shape = re.compile(r"(?:^|(?<= ))(\d+)x[\d-]+")
    words = [shape.sub(r"\1 rows", part) for part in parts if part]
    return ", ".join(re.sub(r"(?<=\w) (?=\d+ rows)", ", ", word) for word in words)


def subplots(n: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure((WIDTH, 0.4 + n * height), layout="constrained")
    return figure, [*figure.subplots(n, 1, squeeze=False)[:, 0]]


def legend(figure: Figure, axes: list[Axes], n_columns: int) -> None:
    """One for all panels, each name once."""
    lines = {line.get_label(): line for ax in axes for line in ax.get_legend_handles_labels()[0]}
    handles = [Line2D([], [], color=line.get_color(), lw=3, label=n) for n, line in lines.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=n_columns)


def seconds_axis(ax: Axes, seconds: Iterable[float]) -> None:
    low, high = limits(seconds)
    ax.set(xscale="log", xlim=(low * 0.9, high * 1.1))
    ticks(ax.xaxis, low * 0.9, high * 1.1, str_of)


def ticks(axis, low: float, high: float, text: Callable[[float], str]) -> None:
    """At powers of ten, and between if these are few; the same whatever matplotlib thinks."""
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    steps = (1,) if log10(high / low) > 2.5 else (1, 3) if log10(high / low) > 1.2 else (1, 2, 5)
    places = [float(f"{step}e{k}") for k in decades for step in steps]
    places = [place for place in places if low <= place <= high]
    axis.set_ticks(places, [text(place) for place in places])
    axis.set_ticks([], minor=True)


def limits(values: Iterable[float]) -> tuple[float, float]:
    values = list(values)
    return min(values), max(values)


def str_of(value: float) -> str:
    return f"{value:g}"


def short_quantity(value: float) -> str:
    """Without decimals: "10 ms"."""
    return quantity(value, "s").replace(".00", "").replace(".0", "")
