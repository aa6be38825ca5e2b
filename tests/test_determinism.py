"""The same data, parameters and random state give the same bits, however they are stored."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone

from skbackprop import BackpropClassifier, Objective
from skbackprop.solvers import BFGS, SGD, Adam

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = ["lbfgs", "bfgs", "cg", "gradient_descent", SGD(dropout=0.2), Adam(batch_size=50)]
ORDERS = {
    "Fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
}


def examples(m=300, n=20, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(m, n)).astype(dtype)
    return X, (X[:, 0] + rng.normal(size=m) > 0).astype(int) + (X[:, -1] > 1)


def network(solver="lbfgs", **params):
    defaults = {"activation": "tanh", "max_iter": 12, "tol": 1e-9, "random_state": 0}
    return BackpropClassifier((4,), solver=solver, **defaults | params)


def bits(clf, X):
    """What a fit has found and predicts."""
    found = [
        *clf.theta_,
        clf.loss_,
        clf.loss_curve_,
        clf.predict_proba(X),
        clf.predict_proba(X[:3]),
    ]
    return [np.asarray(part).tobytes() for part in found]


@pytest.mark.parametrize("stored", [lambda X: X[::-1].copy()[::-1], lambda X: X.repeat(2, 0)[::2]])
def test_rows_at_other_distances(stored):
    X, y = examples()
    assert bits(network().fit(stored(X), y), stored(X)) == bits(network().fit(X, y), X)


def test_one_row_that_stands_for_many():
    X, y = examples()
    one = np.broadcast_to(X[:1], X.shape)
    start = network().fit(X, y).theta_
    fits = [network(max_iter=1).fit(Z, y, theta_init=start) for Z in (one, one.copy())]
    assert bits(fits[0], one) == bits(fits[1], one.copy())


def in_file(X, path, order):
    np.save(path / "X.npy", np.asarray(X, order=order))
    return np.load(path / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_order_of_the_numbers_in_memory(solver, dtype):
    X, y = examples(dtype=dtype)
    clf = network(solver, early_stopping=True)
    expected = bits(clone(clf).fit(X, y), X)
    for order, stored in ORDERS.items():
        X_other = stored(X)
        assert not X_other.flags.c_contiguous
        assert bits(clone(clf).fit(X_other, y), X_other) == expected, order


@pytest.mark.parametrize(("m", "n"), [(2000, 30), (40, 1), (7, 200), (3000, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_or_a_file(tmp_path, m, n, order):
    X, y = examples(m, n)
    expected = bits(network().fit(X, y), X)
    assert bits(network().fit(np.asarray(X, order=order), y), X) == expected
    assert bits(network().fit(X.astype(">f8"), y), X) == expected
    X_file = in_file(X, tmp_path, order)
    assert bits(network().fit(X_file, y), X_file) == expected


@pytest.mark.parametrize("make", [np.ascontiguousarray, np.asfortranarray, csr_matrix])
@pytest.mark.parametrize("solver", ["lbfgs", BFGS(head_start=False), "sgd"], ids=str)
def test_any_number_of_threads(make, solver):
    X, y = examples(9500, 60)
    X = make(X)
    clf = network(solver, max_iter=2).set_params(hidden_layer_sizes=14)  # enough for threads
    fits = [clone(clf).set_params(n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2, 5)]
    expected = bits(fits[0], X)
    assert all(bits(clf, X) == expected for clf in fits[1:])


def test_starts_in_threads():
    X, y = examples()
    fits = [network(n_init=4, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2, 3)]
    assert bits(fits[1], X) == bits(fits[2], X) == bits(fits[0], X)


def test_after_pickling():
    X, y = examples()
    clf = network("adam", warm_start=True).fit(X, y)
    again = pickle.loads(pickle.dumps(clf))
    assert bits(again, X) == bits(clf, X)
    # Also what follows: a warm start, and a stream, which carries its random state along.
    assert bits(again.fit(X, y), X) == bits(clf.fit(X, y), X)
    clf.partial_fit(X, y)
    again = pickle.loads(pickle.dumps(clf))
    assert bits(again.partial_fit(X, y), X) == bits(clf.partial_fit(X, y), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cost_and_gradient_do_not_depend_on_the_order_in_memory(dtype):
    X, y = examples(500, 33, dtype)
    clf = network().fit(X, y)
    theta = clf.optimize_result_.x
    J, D = Objective(clf.network_, X, y, reg_lambda=1.0)(theta)
    for order, stored in ORDERS.items():
        other_J, other_D = Objective(clf.network_, stored(X), y, reg_lambda=1.0)(theta)
        assert (J, D.tobytes()) == (other_J, other_D.tobytes()), order
