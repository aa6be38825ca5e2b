"""Random fits: the parameters of an estimator and the arguments of `fit`, from one seed."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from data import features, labels, named_labels, pick, shape, stored, weights
from scipy import sparse

from skbackprop import BackpropClassifier
from skbackprop.solvers import (
    BFGS,
    CG,
    LBFGS,
    SGD,
    Adam,
    Adaptive,
    Cosine,
    GradientDescent,
    OneCycle,
    TimeDecay,
)

KINDS = ("array", "sparse", "frame", "file", "dask")
SPOILT = (
    "NaN",
    "infinity",
    "fewer labels",
    "negative weight",
    "weights",
    "no weight",
    "parameter",
    "solver option",
    "continuous y",
    "one class",
)
BAD_PARAMETERS = (
    {"tol": -1.0},
    {"max_iter": 0},
    {"activation": "step"},
    {"reg_lambda": np.nan},
    {"hidden_layer_sizes": (3, 0)},
    {"n_jobs": 0},
    {"loss": "hinge"},
    {"init_epsilon": np.inf},
)
# Multiplications of a fit, about a second; those of an iteration: for each row and parameter, for
# each parameter (the corrections of L-BFGS), and what a pass or the step of a batch takes anyway.
WORK = 3e9
PER_ROW, PER_PARAMETER, PER_STEP = 10, 1000, 200_000


@dataclass
class Case:
    """A fit, and what about it may make an error."""

    seed: int
    kind: str
    params: dict
    X: Any
    y: Any
    fit: dict = field(default_factory=dict)
    # What has been made wrong on purpose, so that an error has to follow.
    spoilt: str = ""
    # Whether numbers are so large or small that J may be infinite everywhere.
    extreme: bool = False

    def estimator(self):
        """A new estimator with these parameters."""
        if self.kind == "dask":
            from skbackprop.dask import DaskBackpropClassifier

            return DaskBackpropClassifier(**self.params)
        return BackpropClassifier(**self.params)

    def __str__(self):
        shape = getattr(self.X, "shape", None) or (len(self.X), len(self.X[0]))
        params = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        given = ", ".join(name for name, value in self.fit.items() if value is not None)
        how = f"{type(self.X).__name__} {getattr(self.X, 'dtype', '')}".strip()
        return f"{self.kind} {shape} {how}, y {type(self.y).__name__}, fit({given}), {params}"


def random_case(seed: int, kind: str | None = None) -> Case:
    """The case of a seed; the same for ever on the same version of NumPy."""
    rng = np.random.default_rng(seed)
    kind = kind or pick(rng, *["array"] * 12, *["sparse"] * 4, *["frame"] * 3, "file", "file")
    m, n = shape(rng)
    if kind == "dask":
        m, n = min(m, 300), min(n, 30)
    codes = labels(rng, m)
    numbers = features(rng, m, n, codes if codes.ndim == 1 else codes[:, 0])
    X = stored(rng, numbers, "array" if kind == "dask" else kind)
    params = parameters(rng, m, X.shape[1] if hasattr(X, "shape") else n, codes)
    if kind == "dask":  # a pass takes milliseconds, and only some solvers are possible
        params["max_iter"] = min(params["max_iter"], 20)
        params["solver"] = "lbfgs" if rng.random() < 0.9 else params["solver"]
    case = Case(seed, kind, params, X, named_labels(rng, codes))
    case.fit["sample_weight"] = w = weights(rng, m)
    if rng.random() < 0.15:
        _validation(rng, case, codes)
    if rng.random() < 0.1:
        _start(rng, case, codes)
    largest = np.abs(numbers).max()
    case.extreme = bool(
        largest > 1e30
        or params.get("init_epsilon", "auto") == 1e150
        or params.get("reg_lambda", 1.0) >= 1e30
        or (w is not None and not 1e-30 < np.max(w) < 1e30)
    )
    if rng.random() < 0.05:
        _spoil(rng, case)
    if kind == "dask":
        _divide(rng, case)
    return case


def _validation(rng, case: Case, codes) -> None:
    """Give some of the rows as validation rows, too."""
    m = len(codes)
    rows = np.sort(rng.choice(m, size=max(1, m // 3), replace=False))
    X, y = case.X, case.y
    if isinstance(X, list):
        case.fit["X_val"] = [X[i] for i in rows]
    elif hasattr(X, "iloc"):
        case.fit["X_val"] = X.iloc[rows]
    elif sparse.issparse(X):
        case.fit["X_val"] = X.tocsr()[rows]
    else:
        case.fit["X_val"] = X[rows]
    if isinstance(y, list):
        case.fit["y_val"] = [y[i] for i in rows]
    else:
        case.fit["y_val"] = y.iloc[rows] if hasattr(y, "iloc") else y[rows]
    if rng.random() < 0.3:
        case.fit["sample_weight_val"] = rng.uniform(0.1, 2.0, size=len(rows))


def _start(rng, case: Case, codes) -> None:
    """Give a start, of the right size if there are as many classes as labels here."""
    hidden = case.params["hidden_layer_sizes"]
    softmax = case.params.get("output_activation") == "softmax"
    K = codes.shape[1] if codes.ndim == 2 else len(np.unique(case.y))
    outputs = 1 if codes.ndim == 1 and K == 2 and not softmax else K
    n = case.X.shape[1] if hasattr(case.X, "shape") else len(case.X[0])
    sizes = (n, *((hidden,) if isinstance(hidden, int) else hidden), outputs)
    p = sum(after * (before + 1) for before, after in itertools.pairwise(sizes))
    case.fit["theta_init"] = rng.normal(size=p) * pick(rng, 0.0, 0.1, 1.0, 10.0)


def _spoil(rng, case: Case) -> None:
    """Make the case wrong."""
    m = len(case.X) if isinstance(case.X, list) else case.X.shape[0]
    case.spoilt = pick(rng, *SPOILT)
    if case.spoilt in ("NaN", "infinity"):
        X = rng.normal(size=(m, 3))
        X[rng.integers(m), 1] = np.nan if case.spoilt == "NaN" else np.inf
        case.X = sparse.csr_array(X) if rng.random() < 0.3 else X
        case.fit = {}
    elif case.spoilt == "fewer labels":
        case.y = np.arange(m + 1) % 2
    elif case.spoilt == "negative weight":
        case.fit["sample_weight"] = np.where(np.arange(m) == rng.integers(m), -1e-300, 1.0)
    elif case.spoilt == "weights":
        case.fit["sample_weight"] = np.ones(m + 1)
    elif case.spoilt == "no weight":
        case.fit["sample_weight"] = np.zeros(m)
    elif case.spoilt == "parameter":
        case.params |= pick(rng, *BAD_PARAMETERS)
    elif case.spoilt == "solver option":
        case.params["solver"] = pick(rng, SGD(batch_size=0), SGD(momentum=1.0), Adam(dropout=1.0),
                                     LBFGS(n_corrections=0), GradientDescent(-1.0))  # fmt: skip
    elif case.spoilt == "continuous y":
        case.y = rng.normal(size=m)
    elif case.spoilt == "one class":
        case.y = np.full(m, "a")


def _divide(rng, case: Case) -> None:
    """Turn the arguments into Dask collections of any partitions."""
    import dask.array as da

    X = case.X.toarray() if sparse.issparse(case.X) else np.asarray(case.X)
    y = np.asarray(case.y.toarray() if sparse.issparse(case.y) else case.y)
    m = len(X)
    ends = np.sort(rng.integers(0, m + 1, size=rng.integers(0, 4)))
    chunks = tuple(int(c) for c in np.diff([0, *ends, m]) if c)
    case.X = da.from_array(X, chunks=(chunks, X.shape[1:]))
    if len(y) == m:
        case.y = da.from_array(y, chunks=(chunks, *y.shape[1:]))
    w = case.fit.get("sample_weight")
    if w is not None:
        w = np.broadcast_to(np.asarray(w, dtype=float), (m,)) if np.ndim(w) == 0 else np.asarray(w)
        case.fit["sample_weight"] = da.from_array(w, chunks=chunks if len(w) == m else -1)


# -- parameters --------------------------------------------------------------------------------


def parameters(rng, m: int, n: int, codes) -> dict:
    """Parameters of an estimator; a fit takes about a second at most."""
    hidden = pick(rng, (), 1, 3, (5,), 10, (8, 4), (3, 3, 3), (10,) * 5, 40, (100,))
    units = (hidden,) if isinstance(hidden, int) else hidden
    while units and n * units[0] > 200_000:
        hidden = units = (max(1, units[0] // 8), *units[1:])
    outputs = codes.shape[1] if codes.ndim == 2 else len(np.unique(codes))
    sizes = (n, *units, outputs)
    p = sum(after * (before + 1) for before, after in itertools.pairwise(sizes))
    multilabel = codes.ndim == 2
    stochastic = rng.random() < 0.25
    choice = stochastic_solver(rng, len(units)) if stochastic else deterministic_solver(rng, p)
    smooth = choice in ("bfgs", "cg") or isinstance(choice, BFGS | CG)
    per_iteration = (PER_ROW * m + PER_PARAMETER) * p + PER_STEP * (1 + stochastic * m / 20)
    affordable = int(WORK / per_iteration)
    params = {
        "hidden_layer_sizes": hidden,
        "solver": choice,
        "max_iter": max(1, min(affordable, pick(rng, 1, 5, 30, 200, 1000))),
        "random_state": int(rng.integers(100)),
        "reg_lambda": pick(rng, 0, 1e-8, 0.01, 1.0, 1.0, 1.0, 30.0, 1e4, 1e30, 1e-300),
        "activation": pick(rng, "logistic", "logistic", "tanh", "relu", "identity"),
        "tol": float(10.0 ** rng.integers(-9, 0)),
    }
    if units and rng.random() < 0.1:
        names = ("logistic", "tanh", "relu", "identity")
        params["activation"] = tuple(pick(rng, *names) for _ in units)
    options = {
        "init_epsilon": lambda: pick(rng, 0, 0.1, 1.0, 100.0, 1e150),
        "output_activation": lambda: "logistic" if multilabel else "softmax",
        "loss": lambda: "squared_error",
        "penalty": lambda: "l2" if smooth else "l1",
        "early_stopping": lambda: True,
        "validation_fraction": lambda: pick(rng, 0.01, 0.3, 0.9),
        "n_iter_no_change": lambda: pick(rng, 1, 3, 1000),
        "n_init": lambda: pick(rng, 2, 3),
        "class_weight": lambda: None if multilabel else "balanced",
        "warm_start": lambda: True,
        "n_jobs": lambda: pick(rng, 1, 2, -1),
    }
    for name, value in options.items():
        if rng.random() < 0.2:
            params[name] = value()
    return params


def rate(rng):
    """A learning rate."""
    number = 10.0 ** rng.uniform(-4, 1.5)
    return pick(rng, number, number, number, TimeDecay(number), Adaptive(number), Cosine(number),
                OneCycle(number))  # fmt: skip


def stochastic_solver(rng, n_hidden: int):
    """SGD or Adam, by name or with options."""
    options = {
        "learning_rate": lambda: rate(rng),
        "batch_size": lambda: pick(rng, 1, 7, 50, 10_000),
        "shuffle": lambda: False,
        "dropout": lambda: pick(rng, 0.5, [0.3] * n_hidden),
        "evaluate_every": lambda: pick(rng, 1, 3),
    }
    chosen = {name: value() for name, value in options.items() if rng.random() < 0.35}
    if chosen.get("batch_size") == 1:
        chosen["batch_size"] = 13
    if rng.random() < 0.5:
        return Adam(**chosen) if rng.random() < 0.8 else "adam"
    if rng.random() < 0.3:
        chosen |= {"momentum": 0.5, "nesterov": True}
    return SGD(**chosen) if rng.random() < 0.8 else "sgd"


def deterministic_solver(rng, p: int):
    """A solver over all rows, by name or with options."""
    names = ["lbfgs"] * 4 + ["gradient_descent", "cg"] + ["bfgs"] * (p <= 200)
    name = pick(rng, *names)
    if rng.random() < 0.6:
        return name
    switches = ("head_start", "change_of_variables", "float32_stage")
    chosen = {switch: False for switch in switches if rng.random() < 0.3}
    if name == "gradient_descent":
        return GradientDescent(rate(rng), pick(rng, 0.0, 0.9))
    if name == "lbfgs":
        return LBFGS(pick(rng, 1, 5, 30), pick(rng, 1, 20, 50), **chosen)
    return {"cg": CG, "bfgs": BFGS}[name](**chosen)
