"""The fitted part of the estimator: its attributes, its predictions and its pickled form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from numpy.typing import NDArray
from scipy.optimize import OptimizeResult
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skbackprop.history import History, counted
from skbackprop.labels import Labels
from skbackprop.network import Network
from skbackprop.prediction import outputs
from skbackprop.preparation import Examples, validated

FEATURE_ATTRIBUTES = ("n_features_in_", "feature_names_in_")


def fitted_attributes(examples: Examples, theta: NDArray) -> dict:
    """The attributes that an estimator needs to predict with these parameters."""
    seen, labels, network, _ = examples
    shown = {name: vars(seen)[name] for name in FEATURE_ATTRIBUTES if name in vars(seen)}
    return shown | {
        "network_": network,
        "_labels": labels,
        "classes_": labels.classes,
        "theta_": network.reshape(theta),
    }


def result_attributes(result: OptimizeResult, history: History) -> dict:
    """The attributes that describe how the parameters were found."""
    return {
        "loss_": result.fun,
        "n_iter_": result.nit,
        "optimize_result_": result,
        "history_": history,
    }


class FittedNetwork(BaseEstimator):
    """Derived attributes, predictions and pickling of a fitted classifier."""

    theta_: list[NDArray]
    network_: Network
    classes_: NDArray
    history_: History
    n_features_in_: int
    feature_names_in_: NDArray
    loss_: float
    n_iter_: int
    optimize_result_: OptimizeResult
    n_jobs: int | None
    _labels: Labels

    def _keep(self, attributes: dict) -> None:
        """Set all fitted attributes at once, so that an interrupt cannot leave a mixture."""
        others = {k: v for k, v in vars(self).items() if k not in FEATURE_ATTRIBUTES}
        self.__dict__ = others | {"_stream": None} | attributes

    # -- pickling and derived attributes ---------------------------------------------------

    def __getstate__(self):
        """The state in plain containers, so that skops needs to trust few types."""
        state = dict(super().__getstate__())
        if "network_" in state:
            network = state["network_"]
            state["network_"] = (
                network.layer_sizes,
                network.activation,
                network.output_activation,
                network.loss,
            )
            state["_labels"] = tuple(state["_labels"])
            state["optimize_result_"] = dict(state["optimize_result_"])
        return state

    def __setstate__(self, state):
        """Rebuild the objects that `__getstate__` replaced by plain containers."""
        if "network_" in state:
            state = {
                **state,
                "network_": Network(*state["network_"]),
                "_labels": Labels(*state["_labels"]),
                "optimize_result_": OptimizeResult(state["optimize_result_"]),
            }
        super().__setstate__(state)

    @property
    def loss_curve_(self) -> list[float]:
        """J after each iteration, from `history_`."""
        return counted(self.history_, "loss")

    @property
    def validation_loss_curve_(self) -> list[float]:
        """Cost on the validation examples after each iteration; empty if there are none."""
        return [cost for cost in counted(self.history_, "validation_loss") if cost == cost]

    @property
    def validation_scores_(self) -> list[float]:
        """Accuracy on the validation examples after each iteration; empty if there are none."""
        return [score for score in counted(self.history_, "validation_score") if score == score]

    @property
    def coefs_(self) -> list[NDArray]:
        """The weights in scikit-learn's orientation, (s_l, s_{l+1}): views of `theta_`."""
        return [Theta[:, 1:].T for Theta in self.theta_]

    @property
    def intercepts_(self) -> list[NDArray]:
        """The biases, (s_{l+1},): views of `theta_`."""
        return [Theta[:, 0] for Theta in self.theta_]

    # -- prediction ------------------------------------------------------------------------

    def _outputs(self, X, finish: Callable[[Labels, NDArray], NDArray]) -> NDArray:
        check_is_fitted(self)
        X = validated(self, X, reset=False)
        return outputs(self.network_, self.theta_, X, partial(finish, self._labels), self.n_jobs)

    def decision_function(self, X) -> NDArray:
        """The logits Z^(L).

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (m, n)
            Examples as rows.

        Returns
        -------
        Z : ndarray of shape (m,) for two classes, else (m, K)
            For two classes, the log odds of the second class.
        """
        return self._outputs(X, Labels.decision)

    def predict(self, X) -> NDArray:
        """Predict the most probable label; for multilabel targets, those above probability 1/2.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (m, n)
            Examples as rows.

        Returns
        -------
        y : ndarray of shape (m,), or (m, n_labels) for multilabel targets
        """
        return self._outputs(X, Labels.decode)

    def predict_proba(self, X) -> NDArray:
        """Predict the probability of each class.

        With logistic units for more than two classes, h(x) is normalised to sum to one; for a
        multilabel target h(x) is returned as it is.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (m, n)
            Examples as rows.

        Returns
        -------
        h : ndarray of shape (m, n_classes)
            Columns in the order of ``classes_``.
        """
        return self._outputs(X, Labels.probabilities)

    def predict_log_proba(self, X) -> NDArray:
        """Predict the logarithm of `predict_proba`, from the logits: never -inf by rounding.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (m, n)
            Examples as rows.

        Returns
        -------
        log_h : ndarray of shape (m, n_classes)
            Columns in the order of ``classes_``.
        """
        return self._outputs(X, Labels.log_probabilities)
