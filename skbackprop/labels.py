"""Encoding of labels as targets for the output units, and decoding of logits into labels."""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import expit, log_expit, log_softmax
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skbackprop.network import as_float


class Labels(NamedTuple):
    """The labels of a fit and the output units that represent them.

    One logistic unit represents two classes; K units represent K classes or the K labels of a
    multilabel target. A softmax has one unit for each class, even for two classes.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The sorted class labels; for a multilabel target, the column numbers.
    multilabel : bool
        Whether an example may have several labels.
    softmax : bool
        Whether the outputs are one softmax.
    """

    classes: NDArray
    multilabel: bool
    softmax: bool

    @classmethod
    def of(cls, y, softmax: bool, classes: ArrayLike | None = None) -> "Labels":
        """The labels in a target.

        Parameters
        ----------
        y : array-like of shape (m,) or (m, n_labels)
            The target.
        softmax : bool
            Whether the outputs are one softmax.
        classes : array-like of shape (n_classes,), optional
            The class labels, if known; else those in `y`.

        Raises
        ------
        ValueError
            If `y` is not a classification target, has only one class, or is multilabel for a
            softmax.
        """
        target = type_of_target(y)
        if target not in ("binary", "multiclass", "multilabel-indicator"):
            check_classification_targets(y)
            raise ValueError(
                "Targets with several multiclass columns are not supported; fit one classifier "
                "for each column (sklearn.multioutput.MultiOutputClassifier)."
            )
        if target == "multilabel-indicator":
            if softmax:
                raise ValueError(
                    "A softmax predicts one label for each example, but a multilabel target may "
                    "have several; use output_activation='logistic'."
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
    def kind(self) -> Literal["binary", "multiclass", "multilabel"]:
        """The kind of target: two classes, several classes, or several labels per example."""
        if self.multilabel:
            return "multilabel"
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    def one_unit(self) -> bool:
        """Whether one logistic unit represents two classes."""
        return self.kind == "binary" and not self.softmax

    @property
    def n_outputs(self) -> int:
        """K, the number of output units."""
        return 1 if self.one_unit else len(self.classes)

    def encode(self, y, name: str = "y") -> NDArray:
        """Encode labels as class indices, shape (m,), or if multilabel as targets, shape (m, K).

        Parameters
        ----------
        y : {ndarray, sparse matrix} of shape (m,), (m, 1) or (m, n_labels)
            The labels.
        name : str, default="y"
            Name of the argument in error messages.

        Returns
        -------
        encoded : ndarray

        Raises
        ------
        ValueError
            If `y` has a label that is not among the classes, a wrong number of columns, or, if
            multilabel, a value that is neither 0 nor 1.
        """
        y = np.asarray(y.toarray() if issparse(y) else y)
        if self.kind == "multilabel":
            if y.ndim != 2 or y.shape[1] != len(self.classes):
                raise ValueError(
                    f"{name} must be an indicator matrix with {len(self.classes)} columns; "
                    f"got shape {y.shape}."
                )
            other = y if y.dtype.kind in "US" else y[(y != 0) & (y != 1)]
            if other.size:
                raise ValueError(
                    f"{name}, a multilabel target, must be 1 where a label holds and 0 where it "
                    f"does not; got {', '.join(map(repr, other.ravel()[:5].tolist()))}."
                )
            # Fortran order, like the logits that the targets are subtracted from.
            return np.asfortranarray(y, dtype=np.float32)
        if y.ndim != 1 and y.shape[1:] != (1,):
            raise ValueError(f"{name} must have one label for each row; got shape {y.shape}.")
        y = y.ravel()
        texts = [labels.dtype.kind in "OSU" for labels in (self.classes, y)]
        if texts[0] == texts[1]:
            indices = np.searchsorted(self.classes, y).clip(max=len(self.classes) - 1)
            unknown = self.classes[indices] != y
        else:
            unknown = np.ones(len(y), dtype=bool)
        if unknown.any():
            raise ValueError(
                f"{name} has labels {np.unique(y[unknown]).tolist()} that are not among the "
                f"classes {self.classes.tolist()}."
            )
        return indices

    def decision(self, Z: NDArray) -> NDArray:
        """The logits in scikit-learn's form: for two classes, one number per row."""
        if self.kind != "binary":
            return Z
        return Z[:, 1] - Z[:, 0] if self.softmax else Z[:, 0]

    def indices(self, Z: NDArray) -> NDArray:
        """The predicted labels, encoded as by `encode`."""
        if self.kind == "multilabel":
            return (Z > 0).astype(int)
        return (Z[:, 0] > 0).astype(int) if self.one_unit else Z.argmax(axis=1)

    def decode(self, Z: NDArray) -> NDArray:
        """The predicted labels."""
        indices = self.indices(Z)
        return indices if self.kind == "multilabel" else self.classes[indices]

    def probabilities(self, Z: NDArray) -> NDArray:
        """Class probabilities of shape (m, n_classes); rows sum to one unless multilabel."""
        if self.kind == "multilabel":
            return expit(Z)
        if self.one_unit:
            return np.hstack([expit(-Z), expit(Z)])
        return np.exp(self.log_probabilities(Z))

    def log_probabilities(self, Z: NDArray) -> NDArray:
        """The logarithm of `probabilities`, from the logits: never -inf by rounding."""
        if self.kind == "multilabel":
            return log_expit(Z)
        if self.one_unit:
            return np.hstack([log_expit(-Z), log_expit(Z)])
        # Normalised logistic units are a softmax of log h. log_softmax subtracts the maximum of a
        # row first: added to a log h of -1e8, the logarithm of K would be lost.
        return log_softmax(Z if self.softmax else log_expit(Z), axis=1)

    def class_factors(
        self, class_weight: dict | str, y: NDArray, sample_weight: NDArray | None
    ) -> NDArray:
        r"""The factor for the weights of the examples of each class.

        "balanced" is :math:`w_k = \sum_i w_i / (K \sum_{i \in k} w_i)`, with the sample
        weights in both sums: all classes have the same total weight, and the sum of the weights
        is unchanged.

        Parameters
        ----------
        class_weight : dict or "balanced"
            As in `BackpropClassifier`.
        y : ndarray of shape (m,)
            Class indices from `encode`.
        sample_weight : ndarray of shape (m,) or None
            The weights of the examples.

        Returns
        -------
        factors : ndarray of shape (n_classes,)

        Raises
        ------
        ValueError
            If the target is multilabel, where an example has no single class; if a class does
            not exist; or if factors are negative, not finite or all zero.
        """
        if self.kind == "multilabel":
            raise ValueError(
                "class_weight is not defined for a multilabel target, where an example has no "
                "single class; use sample_weight."
            )
        if isinstance(class_weight, dict):
            return self._given_factors(class_weight)
        if class_weight == "balanced":
            return self._balanced_factors(y, sample_weight)
        raise ValueError(f'class_weight must be a dict or "balanced"; got {class_weight!r}.')

    def _given_factors(self, class_weight: dict) -> NDArray:
        if not all(0 <= as_float(weight) < math.inf for weight in class_weight.values()):
            raise ValueError(
                "class_weight must contain finite numbers that are not negative; got "
                f"{class_weight!r}."
            )
        factors = compute_class_weight(class_weight, classes=self.classes, y=self.classes)
        if not factors.any():
            raise ValueError(f"class_weight is zero for every class; got {class_weight!r}.")
        return factors

    def _balanced_factors(self, y: NDArray, sample_weight: NDArray | None) -> NDArray:
        w = np.ones(len(y)) if sample_weight is None else sample_weight
        K = len(self.classes)
        # Relative to the largest weight, so that the sum cannot overflow.
        totals = np.bincount(y, weights=w / w.max(), minlength=K)
        # A class without weight has no example to compensate for.
        weighted = np.bincount(y, weights=w > 0, minlength=K) > 0
        with np.errstate(divide="ignore", over="ignore"):
            factors = np.where(weighted, totals.sum() / (K * totals), 0.0)
        if not np.isfinite(factors).all():
            raise ValueError(
                "class_weight='balanced' cannot compensate for weights of "
                f"{w[~np.isfinite(factors)[y]].max():.3g} in the classes "
                f"{self.classes[~np.isfinite(factors)].tolist()} beside {w.max():.3g} in others."
            )
        return factors
