"""The pictures: what is drawn is what was fitted."""

import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    train_test_split,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skbackprop import BackpropClassifier, Network
from skbackprop.display import HiddenUnitsDisplay, LossCurveDisplay, NetworkDisplay

DISPLAYS = [LossCurveDisplay, HiddenUnitsDisplay, NetworkDisplay]
XNOR = [[[-30, 20, 20], [10, -20, -20]], [[-10, 20, 20]]]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def iris():
    data = load_iris(as_frame=True)
    X = StandardScaler().set_output(transform="pandas").fit_transform(data.data)
    return X, data.target_names[data.target]


@pytest.fixture(scope="module")
def clf(iris):
    X, y = iris
    return BackpropClassifier(3, random_state=0).fit(X, y, X_val=X[::3], y_val=y[::3])


def random_network(*sizes):
    network = Network(sizes)
    theta = network.initialize(random_state=0)
    return network, theta, network.reshape(theta)


def draw(display):
    """Render, which finds mistakes that building the artists does not."""
    display.figure_.canvas.draw()
    return display


# -- what all have in common ---------------------------------------------------------------


@pytest.mark.parametrize("cls", DISPLAYS)
def test_it_draws_where_it_is_told(cls, clf):
    figure, axes = plt.subplots(1, 2)
    display = draw(cls.from_estimator(clf, ax=axes[1]))
    assert isinstance(display, cls)
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert not axes[0].has_data()


@pytest.mark.parametrize("cls", DISPLAYS)
def test_it_makes_a_figure_and_can_draw_again(cls, clf):
    display = draw(cls.from_estimator(clf))
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


