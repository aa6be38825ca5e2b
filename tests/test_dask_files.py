"""A fit to folders of Parquet and CSV files is a fit to the table they hold."""

from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_wine

dd = pytest.importorskip("dask.dataframe", reason="Dask is the extra 'dask'")
pd = pytest.importorskip("pandas", reason="pandas comes with Dask's DataFrames")
from fsspec.implementations.local import LocalFileSystem

from skbackprop import BackpropClassifier, Objective
from skbackprop.dask import DaskBackpropClassifier

PARAMETERS = {"hidden_layer_sizes": 5, "random_state": 0, "tol": 1e-5}
N_FILES = 6


def wine():
    """Scaled features, names of classes, and weights, in random order."""
    X, y = load_wine(return_X_y=True)
    X = pd.DataFrame((X - X.mean(axis=0)) / X.std(axis=0)).add_prefix("x")
    table = X.assign(
        label=np.array(["first", "second", "third"])[y],
        weight=np.random.RandomState(1).uniform(0.5, 2.0, len(y)),
    )
    return table.sample(frac=1.0, random_state=0, ignore_index=True)


TABLE = wine()
FEATURES = [name for name in TABLE if name.startswith("x")]
COLUMNS = FEATURES, "label", "weight"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("wine")
    for i, rows in enumerate(np.array_split(np.arange(len(TABLE)), N_FILES)):
        TABLE.iloc[rows].to_parquet(path / f"{i}.parquet")
        TABLE.iloc[rows].to_csv(path / f"{i}.csv", index=False)
    return path


def parquet(folder):
    return dd.read_parquet(folder / "*.parquet")


READ = {
    "Parquet": parquet,
    "CSV": lambda folder: dd.read_csv(folder / "*.csv"),
    "categorical labels": lambda folder: parquet(folder).astype({"label": "category"}),
    "nullable features": lambda folder: parquet(folder).astype(dict.fromkeys(FEATURES, "Float64")),
}


@pytest.mark.parametrize("kind", READ)
def test_files_are_fitted_like_the_table_they_hold(kind, folder):
    table = READ[kind](folder)
    assert table.npartitions == N_FILES
    X, y, w = (table[names] for names in COLUMNS)
    clf = DaskBackpropClassifier(**PARAMETERS).fit(X, y, w)
    X_, y_, w_ = (TABLE[names] for names in COLUMNS)
    local = BackpropClassifier(**PARAMETERS).fit(X_, y_, w_)
    assert clf.optimize_result_.success
    assert_allclose(clf.loss_, local.loss_, rtol=1e-8)
    assert_array_equal(clf.classes_, local.classes_)
    assert_array_equal(clf.feature_names_in_, FEATURES)
    assert_array_equal(clf.predict(X).compute(), local.predict(X_))
    assert_allclose(clf.score(X, y, w), local.score(X_, y_, w_), rtol=1e-13)

    # J and its gradient, at the same theta.
    _, rows, _ = clf._sources(X, y, w, (None, None, None), np.random.RandomState(0))
    network, theta = local.network_, local.network_.unroll(local.theta_)
    J, D = Objective.from_rows(network, rows, reg_lambda=1)(theta)
    classes = np.searchsorted(local.classes_, y_.to_numpy())
    expected, D_expected = Objective(network, X_, classes, reg_lambda=1, sample_weight=w_)(theta)
    assert_allclose(J, expected, rtol=1e-12)
    assert_allclose(D, D_expected, rtol=1e-12, atol=1e-14)


def test_a_missing_value_of_a_nullable_column_is_told(folder):
    table = READ["nullable features"](folder)
    X = table[FEATURES].mask(table["x0"] == TABLE["x0"].iloc[-1])
    with pytest.raises(ValueError, match=f"Partition {N_FILES - 1}: Input X contains NaN"):
        DaskBackpropClassifier(**PARAMETERS).fit(X, table["label"])


class CountingFiles(LocalFileSystem):
    """Local files; counts how often each has been opened."""

    cachable = False
    opened: Counter = Counter()

    def _open(self, path, *args, **kwargs):
        self.opened[path.rpartition("/")[2]] += 1
        return super()._open(path, *args, **kwargs)


def test_parquet_files_are_read_at_each_pass_unless_they_are_persisted(folder, monkeypatch):
    passes, smooth = [], Objective.smooth

    def counted(self, theta):
        passes.append(None)
        return smooth(self, theta)

    monkeypatch.setattr(Objective, "smooth", counted)
    names = {f"{i}.parquet" for i in range(N_FILES)}
    table = dd.read_parquet(folder / "*.parquet", filesystem=CountingFiles())
    CountingFiles.opened.clear()
    clf = DaskBackpropClassifier(**PARAMETERS).fit(table[FEATURES], table["label"])
    assert set(CountingFiles.opened) == names
    assert min(CountingFiles.opened.values()) >= len(passes) > 2
    table = table.persist()
    CountingFiles.opened.clear()
    again = DaskBackpropClassifier(**PARAMETERS).fit(table[FEATURES], table["label"])
    assert not CountingFiles.opened
    assert again.loss_ == clf.loss_
