"""What type checkers make of the public names; mypy and pyright read this file, nothing runs it.

A line with ``type: ignore`` is an error for both, and both report one that is not.
"""

from typing import Any

from numpy import float64
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult
from typing_extensions import assert_type

from skbackprop import BackpropClassifier, Network, Objective, check_gradient
from skbackprop.solvers import LBFGS, SGD, Adam, OneCycle


class Subclass(BackpropClassifier):
    """`fit` returns the type of the estimator."""


def fitted_attributes(X: NDArray[float64], y: NDArray[Any]) -> None:
    clf = BackpropClassifier((50, 25), 0.1, activation=("tanh", "relu"), solver="adam")
    assert_type(clf.fit(X, y), BackpropClassifier)
    assert_type(clf.partial_fit(X, y, classes=[0, 1]), BackpropClassifier)
    assert_type(clf.set_params(reg_lambda=2.0), BackpropClassifier)
    assert_type(Subclass().fit(X, y, X_val=X, y_val=y), Subclass)
    assert_type(clf.theta_, list[NDArray[Any]])
    assert_type(clf.coefs_, list[NDArray[Any]])
    assert_type(clf.network_, Network)
    assert_type(clf.classes_, NDArray[Any])
    assert_type(clf.n_iter_, int)
    assert_type(clf.n_features_in_, int)
    assert_type(clf.loss_, float)
    assert_type(clf.loss_curve_, list[float])
    assert_type(clf.history_, dict[str, list[Any]])
    assert_type(clf.predict_proba(X), NDArray[Any])
    result: OptimizeResult = clf.optimize_result_
    print(result.message, clf.set_fit_request(X_val=True), clf.score(X, y))


def names() -> None:
    BackpropClassifier(solver="sdg")  # type: ignore[arg-type]
    BackpropClassifier(solver=SGD)  # type: ignore[arg-type]
    BackpropClassifier(activation="sigmoid")  # type: ignore[arg-type]
    BackpropClassifier(activation=["relu", "sigmoid"])  # type: ignore[list-item]
    BackpropClassifier(output_activation="relu")  # type: ignore[arg-type]
    BackpropClassifier(loss="hinge")  # type: ignore[arg-type]
    BackpropClassifier(penalty="elasticnet")  # type: ignore[arg-type]
    BackpropClassifier(class_weight="equal")  # type: ignore[arg-type]
    BackpropClassifier(init_epsilon="small")  # type: ignore[arg-type]
    BackpropClassifier(hidden_layer_sizes="25")  # type: ignore[arg-type]
    BackpropClassifier(alpha=1.0)  # type: ignore[call-arg]
    BackpropClassifier(solver=LBFGS(n_corrections=10), class_weight={0: 1.0, 1: 2.0})
    BackpropClassifier(solver=Adam(OneCycle(0.01), dropout=[0.5]), class_weight="balanced")
    LBFGS(momentum=0.9)  # type: ignore[call-arg]
    Network((2, 3, 1), "sigmoid")  # type: ignore[arg-type]


def mathematics(X: NDArray[float64], y: NDArray[Any]) -> None:
    network = Network((2, 3, 1), ["tanh"], loss="squared_error")
    objective = Objective(network, X, y, penalty="l1")
    theta = network.initialize(random_state=0)
    J, D = objective(theta)
    assert_type(J, float)
    assert_type(D, NDArray[Any])
    assert_type(network.reshape(theta), list[NDArray[Any]])
    assert_type(check_gradient(objective, theta), float)
    Objective(network, X, y, penalty="l3")  # type: ignore[arg-type]