@pytest.mark.parametrize("cls", DISPLAYS)
@pytest.mark.parametrize(
    "unfitted",
    [
        BackpropClassifier(),
        make_pipeline(StandardScaler(), BackpropClassifier()),
        GridSearchCV(BackpropClassifier(), {"reg_lambda": [0, 1]}),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_it_needs_a_fit(cls, unfitted):
    name = "GridSearchCV" if hasattr(unfitted, "cv") else "BackpropClassifier"
    with pytest.raises(NotFittedError, match=name):
        cls.from_estimator(unfitted)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("cls", DISPLAYS)
@pytest.mark.parametrize(
    ("other", "named"),
    [
        (MLPClassifier(), "got MLPClassifier"),
        (make_pipeline(StandardScaler(), MLPClassifier()), "Pipeline that ends in MLPClassifier"),
        (make_pipeline(StandardScaler()), "Pipeline that ends in StandardScaler"),
        ("clf", "got str"),
    ],
)
def test_it_says_what_to_give_it(cls, other, named):
    with pytest.raises(TypeError, match=rf"needs a fitted BackpropClassifier.*{named}"):
        cls.from_estimator(other)


def test_a_search_that_has_kept_nothing(iris):
    grid = {"reg_lambda": [1, 2]}
    search = GridSearchCV(BackpropClassifier(2, random_state=0), grid, cv=2, refit=False)
    search.fit(*iris)
    with pytest.raises(ValueError, match="refit=False"):
        LossCurveDisplay.from_estimator(search)


# -- pipelines and searches ----------------------------------------------------------------


@pytest.fixture(scope="module")
def raw_iris():
    data = load_iris(as_frame=True)
    return data.data, data.target_names[data.target]


def around(X, y, *steps):
    """A pipeline of the steps and a small classifier, and searches around and inside it."""
    net = BackpropClassifier(3, random_state=0)
    pipeline = make_pipeline(*steps, net)
    grid = {"backpropclassifier__lambda": [0.5, 2]}
    inner = GridSearchCV(net, {"lambda": [0.5, 2]}, cv=2)
    estimators = {
        "pipeline": pipeline,
        "pipeline of one step": make_pipeline(net),
        "search": GridSearchCV(pipeline, grid, cv=2),
        "halving search": HalvingGridSearchCV(pipeline, grid, cv=2, random_state=0),
        "search in a pipeline": make_pipeline(*steps, inner),
        "pipeline in a pipeline": make_pipeline(*steps, make_pipeline(StandardScaler(), net)),
    }
    return {name: clone(estimator).fit(X, y) for name, estimator in estimators.items()}


@pytest.fixture(scope="module")
def wrapped(raw_iris):
    return around(*raw_iris, StandardScaler())


CLASSIFIERS = {
    "pipeline": lambda pipeline: pipeline[-1],
    "pipeline of one step": lambda pipeline: pipeline[-1],
    "search": lambda search: search.best_estimator_[-1],
    "halving search": lambda search: search.best_estimator_[-1],
    "search in a pipeline": lambda pipeline: pipeline[-1].best_estimator_,
    "pipeline in a pipeline": lambda pipeline: pipeline[-1][-1],
}


@pytest.mark.parametrize("how", CLASSIFIERS)
def test_pipelines_and_searches_are_opened(how, wrapped, raw_iris):
    X, _ = raw_iris
    estimator = wrapped[how]
    clf = CLASSIFIERS[how](estimator)

    curve = draw(LossCurveDisplay.from_estimator(estimator)).lines_[0]
    assert_array_equal(curve.get_ydata(), clf.loss_curve_)

    units = draw(HiddenUnitsDisplay.from_estimator(estimator))
    assert_array_equal(units.weights, clf.theta_[0][:, 1:])
    assert [t.get_text() for t in units.ax_.get_yticklabels()] == list(X.columns)

    # An example goes through the steps before the classifier, as in `predict`.
    frame = draw(NetworkDisplay.from_estimator(estimator, X.iloc[[60]]))
    series = NetworkDisplay.from_estimator(estimator, X.iloc[60])
    for diagram in (frame, series):
        assert {*X.columns, *clf.classes_} <= {t.get_text() for t in diagram.ax_.texts}
        h = diagram.units_[-1].get_array()
        assert_allclose(h / h.sum(), estimator.predict_proba(X.iloc[[60]])[0])


def test_a_search_for_a_threshold_is_opened(raw_iris):
    X, y = raw_iris
    net = make_pipeline(StandardScaler(), BackpropClassifier(3, random_state=0))
    tuned = TunedThresholdClassifierCV(net, cv=2)
    with pytest.raises(NotFittedError, match="TunedThresholdClassifierCV"):
        LossCurveDisplay.from_estimator(tuned)
    tuned.fit(X[50:], y[50:])
    display = HiddenUnitsDisplay.from_estimator(tuned)
    assert_array_equal(display.weights, tuned.estimator_[-1].theta_[0][:, 1:])


def test_an_example_without_names_goes_through_a_pipeline(raw_iris):
    X, y = raw_iris[0].to_numpy(), raw_iris[1]
    pipeline = make_pipeline(StandardScaler(), BackpropClassifier(3, random_state=0)).fit(X, y)
    for x in (X[60], X[[60]], X[60].tolist()):
        h = NetworkDisplay.from_estimator(pipeline, x).units_[-1].get_array()
        assert_allclose(h / h.sum(), pipeline.predict_proba(X[[60]])[0])
    with pytest.raises(ValueError, match="one example; got 150"):
        NetworkDisplay.from_estimator(pipeline, X)


def test_names_that_a_pipeline_gives(raw_iris):
    X, y = raw_iris
    net = BackpropClassifier(3, random_state=0)

    def names(pipeline, X, **kwargs):
        display = HiddenUnitsDisplay.from_estimator(pipeline.fit(X, y), **kwargs)
        return [t.get_text() for t in display.ax_.get_yticklabels()]

    assert names(make_pipeline(PCA(2), net), X) == ["pca0", "pca1"]
    assert names(make_pipeline(PCA(2), net), X, feature_names=["a", "b"]) == ["a", "b"]
    nested = make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), net))
    assert names(nested, X) == list(X.columns)
    # Without names the features are those of the formulas, counted from 1.
    assert names(make_pipeline(StandardScaler(), net), X.to_numpy())[0] == "$x_{1}$"
    silent = make_pipeline(FunctionTransformer(np.log1p), net)
    assert names(silent, X.to_numpy())[0] == "$x_{1}$"


