"""J and its gradient by the textbook's formula, in extended precision."""

import numpy as np
from scipy import sparse


def formula_faults(clf, case, examples, J, D) -> list[str]:
    """Compare J and its gradient with the textbook's, in extended precision, on small data."""
    m = examples.X.shape[0]
    w = case.fit.get("sample_weight")
    w = np.ones(m) if w is None else np.broadcast_to(np.asarray(w, dtype=float), (m,))
    X = examples.X.toarray() if sparse.issparse(examples.X) else np.asarray(examples.X)
    small = m * clf.network_.n_parameters <= 3e5 and np.abs(X).max() < 1e4
    # Larger parameters, and sums that cancel, leave fewer digits.
    small = small and max(np.abs(Theta).max() for Theta in clf.theta_) < 1e3
    if not small or clf.early_stopping or X.dtype == np.float32 or clf.penalty == "l1":
        return []
    Y = target(case.y, clf)
    if clf.class_weight == "balanced":
        index = np.searchsorted(clf.classes_, column(case.y))
        totals = np.bincount(index, weights=w / w.max())
        factors = np.divide(
            totals.sum(), len(totals) * totals, where=totals > 0, out=np.zeros(len(totals))
        )
        w = w * factors[index]
    expected, gradient, scale = formula(clf, X, Y, w)
    found = []
    if not abs(J - expected) <= 1e-9 * (abs(expected) + 1e-6 * scale):
        found.append(f"J is {J!r}, by the formula {float(expected)!r}")
    off = np.abs(D - gradient).max()
    # At a kink of relu, as at a row of zeros, rounding decides which side counts.
    if "relu" not in clf.network_.activation and not off <= 1e-9 * (abs(gradient).max() + scale):
        found.append(f"an entry of the gradient is off by {off:.3g}")
    return found


def column(y):
    """Labels as a vector."""
    return np.asarray(y).ravel()


def target(y, clf):
    """The target of each output unit."""
    if clf.classes_.shape and clf._labels.multilabel:
        return np.asarray(y.toarray() if sparse.issparse(y) else y, dtype=np.longdouble)
    Y = (column(y)[:, np.newaxis] == clf.classes_).astype(np.longdouble)
    one_unit = clf.network_.layer_sizes[-1] == 1
    return Y[:, 1:] if one_unit else Y


def formula(clf, X, Y, w):
    """J, its gradient, and the size of the terms of the gradient, in extended precision."""
    network = clf.network_
    thetas = [Theta.astype(np.longdouble) for Theta in clf.theta_]
    w = w.astype(np.longdouble)[:, np.newaxis]
    m, A, derivatives = w.sum(), [X.astype(np.longdouble)], []
    for Theta, name in zip(thetas, (*network.activation, None), strict=True):
        Z = A[-1] @ Theta[:, 1:].T + Theta[:, 0]
        if name is None:
            break
        g, slope = {
            "logistic": lambda z: (1 / (1 + np.exp(-z)), 1 / (2 + np.exp(z) + np.exp(-z))),
            "tanh": lambda z: (np.tanh(z), 1 / np.cosh(z) ** 2),
            "relu": lambda z: (np.maximum(z, 0), (z > 0).astype(z.dtype)),
            "identity": lambda z: (z, np.ones_like(z)),
        }[name](Z)
        A.append(g)
        derivatives.append(slope)
    if network.output_activation == "softmax":
        shifted = Z - Z.max(axis=1, keepdims=True)
        log_h = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        h = np.exp(log_h)
        costs, delta = -Y * log_h, h - Y
        if network.loss == "squared_error":
            e = h - Y
            costs, delta = e**2, 2 * h * (e - (e * h).sum(axis=1, keepdims=True))
    else:
        h = 1 / (1 + np.exp(-Z))
        costs, delta = np.logaddexp(0, Z) - Y * Z, h - Y
        if network.loss == "squared_error":
            costs, delta = (h - Y) ** 2, 2 * (h - Y) / (2 + np.exp(Z) + np.exp(-Z))
    J = (w * costs).sum() / m
    lambda_ = np.longdouble(clf.reg_lambda) / m
    gradients, scale = [], np.longdouble(1)
    for layer in range(len(thetas) - 1, -1, -1):
        Theta, inputs = thetas[layer], np.hstack([np.ones((len(X), 1)), A[layer]])
        D = (w * delta).T @ inputs / m
        scale = max(scale, np.abs(inputs).max() * np.abs(delta).max())
        D[:, 1:] += lambda_ * Theta[:, 1:]
        J += lambda_ / 2 * (Theta[:, 1:] ** 2).sum()
        scale = max(scale, lambda_ * np.abs(Theta).max())
        gradients.insert(0, D.ravel())
        if layer:
            delta = (delta @ Theta[:, 1:]) * derivatives[layer - 1]
    return J, np.concatenate(gradients), scale
