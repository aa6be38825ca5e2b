"""Warnings of skbackprop; those of scikit-learn are in `sklearn.exceptions`."""


class CollapsedFitWarning(UserWarning):
    """Warning about a fit that ended with success, but predicts the same for every row."""
