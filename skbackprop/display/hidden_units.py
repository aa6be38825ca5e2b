"""`HiddenUnitsDisplay`: plots of the weights of each unit of the first hidden layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skbackprop.display.fitted import fitted
from skbackprop.display.plotting import axes_or_new, number, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class HiddenUnitsDisplay:
    r"""Plot of the weights of the first layer, with one panel for each hidden unit.

    The output of unit j is :math:`g(\Theta^{(1)}_{j0} + \sum_i \Theta^{(1)}_{ji} x_i)`: a
    feature with a positive weight (red) excites it, one with a negative weight (blue) inhibits
    it. The weights are drawn as an image if the features are pixels, else as bars with the
    names of the features. All units have the same scale, so a unit that the penalty has
    switched off looks blank. The bias is left out. Units are numbered from 1, as in formulas.

    Parameters
    ----------
    weights : array-like of shape (s_2, n)
        :math:`\Theta^{(1)}` without column 0.
    image_shape : tuple of int, optional
        Height and width of the images, if the features are pixels, row by row; bars if None.
    feature_names : sequence of str, optional
        Names for the bars; :math:`x_1, \dots, x_n` if None.

    Attributes
    ----------
    unit_indices_ : ndarray of int
        The rows of `weights` that are drawn.
    images_ : list of matplotlib AxesImage
        The image of each unit; empty for bars.
    bars_ : list of matplotlib BarContainer
        The bars of each unit; empty for images.
    colorbar_ : matplotlib Colorbar or None
        The colour scale of the images; None for bars.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    NetworkDisplay : Diagram of all layers.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skbackprop import BackpropClassifier
    >>> from skbackprop.display import HiddenUnitsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = BackpropClassifier(9, max_iter=300, tol=1e-2, random_state=0).fit(X / 16, y)
    >>> display = HiddenUnitsDisplay.from_estimator(clf, image_shape=(8, 8))
    >>> len(display.images_), display.images_[0].get_array().shape
    (9, (8, 8))
    """

    def __init__(
        self,
        weights: ArrayLike,
        *,
        image_shape: tuple[int, int] | None = None,
        feature_names: Sequence[str] | None = None,
    ):
        self.weights = weights
        self.image_shape = image_shape
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        image_shape: tuple[int, int] | None = None,
        feature_names: Sequence[str] | None = None,
        units: int | Sequence[int] | None = None,
        max_features: int = 15,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> "HiddenUnitsDisplay":
        """Draw the hidden units of a fitted classifier.

        Parameters
        ----------
        estimator : BackpropClassifier, Pipeline or search
            A fitted classifier, or a fitted pipeline or search (such as
            :class:`~sklearn.model_selection.GridSearchCV`) around one: the last step or the
            best estimator is drawn. Without a hidden layer the output units are drawn.
        image_shape : tuple of int, optional
            Height and width of the images, if the features are pixels, row by row; bars if
            None.
        feature_names : sequence of str, optional
            Names for the bars; if None, the feature names seen in `fit`, or the output names of
            the steps before the classifier.
        units : int or sequence of int, optional
            The number of units, those with the largest weights, or the rows of Theta^(1) to
            draw, counted from 0; if None, at most 25 units as images or 12 as bars.
        max_features : int, default=15
            Maximum number of bars for a unit, for the features with the largest weights.
        ax : matplotlib Axes, optional
            The axes to draw in; a new figure of a suitable size if None.
        **kwargs : dict
            Keyword arguments for matplotlib's `imshow` or `barh`.

        Returns
        -------
        display : HiddenUnitsDisplay

        Raises
        ------
        TypeError
            If `estimator` is neither a BackpropClassifier nor a pipeline or a search around one.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `image_shape` or `feature_names` does not fit the number of features, or a search
            was run with ``refit=False``.
        """
        found = fitted(estimator, cls)
        if feature_names is None:
            feature_names = found.feature_names
        display = cls(
            found.classifier.theta_[0][:, 1:], image_shape=image_shape, feature_names=feature_names
        )
        return display.plot(ax, units=units, max_features=max_features, **kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        units: int | Sequence[int] | None = None,
        max_features: int = 15,
        **kwargs: Any,
    ) -> "HiddenUnitsDisplay":
        """Draw the units.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            The axes to draw in; a new figure of a suitable size if None.
        units : int or sequence of int, optional
            The number of units, those with the largest weights, or the rows of Theta^(1) to
            draw, counted from 0; if None, at most 25 units as images or 12 as bars.
        max_features : int, default=15
            Maximum number of bars for a unit, for the features with the largest weights.
        **kwargs : dict
            Keyword arguments for matplotlib's `imshow` or `barh`.

        Returns
        -------
        display : HiddenUnitsDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `image_shape` or `feature_names` does not fit the number of features.
        """
        require_matplotlib(self)
        weights = np.asarray(self.weights, dtype=float)
        self._check(weights.shape[1])
        if units is None:
            units = 12 if self.image_shape is None else 25
        self.unit_indices_ = largest(weights, units) if np.ndim(units) == 0 else np.asarray(units)
        self.images_: list[Any] = []
        self.bars_: list[Any] = []
        self.colorbar_: Any = None
        if self.image_shape is not None:
            self._plot_images(ax, weights[self.unit_indices_], self.image_shape, kwargs)
        else:
            self._plot_bars(ax, weights[self.unit_indices_], max_features, kwargs)
        bars = len(self.bars_[0]) if self.bars_ else weights.shape[1]
        counts = [(len(self.unit_indices_), len(weights), "units")]
        counts.append((bars, weights.shape[1], "features"))
        left_out = [f"{some} of {all_} {what}" for some, all_, what in counts if some < all_]
        if left_out:
            self.ax_.set_title(", ".join(left_out))
        return self

    def _check(self, n: int) -> None:
        if self.image_shape is not None and (
            len(self.image_shape) != 2 or np.prod(self.image_shape) != n
        ):
            raise ValueError(
                f"image_shape must be (height, width) with height * width = {n}, the number of "
                f"features; got {self.image_shape!r}."
            )
        if self.feature_names is not None and len(self.feature_names) != n:
            raise ValueError(
                f"There are {n} features; got {len(self.feature_names)} feature_names."
            )

    def _plot_images(
        self, ax: "Axes | None", weights: NDArray, shape: tuple[int, int], kwargs: dict[str, Any]
    ) -> None:
        """Draw all images in one Axes, side by side, each with its name above."""
        from matplotlib.patches import Rectangle

        height, width = shape
        columns = int(np.ceil(np.sqrt(len(weights) * height / width)))
        rows = -(-len(weights) // columns)
        gap, title = 0.12 * width, 0.36 * height
        size = (0.95 * columns * max(width / height, 0.3) + 1.3, 1.15 * rows + 0.2)
        self.ax_ = ax = axes_or_new(ax, (max(size[0], 3.2), max(size[1], 2.4)))
        self.figure_ = ax.figure

        scale = np.abs(weights).max(initial=0) or 1.0
        style = {"cmap": "RdBu_r", "vmin": -scale, "vmax": scale, **kwargs}
        for position, (unit, row) in enumerate(zip(self.unit_indices_, weights, strict=True)):
            left = position % columns * (width + gap)
            top = position // columns * (height + title)
            extent = (left, left + width, top + height, top)
            self.images_.append(ax.imshow(row.reshape(shape), extent=extent, **style))
            frame = Rectangle((left, top), width, height, fill=False, edgecolor="0.6", lw=0.6)
            ax.add_patch(frame)
            ax.text(left + width / 2, top - 0.06 * height, unit_name(unit), ha="center", size=8)
        # Each imshow sets the limits to its own image.
        ax.set_xlim(-gap / 2, columns * (width + gap) - gap / 2)
        ax.set_ylim(rows * (height + title) - title + gap / 2, -title)
        ax.set_axis_off()
        self.colorbar_ = self.figure_.colorbar(
            self.images_[0], ax=ax, label="weight", shrink=0.8, aspect=30
        )

    def _plot_bars(
        self, ax: "Axes | None", weights: NDArray, max_features: int, kwargs: dict[str, Any]
    ) -> None:
        """Draw a column of bars for each unit, in rows of columns, with names on the left."""
        shown = largest(weights.T, max_features)
        if self.feature_names is None:
            names = [f"$x_{{{i + 1}}}$" for i in shown]
        else:
            names = [str(self.feature_names[i]) for i in shown]
        rows = -(-len(weights) // 6)
        per_row = -(-len(weights) // rows)
        size = (1.45 * per_row + 0.08 * max(map(len, names)), rows * (0.22 * len(names) + 0.35))
        self.ax_ = ax = axes_or_new(ax, (max(size[0], 3.5), max(size[1] + 0.5, 2.4)))
        self.figure_ = ax.figure

        scale = np.abs(weights).max(initial=0) or 1.0
        step, drop = 2.4 * scale, len(names) + 1.6
        for position, (unit, row) in enumerate(
            zip(self.unit_indices_, weights[:, shown], strict=True)
        ):
            zero = position % per_row * step
            y = position // per_row * drop + np.arange(len(names))
            colors = np.where(row >= 0, "tab:red", "tab:blue")
            style = {"color": colors, "height": 0.75, **kwargs}
            self.bars_.append(ax.barh(y, row, left=zero, **style))
            ax.vlines(zero, y[0] - 0.5, y[-1] + 0.5, color="black", linewidth=0.8)
            ax.text(zero, y[0] - 0.65, unit_name(unit), ha="center")
        all_y = np.add.outer(drop * np.arange(rows), np.arange(len(names))).ravel()
        ax.set_yticks(all_y, names * rows)
        ax.tick_params(left=False)
        zeros = step * np.arange(per_row)
        tick = float(f"{0.7 * scale:.1g}")
        ticks = [number(value, "g") for value in (-tick, 0, tick)]
        ax.set_xticks(np.add.outer(zeros, [-tick, 0, tick]).ravel(), ticks * per_row)
        ax.set_xlim(-step / 2, zeros[-1] + step / 2)
        ax.set_ylim(all_y[-1] + 0.6, -1.7)
        ax.set_xlabel("weight")
        ax.spines[["top", "left", "right"]].set_visible(False)


def unit_name(row: int) -> str:
    """The name of the unit of a row, numbered from 1 as in formulas."""
    return f"unit {row + 1}"


def largest(rows: NDArray, most: Any) -> NDArray:
    """The indices of the `most` rows of largest norm, in ascending order."""
    norms = np.linalg.norm(rows, axis=1)
    return np.sort(np.argsort(-norms, kind="stable")[: int(most)])
