"""From what was fitted, a pipeline or a search perhaps, to the classifier inside it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


class Fitted(NamedTuple):
    """A fitted classifier, and what comes before it.

    Parameters
    ----------
    classifier : BackpropClassifier
        Fitted.
    feature_names : sequence of str or None
        Names of the features that the classifier was fitted to, where they are known.
    steps : tuple of Pipeline
        What an example goes through before it reaches the classifier.
    """

    classifier: Any
    feature_names: Sequence[str] | None
    steps: tuple[Pipeline, ...]

    def transform(self, x: Any) -> Any:
        """One example as the classifier sees it, of shape (n,) or (1, n).

        A row of a dataframe, which is a series, keeps its names.
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
        Of a search the best estimator, of a pipeline the last step, in any nesting.
    display : type
        Which display asks, for the messages.

    Returns
    -------
    found : Fitted

    Raises
    ------
    TypeError
        If there is no BackpropClassifier at the end.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If a search has not kept its best estimator.
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
    """Whether it is a search in scikit-learn's manner, whoever has written it.

    A search for a threshold is one as well.
    """
    return hasattr(estimator, "refit") and hasattr(estimator, "estimator")


def best_estimator(search: Any) -> Any:
    """The estimator that a search has fitted to all its data.

    Raises
    ------
    NotFittedError
        If the search has not been run.
    ValueError
        If it was told not to fit again.
    """
    for name in ("best_estimator_", "estimator_"):
        if hasattr(search, name):
            return getattr(search, name)
    if hasattr(search, "cv_results_"):
        raise ValueError(
            f"This {type(search).__name__} was made with refit=False, so that it has kept no "
            "fitted classifier. Fit one with its best parameters."
        )
    # The classifier inside is a template: what has to be fitted is the search.
    raise NotFittedError(f"This {type(search).__name__} is not fitted yet; call fit first.")


def names_out(steps: Pipeline, names: Sequence[str] | None) -> Sequence[str] | None:
    """What the steps before the classifier call their columns, or None if they do not say.

    scikit-learn makes up x0, x1, ... where the data had no names; these count as none.
    """
    try:
        out = steps.get_feature_names_out(names)
    except (AttributeError, ValueError, NotFittedError):
        return None
    return None if list(out) == [f"x{i}" for i in range(len(out))] else out
