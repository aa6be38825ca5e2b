"""`BackpropClassifier`: validate, encode, choose, solve, predict; no mathematics."""

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from skbackprop.blocks import RowBlock
from skbackprop.callbacks import CallbackSupportMixin, FitCallbacks, with_callbacks
from skbackprop.change_of_variables import feature_mean
from skbackprop.examples import (
    X_FORMAT,
    check_theta,
    check_weights,
    class_factors,
    hold_out,
    weigh_classes,
)
from skbackprop.labels import Labels
from skbackprop.monitoring import Monitor, Validation
from skbackprop.network import Network, is_positive_integer
from skbackprop.objective import Objective
from skbackprop.parameter_names import accepts_lambda, translated
from skbackprop.prediction import outputs, validation
from skbackprop.solvers import SOLVERS, Adaptive, Solver, solver_of
from skbackprop.threads import resolve_n_jobs, single_threaded_blas
from skbackprop.training import (
    Run,
    best_of,
    plan_runs,
    train,
    warn_interrupted,
    warn_unless_converged,
)

FEATURE_ATTRIBUTES = ("n_features_in_", "feature_names_in_")
# Where the documentation is published; the notebook's view of an estimator links to its page.
DOCUMENTATION = "https://skbackprop.readthedocs.io/en/stable"


def _has_partial_fit(estimator: "BackpropClassifier") -> bool:
    solver = (
        SOLVERS.get(estimator.solver) if isinstance(estimator.solver, str) else estimator.solver
    )
    reason = None
    if not getattr(solver, "stochastic", False):
        reason = (
            f"partial_fit needs a stochastic solver, 'sgd' or 'adam'; solver={estimator.solver!r} "
            "minimises J over all rows at once."
        )
    elif isinstance(getattr(solver, "learning_rate", None), Adaptive):
        reason = (
            "An Adaptive learning rate follows J over all rows, which partial_fit never sees; "
            "use a number or TimeDecay."
        )
    elif estimator.early_stopping:
        reason = (
            "partial_fit sees a part of the rows once and cannot stop early; set "
            "early_stopping=False, and end the stream when a score on rows of your own says so."
        )
    elif estimator.class_weight == "balanced":
        reason = (
            "class_weight='balanced' needs all rows at once; give partial_fit a dict of class "
            "weights."
        )
    if reason:
        raise AttributeError(reason)
    return True


class BackpropClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    r"""A multi-layer perceptron trained by back propagation, with L-BFGS unless told otherwise.

    Minimises over the parameters :math:`\Theta^{(l)}` of a feed-forward network h

    .. math::

        J(\Theta) = {} & -\frac{1}{m} \sum_{i=1}^m \sum_{k=1}^K \left[ y_k^{(i)} \log
            h_\Theta(x^{(i)})_k + (1 - y_k^{(i)}) \log(1 - h_\Theta(x^{(i)})_k) \right] \\
            & + \frac{\lambda}{2m} \sum_l \|\Theta^{(l)}_{:,1:}\|_F^2

    with the gradient :math:`D^{(l)} = \frac{1}{m} \delta^{(l+1)T} [1, A^{(l)}]
    + \frac{\lambda}{m} [0, \Theta^{(l)}_{:,1:}]` from back propagation.
    :math:`\Theta^{(l)}` has shape :math:`(s_{l+1}, s_l + 1)`, its column 0 belongs to the
    bias unit and is not penalised. Labels are encoded as 0 and 1 for each output unit: one
    logistic unit for two classes, K for more, one for each label of a multilabel target.

    Features should be of similar size: put a `StandardScaler` before it.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer, without the bias unit; ``()`` for none, which is logistic
        regression.
    reg_lambda : float, default=1.0
        lambda, at least 0. The key ``"lambda"`` stands for it wherever a parameter's name is
        a string: `set_params`, grids, pipelines.
    init_epsilon : float or "auto", default="auto"
        Random initialisation is uniform on [-init_epsilon, init_epsilon]; "auto" takes
        ``sqrt(6) / sqrt(s_l + s_{l+1})`` for each layer. With "lbfgs", "bfgs" and "cg" the
        random bias of the first layer is shifted by -W times the mean of the features, as if
        they had been centred.
    solver : str or solver object, default="lbfgs"
        "lbfgs", "bfgs", "cg", "gradient_descent", "sgd" or "adam", or an object from
        `skbackprop.solvers` that carries options of its own, such as
        ``SGD(learning_rate=0.1, momentum=0.9, dropout=0.2)``; these are searched as
        ``solver__momentum``.
    activation : str or sequence of str, default="logistic"
        g of the hidden layers: "logistic", "tanh", "relu" or "identity", one for all layers
        or one for each.
    output_activation : {"logistic", "softmax"}, default="logistic"
        Separate logistic units (one-vs-all), or one softmax over the classes.
    loss : {"cross_entropy", "squared_error"}, default="cross_entropy"
        The cost of an example: cross-entropy as above (of a softmax,
        :math:`-\sum_k y_k \log h_k`), or :math:`\sum_k (h_k - y_k)^2`.
    penalty : {"l2", "l1"}, default="l2"
        "l1" is :math:`\frac{\lambda}{m} \sum |\Theta_{:,1:}|`, which makes weights exactly
        zero.
    max_iter : int, default=1000
        The most iterations; of a stochastic solver, passes over the rows. From 1000 rows on,
        "lbfgs", "bfgs" and "cg" first do some on parts of the rows, which are not counted.
    tol : float, default=1e-4
        A fit has converged when the largest absolute entry of the gradient of J is at most
        this.
    early_stopping : bool, default=False
        End when the cost on validation examples (`X_val` of `fit`, else a
        `validation_fraction` that is set aside, stratified by class) has not become lower for
        `n_iter_no_change` iterations, and keep the parameters where it was lowest.
    validation_fraction : float, default=0.1
        The part of the examples to set aside for `early_stopping`.
    n_iter_no_change : int, default=10
        Iterations without a lower J (without a lower validation cost, with
        `early_stopping`) after which a fit ends. "lbfgs", "bfgs" and "cg" lower J in each
        iteration; if their line search fails, they first begin again from the best parameters.
    n_init : int, default=1
        Random starts, in parallel within `n_jobs`; the one of lowest J is kept, or of lowest
        validation cost where there are validation examples.
    class_weight : dict, "balanced" or None, default=None
        Factors for the weights of the examples of each class. "balanced" gives all classes
        the same weight and leaves the sum of the weights as it is.
    warm_start : bool, default=False
        Whether `fit` starts from the parameters of the fit before.
    n_jobs : int or None, default=None
        Threads over row blocks. None: as many as the BLAS may use here; -1: all processors.
        The result has the same bits for any number.
    random_state : int, RandomState instance or None, default=None
        Random starts, the validation split, shuffling and dropout.
    verbose : int, default=0
        Above 0, print a line for each iteration.

    Attributes
    ----------
    theta_ : list of ndarrays
        :math:`\Theta^{(l)}`, of shape (s_{l+1}, s_l + 1).
    coefs_ : list of ndarrays
        The weights in scikit-learn's orientation, (s_l, s_{l+1}): views of `theta_`.
    intercepts_ : list of ndarrays
        The weights of the bias units, (s_{l+1},): views of `theta_`.
    network_ : Network
        The network: its shapes and functions.
    classes_ : ndarray of shape (n_classes,)
        The sorted labels; the numbers of the columns of a multilabel target.
    n_features_in_ : int
        n.
    feature_names_in_ : ndarray of shape (n,)
        The columns of X, where it has string names.
    n_iter_ : int
        Iterations.
    loss_ : float
        J at `theta_`.
    loss_curve_ : list of float
        J after each iteration. Early ones of a large fit with "lbfgs", "bfgs" or "cg" are
        computed in float32; `loss_` is always in the precision of X.
    validation_loss_curve_ : list of float
        The cost without penalty on the validation examples after each iteration; empty
        without any.
    validation_scores_ : list of float
        The accuracy on them.
    optimize_result_ : scipy.optimize.OptimizeResult
        Why the fit ended: `message`, `status`, `success`; `nit`, `nfev` (evaluations of J
        over all rows), `fun`, `gradient_max` (largest absolute entry of J's gradient) and
        `x` (theta unrolled).

    See Also
    --------
    Objective : J and its gradient as a function of theta.
    sklearn.neural_network.MLPClassifier : scikit-learn's own.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skbackprop import BackpropClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> clf = make_pipeline(StandardScaler(), BackpropClassifier(random_state=0))
    >>> clf.fit(X_train, y_train).score(X_test, y_test) > 0.96
    True
    """

    @accepts_lambda
    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        reg_lambda: float = 1.0,
        init_epsilon: float | str = "auto",
        solver: str | Solver = "lbfgs",
        *,
        activation: str | Sequence[str] = "logistic",
        output_activation: str = "logistic",
        loss: str = "cross_entropy",
        penalty: str = "l2",
        max_iter: int = 1000,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        n_init: int = 1,
        class_weight: dict | str | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state=None,
        verbose: int = 0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.reg_lambda = reg_lambda
        self.init_epsilon = init_epsilon
        self.solver = solver
        self.activation = activation
        self.output_activation = output_activation
        self.loss = loss
        self.penalty = penalty
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.n_init = n_init
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    # Names of records are looked up where the records are, which may have been added to.
    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "reg_lambda": [Interval(Real, 0, None, closed="left")],
        "init_epsilon": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "solver": [str, Solver],
        "activation": [str, "array-like"],
        "output_activation": [str],
        "loss": [str],
        "penalty": [str],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    _doc_link_module = "skbackprop"
    _doc_link_template = f"{DOCUMENTATION}/generated/skbackprop.{{estimator_name}}.html"

    def set_params(self, **params):
        """Set parameters; ``"lambda"`` is accepted for `reg_lambda`.

        Parameters
        ----------
        **params : dict
            Names and values, also nested ones such as ``solver__momentum``. The key
            "lambda", which Python does not take as a keyword, works wherever a name is a
            string: in ``set_params(**{"lambda": 1})``, in the grid of a search, and as
            ``"backpropclassifier__lambda"`` in a pipeline.

        Returns
        -------
        self : BackpropClassifier

        Raises
        ------
        ValueError
            For an unknown name, and for "lambda" and "reg_lambda" at once; all parameters are
            then left as they were.
        """
        params = translated(params, own=self.get_params(deep=False))
        solver = params.get("solver", self.solver)
        if isinstance(solver, str) and any(name.startswith("solver__") for name in params):
            # A solver that is given by its name has options, too: its defaults.
            params["solver"] = solver_of(solver)
        # scikit-learn sets one after the other until it meets a name that does not exist.
        given = [value for value in params.values() if isinstance(value, BaseEstimator)]
        changed: list[BaseEstimator] = [self, *given]
        before = [estimator.get_params() for estimator in changed]
        try:
            return super().set_params(**params)
        except Exception:
            for estimator, values in zip(changed, before, strict=True):
                BaseEstimator.set_params(estimator, **values)
            raise

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # A softmax and class weights suppose that each example has one class.
        one_class = self.output_activation == "softmax" or self.class_weight is not None
        tags.classifier_tags.multi_label = not one_class
        tags.input_tags.sparse = True
        return tags

    # -- fitting ---------------------------------------------------------------------------

    @with_callbacks
    def fit(
        self,
        X,
        y,
        sample_weight: ArrayLike | None = None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val: ArrayLike | None = None,
        theta_init: ArrayLike | Sequence[ArrayLike] | None = None,
    ) -> "BackpropClassifier":
        """Look for the parameters of lowest J.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (m, n)
            Examples as rows. float32 rows are kept in float32; other types become float64.
        y : array-like of shape (m,) or (m, n_labels)
            Labels of any type, or a multilabel indicator matrix of 0 and 1.
        sample_weight : array-like of shape (m,), optional
            Non-negative weights: an example of weight 2 counts as two.
        X_val, y_val : like X and y, optional
            Examples that the fit does not see; their cost and accuracy are recorded after
            each iteration, and `early_stopping` watches their cost.
        sample_weight_val : array-like, optional
            Weights of the validation examples.
        theta_init : list of matrices, or ndarray of shape (n_parameters,), optional
            The first start instead of a random one: Theta^(l) of shape (s_{l+1}, s_l + 1),
            or the same unrolled.

        Returns
        -------
        self : BackpropClassifier
            Fitted. If anything raises, it is left as it was; an interrupt (Ctrl-C) keeps the
            best parameters so far and goes on as `KeyboardInterrupt`.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or the data are not what is said above.

        Warns
        -----
        ConvergenceWarning
            If the fit ends before the largest gradient entry is at most `tol`.
        """
        self._validate_params()
        # validate_data writes on the estimator before it raises: let it write on another.
        seen = copy(self)
        X_given, y_given = X, y
        X, y = validate_data(seen, X, y, multi_output=True, **X_FORMAT)
        labels = Labels.of(y, self.output_activation == "softmax")
        network = self._network(X.shape[1], labels)
        training = RowBlock(X, labels.encode(y), check_weights(sample_weight, X))
        held_out = self._validation_rows(seen, labels, X_val, y_val, sample_weight_val)
        rng = check_random_state(self.random_state)
        if self.early_stopping and held_out is None:
            training, held_out = hold_out(training, labels, self.validation_fraction, rng)
        factors = class_factors(self.class_weight, labels, training)
        objective = self._objective(network, weigh_classes(training, factors))
        solver = solver_of(self.solver)
        solver.check(objective)
        starts = self._starts(objective, labels, theta_init, solver.centred_start, rng)
        callbacks = FitCallbacks(
            self,
            X_given,
            y_given,
            sample_weight,
            len(starts),
            self.max_iter,
            partial(fitted_attributes, seen, network, labels),
        )
        validate = None
        if held_out is not None:
            rows = weigh_classes(held_out, factors)
            if rows.sample_weight is not None and not rows.sample_weight.any():
                raise ValueError("class_weight leaves the validation examples without weight.")
            n_threads = max(1, objective.n_threads // len(starts))
            validate = partial(validation, network, labels, rows, n_threads)
        monitor = Monitor(
            tol=self.tol,
            max_iter=self.max_iter,
            n_iter_no_change=self.n_iter_no_change,
            validate=validate,
            early_stopping=self.early_stopping,
            verbose=bool(self.verbose),
        )
        runs = plan_runs(objective, starts, monitor, callbacks, rng)

        def keep_best() -> Run:
            best = best_of(runs)
            monitor = best.monitor
            self._keep(
                seen, network, labels, best.result(), monitor.loss_curve, monitor.validation_curve
            )
            self._stream = None  # partial_fit goes on from here afresh
            return best

        try:
            train(solver, runs, resolve_n_jobs(self.n_jobs))
        except KeyboardInterrupt as interrupt:
            try:
                if any(run.monitor.best_theta is not None for run in runs):
                    warn_interrupted(keep_best())
            finally:
                # Also where warnings are errors.
                raise interrupt
        best = keep_best()
        callbacks.end()
        warn_unless_converged(solver, best)
        return self

    @available_if(_has_partial_fit)
    def partial_fit(
        self, X, y, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> "BackpropClassifier":
        """One pass of a stochastic solver over some of the rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (rows, n)
            Examples as rows.
        y : array-like of shape (rows,) or (rows, n_labels)
            Their labels.
        classes : array-like of shape (n_classes,), optional
            All labels there will be. Needed in the first call, unless the target is a
            multilabel indicator.
        sample_weight : array-like of shape (rows,), optional
            Non-negative weights.

        Returns
        -------
        self : BackpropClassifier
            With `loss_` and the last entry of `loss_curve_` J over these rows.

        Raises
        ------
        ValueError
            If the data are not what is said above, or if J is no longer finite, as with too
            large a learning rate; the estimator is then left as it was.
        AttributeError
            The method does not exist where it would see too little: with a solver over all
            rows, an `Adaptive` learning rate, `early_stopping` or balanced classes.

        Notes
        -----
        lambda is divided by the m of all rows: the solver's ``n_samples``, or the rows seen
        so far if that is None. The options of a whole fit (`max_iter`, `tol`, `n_init`, ...)
        have no part in it.
        """
        self._validate_params()
        first = not hasattr(self, "theta_")
        seen = copy(self)
        X, y = validate_data(seen, X, y, multi_output=True, reset=first, **X_FORMAT)
        labels = self._stream_labels(y, classes, first)
        network = self._network(X.shape[1], labels)
        if not first and network != self.network_:
            raise ValueError(
                f"The parameters ask for another network than the one that was begun, "
                f"{self.network_}; call fit for a new one."
            )
        rows = RowBlock(X, labels.encode(y), check_weights(sample_weight, X))
        factors = class_factors(self.class_weight, labels, rows)
        objective = self._objective(network, weigh_classes(rows, factors))
        solver = solver_of(self.solver)
        run = deepcopy(getattr(self, "_stream", None)) or solver.new_run(
            check_random_state(self.random_state)
        )
        if first:
            theta = network.initialize(self.init_epsilon, run.random_state)
        else:
            theta = network.unroll(self.theta_)
        theta, loss, gradient = solver.partial_minimize(objective, theta, run)
        if not np.isfinite(loss):
            raise ValueError(
                f"J is {loss} after these rows; the parameters from before them are kept. "
                f"{solver.advice}"
            )
        self._stream = run
        curve = [*(() if first else self.loss_curve_), loss]
        result = OptimizeResult(
            x=theta,
            fun=loss,
            gradient_max=float(np.abs(gradient).max()),
            nit=len(curve),
            nfev=len(curve),
            success=True,
            status="partial",
            message=f"{run.n_steps} steps of partial_fit.",
        )
        self._keep(seen, network, labels, result, curve, [])
        return self

    def _network(self, n_features: int, labels: Labels) -> Network:
        sizes: Any = self.hidden_layer_sizes
        hidden = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
        if not all(is_positive_integer(units) for units in hidden):
            raise ValueError(
                "hidden_layer_sizes must be a positive integer or a sequence of them (empty for "
                f"no hidden layer); got {sizes!r}."
            )
        return Network(
            (n_features, *hidden, labels.n_outputs),
            self.activation,
            self.output_activation,
            self.loss,
        )

    def _objective(self, network: Network, rows: RowBlock) -> Objective:
        return Objective(
            network,
            rows.X,
            rows.y,
            reg_lambda=self.reg_lambda,
            penalty=self.penalty,
            sample_weight=rows.sample_weight,
            n_jobs=self.n_jobs,
        )

    def _starts(
        self,
        objective: Objective,
        labels: Labels,
        theta_init,
        centred: bool,
        rng: np.random.RandomState,
    ) -> list[NDArray]:
        """`n_init` starting points: what is given, then random ones."""
        network = objective.network
        given = []
        if theta_init is not None:
            given = [check_theta(network, theta_init)]
        elif self.warm_start and hasattr(self, "theta_"):
            if not np.array_equal(labels.classes, self.classes_):
                raise ValueError(
                    "warm_start needs the classes of the fit before, "
                    f"{self.classes_.tolist()}; got {labels.classes.tolist()}."
                )
            if network != self.network_:
                raise ValueError(
                    f"warm_start needs the network of the fit before, {self.network_}; the "
                    f"parameters and X ask for {network}."
                )
            given = [check_theta(network, self.theta_)]
        n_random = self.n_init - len(given)
        centre = None
        if centred and n_random:
            with single_threaded_blas():
                centre = feature_mean(objective.rows)
        return given + [
            network.initialize(self.init_epsilon, rng, centre=centre) for _ in range(n_random)
        ]

    def _validation_rows(
        self, seen: "BackpropClassifier", labels: Labels, X_val, y_val, sample_weight_val
    ) -> RowBlock | None:
        """The validation examples that `fit` was given."""
        if (X_val is None) != (y_val is None) or (X_val is None and sample_weight_val is not None):
            raise ValueError("X_val and y_val go together, sample_weight_val only with them.")
        if X_val is None:
            return None
        X, y = validate_data(seen, X_val, y_val, reset=False, multi_output=True, **X_FORMAT)
        return RowBlock(
            X, labels.encode(y), check_weights(sample_weight_val, X, "sample_weight_val")
        )

    def _stream_labels(self, y, classes: ArrayLike | None, first: bool) -> Labels:
        """The labels of `partial_fit`: told in the first call, the same ever after."""
        if first:
            if classes is None and type_of_target(y) != "multilabel-indicator":
                raise ValueError(
                    "The first call to partial_fit needs classes: all labels there will be."
                )
            return Labels.of(y, self.output_activation == "softmax", classes)
        if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"The classes were {self.classes_.tolist()} in the first call to partial_fit; "
                f"got {np.unique(classes).tolist()}."
            )
        return self._labels

    def _keep(
        self,
        seen: "BackpropClassifier",
        network: Network,
        labels: Labels,
        result: OptimizeResult,
        loss_curve: list[float],
        validation_curve: list[Validation],
    ) -> None:
        """Set all fitted attributes at once."""
        self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(fitted_attributes(seen, network, labels, result.x))
        self.loss_ = result.fun
        self.n_iter_ = result.nit
        self.loss_curve_ = loss_curve
        self.validation_loss_curve_ = [v.cost for v in validation_curve]
        self.validation_scores_ = [v.score for v in validation_curve]
        self.optimize_result_ = result

    # -- what a fit has found --------------------------------------------------------------

    def __getstate__(self):
        """Plain containers instead of our own and SciPy's types, so that few must be trusted."""
        state = dict(super().__getstate__())
        if "network_" in state:
            network = state["network_"]
            state["network_"] = (
                network.layer_sizes,
                network.activation,
                network.output_activation,
                network.loss,
            )
            state["_labels"] = tuple(state["_labels"])
            state["optimize_result_"] = dict(state["optimize_result_"])
        return state

    def __setstate__(self, state):
        """Build again what `__getstate__` took apart."""
        if "network_" in state:
            state = {
                **state,
                "network_": Network(*state["network_"]),
                "_labels": Labels(*state["_labels"]),
                "optimize_result_": OptimizeResult(state["optimize_result_"]),
            }
        super().__setstate__(state)

    @property
    def coefs_(self) -> list[NDArray]:
        """The weights in scikit-learn's orientation, (s_l, s_{l+1}): views of `theta_`."""
        return [Theta[:, 1:].T for Theta in self.theta_]

    @property
    def intercepts_(self) -> list[NDArray]:
        """The weights of the bias units, (s_{l+1},): views of `theta_`."""
        return [Theta[:, 0] for Theta in self.theta_]

    # -- prediction ------------------------------------------------------------------------

    def _outputs(self, X, finish: Callable[[Labels, NDArray], NDArray]) -> NDArray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, **X_FORMAT)
        return outputs(self.network_, self.theta_, X, partial(finish, self._labels), self.n_jobs)

    def decision_function(self, X) -> NDArray:
        """The logits Z^(L).

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (m, n)
            Examples as rows.

        Returns
        -------
        Z : ndarray of shape (m,) for two classes, else (m, K)
            For two classes the log odds of the second.
        """
        return self._outputs(X, Labels.decision)

    def predict(self, X) -> NDArray:
        """The most probable label; for multilabel targets those more probable than not.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (m, n)
            Examples as rows.

        Returns
        -------
        y : ndarray of shape (m,), or (m, n_labels) for multilabel targets
        """
        return self._outputs(X, Labels.decode)

    def predict_proba(self, X) -> NDArray:
        """h(x): the probability of each class.

        K logistic units of more than two classes are normalised to sum to one; those of a
        multilabel target are given as they are.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (m, n)
            Examples as rows.

        Returns
        -------
        h : ndarray of shape (m, n_classes)
        """
        return self._outputs(X, Labels.probabilities)

    def predict_log_proba(self, X) -> NDArray:
        """The logarithm of `predict_proba`, from the logits: never -inf by rounding.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (m, n)
            Examples as rows.

        Returns
        -------
        log_h : ndarray of shape (m, n_classes)
        """
        return self._outputs(X, Labels.log_probabilities)


def fitted_attributes(
    seen: BackpropClassifier, network: Network, labels: Labels, theta: NDArray
) -> dict:
    """What an estimator needs to predict, with the features that `seen` was shown."""
    shown = {name: vars(seen)[name] for name in FEATURE_ATTRIBUTES if name in vars(seen)}
    return shown | {
        "network_": network,
        "_labels": labels,
        "classes_": labels.classes,
        "theta_": network.reshape(theta),
    }
