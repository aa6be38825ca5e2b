"""Helpers of the displays: the late import of matplotlib, axes, number formats."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def require_matplotlib(display: object) -> None:
    """Check that matplotlib can be imported.

    Raises
    ------
    ImportError
        If it cannot, with what to install.
    """
    try:
        import matplotlib.pyplot  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__}.plot needs matplotlib, which cannot be imported: "
            'pip install matplotlib (it is also in the extra "plots")'
        ) from error


def axes_or_new(ax: "Axes | None", figsize: tuple[float, float] | None = None) -> "Axes":
    """The given axes, or those of a new figure."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def number(value: float, spec: str) -> str:
    """Format a number with the minus sign that matplotlib uses on its axes."""
    return format(value, spec).replace("-", "\N{MINUS SIGN}")
