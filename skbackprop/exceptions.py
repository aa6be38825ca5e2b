"""Warnings of skbackprop; those of scikit-learn are in `sklearn.exceptions`."""

import sys
import warnings

# Packages whose lines a warning passes over: a fit in a search is reported at the line that called
# the search.
PASSED_OVER = ("skbackprop", "sklearn", "joblib")


class CollapsedFitWarning(UserWarning):
    """Warning about a fit that ended with success, but predicts the same for every row."""


def warn_caller(message: str, category: type[Warning]) -> None:
    """Issue a warning at the user's line that led here.

    Parameters
    ----------
    message : str
        The message.
    category : type of Warning
        The category.
    """
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in PASSED_OVER:
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, category, stacklevel=stacklevel)
