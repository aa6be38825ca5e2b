"""Names of parameters that users bring along."""

import inspect
import pydoc
import re

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from skbackprop import BackpropClassifier
from skbackprop.parameter_names import INSTEAD
from skbackprop.solvers import LBFGS, SGD, Adam, TimeDecay

OURS = set(BackpropClassifier().get_params())


# -- "lambda" ----------------------------------------------------------------------------


# A lambda of 1000 is among those searched: it is rightly warned of.
@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
def test_what_a_search_reports_is_what_the_constructor_takes():
    X, y = load_iris(return_X_y=True)
    grid = {"lambda": [0.1, 1000.0], "hidden_layer_sizes": [(3,)], "random_state": [0]}
    search = GridSearchCV(BackpropClassifier(), grid, cv=2).fit(X, y)
    clf = BackpropClassifier(**search.best_params_)
    assert clf.reg_lambda == search.best_params_["lambda"] == 0.1
    np.testing.assert_array_equal(clf.fit(X, y).predict_proba(X), search.predict_proba(X))


def test_lambda_and_reg_lambda_at_once():
    for make in (BackpropClassifier, BackpropClassifier().set_params):
        with pytest.raises(ValueError, match='"lambda" and "reg_lambda" are the same parameter'):
            make(**{"lambda": 1.0, "reg_lambda": 1.0})
    with pytest.raises(TypeError, match="multiple values for argument 'reg_lambda'"):
        BackpropClassifier(5, 1.0, **{"lambda": 1.0})


def test_everybody_sees_the_true_signature():
    signature = inspect.signature(BackpropClassifier)
    assert list(signature.parameters)[:4] == [
        "hidden_layer_sizes",
        "reg_lambda",
        "init_epsilon",
        "solver",
    ]
    assert set(signature.parameters) == OURS
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    assert BackpropClassifier.__init__.__name__ == "__init__"
    # From Python 3.13 on, a long signature has a line for each parameter.
    shown = " ".join(pydoc.plain(pydoc.render_doc(BackpropClassifier)).replace("|", " ").split())
    assert re.search(r" BackpropClassifier\( ?hidden_layer_sizes: ", shown)
    assert re.search(r" __init__\( ?self, hidden_layer_sizes: ", shown)


def test_a_clone_is_built_by_the_constructor():
    clf = BackpropClassifier(**{"lambda": 3.0, "solver": SGD(0.5)})
    assert clone(clf).get_params()["reg_lambda"] == 3.0
    assert eval(repr(clf)).reg_lambda == 3.0


# -- names of others ---------------------------------------------------------------------


def other_names(estimator):
    return set(estimator.get_params()) - OURS


@pytest.mark.parametrize(
    "name",
    sorted(
        other_names(MLPClassifier())
        | other_names(SGD())
        | other_names(Adam())
        | other_names(LBFGS())
        | {"C", "l1_ratio", "eta0"}  # of other classifiers of scikit-learn
        | {"epochs", "max_epochs", "n_epochs", "lr", "optimizer", "weight_decay", "l2"}
        | {"hidden_layers", "hidden_units"}
    ),
)
def test_a_name_of_another_estimator_is_answered_with_ours(name):
    with pytest.raises(TypeError, match=f"instead of '{name}' write") as caught:
        BackpropClassifier(**{name: 1})
    clf = BackpropClassifier(5, 2.0)
    before = joblib.hash(vars(clf))
    with pytest.raises(ValueError, match=f"instead of '{name}' write") as in_set_params:
        clf.set_params(reg_lambda=7.0, **{name: 1})
    assert joblib.hash(vars(clf)) == before
    assert str(caught.value) == str(in_set_params.value)
    with pytest.raises(ValueError, match=f"instead of '{name}' write"):
        make_pipeline(clf).set_params(**{f"backpropclassifier__{name}": 1})


