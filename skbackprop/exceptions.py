"""Warnings of our own; those of scikit-learn are in `sklearn.exceptions`."""


class CollapsedFitWarning(UserWarning):
    """A fit has ended well, but its network predicts the same for every row."""
