"""Conversion of a fitted classifier to ONNX, a graph of operators that runs without Python.

`register` registers the estimator with skl2onnx; `skl2onnx.to_onnx` then converts it, alone or
in a pipeline or search, to a model whose outputs are the labels and the probabilities. The graph
computes the same as the estimator: the logits by forward propagation, then labels and
probabilities from the logits.

It needs skl2onnx, which the extra ``onnx`` installs.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skbackprop.classifier import BackpropClassifier
from skbackprop.labels import Labels
from skbackprop.network import Network

try:
    from onnx import TensorProto
    from skl2onnx import update_registered_converter
    from skl2onnx._parse import _apply_zipmap
    from skl2onnx.common.data_types import (
        BooleanTensorType,
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
        guess_proto_type,
        guess_tensor_type,
    )
    from skl2onnx.common.utils import check_input_and_output_numbers, check_input_and_output_types
    from skl2onnx.common.utils_classifier import get_label_classes

    import_error: ImportError | None = None
except ImportError as error:
    import_error = error

ALIAS = "SkbackpropBackpropClassifier"

OPERATORS = {"logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "identity": "Identity"}
"""The ONNX operator of each activation. Activations added to `ACTIVATIONS` need an entry here."""


def register() -> None:
    """Register the converter for `BackpropClassifier` with skl2onnx.

    The options of `skl2onnx.to_onnx` are those of scikit-learn's classifiers: ``zipmap`` (True,
    False or "columns"), ``output_class_labels``, ``nocl`` (class indices instead of labels) and
    ``raw_scores`` (logits instead of probabilities, ``-z`` and ``z`` for two classes). Repeated
    calls have no further effect.

    Raises
    ------
    ImportError
        If skl2onnx cannot be imported.

    Notes
    -----
    The arithmetic is in float32 for float32 inputs, in float64 for all others, as in the
    estimator. The probabilities have the precision of the inputs, with two exceptions required
    by ONNX and skl2onnx: they are float32 in the dictionaries of ``zipmap=True`` and for integer
    inputs.

    String labels stay strings; all others become integers (int64), with False and True as 0 and
    1. Labels of a multilabel target are a matrix of 0 and 1, and the keys of its dictionaries are
    the column numbers.

    Examples
    --------
    ::

        skbackprop.onnx.register()
        model = skl2onnx.to_onnx(pipeline, X[:1])  # the type of X is that of the inputs
    """
    if import_error is not None:
        raise ImportError(
            "skbackprop.onnx needs skl2onnx, which cannot be imported. It is in the extra "
            '"onnx"; in a checkout: pip install ".[onnx]"'
        ) from import_error
    update_registered_converter(
        BackpropClassifier,
        ALIAS,
        calculate_shapes,
        convert,
        parser=parse,
        options={
            "zipmap": [True, False, "columns"],
            "output_class_labels": [False, True],
            "nocl": [True, False],
            "raw_scores": [True, False],
        },
    )


def label_values(classes: NDArray) -> NDArray:
    """The labels in a type of ONNX: strings, or int64.

    Raises
    ------
    ValueError
        If they are neither strings nor whole numbers.
    """
    if all(isinstance(label, str) for label in classes.tolist()):
        return classes.astype(object)
    try:
        whole = classes.astype(np.int64)
    except (TypeError, ValueError):
        whole = None
    if classes.dtype.kind not in "biuf" or whole is None or not np.array_equal(whole, classes):
        raise ValueError(
            "Labels in ONNX must be strings or integers of 64 bits; the classes are "
            f"{classes.tolist()}. Fit with other labels, or convert with the option 'nocl', which "
            "outputs class indices."
        )
    return whole


def labels_of(clf: BackpropClassifier) -> Labels:
    """The labels that the outputs of a fitted classifier represent."""
    return clf._labels


# -- the three functions that skl2onnx requires --------------------------------------------------


def parse(scope: Any, model: BackpropClassifier, inputs: list, custom_parsers: Any = None) -> list:
    """Declare the operator and its outputs, according to the options of the conversion."""
    check_is_fitted(model)
    options = scope.get_options(model, {"zipmap": True, "output_class_labels": False})
    zipmap, class_labels = options["zipmap"], options.get("output_class_labels", False)
    if zipmap and class_labels:
        raise ValueError("The option 'output_class_labels' needs the option zipmap=False.")
    classes = label_values(get_label_classes(scope, model))
    label_type = StringTensorType if classes.dtype == object else Int64TensorType
    # The operator ZipMap accepts only float32.
    precision = FloatTensorType() if zipmap is True else guess_tensor_type(inputs[0].type)

    operator = scope.declare_local_operator(ALIAS, model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("label", label_type()))
    operator.outputs.append(scope.declare_local_variable("probabilities", precision))
    outputs = list(operator.outputs)
    if zipmap:
        return list(_apply_zipmap(zipmap, scope, model, precision, outputs))
    if class_labels:
        constant = scope.declare_local_operator("SklearnClassLabels")
        constant.classes = classes
        constant.outputs.append(
            scope.declare_local_variable("class_labels", label_type(classes.shape))
        )
        outputs += constant.outputs
    return outputs


def calculate_shapes(operator: Any) -> None:
    """Set the types and shapes of the labels and the probabilities."""
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=2)
    check_input_and_output_types(
        operator,
        good_input_types=[BooleanTensorType, DoubleTensorType, FloatTensorType, Int64TensorType],
    )
    clf = operator.raw_operator
    classes = label_values(get_label_classes(operator.scope_inst, clf))
    label_type = StringTensorType if classes.dtype == object else Int64TensorType
    m, K = operator.inputs[0].get_first_dimension(), len(classes)
    operator.outputs[0].set_type(
        label_type([m, K] if labels_of(clf).kind == "multilabel" else [m])
    )
    operator.outputs[1].type.shape = [m, K]


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes from the inputs to the labels and the probabilities."""
    clf = operator.raw_operator
    labels = labels_of(clf)
    (X,), (label, probabilities) = operator.inputs, operator.outputs
    in_float32 = isinstance(X.type, FloatTensorType)
    graph = Graph(scope, container, TensorProto.FLOAT if in_float32 else TensorProto.DOUBLE)
    Z = logits(graph, clf.network_, clf.theta_, X.full_name)
    if labels.one_unit:
        # One unit for two classes: -z is the logit of the first.
        Z = graph.add("Concat", graph.add("Neg", Z), Z, axis=1)

    if scope.get_options(clf, {"raw_scores": False})["raw_scores"]:
        h = Z
        if labels.softmax and labels.kind == "binary":
            # The decision function for two classes: z_1 - z_0.
            h = graph.add("MatMul", Z, graph.constant(np.array([[1.0, -1.0], [-1.0, 1.0]])))
    elif labels.softmax:
        h = graph.add("Softmax", Z, axis=1)
    elif labels.kind != "multiclass":
        h = graph.add("Sigmoid", Z)
    else:
        # K logistic units divided by their sum, in log space because all may round to zero.
        h = graph.add("Softmax", log_logistic(graph, Z), axis=1)
    graph.add("Cast", h, out=probabilities, to=guess_proto_type(probabilities.type))

    # From the logits, as in the estimator: probabilities that round to 1 lose their order.
    if labels.kind == "multilabel":
        positive = graph.add("Greater", Z, graph.constant(np.zeros(1)))
        graph.add("Cast", positive, out=label, to=TensorProto.INT64)
    else:
        classes = graph.labels(label_values(get_label_classes(scope, clf)))
        index = graph.add("ArgMax", Z, axis=1, keepdims=0)
        graph.add("Gather", classes, index, out=label)