@pytest.mark.parametrize("cls", DISPLAYS)
def test_the_message_without_matplotlib(cls, clf, monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        cls.from_estimator(clf)


def test_importing_needs_no_matplotlib(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    for module in [name for name in sys.modules if name.startswith("skbackprop.display")]:
        monkeypatch.delitem(sys.modules, module)
    from skbackprop.display import LossCurveDisplay as Again

    assert Again is not LossCurveDisplay


# -- LossCurveDisplay ----------------------------------------------------------------------


def test_loss_curves(clf):
    display = draw(LossCurveDisplay.from_estimator(clf))
    training, validation = display.lines_
    assert_array_equal(training.get_xdata(), np.arange(1, clf.n_iter_ + 1))
    assert_array_equal(training.get_ydata(), clf.loss_curve_)
    assert_array_equal(validation.get_ydata(), clf.validation_loss_curve_)
    assert training.get_color() == validation.get_color()
    assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["J, training (with penalty)", "cost, validation (no penalty)"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("iteration", "cost")


@pytest.mark.parametrize("solver", ["gradient_descent", "sgd"])
def test_loss_curve_without_validation(iris, solver):
    clf = BackpropClassifier(2, solver=solver, tol=0.05, random_state=0).fit(*iris)
    display = draw(LossCurveDisplay.from_estimator(clf))
    (line,) = display.lines_
    assert_array_equal(line.get_ydata(), clf.loss_curve_)
    assert display.ax_.get_ylabel() == "J"
    assert display.ax_.get_legend() is None


def test_several_fits_in_one_picture(clf):
    first = LossCurveDisplay.from_estimator(clf, name="one", color="red")
    second = LossCurveDisplay([3, 2, 1], name="two").plot(first.ax_, linestyle=":")
    labels = [text.get_text() for text in second.ax_.get_legend().get_texts()]
    assert labels == [
        "one: J, training (with penalty)",
        "one: cost, validation (no penalty)",
        "two: J, training (with penalty)",
    ]
    assert [line.get_color() for line in first.lines_] == ["red", "red"]
    assert second.lines_[0].get_linestyle() == ":"


def test_validation_line_has_a_style_of_its_own(clf):
    style = {"color": "green", "linestyle": "-."}
    display = LossCurveDisplay.from_estimator(clf, validation_kwargs=style, linewidth=3)
    training, validation = display.lines_
    assert (validation.get_color(), validation.get_linestyle()) == ("green", "-.")
    assert training.get_color() != "green"
    assert training.get_linewidth() == validation.get_linewidth() == 3


def test_the_iteration_that_early_stopping_keeps_is_marked():
    X, y = make_moons(300, noise=0.35, random_state=0)
    X, X_val, y, y_val = train_test_split(X, y, stratify=y, random_state=0)
    clf = BackpropClassifier(25, 0.001, early_stopping=True, random_state=0)
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    display = draw(LossCurveDisplay.from_estimator(clf, name="net"))
    ((iteration, cost),) = display.kept_.get_xydata()
    assert iteration < clf.n_iter_
    # The probabilities that the estimator gives are those of the iteration that is marked.
    assert_allclose(cost, log_loss(y_val, clf.predict_proba(X_val)), rtol=1e-9)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels[-1] == f"net: kept: iteration {iteration:.0f}"


def test_nothing_is_marked_without_early_stopping_or_where_the_start_is_kept(clf, iris):
    assert LossCurveDisplay.from_estimator(clf).kept_ is None
    X, y = iris
    start = BackpropClassifier(3, 0, random_state=0).fit(X, y).theta_
    kept = BackpropClassifier(3, 50, early_stopping=True, random_state=0)
    kept.fit(X, y, X_val=X, y_val=y, theta_init=start)  # every step away from it costs
    for theta, Theta in zip(kept.theta_, start, strict=True):
        assert_array_equal(theta, Theta)
    assert LossCurveDisplay.from_estimator(kept).kept_ is None


def test_a_mark_by_hand():
    display = draw(LossCurveDisplay([3, 2, 1], kept_iteration=2).plot())
    assert_array_equal(display.kept_.get_xydata(), [[2, 2]])


# -- HiddenUnitsDisplay --------------------------------------------------------------------


def test_hidden_units_as_images():
    _, _, (Theta1, _) = random_network(12, 7, 2)
    display = draw(HiddenUnitsDisplay(Theta1[:, 1:], image_shape=(3, 4)).plot())
    largest = np.abs(Theta1[:, 1:]).max()
    assert len(display.images_) == 7
    assert display.bars_ == []
    for image, row in zip(display.images_, Theta1, strict=True):
        assert_array_equal(image.get_array(), row[1:].reshape(3, 4))
        assert image.get_clim() == (-largest, largest)
    boxes = [tuple(image.get_extent()) for image in display.images_]
    assert len(set(boxes)) == 7
    (left, right), (bottom, top) = display.ax_.get_xlim(), display.ax_.get_ylim()
    for x0, x1, y1, y0 in boxes:
        assert left <= x0 < x1 <= right
        assert top <= y0 < y1 <= bottom
    names = [text.get_text() for text in display.ax_.texts]
    assert names == [f"unit {i}" for i in range(1, 8)]


def test_positive_weights_are_red_in_images():
    image = HiddenUnitsDisplay([[1.0, -1.0]], image_shape=(1, 2)).plot().images_[0]
    (positive, negative) = image.cmap(image.norm(image.get_array()))[0]
    assert positive[0] > positive[2]
    assert negative[0] < negative[2]


def test_hidden_units_as_named_bars(clf):
    display = draw(HiddenUnitsDisplay.from_estimator(clf))
    assert display.images_ == []
    assert display.colorbar_ is None
    assert len(display.bars_) == 3
    for container, row in zip(display.bars_, clf.theta_[0], strict=True):
        assert_allclose([bar.get_width() for bar in container], row[1:])
        for bar, weight in zip(container, row[1:], strict=True):
            red, _, blue, _ = bar.get_facecolor()
            assert (red > blue) == (weight > 0)
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == list(clf.feature_names_in_)
    heights = [bar.get_y() + bar.get_height() / 2 for bar in display.bars_[0]]
    assert_allclose(display.ax_.get_yticks(), heights)


def test_names_may_be_given_or_missing():
    weights = np.eye(2)
    plain = HiddenUnitsDisplay(weights).plot()
    named = HiddenUnitsDisplay(weights, feature_names=["a", "b"]).plot()
    assert [t.get_text() for t in plain.ax_.get_yticklabels()] == ["$x_{1}$", "$x_{2}$"]
    assert [t.get_text() for t in named.ax_.get_yticklabels()] == ["a", "b"]


def test_the_largest_units_and_features_of_many():
    weights = np.zeros((30, 40))
    weights[[4, 17, 20], [3, 30, 8]] = [5, -6, 7]
    display = draw(HiddenUnitsDisplay(weights).plot(units=3, max_features=3))
    assert_array_equal(display.unit_indices_, [4, 17, 20])
    widths = [[bar.get_width() for bar in container] for container in display.bars_]
    assert_array_equal(widths, [[5, 0, 0], [0, 0, -6], [0, 7, 0]])
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == [
        "$x_{4}$",
        "$x_{9}$",
        "$x_{31}$",
    ]
    assert display.ax_.get_title() == "3 of 30 units, 3 of 40 features"
    chosen = HiddenUnitsDisplay(weights, image_shape=(5, 8)).plot(units=[20, 0])
    assert_array_equal(chosen.images_[0].get_array(), weights[20].reshape(5, 8))
    assert [text.get_text() for text in chosen.ax_.texts] == ["unit 21", "unit 1"]
    assert len(HiddenUnitsDisplay(weights).plot().bars_) == 12
    assert len(HiddenUnitsDisplay(weights, image_shape=(5, 8)).plot().images_) == 25


@pytest.mark.parametrize("shape", [None, (2, 2)])
def test_units_that_are_switched_off(shape):
    draw(HiddenUnitsDisplay(np.zeros((2, 4)), image_shape=shape).plot())


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 2, 1)])
def test_images_of_the_wrong_shape(clf, shape):
    with pytest.raises(ValueError, match="height \\* width = 4"):
        HiddenUnitsDisplay.from_estimator(clf, image_shape=shape)


