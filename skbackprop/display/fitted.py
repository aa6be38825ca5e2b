"""Access to the fitted classifier inside a pipeline or a search."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


class Fitted(NamedTuple):
    """A fitted classifier, and the transformers before it.

    Parameters
    ----------
    classifier : BackpropClassifier
        The fitted classifier.
    feature_names : sequence of str or None
        Names of the features that the classifier was fitted to, if known.
    steps : tuple of Pipeline
        The pipelines that transform an example before it reaches the classifier.
    """

    classifier: Any
    feature_names: Sequence[str] | None
    steps: tuple[Pipeline, ...]

    def transform(self, x: Any) -> Any:
        """Transform one example of shape (n,) or (1, n) to the input of the classifier.

        A series, such as a row of a dataframe, keeps its names.
        """
        if self.steps and np.ndim(x) == 1:
            x = (
                x.to_frame().T.infer_objects()
                if hasattr(x, "to_frame")
                else np.reshape(x, (1, -1))
            )
        for step in self.steps:
            x = step.transform(x)
        return x


def fitted(estimator: Any, display: type) -> Fitted:
    """Find the fitted classifier in an estimator.

    Parameters
    ----------
    estimator : BackpropClassifier, Pipeline or search
        The best estimator of a search and the last step of a pipeline are used, in any nesting.
    display : type
        The calling display class, for error messages.

    Returns
    -------
    found : Fitted

    Raises
    ------
    TypeError
        If the innermost estimator is not a BackpropClassifier.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If a search was run with ``refit=False``.
    """
    names, steps = None, []
    found = estimator
    while isinstance(found, Pipeline) or is_search(found):
        if isinstance(found, Pipeline):
            if len(found) > 1:
                steps.append(found[:-1])
                names = names_out(found[:-1], names)
            found = found.steps[-1][1]
        else:
            found = best_estimator(found)
    if not hasattr(found, "init_epsilon"):
        where = "" if found is estimator else f" that ends in {type(found).__name__}"
        raise TypeError(
            f"{display.__name__}.from_estimator needs a fitted BackpropClassifier, or a pipeline "
            f"or a search around one; got {type(estimator).__name__}{where}."
        )
    check_is_fitted(found, "theta_")
    return Fitted(found, getattr(found, "feature_names_in_", names), tuple(steps))


def is_search(estimator: Any) -> bool:
    """Whether an estimator has the interface of scikit-learn's searches.

    `TunedThresholdClassifierCV` counts as one.
    """
    return hasattr(estimator, "refit") and hasattr(estimator, "estimator")


def best_estimator(search: Any) -> Any:
    """The estimator that a search has refitted to all its data.

    Raises
    ------
    NotFittedError
        If the search has not been run.
    ValueError
        If it was run with ``refit=False``.
    """
    for name in ("best_estimator_", "estimator_"):
        if hasattr(search, name):
            return getattr(search, name)
    if hasattr(search, "cv_results_"):
        raise ValueError(
            f"This {type(search).__name__} was made with refit=False, so it has no fitted "
            "classifier. Fit one with its best parameters."
        )
    # Name the search in the message: the classifier inside is only a template.
    raise NotFittedError(f"This {type(search).__name__} is not fitted yet; call fit first.")


def names_out(steps: Pipeline, names: Sequence[str] | None) -> Sequence[str] | None:
    """The output feature names of the steps before the classifier, or None if unknown.

    scikit-learn's generated names x0, x1, ... count as unknown.
    """
    try:
        out = steps.get_feature_names_out(names)
    except (AttributeError, ValueError, NotFittedError):
        return None
    return None if list(out) == [f"x{i}" for i in range(len(out))] else out
