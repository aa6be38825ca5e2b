"""Alternative parameter names: "lambda", and the names that other libraries use."""

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")

_SOLVERS = "from skbackprop.solvers"

# Replacements for names that users often try: those of scikit-learn's MLPClassifier and
# LogisticRegression, of Keras, PyTorch and skorch, and options that belong to a solver object.
# Other unknown names raise the usual error of Python or scikit-learn.
INSTEAD = {
    name: instead
    for names, instead in {
        ("alpha",): "reg_lambda=alpha, the same penalty alpha/(2m) sum W^2",
        ("C",): "reg_lambda=1/C",
        ("weight_decay",): "reg_lambda=m * weight_decay for m examples, the gradient is "
        "reg_lambda/m W",
        ("l2", "l2_reg", "regularization", "lambda_"): (
            "reg_lambda=..., of the penalty reg_lambda/(2m) sum W^2; penalty='l1' is the other one"
        ),
        ("l1", "l1_reg", "l1_ratio", "reg_alpha"): (
            "penalty='l1' and reg_lambda=..., of the penalty reg_lambda/m sum |W|"
        ),
        ("learning_rate_init", "lr", "eta", "eta0"): (
            f"solver=SGD(learning_rate=...) or solver=Adam(learning_rate=...) {_SOLVERS}"
        ),
        ("learning_rate", "power_t", "decay", "lr_schedule", "scheduler"): (
            "solver=SGD(learning_rate=...), with a number, TimeDecay(...), Adaptive(...), "
            "Cosine(...) or OneCycle(...) "
            f"{_SOLVERS}; likewise Adam"
        ),
        ("momentum",): f"solver=SGD(momentum=...) {_SOLVERS}",
        ("nesterovs_momentum", "nesterov"): f"solver=SGD(nesterov=True) {_SOLVERS}",
        ("batch_size",): f"solver=SGD(batch_size=...) or solver=Adam(batch_size=...) {_SOLVERS}",
        ("evaluate_every",): (
            f"solver=SGD(evaluate_every=...) or solver=Adam(evaluate_every=...) {_SOLVERS}"
        ),
        ("shuffle",): f"solver=SGD(shuffle=...) or solver=Adam(shuffle=...) {_SOLVERS}",
        ("dropout", "dropout_rate"): (
            f"solver=SGD(dropout=...) or solver=Adam(dropout=...) {_SOLVERS}"
        ),
        ("n_samples",): f"solver=SGD(n_samples=...) or solver=Adam(n_samples=...) {_SOLVERS}",
        ("beta_1", "beta1"): f"solver=Adam(beta_1=...) {_SOLVERS}",
        ("beta_2", "beta2"): f"solver=Adam(beta_2=...) {_SOLVERS}",
        ("betas",): f"solver=Adam(beta_1=..., beta_2=...) {_SOLVERS}",
        ("epsilon", "eps"): (
            f"solver=Adam(epsilon=...) {_SOLVERS}, or init_epsilon=... for the random start"
        ),
        ("n_corrections", "maxcor"): f"solver=LBFGS(n_corrections=...) {_SOLVERS}",
        ("max_line_search", "maxls"): f"solver=LBFGS(max_line_search=...) {_SOLVERS}",
        ("head_start",): f"solver=LBFGS(head_start=...) {_SOLVERS}",
        ("change_of_variables",): f"solver=LBFGS(change_of_variables=...) {_SOLVERS}",
        ("float32_stage",): f"solver=LBFGS(float32_stage=...) {_SOLVERS}",
        ("optimizer", "optimiser", "algorithm"): (
            f"solver=..., a name such as 'lbfgs' or 'adam', or an object {_SOLVERS}"
        ),
        ("epochs", "max_epochs", "n_epochs", "num_epochs", "nb_epoch", "n_iter", "maxiter"): (
            "max_iter=..., which counts epochs with a stochastic solver"
        ),
        ("max_fun", "maxfun"): "max_iter=..., iterations are limited but not evaluations",
        ("tolerance", "gtol"): "tol=..., the largest entry of the gradient",
        ("hidden_layers", "hidden_units", "hidden_sizes", "n_hidden", "layers", "units"): (
            "hidden_layer_sizes=..., a sequence with the units of each hidden layer"
        ),
        ("activations", "activation_function", "hidden_activation"): "activation=...",
        ("out_activation", "output_function"): "output_activation=...",
        ("criterion", "loss_function", "cost"): "loss=...",
        ("patience",): "early_stopping=True with n_iter_no_change=...",
        ("validation_split",): "early_stopping=True with validation_fraction=...",
        ("n_restarts", "restarts"): "n_init=...",
        ("class_weights",): "class_weight=...",
        ("seed", "random_seed"): "random_state=...",
        ("n_threads", "num_threads", "nthread"): "n_jobs=...",
    }.items()
    for name in names
}


def translated(
    params: Mapping[str, Any],
    own: Collection[str] = (),
    refusal: type[Exception] = ValueError,
) -> dict[str, Any]:
    """Rename "lambda" to "reg_lambda", and refuse names of other libraries.

    Parameters
    ----------
    params : dict
        Names and values.
    own : collection of str, default=()
        Names that are always accepted, because a subclass may have parameters of its own.
    refusal : type of exception, default=ValueError
        The exception to raise for a name of another library.

    Returns
    -------
    params : dict

    Raises
    ------
    ValueError
        If both "lambda" and "reg_lambda" are given.
    refusal
        For names in `INSTEAD`; the message gives the replacement.
    """
    foreign = [name for name in params if name in INSTEAD and name not in own]
    if foreign:
        raise refusal(
            "BackpropClassifier has other parameter names: "
            + "; ".join(f"instead of {name!r} write {INSTEAD[name]}" for name in foreign)
            + "."
        )
    if "lambda" in params and "reg_lambda" in params:
        raise ValueError('"lambda" and "reg_lambda" are the same parameter; set only one of them.')
    return {"reg_lambda" if name == "lambda" else name: params[name] for name in params}


def accepts_lambda(init: Callable[P, None]) -> Callable[P, None]:
    """Decorate an ``__init__`` to accept ``**{"lambda": 1}`` and to explain foreign names.

    A constructor then accepts the ``best_params_`` of a search over "lambda". The signature, from
    which scikit-learn reads the parameters, stays that of `init`.

    Parameters
    ----------
    init : callable
        The ``__init__`` to decorate.

    Returns
    -------
    init : callable
    """

    @wraps(init)
    def init_with_our_names(*args: P.args, **kwargs: P.kwargs) -> None:
        init(*args, **translated(kwargs, refusal=TypeError))

    return init_with_our_names
