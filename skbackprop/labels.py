"""Between labels and output units: what y means to a network and what its logits mean."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import expit, log_expit, log_softmax, logsumexp
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target


class Labels(NamedTuple):
    """The labels of a fit and the output units that stand for them.

    One logistic unit stands for two classes, K units for K classes or K labels of a
    multilabel target; a softmax has a unit for each class, also for two.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The sorted labels; for a multilabel target the numbers of its columns.
    multilabel : bool
        Whether several labels may hold for one example.
    softmax : bool
        Whether the outputs are one softmax.
    """

    classes: NDArray
    multilabel: bool
    softmax: bool

    @classmethod
    def of(cls, y, softmax: bool, classes: ArrayLike | None = None) -> "Labels":
        """The labels in `y`, or `classes` where they are known.

        Raises
        ------
        ValueError
            If y is not a target of a classifier or has one class only.
        """
        kind = type_of_target(y)
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            check_classification_targets(y)
            raise ValueError(
                "Targets with several multiclass columns are not supported; fit one classifier "
                "for each column (sklearn.multioutput.MultiOutputClassifier)."
            )
        if kind == "multilabel-indicator":
            if softmax:
                raise ValueError(
                    "A softmax puts out one label for each example, a multilabel target has "
                    "several; use output_activation='logistic'."
                )
            return cls(np.arange(y.shape[1]), multilabel=True, softmax=False)
        known = np.unique(y if classes is None else np.asarray(classes))
        if len(known) < 2:
            raise ValueError(
                "BackpropClassifier needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {known.tolist()}"
            )
        return cls(known, multilabel=False, softmax=softmax)

    @property
    def n_outputs(self) -> int:
        """K, the number of output units."""
        if len(self.classes) == 2 and not self.multilabel and not self.softmax:
            return 1
        return len(self.classes)

    def encode(self, y) -> NDArray:
        """Class indices of shape (m,), or the targets of shape (m, K) if multilabel.

        Raises
        ------
        ValueError
            If `y` has a label that is not among the classes, or another number of columns.
        """
        if self.multilabel:
            Y = np.asarray(y.toarray() if issparse(y) else y)
            if Y.ndim != 2 or Y.shape[1] != len(self.classes):
                raise ValueError(
                    f"The target must be an indicator matrix with {len(self.classes)} columns; "
                    f"got shape {Y.shape}."
                )
            # In the order of the blocks' logits, which these are subtracted from.
            return np.asfortranarray(Y, dtype=np.float32)
        y = column_or_1d(y, warn=True)
        texts = [labels.dtype.kind in "OSU" for labels in (self.classes, y)]
        if texts[0] == texts[1]:
            indices = np.searchsorted(self.classes, y).clip(max=len(self.classes) - 1)
            unknown = self.classes[indices] != y
        else:
            unknown = np.ones(len(y), dtype=bool)
        if unknown.any():
            raise ValueError(
                f"The target has labels {np.unique(y[unknown]).tolist()} that are not among the "
                f"classes {self.classes.tolist()}."
            )
        return indices

    def decision(self, Z: NDArray) -> NDArray:
        """The logits as scikit-learn wants them: one number a row for two classes."""
        if self.multilabel or len(self.classes) > 2:
            return Z
        return Z[:, 1] - Z[:, 0] if self.softmax else Z[:, 0]

    def indices(self, Z: NDArray) -> NDArray:
        """What `encode` would give for the predicted labels."""
        if self.multilabel:
            return (Z > 0).astype(int)
        if Z.shape[1] == 1:
            return (Z[:, 0] > 0).astype(int)
        return Z.argmax(axis=1)

    def decode(self, Z: NDArray) -> NDArray:
        """The predicted labels."""
        indices = self.indices(Z)
        return indices if self.multilabel else self.classes[indices]

    def probabilities(self, Z: NDArray) -> NDArray:
        """h(x), of shape (m, n_classes), summing to one in a row unless multilabel."""
        if self.multilabel:
            return expit(Z)
        if Z.shape[1] == 1:
            return np.hstack([expit(-Z), expit(Z)])
        return np.exp(self.log_probabilities(Z))

    def log_probabilities(self, Z: NDArray) -> NDArray:
        """The logarithm of `probabilities`, from the logits and thus never -inf by rounding."""
        if self.softmax:
            return log_softmax(Z, axis=1)
        if self.multilabel:
            return log_expit(Z)
        if Z.shape[1] == 1:
            return np.hstack([log_expit(-Z), log_expit(Z)])
        log_h = log_expit(Z)
        return log_h - logsumexp(log_h, axis=1, keepdims=True)

    def class_factors(
        self, class_weight: dict | str, indices: NDArray, sample_weight: NDArray | None
    ) -> NDArray:
        r"""The factor that each class multiplies the weights of its examples with.

        "balanced" is :math:`w_k = \sum_i w_i / (K \sum_{i \in k} w_i)`, with the sample
        weights in both sums: every class weighs the same and the sum stays.

        Raises
        ------
        ValueError
            For a multilabel target, where an example has no one class, and for a class that
            does not exist.
        """
        if self.multilabel:
            raise ValueError(
                "class_weight is not defined for a multilabel target, where an example has no "
                "one class; use sample_weight."
            )
        if class_weight != "balanced":
            y = self.classes[indices]
            return compute_class_weight(class_weight, classes=self.classes, y=y)
        totals = np.bincount(indices, weights=sample_weight, minlength=len(self.classes))
        totals = totals.astype(np.float64)
        # A class without weight has no example to weigh up.
        share = np.zeros_like(totals)
        return np.divide(totals.sum(), len(totals) * totals, out=share, where=totals > 0)