@pytest.mark.parametrize("name", INSTEAD)
def test_what_is_advised_exists(name):
    assert name not in OURS
    options = re.findall(r"(SGD|Adam|LBFGS)\((.*?)\)", INSTEAD[name])
    for solver, names in options:
        known = {"SGD": SGD(), "Adam": Adam(), "LBFGS": LBFGS()}[solver].get_params()
        assert {part.split("=")[0] for part in names.split(", ")} <= set(known)
    outside = re.sub(r"(SGD|Adam|LBFGS|TimeDecay|Adaptive)\(.*?\)", "", INSTEAD[name])
    advised = set(re.findall(r"\b(\w+)=", outside))
    assert advised
    assert advised <= OURS


@pytest.mark.filterwarnings("ignore::skbackprop.exceptions.CollapsedFitWarning")
@pytest.mark.parametrize("alpha", [0.0, 0.7, 20.0])
def test_alpha_is_the_same_number(alpha):
    X, y = load_iris(return_X_y=True)
    options = {"solver": "lbfgs", "alpha": alpha, "max_iter": 5, "tol": 0}
    mlp = MLPClassifier((3,), "logistic", **options, random_state=0)
    with pytest.warns(UserWarning, match="lbfgs failed to converge"):
        mlp.fit(X, y)
    thetas = zip(mlp.intercepts_, mlp.coefs_, strict=True)
    start = [np.column_stack([b, W.T]) for b, W in thetas]
    clf = BackpropClassifier((3,), alpha, output_activation="softmax", tol=1e9)
    np.testing.assert_allclose(clf.fit(X, y, theta_init=start).loss_, mlp.loss_, rtol=1e-10)


def test_several_names_are_all_answered():
    with pytest.raises(
        TypeError, match=r"'alpha' write reg_lambda=alpha.*'C' write reg_lambda=1/C"
    ):
        BackpropClassifier(alpha=1.0, C=2.0)


def test_any_other_name_has_the_error_of_python_or_scikit_learn():
    with pytest.raises(TypeError, match="unexpected keyword argument 'lamda'"):
        BackpropClassifier(lamda=1.0)
    with pytest.raises(ValueError, match="Invalid parameter 'lamda' for estimator"):
        BackpropClassifier().set_params(lamda=1.0)


class WithEpochs(BackpropClassifier):
    def __init__(self, reg_lambda=1.0, epochs=5):
        super().__init__(reg_lambda=reg_lambda)
        self.epochs = epochs


def test_a_class_of_ones_own_may_have_such_a_name():
    clf = WithEpochs(epochs=7).set_params(epochs=8, **{"lambda": 2.0})
    assert (clf.epochs, clf.reg_lambda) == (8, 2.0)
    with pytest.raises(ValueError, match="instead of 'alpha' write"):
        clf.set_params(alpha=1.0)


# -- a failed set_params -----------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"max_iter": 7, "reg_lamda": 1.0},
        {"solver__dropout_rate": 0.5},
        {"max_iter": 7, "solver__momentum": 0.5, "solver__rate": 1.0},
        {"solver": "adam", "solver__momentum": 0.5},
        {"solver": "newton", "solver__momentum": 0.5},
        {"solver": SGD(), "solver__momentum": 0.5, "solver__rate": 1.0},
        {"solver__learning_rate__decay": 0.5, "solver__learning_rate__rate": 1.0},
        {"reg_lambda": 7.0, "tol__size": 1.0},
        {"reg_lambda": 7.0, "momentum": 0.5},
    ],
    ids=", ".join,
)
@pytest.mark.parametrize("solver", ["lbfgs", "sgd", SGD(TimeDecay(0.3), momentum=0.1)], ids=str)
def test_a_failed_set_params_changes_nothing(solver, params):
    clf = BackpropClassifier(5, 2.0, solver=solver)
    before, names = joblib.hash(vars(clf)), repr(clf)
    given = params.get("solver")
    given_before = joblib.hash(given)
    with pytest.raises((ValueError, AttributeError)):
        clf.set_params(**params)
    assert joblib.hash(vars(clf)) == before
    assert repr(clf) == names
    assert clf.solver is solver
    assert joblib.hash(given) == given_before
    # And what is right is still set.
    clf = clone(clf).set_params(solver="sgd", solver__momentum=0.5, max_iter=7)
    assert (clf.solver.momentum, clf.max_iter) == (0.5, 7)
