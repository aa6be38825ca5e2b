"""`NetworkDisplay`: diagram of a network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from skbackprop.display.fitted import fitted
from skbackprop.display.plotting import axes_or_new, number, require_matplotlib
from skbackprop.network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}
MOST_WEIGHT_LABELS = 16


class Column(NamedTuple):
    """Positions of the units of a layer.

    Parameters
    ----------
    units : ndarray of int
        The units that are drawn, numbered from 1; 0 is the bias unit.
    heights : ndarray of float
        The height of each unit.
    gap : float or None
        The height of the dots that represent omitted units; None if there are none.
    """

    units: NDArray
    heights: NDArray
    gap: float | None

    @classmethod
    def of(cls, size: int, bias: bool, most: int) -> "Column":
        """Positions for a layer of `size` units, bias unit on top, centred at height 0."""
        units = np.arange(0 if bias else 1, size + 1)
        places = np.arange(len(units), dtype=float)
        left_out = size > most
        if left_out:
            above, below = most - most // 2 + bias, most // 2
            units = np.concatenate([units[:above], units[len(units) - below :]])
            places = np.concatenate([np.arange(above), above + 1 + np.arange(below)])
        middle = places[-1] / 2
        return cls(units, middle - places, middle - above if left_out else None)


class NetworkDisplay:
    r"""Diagram of a network: layers, units, bias units and weights.

    Layer 1, the inputs, is on the left. Units are circles; bias units (always 1) have a dashed
    edge. The line from unit i to unit j of the next layer is :math:`\Theta^{(l)}_{ji}`: red if
    positive, blue if negative, wide if large. Lines of bias units are dashed, thin and drawn
    below the others, because biases may be far larger than the weights. Given an example, the
    units show its activations as numbers and colours: orange if positive, violet if negative.
    Of layers with many units, only the first and the last units are drawn.

    Parameters
    ----------
    thetas : list of array-likes
        :math:`\Theta^{(l)}`, of shape (s_{l+1}, s_l + 1).
    activations : list of array-likes, optional
        :math:`a^{(l)}` of one example, of shape (s_l,), from the inputs to the outputs. The
        outputs are h(x), not normalised: K logistic units need not sum to one.
    feature_names : sequence of str, optional
        Names for the inputs.
    output_names : sequence of str, optional
        Names for the output units.

    Attributes
    ----------
    edges_ : list of matplotlib LineCollection
        The lines from each layer to the next. Their array holds the weights: first those of the
        bias unit, then the others, each in ascending order of magnitude, so that large weights
        are drawn over small ones.
    units_ : list of matplotlib PathCollection
        The units of each layer; their array holds the activations, if given.
    bias_units_ : list of matplotlib PathCollection
        The bias unit of each layer but the last.
    labels_ : list of list of matplotlib Text
        The labels of the units of each layer.
    weight_labels_ : list of matplotlib Text
        The labels of the lines.
    colorbar_ : matplotlib Colorbar or None
        The colour scale of the weights; None if the lines are labelled.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    HiddenUnitsDisplay : Plot of the weights of each unit of the first hidden layer.

    Examples
    --------
    A network for XNOR, and its activations for the input (1, 1):

    >>> from skbackprop import Network
    >>> from skbackprop.display import NetworkDisplay
    >>> network = Network((2, 2, 1))
    >>> thetas = [[[-30, 20, 20], [10, -20, -20]], [[-10, 20, 20]]]
    >>> display = NetworkDisplay.from_network(network, thetas, [1, 1])
    >>> [text.get_text() for text in display.labels_[-1]]
    ['$h_{1}$\n1.00']
    """

    def __init__(
        self,
        thetas: Sequence[ArrayLike],
        *,
        activations: Sequence[ArrayLike] | None = None,
        feature_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
    ):
        self.thetas = thetas
        self.activations = activations
        self.feature_names = feature_names
        self.output_names = output_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        x=None,
        *,
        feature_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        max_units: int = 8,
        weight_labels: bool | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> "NetworkDisplay":
        """Draw the network of a fitted classifier.

        Parameters
        ----------
        estimator : BackpropClassifier, Pipeline or search
            A fitted classifier, or a fitted pipeline or search (such as
            :class:`~sklearn.model_selection.GridSearchCV`) around one: the last step or the
            best estimator is drawn.
        x : array-like of shape (n,) or (1, n), optional
            An example, as for `predict` of `estimator`: the steps of a pipeline before the
            classifier transform it. Its activations are drawn.
        feature_names : sequence of str, optional
            Names for the inputs; if None, the feature names seen in `fit`, or the output names
            of the steps before the classifier.
        output_names : sequence of str, optional
            Names for the output units; if None, ``classes_``, of which a single unit has the
            second.
        max_units : int, default=8
            Maximum number of units to draw in a layer, at least 2.
        weight_labels : bool, optional
            Whether to write the weights on the lines; if None, only in small networks.
        ax : matplotlib Axes, optional
            The axes to draw in; a new figure of a suitable size if None.
        **kwargs : dict
            Keyword arguments for matplotlib's `LineCollection`, such as ``cmap`` or ``alpha``.

        Returns
        -------
        display : NetworkDisplay

        Raises
        ------
        TypeError
            If `estimator` is neither a BackpropClassifier nor a pipeline or a search around one.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `x` is not one example, the number of names is wrong, `max_units` is below 2, or
            a search was run with ``refit=False``.
        """
        found = fitted(estimator, cls)
        network = found.classifier.network_
        if feature_names is None:
            feature_names = found.feature_names
        if output_names is None:
            classes = found.classifier.classes_
            output_names = [str(label) for label in classes[-network.n_outputs :]]
        return cls.from_network(
            network,
            found.classifier.theta_,
            None if x is None else found.transform(x),
            feature_names=feature_names,
            output_names=output_names,
            max_units=max_units,
            weight_labels=weight_labels,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_network(
        cls,
        network: Network,
        theta: ArrayLike | Sequence[ArrayLike],
        x=None,
        *,
        feature_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        max_units: int = 8,
        weight_labels: bool | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> "NetworkDisplay":
        """Draw a network with given parameters, for example set by hand.

        Parameters
        ----------
        network : Network
            The network.
        theta : ndarray of shape (n_parameters,) or list of matrices
            The parameters, unrolled or as Theta^(l) of shape (s_{l+1}, s_l + 1).
        x : array-like of shape (n,) or (1, n), optional
            An example; its activations are drawn.
        feature_names : sequence of str, optional
            Names for the inputs.
        output_names : sequence of str, optional
            Names for the output units.
        max_units : int, default=8
            Maximum number of units to draw in a layer, at least 2.
        weight_labels : bool, optional
            Whether to write the weights on the lines; if None, only in small networks.
        ax : matplotlib Axes, optional
            The axes to draw in; a new figure of a suitable size if None.
        **kwargs : dict
            Keyword arguments for matplotlib's `LineCollection`, such as ``cmap`` or ``alpha``.

        Returns
        -------
        display : NetworkDisplay

        Raises
        ------
        ValueError
            If `theta` does not fit the network, `x` is not one example, the number of names is
            wrong, or `max_units` is below 2.
        """
        if not (isinstance(theta, np.ndarray) and theta.ndim == 1):
            theta = network.unroll(list(theta))  # type: ignore[arg-type]
        activations = None
        if x is not None:
            X = x.toarray() if issparse(x) else np.asarray(x, dtype=float)
            X = np.atleast_2d(X)
            if len(X) != 1:
                raise ValueError(f"x must be one example; got {len(X)}.")
            activations = [layer[0] for layer in network.forward_propagate(theta, X)]
        display = cls(
            network.reshape(theta),
            activations=activations,
            feature_names=feature_names,
            output_names=output_names,
        )
        return display.plot(ax, max_units=max_units, weight_labels=weight_labels, **kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        max_units: int = 8,
        weight_labels: bool | None = None,
        **kwargs: Any,
    ) -> "NetworkDisplay":
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            The axes to draw in; a new figure of a suitable size if None.
        max_units : int, default=8
            Maximum number of units to draw in a layer, at least 2.
        weight_labels : bool, optional
            Whether to write the weights on the lines; if None, only in small networks.
        **kwargs : dict
            Keyword arguments for matplotlib's `LineCollection`, such as ``cmap`` or ``alpha``.

        Returns
        -------
        display : NetworkDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the number of names is wrong, or `max_units` is below 2.
        """
        require_matplotlib(self)
        thetas = [np.asarray(Theta, dtype=float) for Theta in self.thetas]
        sizes = [*(Theta.shape[1] - 1 for Theta in thetas), len(thetas[-1])]
        self._check(sizes, max_units)
        columns = [Column.of(s, l < len(thetas), max_units) for l, s in enumerate(sizes)]
        top = max(column.heights[0] for column in columns)
        size = (2.3 * len(thetas) + 1.9, 1.25 * top + 1.4)
        self.ax_ = ax = axes_or_new(ax, size)
        self.figure_ = ax.figure

        self._draw_edges(columns, thetas, weight_labels, kwargs)
        self._draw_units(columns)
        self._draw_names(columns)
        for l, s in enumerate(sizes):
            units = f"{s} {'unit' if l else 'input'}{'s' * (s > 1)}"
            ax.text(l, top + 0.75, f"layer {l + 1}\n{units}", ha="center", linespacing=1.4)
        for l in range(len(thetas)):
            ax.text(l + 0.5, top + 0.75, rf"$\Theta^{{({l + 1})}}$", ha="center", size=13)
        ax.set_xlim(-0.25, len(thetas) + 0.25)
        ax.set_ylim(-top - 0.6, top + 1.6)
        ax.set_axis_off()
        return self

    def _check(self, sizes: list[int], max_units: int) -> None:
        for what, names, size in [
            ("inputs", self.feature_names, sizes[0]),
            ("output units", self.output_names, sizes[-1]),
        ]:
            if names is not None and len(names) != size:
                raise ValueError(f"The network has {size} {what}; got {len(names)} names.")
        if max_units < 2:
            raise ValueError(f"max_units must be at least 2; got {max_units}.")

    def _draw_edges(
        self,
        columns: list[Column],
        thetas: list[NDArray],
        weight_labels: bool | None,
        kwargs: dict[str, Any],
    ) -> None:
        """Draw the lines from each layer to the next, all on one scale."""
        from matplotlib.collections import LineCollection

        weights = [
            Theta[np.ix_(right.units[right.units > 0] - 1, left.units)]
            for left, right, Theta in zip(columns, columns[1:], thetas, strict=False)
        ]
        if weight_labels is None:
            weight_labels = sum(w.size for w in weights) <= MOST_WEIGHT_LABELS
        largest = max(np.abs(w).max() for w in weights) or 1.0
        # Scaled by the weights: biases may be far larger, and would make all weights pale.
        scale = max(np.abs(w[:, 1:]).max() for w in weights) or largest
        if weight_labels:
            scale = largest
        self.edges_: list[Any] = []
        self.weight_labels_: list[Any] = []
        for l, (left, right, w) in enumerate(zip(columns, columns[1:], weights, strict=False)):
            ends = right.heights[right.units > 0]
            ys = np.stack(np.meshgrid(left.heights, ends), axis=-1).reshape(-1, 2)
            of_bias = np.broadcast_to(left.units == 0, w.shape).ravel()
            # Draw large weights over small ones, and all weights over the biases.
            order = np.lexsort([np.abs(w).ravel(), ~of_bias])
            lines = [[(l, y), (l + 1, end)] for y, end in ys[order]]
            w, of_bias = w.ravel()[order], of_bias[order]
            style = {"cmap": "RdBu_r", "zorder": 1, **kwargs}
            widths = 0.4 + 3.6 * np.minimum(np.abs(w) / scale, 1)
            style.setdefault("linewidths", np.where(of_bias, np.minimum(widths, 1.2), widths))
            style.setdefault("linestyles", [(0, (3, 2)) if b else "-" for b in of_bias])
            edges = LineCollection(lines, **style)
            edges.set_array(w)
            edges.set_clim(-scale, scale)
            self.edges_.append(self.ax_.add_collection(edges))
            if weight_labels:
                self._label_edges(lines, w, 1 / (1 + len(ends)))
        self.colorbar_: Any = None
        if not weight_labels:
            self.colorbar_ = self.figure_.colorbar(
                self.edges_[0],
                ax=self.ax_,
                label="weight",
                shrink=0.6,
                aspect=25,
                extend="both" if largest > scale else "neither",
            )

    def _label_edges(self, lines: list, weights: NDArray, part: float) -> None:
        """Write the weights on the lines, where the lines are farthest apart."""
        box: dict[str, Any] = {
            "facecolor": "white",
            "edgecolor": "none",
            "alpha": 0.85,
            "pad": 0.8,
        }
        for ((x, y), (_, end)), weight in zip(lines, weights, strict=True):
            place = (x + part, y + part * (end - y))
            text = self.ax_.text(*place, number(weight, ".3g"), size=9, bbox=box, **CENTRED)
            self.weight_labels_.append(text)

    def _draw_units(self, columns: list[Column]) -> None:
        """Draw the units as labelled circles, and dots for omitted units."""
        ax, last = self.ax_, len(columns) - 1
        diameter = self._diameter()
        circle: dict[str, Any] = {"s": diameter**2, "edgecolors": "black", "zorder": 2}
        self.units_: list[Any] = []
        self.bias_units_: list[Any] = []
        self.labels_: list[Any] = []
        for l, column in enumerate(columns):
            is_bias = column.units == 0
            units, heights = column.units[~is_bias], column.heights[~is_bias]
            labels = [unit_symbol(l, unit, last) for unit in units]
            if self.activations is None:
                drawn = ax.scatter(np.full(len(units), l), heights, color="white", **circle)
            else:
                a = np.asarray(self.activations[l], dtype=float)
                limit = max(1.0, np.abs(a).max())
                a = a[units - 1]
                shades: dict[str, Any] = {
                    "c": a,
                    "cmap": "PuOr_r",
                    "vmin": -2 * limit,
                    "vmax": 2 * limit,
                }
                drawn = ax.scatter(np.full(len(units), l), heights, **shades, **circle)
                labels = [f"{s}\n{number(x, '.2f')}" for s, x in zip(labels, a, strict=True)]
            self.units_.append(drawn)
            self.labels_.append(
                [
                    ax.text(l, y, label, size=8.5, **CENTRED)
                    for y, label in zip(heights, labels, strict=True)
                ]
            )
            if is_bias.any():
                y = column.heights[0]
                bias = ax.scatter([l], [y], color="0.93", linestyle="--", **circle)
                self.bias_units_.append(bias)
                ax.text(l, y, "+1", size=8.5, **CENTRED)
            if column.gap is not None:
                ax.scatter([l] * 3, column.gap + np.array([-0.2, 0, 0.2]), s=6, color="black")

    def _diameter(self) -> int:
        """The diameter of a circle, in points; larger if it also holds a number."""
        return 25 if self.activations is None else 33

    def _draw_names(self, columns: list[Column]) -> None:
        """Draw the names of the inputs on the left and of the outputs on the right."""
        for names, l, side, align in [
            (self.feature_names, 0, -1, "right"),
            (self.output_names, len(columns) - 1, 1, "left"),
        ]:
            if names is None:
                continue
            for unit, y in zip(columns[l].units, columns[l].heights, strict=True):
                if unit > 0:
                    self.ax_.annotate(
                        str(names[unit - 1]),
                        (l, y),
                        xytext=(side * (self._diameter() / 2 + 5), 0),
                        textcoords="offset points",
                        ha=align,
                        va="center",
                    )


def unit_symbol(layer: int, unit: int, last: int) -> str:
    """The symbol of a unit in formulas; `layer` is counted from 0."""
    if layer == 0:
        return f"$x_{{{unit}}}$"
    return f"$h_{{{unit}}}$" if layer == last else f"$a_{{{unit}}}^{{({layer + 1})}}$"