def test_wrong_number_of_feature_names(clf):
    for cls in [HiddenUnitsDisplay, NetworkDisplay]:
        with pytest.raises(ValueError, match=r"4 .*got 1 "):
            cls.from_estimator(clf, feature_names=["a"])
    with pytest.raises(ValueError, match="3 output units"):
        NetworkDisplay.from_estimator(clf, output_names=["a"])


# -- NetworkDisplay ------------------------------------------------------------------------


def ends_and_weights(display, layer):
    """(height on the left, height on the right) -> weight, of the lines after a layer."""
    edges = display.edges_[layer]
    return {
        (start[1], end[1]): weight
        for (start, end), weight in zip(edges.get_segments(), edges.get_array(), strict=True)
    }


def heights(collection):
    return collection.get_offsets()[:, 1].tolist()


def test_diagram_has_a_line_for_each_weight():
    network, theta, thetas = random_network(3, 4, 2, 3)
    display = draw(NetworkDisplay.from_network(network, theta))
    assert [len(units.get_offsets()) for units in display.units_] == [3, 4, 2, 3]
    assert len(display.bias_units_) == 3
    for l, Theta in enumerate(thetas):
        left = heights(display.bias_units_[l]) + heights(display.units_[l])
        assert left == sorted(left, reverse=True)  # bias unit on top, then unit 1, 2, ...
        right = heights(display.units_[l + 1])
        weights = ends_and_weights(display, l)
        assert len(weights) == Theta.size
        for j, end in enumerate(right):
            for i, start in enumerate(left):
                assert weights[start, end] == Theta[j, i]


