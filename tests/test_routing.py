"""Validation data and weights on their way through pipelines and searches."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.datasets import load_wine
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skbackprop import BackpropClassifier


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    names = np.array(["barolo", "grignolino", "barbera"])[y]
    return train_test_split(X, names, test_size=0.3, stratify=y, random_state=0)


def early_stopping():
    return BackpropClassifier(8, reg_lambda=0.0, early_stopping=True, random_state=0)


def test_a_pipeline_transforms_the_validation_data(wine):
    X, X_val, y, y_val = wine
    scaler = StandardScaler().fit(X)
    by_hand = early_stopping().fit(
        scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val
    )
    with config_context(enable_metadata_routing=True):
        clf = early_stopping().set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline([("scale", StandardScaler()), ("net", clf)], transform_input=["X_val"])
        pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    assert pipeline["net"].validation_loss_curve_ == by_hand.validation_loss_curve_
    assert len(by_hand.validation_loss_curve_) == by_hand.n_iter_


def test_a_search_hands_on_validation_data_and_weights(wine):
    X, X_val, y, y_val = wine
    w = np.random.default_rng(0).integers(1, 3, size=len(y))
    w_val = np.linspace(1, 2, len(y_val))
    with config_context(enable_metadata_routing=True):
        clf = early_stopping().set_fit_request(
            X_val=True, y_val=True, sample_weight=True, sample_weight_val=True
        )
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        pipeline = Pipeline(
            [("scale", StandardScaler().set_fit_request(sample_weight=True)), ("net", clf)],
            transform_input=["X_val"],
        )
        search = GridSearchCV(pipeline, {"net__lambda": [0.0, 0.1]}, cv=2, scoring=scorer)
        search.fit(X, y, sample_weight=w, X_val=X_val, y_val=y_val, sample_weight_val=w_val)
    best = search.best_estimator_["net"]
    scaler = StandardScaler().fit(X, sample_weight=w)
    by_hand = early_stopping().set_params(**{"lambda": search.best_params_["net__lambda"]})
    by_hand.fit(
        scaler.transform(X),
        y,
        sample_weight=w,
        X_val=scaler.transform(X_val),
        y_val=y_val,
        sample_weight_val=w_val,
    )
    np.testing.assert_allclose(
        best.validation_loss_curve_, by_hand.validation_loss_curve_, rtol=1e-9
    )


def test_a_label_that_only_the_validation_data_have(wine):
    X, X_val, y, y_val = wine
    with pytest.raises(ValueError, match=r"y_val has labels \['merlot'\] that are not among"):
        early_stopping().fit(X, y, X_val=X_val, y_val=np.full(len(y_val), "merlot"))


# -- without routing, X_val reaches the classifier as it is -------------------------------------

UNTRANSFORMED = r'(?s)X_val.*untransformed.*transform_input=\["X_val"\]'


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_categories_that_the_pipeline_has_not_encoded(dtype):
    frame = pd.DataFrame({"colour": pd.Series(["red", "blue"] * 20, dtype=dtype)})
    y = np.arange(40) % 2
    pipeline = Pipeline([("encode", OneHotEncoder()), ("net", early_stopping())])
    with pytest.raises(ValueError, match=UNTRANSFORMED):
        pipeline.fit(frame, y, net__X_val=frame, net__y_val=y)


def test_numbers_that_the_pipeline_has_not_scaled(wine):
    X, X_val, y, y_val = wine
    frame, frame_val = pd.DataFrame(X).add_prefix("f"), pd.DataFrame(X_val).add_prefix("f")
    pipeline = Pipeline([("scale", StandardScaler()), ("net", early_stopping())])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pipeline.fit(frame, y, net__X_val=frame_val, net__y_val=y_val)
    assert len(caught) == 1
    assert "X_val has feature names, X has none" in str(caught[0].message)
    assert "transform_input" in str(caught[0].message)
    # At the line that called fit of the pipeline.
    assert caught[0].filename == __file__
