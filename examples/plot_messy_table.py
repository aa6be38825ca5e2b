r"""
A table with categories and missing values
==========================================

Many tables have numbers on very different scales, categories and missing values. This page
preprocesses such a table with scikit-learn, fits a network, stops the fit early by validation
rows, measures the importance of the columns, and compares the network with two of scikit-learn's
classifiers.
"""

# %%
# The table
# ---------
#
# The data are 6000 simulated customers of an insurer, of whom about one in six files a claim.
# Claims are more frequent for young drivers of powerful cars and for those who drive much in the
# city; the colour of the car has no effect. Incomes are skewed, and a fifth of them is missing,
# more often for customers with a claim.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer

from skbackprop import BackpropClassifier
from skbackprop.display import LossCurveDisplay

rng = np.random.default_rng(0)
m = 6000
table = pd.DataFrame(
    {
        "age": rng.integers(18, 85, m).astype(float),
        "income": rng.lognormal(10.3, 0.6, m),
        "power": rng.gamma(6, 18, m),
        "mileage": rng.lognormal(9.3, 0.5, m),
        "region": rng.choice(["city", "suburb", "country"], m, p=[0.4, 0.35, 0.25]),
        "job": rng.choice(["office", "trade", "care", "field", "none"], m),
        "colour": rng.choice(["red", "blue", "grey", "white"], m),
    }
)
young, old = table["age"] < 27, table["age"] > 75
log_odds = (
    -3.0
    + 2.2 * (young & (table["power"] > 110))
    + 1.3 * old
    + 1.5 * (table["region"] == "city") * (np.log(table["mileage"]) - 9.3) / 0.5
    + 0.7 * (table["job"] == "field")
    + 0.9 * np.abs(np.log(table["income"]) - 10.3)
)
claim = np.where(rng.random(m) < 1 / (1 + np.exp(-log_odds)), "claim", "none")
table.loc[rng.random(m) < np.where(claim == "claim", 0.3, 0.18), "income"] = np.nan
table.loc[rng.random(m) < 0.1, "job"] = None
print(table.head().to_string(), "\n")
print(f"{np.mean(claim == 'claim'):.1%} claims; missing: ", end="")
print(", ".join(f"{n} of {name}" for name, n in table.isna().sum().items() if n))

# %%
# From a table to features of similar size
# ----------------------------------------
#
# `PowerTransformer` makes skewed numbers more symmetric and scales them. A missing number is
# replaced by the median, and an additional column marks it, which is informative here. Categories
# become columns of 0 and 1; a missing category is one more category, and a category that only
# occurs in later data becomes zeros.

features = make_column_transformer(
    (
        make_pipeline(PowerTransformer(), SimpleImputer(strategy="median", add_indicator=True)),
        make_column_selector(dtype_include="number"),
    ),
    (
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        make_column_selector(dtype_exclude="number"),
    ),
    verbose_feature_names_out=False,
)

X_rest, X_test, y_rest, y_test = train_test_split(
    table, claim, test_size=0.25, stratify=claim, random_state=0
)
X_train, X_val, y_train, y_val = train_test_split(
    X_rest, y_rest, test_size=0.2, stratify=y_rest, random_state=0
)
print(features.fit(X_train).get_feature_names_out())

# %%
# Early stopping with given validation rows
# -----------------------------------------
#
# With ``early_stopping=True`` alone the fit sets rows aside. Given validation rows have to be
# transformed by the preprocessing that was fitted to the training rows. `transform_input` of
# `Pipeline` does this if metadata routing is enabled. The dot marks the iteration that is kept.

net = BackpropClassifier(30, reg_lambda=0.1, early_stopping=True, random_state=0)
with sklearn.config_context(enable_metadata_routing=True):
    routed = clone(net).set_fit_request(X_val=True, y_val=True)
    stopped = Pipeline([("features", features), ("net", routed)], transform_input=["X_val"])
    stopped.fit(X_train, y_train, X_val=X_val, y_val=y_val)

