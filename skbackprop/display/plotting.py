"""What the displays share: the late import of matplotlib, and what they take."""

from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def require_matplotlib(display: object) -> None:
    """Say what to install where matplotlib is absent.

    Raises
    ------
    ImportError
        If matplotlib cannot be imported.
    """
    try:
        import matplotlib.pyplot  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__}.plot needs matplotlib, which cannot be imported. It is in "
            'the extra "plots": pip install "skbackprop[plots]"'
        ) from error


def axes_or_new(ax: "Axes | None", figsize: tuple[float, float] | None = None) -> "Axes":
    """The axes that were given, or those of a new figure."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def check_network_estimator(estimator: Any, display: type) -> None:
    """See that the attributes of a fitted classifier are there.

    Raises
    ------
    TypeError
        If it is something else, such as a pipeline around the classifier.
    NotFittedError
        If it is not fitted.
    """
    if not hasattr(estimator, "init_epsilon"):
        raise TypeError(
            f"{display.__name__}.from_estimator needs a fitted BackpropClassifier; got "
            f"{type(estimator).__name__}. It is the last step of a pipeline, pipeline[-1], and "
            "the best_estimator_ of a search."
        )
    check_is_fitted(estimator, "theta_")


def number(value: float, spec: str) -> str:
    """A number with the minus sign that matplotlib has on its axes."""
    return format(value, spec).replace("-", "\N{MINUS SIGN}")
