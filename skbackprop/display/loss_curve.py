"""`LossCurveDisplay`: plot of J and of the validation cost after each iteration."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skbackprop.display.fitted import fitted
from skbackprop.display.plotting import axes_or_new, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LossCurveDisplay:
    """Plot of the cost after each iteration of a fit.

    A solid line shows J on the training examples, which includes the penalty. If the fit had
    validation examples, a dashed line of the same colour shows the cost on them, without the
    penalty. With early stopping, a dot marks the iteration whose parameters were kept: that of
    the lowest validation cost.

    Parameters
    ----------
    loss_curve : sequence of float
        J after each iteration.
    validation_loss_curve : sequence of float, default=()
        Cost on the validation examples after each iteration; empty if there are none.
    kept_iteration : int, optional
        The iteration whose parameters were kept, counted from 1; it is marked on the last line.
    name : str, optional
        Name of the fit in the legend, to distinguish several fits in one plot.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The line of J and, if present, the line of the validation cost.
    kept_ : matplotlib Line2D or None
        The dot at the iteration that was kept, if any.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of examples.
    sklearn.model_selection.ValidationCurveDisplay : Scores against a parameter, such as lambda.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skbackprop import BackpropClassifier
    >>> from skbackprop.display import LossCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = BackpropClassifier(5, random_state=0)
    >>> clf = clf.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    >>> display = LossCurveDisplay.from_estimator(clf)
    >>> [line.get_label() for line in display.lines_]
    ['J, training (with penalty)', 'cost, validation (no penalty)']
    """

    def __init__(
        self,
        loss_curve: Sequence[float],
        *,
        validation_loss_curve: Sequence[float] = (),
        kept_iteration: int | None = None,
        name: str | None = None,
    ):
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.kept_iteration = kept_iteration
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        name: str | None = None,
        ax: "Axes | None" = None,
        validation_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> "LossCurveDisplay":
        """Draw the curves of a fitted classifier.

        Parameters
        ----------
        estimator : BackpropClassifier, Pipeline or search
            A classifier fitted with any solver, or a fitted pipeline or search (such as
            :class:`~sklearn.model_selection.GridSearchCV`) around one: the last step or the
            best estimator is drawn.
        name : str, optional
            Name of the fit in the legend.
        ax : matplotlib Axes, optional
            The axes to draw in; a new figure if None.
        validation_kwargs : dict, optional
            Keyword arguments for the line of the validation cost only.
        **kwargs : dict
            Keyword arguments for matplotlib's `plot`, for both lines.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        TypeError
            If `estimator` is neither a BackpropClassifier nor a pipeline or a search around one.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If a search was run with ``refit=False``.
        """
        clf = fitted(estimator, cls).classifier
        display = cls(
            clf.loss_curve_,
            validation_loss_curve=clf.validation_loss_curve_,
            kept_iteration=kept_iteration(clf) if clf.early_stopping else None,
            name=name,
        )
        return display.plot(ax, validation_kwargs=validation_kwargs, **kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        validation_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> "LossCurveDisplay":
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            The axes to draw in; a new figure if None.
        validation_kwargs : dict, optional
            Keyword arguments for the line of the validation cost only.
        **kwargs : dict
            Keyword arguments for matplotlib's `plot`, for both lines.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.
        """
        require_matplotlib(self)
        self.ax_ = ax = axes_or_new(ax)
        self.figure_ = ax.figure
        prefix = "" if self.name is None else f"{self.name}: "

        style = {"label": f"{prefix}J, training (with penalty)", **kwargs}
        self.lines_: list[Any] = ax.plot(iterations(self.loss_curve), self.loss_curve, **style)
        if len(self.validation_loss_curve):
            style = {"color": self.lines_[0].get_color(), "linestyle": "--", **kwargs}
            style["label"] = f"{prefix}cost, validation (no penalty)"
            style |= validation_kwargs or {}
            curve = self.validation_loss_curve
            self.lines_ += ax.plot(iterations(curve), curve, **style)
        self.kept_: Any = None
        if self.kept_iteration is not None:
            self.kept_ = self._mark(self.kept_iteration, prefix)

        ax.set(xlabel="iteration", ylabel="cost" if ax.lines[1:] else "J")
        if self.name is not None or len(self.lines_) > 1:
            ax.legend()
        return self

    def _mark(self, iteration: int, prefix: str) -> Any:
        """Draw a dot on the last line."""
        (dot,) = self.ax_.plot(
            *self.lines_[-1].get_xydata()[iteration - 1],
            color=self.lines_[-1].get_color(),
            marker="o",
            linestyle="none",
            zorder=3,
            label=f"{prefix}kept: iteration {iteration}",
        )
        return dot


def iterations(curve: Sequence[float]) -> np.ndarray:
    """The numbers of the iterations, 1, 2, ..."""
    return np.arange(1, len(curve) + 1)


def kept_iteration(clf: Any) -> int | None:
    """The iteration of lowest validation cost, counted from 1.

    None if the fit has kept its initial parameters, which are not part of the curves.
    """
    if not clf.validation_loss_curve_:
        return None
    lowest = int(np.argmin(clf.validation_loss_curve_))
    # A tolerance, because loss_ is recomputed if the iterations were in float32.
    kept = np.isclose(clf.loss_curve_[lowest], clf.loss_, rtol=1e-3)
    return lowest + 1 if kept else None