def test_colour_and_width_of_lines():
    display = draw(NetworkDisplay.from_network(Network((2, 2, 1)), XNOR))
    for edges in display.edges_:
        weights, widths = edges.get_array(), edges.get_linewidths()
        red, _, blue, _ = edges.get_edgecolors().T
        assert_array_equal(red > blue, weights > 0)
        bias = of_bias_units(display, edges)
        assert (np.diff(np.abs(weights[~bias])) >= 0).all()
        assert (np.diff(widths[~bias]) >= 0).all()


def of_bias_units(display, edges):
    tops = [heights(unit)[0] for unit in display.bias_units_]
    starts = [tuple(start) for start, _ in edges.get_segments()]
    return np.array([start in list(enumerate(tops)) for start in starts])


def test_lines_of_bias_units_do_not_dominate():
    thetas = [[[-100.0, 3, 2], [50, 0.1, -1]], [[-80, 2, 2.5]]]
    display = draw(NetworkDisplay(thetas).plot(weight_labels=False))
    for edges in display.edges_:
        bias, widths = of_bias_units(display, edges), edges.get_linewidths()
        assert 0 < bias.sum() < len(bias)
        assert not (np.diff(bias.astype(int)) > 0).any()  # drawn first, below the others
        assert max(widths[bias]) < max(widths[~bias]) / 2
        dashed = np.array([dashes is not None for _, dashes in edges.get_linestyles()])
        assert_array_equal(dashed, bias)


def test_scale_leaves_large_biases_out():
    display = NetworkDisplay([[[-100.0, 1, 2]]]).plot(weight_labels=False)
    assert display.edges_[0].get_clim() == (-2, 2)
    assert display.colorbar_.extend == "both"
    assert max(display.edges_[0].get_linewidths()) <= 4


def test_small_networks_have_numbers_instead_of_a_scale():
    network = Network((2, 2, 1))
    display = NetworkDisplay.from_network(network, XNOR)
    written = sorted(text.get_text() for text in display.weight_labels_)
    assert written == sorted(["−30", "20", "20", "10", "−20", "−20", "−10", "20", "20"])  # noqa: RUF001
    assert display.colorbar_ is None
    bare = NetworkDisplay.from_network(network, XNOR, weight_labels=False)
    assert bare.weight_labels_ == []
    assert bare.colorbar_ is not None