print(f"{stopped['net'].n_iter_} iterations: {stopped['net'].optimize_result_.message}")
LossCurveDisplay.from_estimator(stopped)
plt.show()

# %%
# Early stopping gives a higher AUC on the test customers than the same network fitted to the end.
# A larger penalty, which early stopping does not replace, gives the highest. AUC, the area under
# the ROC curve, is how often a customer with a claim gets a higher probability than one without.


def auc(model):
    return roc_auc_score(y_test == "claim", model.predict_proba(X_test)[:, 0])


to_the_end = make_pipeline(features, clone(net).set_params(early_stopping=False))
model = make_pipeline(features, BackpropClassifier(30, reg_lambda=3, random_state=0))
results = {
    "lambda = 0.1, to the end": auc(to_the_end.fit(X_train, y_train)),
    "lambda = 0.1, early stopping": auc(stopped),
    "lambda = 3, to the end": auc(model.fit(X_train, y_train)),
}
for name, value in results.items():
    print(f"{name:30s} AUC {value:.3f}")
assert list(results.values()) == sorted(results.values())

# %%
# Importance of the columns
# -------------------------
#
# `permutation_importance` shuffles one column of the *table* at a time, before any preprocessing,
# and measures by how much the score on unseen rows decreases. The importance of the colour of the
# car is rightly zero. That of the job is zero too, although it has a small effect.

importance = permutation_importance(
    model, X_test, y_test, scoring="roc_auc", n_repeats=10, random_state=0
)
order = importance.importances_mean.argsort()
fig, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
mean, spread = importance.importances_mean[order], importance.importances_std[order]
ax.barh(table.columns[order], mean, xerr=spread, color="tab:blue")
ax.axvline(0, color="black", linewidth=0.8)
ax.set_xlabel("AUC that is lost without the column")
plt.show()

lost = dict(zip(table.columns, importance.importances_mean, strict=True))
assert max(lost, key=lost.get) == "mileage"
assert abs(lost["colour"]) < 0.01

# %%
# A comparison
# ------------
#
# All classifiers have the same folds and three values of one parameter; the two networks have the
# same preprocessing and the same units. `HistGradientBoostingClassifier` needs no preprocessing of
# missing values and categories. It has the highest score, as is common on tables. The two
# networks, which differ only in the solver and the activation, have similar scores.

categories = ["region", "job", "colour"]
candidates = {
    "BackpropClassifier": (
        make_pipeline(features, BackpropClassifier(30, random_state=0)),
        {"backpropclassifier__lambda": [1, 3, 10]},
        table,
    ),
    "MLPClassifier": (
        make_pipeline(features, MLPClassifier(30, max_iter=1000, random_state=0)),
        {"mlpclassifier__alpha": [0.1, 0.3, 1]},
        table,
    ),
    "HistGradientBoostingClassifier": (
        HistGradientBoostingClassifier(
            categorical_features="from_dtype", early_stopping=True, random_state=0
        ),
        {"learning_rate": [0.02, 0.05, 0.1]},
        table.assign(**{name: table[name].astype("category") for name in categories}),
    ),
}
folds = StratifiedKFold(3, shuffle=True, random_state=0)
print(f"{'':30s}  AUC            log loss       seconds a fit")
best = {}
for name, (estimator, grid, X) in candidates.items():
    search = GridSearchCV(
        estimator, grid, scoring=["roc_auc", "neg_log_loss"], refit="neg_log_loss", cv=folds
    )
    found, i = search.fit(X, claim).cv_results_, search.best_index_
    figures = [
        f"{abs(found[f'mean_test_{score}'][i]):.3f} ± {found[f'std_test_{score}'][i]:.3f}"
        for score in ("roc_auc", "neg_log_loss")
    ]
    print(f"{name:30s}  {figures[0]}  {figures[1]}  {found['mean_fit_time'][i]:.2f}")
    best[name] = found["mean_test_roc_auc"][i]
assert max(best, key=best.get) == "HistGradientBoostingClassifier"
assert abs(best["BackpropClassifier"] - best["MLPClassifier"]) < 0.01
