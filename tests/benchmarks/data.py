"""What is fitted: real data where bundled, else a seeded teacher network plus noise."""

import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
from settings import Settings
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler


class Problem(NamedTuple):
    """Examples, class indices and the hidden layers to fit."""

    name: str
    X: np.ndarray
    y: np.ndarray
    hidden: tuple[int, ...]

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        n_classes = int(self.y.max()) + 1
        return self.X.shape[1], *self.hidden, n_classes if n_classes > 2 else 1

    @property
    def targets(self) -> np.ndarray:
        """One column for each output unit: one-hot, or 0 and 1 for one unit."""
        if self.layer_sizes[-1] == 1:
            return self.y[:, np.newaxis]
        return np.eye(self.layer_sizes[-1], dtype=int)[self.y]

    def __str__(self) -> str:
        return f"{self.name} {len(self.X)}x{'-'.join(map(str, self.layer_sizes))}"


def several(settings: Settings, mnist_rows: int = 60_000) -> list[Problem]:
    """One of each kind: wide, narrow, one-hot columns, few rows."""
    return [
        mnist(settings.data, settings.rows(mnist_rows)),
        letter_like(settings.rows(15_000)),
        adult_like(settings.rows(32_561)),
        digits(),
    ]


def teach(
    X: np.ndarray,
    n_classes: int,
    rng: np.random.RandomState,
    *,
    units: int = 40,
    noise: float = 0.5,
) -> np.ndarray:
    """Labels from a random network of one tanh layer, with noise in its logits."""
    centred = (X - X.mean(axis=0)) / (X.std() * np.sqrt(X.shape[1]))
    hidden = np.tanh(3.0 * centred @ rng.standard_normal((X.shape[1], units)))
    logits = hidden @ rng.standard_normal((units, n_classes))
    logits -= logits.mean(axis=0)
    return np.argmax(logits / logits.std() + noise * rng.gumbel(size=logits.shape), axis=1)


def mnist(folder: Path | None, n_rows: int = 60_000) -> Problem:
    """The idx files (.gz or not) of a folder; without one, images of the same shape."""
    if folder is None:
        return mnist_like(n_rows)
    X = read_idx(folder, "train-images-idx3-ubyte").reshape(-1, 784)[:n_rows]
    y = read_idx(folder, "train-labels-idx1-ubyte")[:n_rows]
    return Problem("MNIST", X / 255.0, y.astype(int), (100,))


def read_idx(folder: Path, name: str) -> np.ndarray:
    path = next((p for p in (folder / name, folder / f"{name}.gz") if p.exists()), None)
    if path is None:
        raise SystemExit(f"{folder} has neither {name} nor {name}.gz.")
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    dimensions = content[3]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)


def mnist_like(n_rows: int = 60_000) -> Problem:
    """784 non-negative pixels of which most are 0, from 40 smooth factors."""
    rng = np.random.RandomState(0)
    place = np.arange(28)
    bumps = [np.exp(-((place - c) ** 2) / 18.0) for c in rng.uniform(4, 24, size=80)]
    factors = np.array([np.outer(bumps[2 * i], bumps[2 * i + 1]).ravel() for i in range(40)])
    strokes = np.maximum(rng.standard_normal((n_rows, 40)) - 0.5, 0.0)
    X = np.clip(strokes @ factors - 0.3, 0.0, 1.0)
    return Problem("MNIST-like", X, teach(X, 10, rng, noise=0.1), (100,))


def letter_like(n_rows: int = 15_000) -> Problem:
    """16 correlated whole numbers from 0 to 15, divided by 15; 26 classes."""
    rng = np.random.RandomState(1)
    values = (
        7.5
        + 2.5 * rng.standard_normal((n_rows, 16)) @ np.linalg.cholesky(0.6 * np.eye(16) + 0.4).T
    )
    X = np.clip(np.round(values), 0, 15) / 15.0
    return Problem("letter-like", X, teach(X, 26, rng, noise=0.05), (100,))


def adult_like(n_rows: int = 32_561) -> Problem:
    """Eight categories as 92 one-hot columns, six standardised numbers; two classes."""
    rng = np.random.RandomState(2)
    columns = [rng.standard_normal((n_rows, 6))]
    for n_values in (9, 16, 7, 14, 6, 5, 2, 33):
        frequency = rng.dirichlet(np.full(n_values, 0.7))
        columns.append(np.eye(n_values)[rng.choice(n_values, size=n_rows, p=frequency)])
    X = np.hstack(columns)
    # Four classes of the teacher, of which one counts: about a quarter of the rows.
    return Problem("adult-like", X, (teach(X, 4, rng) == 0).astype(int), (100,))


def tall(n_rows: int = 200_000) -> Problem:
    """200000 x 50, five classes, for the memory of a fit with two hidden layers."""
    rng = np.random.RandomState(3)
    X = rng.standard_normal((n_rows, 50))
    return Problem("tall", X, teach(X, 5, rng), (100, 100))


def digits() -> Problem:
    X, y = load_digits(return_X_y=True)
    return Problem("digits", X / 16.0, y, (100,))


def iris() -> Problem:
    return Problem("iris", *load_iris(return_X_y=True), (10,))


def wine() -> Problem:
    X, y = load_wine(return_X_y=True)
    return Problem("wine", StandardScaler().fit_transform(X), y, (10,))


def breast_cancer() -> Problem:
    X, y = load_breast_cancer(return_X_y=True)
    return Problem("breast cancer", StandardScaler().fit_transform(X), y, (10,))