def test_unrolled_or_as_matrices():
    network, theta, thetas = random_network(2, 3, 1)
    one = NetworkDisplay.from_network(network, theta)
    other = NetworkDisplay.from_network(network, thetas)
    assert ends_and_weights(one, 0) == ends_and_weights(other, 0)
    with pytest.raises(ValueError, match="Theta matrices of shapes"):
        NetworkDisplay.from_network(network, thetas[:1])
    with pytest.raises(ValueError, match="unrolled"):
        NetworkDisplay.from_network(network, theta[1:])


@pytest.mark.parametrize(("x", "h"), [([0, 0], 1), ([0, 1], 0), ([1, 0], 0), ([1, 1], 1)])
def test_activations_of_an_example(x, h):
    display = draw(NetworkDisplay.from_network(Network((2, 2, 1)), XNOR, x))
    inputs, hidden, output = (units.get_array() for units in display.units_)
    assert_array_equal(inputs, x)
    assert_allclose(hidden, [x[0] and x[1], not (x[0] or x[1])], atol=1e-4)
    assert_allclose(output, [h], atol=1e-4)
    assert display.labels_[2][0].get_text() == f"$h_{{1}}$\n{h:.2f}"
    low, middle, high = display.units_[0].cmap([0.0, 0.5, 1.0])
    assert high[0] > high[2]  # orange
    assert low[0] < low[2]  # violet
    assert min(middle) > 0.95  # white


def test_estimator_with_an_example(iris, clf):
    X, _ = iris
    row = X.iloc[[60]]
    display = draw(NetworkDisplay.from_estimator(clf, row))
    assert_array_equal(display.units_[0].get_array(), row.to_numpy()[0])
    h = display.units_[-1].get_array()
    assert_allclose(h / h.sum(), clf.predict_proba(row)[0])
    written = [text.get_text() for text in display.ax_.texts]
    for name in [*clf.feature_names_in_, *clf.classes_]:
        assert name in written
    series = NetworkDisplay.from_estimator(clf, X.iloc[60])
    assert_array_equal(series.units_[-1].get_array(), h)


def test_one_output_unit_bears_the_second_class(iris):
    X, y = iris
    clf = BackpropClassifier((), random_state=0).fit(X[:100], y[:100])
    display = draw(NetworkDisplay.from_estimator(clf))
    written = [text.get_text() for text in display.ax_.texts]
    assert "versicolor" in written
    assert "setosa" not in written


def test_not_one_example(clf, iris):
    with pytest.raises(ValueError, match="one example; got 150"):
        NetworkDisplay.from_estimator(clf, iris[0])
    with pytest.raises(ValueError, match="4 inputs"):
        NetworkDisplay.from_estimator(clf, [1, 2])


def test_large_layers_are_summarised():
    network, theta, (Theta1, Theta2) = random_network(300, 9, 2)
    names = [f"pixel {i}" for i in range(300)]
    x = np.arange(300) / 300
    display = draw(
        NetworkDisplay.from_network(network, theta, x, feature_names=names, max_units=5)
    )
    assert [len(units.get_offsets()) for units in display.units_] == [5, 5, 2]
    assert_allclose(display.units_[0].get_array(), x[[0, 1, 2, -2, -1]])
    written = [text.get_text() for text in display.ax_.texts]
    assert [name for name in written if name.startswith("pixel")] == [
        names[i] for i in [0, 1, 2, -2, -1]
    ]
    assert "layer 1\n300 inputs" in written
    assert "layer 3\n2 units" in written
    shown = [0, 1, 2, 3, 299, 300]
    assert_allclose(
        np.sort(display.edges_[0].get_array()), np.sort(Theta1[[0, 1, 2, 7, 8]][:, shown].ravel())
    )
    assert_allclose(
        np.sort(display.edges_[1].get_array()), np.sort(Theta2[:, [0, 1, 2, 3, 8, 9]].ravel())
    )
    symbols = [text.get_text().split("\n")[0] for text in display.labels_[1]]
    assert symbols == [f"$a_{{{j}}}^{{(2)}}$" for j in [1, 2, 3, 8, 9]]
    with pytest.raises(ValueError, match="max_units"):
        NetworkDisplay.from_network(network, theta, max_units=1)


def test_a_network_of_zeros():
    network = Network((2, 2, 1))
    draw(NetworkDisplay.from_network(network, np.zeros(9), [0, 0]))