# -- the graph -----------------------------------------------------------------------------------


class Graph:
    """The model under construction; each node is identified by the name of its output.

    Parameters
    ----------
    scope : skl2onnx Scope
        Generates unique names.
    container : skl2onnx ModelComponentContainer
        Holds nodes and constants.
    precision : int
        The ONNX type of the arithmetic.
    """

    def __init__(self, scope: Any, container: Any, precision: int):
        self.scope = scope
        self.container = container
        self.precision = precision

    def add(self, operator: str, *inputs: str, out: Any = None, **attributes: Any) -> str:
        """Add a node; returns the name of its output: the variable `out`, or else a new name."""
        name = self.scope.get_unique_variable_name(operator) if out is None else out.full_name
        self.container.add_node(
            operator,
            list(inputs),
            name,
            name=self.scope.get_unique_operator_name(operator),
            **attributes,
        )
        return name

    def constant(self, values: NDArray) -> str:
        """Add a constant array in the precision of the graph; returns its name."""
        return self._initializer("constant", self.precision, values.shape, values.ravel())

    def labels(self, classes: NDArray) -> str:
        """Add a constant array of labels, strings or int64; returns its name."""
        if classes.dtype == object:
            values = [label.encode() for label in classes]
            return self._initializer("classes", TensorProto.STRING, classes.shape, values)
        return self._initializer("classes", TensorProto.INT64, classes.shape, classes)

    def _initializer(self, kind: str, onnx_type: int, shape: tuple[int, ...], values: Any) -> str:
        name = self.scope.get_unique_variable_name(kind)
        self.container.add_initializer(name, onnx_type, shape, values)
        return name


def logits(graph: Graph, network: Network, thetas: list[NDArray], X: str) -> str:
    """Add forward propagation up to the logits Z^(L); returns the name of their node.

    Raises
    ------
    ValueError
        If there is no ONNX operator for an activation.
    """
    A = graph.add("Cast", X, to=graph.precision)
    for layer, Theta in enumerate(thetas):
        weights, bias = graph.constant(Theta[:, 1:].T), graph.constant(Theta[:, 0])
        Z = graph.add("Add", graph.add("MatMul", A, weights), bias)
        if layer < len(network.activation):
            A = graph.add(_operator_of(network.activation[layer]), Z)
    return Z


def log_logistic(graph: Graph, Z: str) -> str:
    """Add log g(z) = min(0, z) - log(1 + e^-|z|), which cannot overflow."""
    magnitude = graph.add("Abs", Z)
    power = graph.add("Exp", graph.add("Neg", magnitude))
    log = graph.add("Log", graph.add("Add", graph.constant(np.ones(1)), power))
    minimum = graph.add("Neg", graph.add("Relu", graph.add("Neg", Z)))
    return graph.add("Sub", minimum, log)


def _operator_of(activation: str) -> str:
    if activation not in OPERATORS:
        raise ValueError(
            f"The activation {activation!r} has no ONNX operator here; known are "
            f"{', '.join(map(repr, OPERATORS))}. Where ONNX has one, add its name to "
            "skbackprop.onnx.OPERATORS."
        )
    return OPERATORS[activation]
