"""`BackpropClassifier`: the scikit-learn estimator; the mathematics is in other modules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from skbackprop.activations import ActivationName
from skbackprop.callbacks import CallbackSupportMixin, FitCallbacks, with_callbacks
from skbackprop.diagnosis import Remark, remark_on, remark_on_interrupt
from skbackprop.fitted import FittedNetwork, fitted_attributes, result_attributes
from skbackprop.interrupts import Cancellation, shielded
from skbackprop.losses import LossName, OutputName
from skbackprop.monitoring import StoppingRule
from skbackprop.objective import Objective
from skbackprop.parameter_names import accepts_lambda, translated
from skbackprop.penalties import PenaltyName
from skbackprop.prediction import Validator
from skbackprop.preparation import (
    Examples,
    class_factors,
    examples_of,
    given_starts,
    hold_out,
    validation_examples,
    weigh_classes,
)
from skbackprop.rows import ArrayRows
from skbackprop.solvers import Solver, SolverName, solver_of
from skbackprop.streaming import available_if_streaming, next_chunk
from skbackprop.threads import resolve_n_jobs
from skbackprop.training import Outcome, Training

if TYPE_CHECKING:
    from typing_extensions import Self

# Address of the published documentation; the HTML view of an estimator links to it.
DOCUMENTATION = "https://skbackprop.readthedocs.io/en/stable"


class BackpropClassifier(CallbackSupportMixin, ClassifierMixin, FittedNetwork):
    r"""Multi-layer perceptron classifier, trained by back propagation and L-BFGS by default.

    Minimises, over the parameters :math:`\Theta^{(l)}` of a feed-forward network h,

    .. math::

        J(\Theta) = {} & -\frac{1}{m} \sum_{i=1}^m \sum_{k=1}^K \left[ y_k^{(i)} \log
            h_\Theta(x^{(i)})_k + (1 - y_k^{(i)}) \log(1 - h_\Theta(x^{(i)})_k) \right] \\
            & + \frac{\lambda}{2m} \sum_l \|\Theta^{(l)}_{:,1:}\|_F^2

    with the gradient :math:`D^{(l)} = \frac{1}{m} \delta^{(l+1)T} [1, A^{(l)}]
    + \frac{\lambda}{m} [0, \Theta^{(l)}_{:,1:}]` from back propagation.
    :math:`s_l` is the number of units in layer l. :math:`\Theta^{(l)}` has shape
    :math:`(s_{l+1}, s_l + 1)`; its column 0 holds the biases and is not penalised. Labels are
    encoded as 0 and 1 for each output unit: one logistic unit for two classes, K units for K
    classes, one unit for each label of a multilabel target.

    Features should be on similar scales: put a `StandardScaler` before the classifier.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units in each hidden layer, without the bias unit; ``()`` for no hidden
        layer, which is logistic regression.
    reg_lambda : float, default=1.0
        Regularisation strength lambda, at least 0. ``"lambda"`` is accepted for it wherever a
        parameter name is a string: in `set_params`, grids and pipelines.
    init_epsilon : float or "auto", default="auto"
        Parameters are initialised uniformly on [-init_epsilon, init_epsilon]; "auto" uses
        ``sqrt(6) / sqrt(s_l + s_{l+1})`` for each layer. With "lbfgs", "bfgs" and "cg" the
        random biases of the first layer are shifted by -W times the mean of the features, as
        if the features had been centred.
    solver : str or solver object, default="lbfgs"
        "lbfgs", "bfgs", "cg", "gradient_descent", "sgd" or "adam", or an object from
        `skbackprop.solvers` with options of its own, such as
        ``SGD(learning_rate=0.1, momentum=0.9, dropout=0.2)``. In a search these options are
        named ``solver__momentum`` and so on.
    activation : str or sequence of str, default="logistic"
        Activation function g of the hidden layers: "logistic", "tanh", "relu" or "identity",
        one for all layers or one for each.
    output_activation : {"logistic", "softmax"}, default="logistic"
        Separate logistic units (one-vs-all), or one softmax over the classes.
    loss : {"cross_entropy", "squared_error"}, default="cross_entropy"
        Cost of an example: cross-entropy as above (for a softmax,
        :math:`-\sum_k y_k \log h_k`), or :math:`\sum_k (h_k - y_k)^2`.
    penalty : {"l2", "l1"}, default="l2"
        "l2" is the penalty above. "l1" is :math:`\frac{\lambda}{m} \sum |\Theta_{:,1:}|`,
        which makes weights exactly zero.
    max_iter : int, default=1000
        Maximum number of iterations; for a stochastic solver, of epochs (passes over the
        rows). From 1000 rows on, "lbfgs", "bfgs" and "cg" begin with iterations on subsets of
        the rows, which are not counted.
    tol : float, default=1e-4
        A fit has converged when the largest absolute entry of the gradient of J is at most
        `tol`.
    early_stopping : bool, default=False
        Whether to stop when the cost on validation examples has not decreased for
        `n_iter_no_change` iterations, and to keep the parameters of lowest validation cost.
        The validation examples are `X_val` of `fit`, else a `validation_fraction` of the
        training examples, stratified by class.
    validation_fraction : float, default=0.1
        Fraction of the examples to set aside for `early_stopping`, between 0 and 1.
    n_iter_no_change : int, default=10
        Number of iterations without a lower J (with `early_stopping`, without a lower
        validation cost) after which a fit ends. "lbfgs", "bfgs" and "cg" lower J in each
        iteration; if their line search fails, they first restart from the best parameters.
    n_init : int, default=1
        Number of random starts, run in parallel within `n_jobs`. The result of lowest J is
        kept, or of lowest validation cost if there are validation examples.
    class_weight : dict, "balanced" or None, default=None
        Factors for the weights of the examples of each class. "balanced" gives all classes
        the same total weight and leaves the sum of the weights unchanged.
    warm_start : bool, default=False
        Whether `fit` starts from the parameters of the previous fit.
    n_jobs : int or None, default=None
        Number of threads over row blocks, or over the features of large mini-batches. None: as
        many as the BLAS may use here; -1: all processors. The result is bitwise identical for
        any number.
    random_state : int, RandomState instance or None, default=None
        Seed or generator for the random starts, the validation split, shuffling and dropout.
    verbose : int, default=0
        Print every `verbose`-th iteration; 0 prints nothing.

    Attributes
    ----------
    theta_ : list of ndarrays
        :math:`\Theta^{(l)}`, of shape (s_{l+1}, s_l + 1).
    coefs_ : list of ndarrays
        The weights in scikit-learn's orientation, (s_l, s_{l+1}): views of `theta_`.
    intercepts_ : list of ndarrays
        The biases, (s_{l+1},): views of `theta_`.
    network_ : Network
        The fitted network: its shapes and functions, without parameters.
    classes_ : ndarray of shape (n_classes,)
        The sorted class labels; for a multilabel target, the column numbers.
    n_features_in_ : int
        Number of features n.
    feature_names_in_ : ndarray of shape (n,)
        Names of the features; only if X has column names that are all strings.
    n_iter_ : int
        Number of iterations.
    loss_ : float
        J at `theta_`.
    history_ : dict of lists
        One entry per iteration, for ``pandas.DataFrame(clf.history_)``: `iteration`, `stage`,
        `rows`, `loss` (J), `gradient_max`, `step_length` (Euclidean norm of the change of theta),
        `n_evaluations`, `seconds`, `validation_loss`, `validation_score` (NaN without
        validation examples). Entries of a head start have `iteration` 0, and J on a subset of
        the rows or estimated from mini-batches.
    loss_curve_ : list of float
        J after each iteration, from `history_`. In a large fit with "lbfgs", "bfgs" or "cg" the
        first entries are computed in float32. Most entries of "sgd" and "adam" are
        estimates from the batches (`evaluate_every`). `loss_` is always exact, in the precision
        of X.
    validation_loss_curve_ : list of float
        Cost on the validation examples after each iteration, without the penalty; empty if
        there are none.
    validation_scores_ : list of float
        Accuracy on the validation examples after each iteration; empty if there are none.
    optimize_result_ : scipy.optimize.OptimizeResult
        Why the fit ended: `message`, `status`, `success`; `nit`, `nfev` (evaluations of J
        over all rows), `fun`, `gradient_max` (largest absolute entry of J's gradient) and
        `x` (the unrolled theta).

    See Also
    --------
    Objective : J and its gradient as a function of theta.
    sklearn.neural_network.MLPClassifier : scikit-learn's multi-layer perceptron.

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
        init_epsilon: float | Literal["auto"] = "auto",
        solver: SolverName | Solver = "lbfgs",
        *,
        activation: ActivationName | Sequence[ActivationName] = "logistic",
        output_activation: OutputName = "logistic",
        loss: LossName = "cross_entropy",
        penalty: PenaltyName = "l2",
        max_iter: int = 1000,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        n_init: int = 1,
        class_weight: dict | Literal["balanced"] | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
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

    # Activations, losses and solvers are only checked for their type: users may register more.
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

    def set_params(self, **params: Any) -> Self:
        """Set parameters; ``"lambda"`` is accepted for `reg_lambda`.

        Parameters
        ----------
        **params : dict
            Names and values, including nested ones such as ``solver__momentum``. The name
            "lambda", which is a keyword of Python, works wherever a name is a string: in
            ``set_params(**{"lambda": 1})``, in the grid of a search, and as
            ``"backpropclassifier__lambda"`` in a pipeline.

        Returns
        -------
        self : BackpropClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If a name is unknown, or if both "lambda" and "reg_lambda" are given. All
            parameters then keep their values.
        """
        params = translated(params, own=self.get_params(deep=False))
        solver = params.get("solver", self.solver)
        if isinstance(solver, str) and any(name.startswith("solver__") for name in params):
            # A solver given by name has no options to set: replace it by its object.
            params["solver"] = solver_of(solver)
        # scikit-learn sets parameters one by one until it meets an unknown name.
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
        # A softmax and class weights assume that each example has one class.
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
    ) -> Self:
        """Fit the network: minimise J over its parameters.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (m, n)
            Training examples as rows. float32 stays float32; other types become float64.
        y : array-like of shape (m,) or (m, n_labels)
            Labels of any type, or a multilabel indicator matrix of 0 and 1.
        sample_weight : array-like of shape (m,), optional
            Non-negative weights: an example of weight 2 counts as two.
        X_val, y_val : like X and y, optional
            Validation examples, which are not trained on. Their cost and accuracy are
            recorded after each iteration; `early_stopping` monitors their cost.
        sample_weight_val : array-like of shape (m_val,), optional
            Weights of the validation examples.
        theta_init : list of matrices, or ndarray of shape (n_parameters,), optional
            Initial parameters, instead of random ones for the first start: Theta^(l) of
            shape (s_{l+1}, s_l + 1), or the unrolled vector.

        Returns
        -------
        self : BackpropClassifier
            The fitted estimator. If an error is raised, it is left unchanged. An interrupt
            (Ctrl-C) keeps the best parameters so far and is then raised as
            `KeyboardInterrupt`.

        Raises
        ------
        ValueError
            If a parameter is out of range, if the data are invalid, or if J is not finite at
            any start.

        Warns
        -----
        ConvergenceWarning
            If the fit ends without success: the largest gradient entry is above `tol`, and
            neither early stopping nor a callback has ended the fit.
        CollapsedFitWarning
            If the fit ends with success, but the network predicts the same for every row.
        """
        self._validate_params()
        rng = check_random_state(self.random_state)
        validation = X_val, y_val, sample_weight_val
        examples, rows, held_out = self._sources(X, y, sample_weight, validation, rng)
        labels, network = examples.labels, examples.network
        objective = Objective.from_rows(
            network, rows, reg_lambda=self.reg_lambda, penalty=self.penalty
        )
        validator = None if held_out is None else Validator(network, labels, held_out)
        solver = solver_of(self.solver)
        solver.check(objective)
        given = given_starts(self, examples, theta_init)
        fitted = partial(fitted_attributes, examples)
        callbacks = FitCallbacks(self, X, y, sample_weight, self.n_init, self.max_iter, fitted)
        training = Training(
            solver,
            objective,
            StoppingRule(self.tol, self.max_iter, self.n_iter_no_change, self.early_stopping),
            lambda centre: network.initialize(self.init_epsilon, rng, centre=centre),
            given,
            self.n_init,
            rng,
            validator,
            callbacks,
            int(self.verbose),
        )

        def train(cancellation: Cancellation) -> tuple[Outcome, Remark | None]:
            outcome = training.run(cancellation)
            return outcome, remark_on(solver, objective, labels, outcome, self.tol)

        def attributes_of(outcome: Outcome) -> dict:
            result = result_attributes(outcome.result, outcome.history)
            return fitted(outcome.best.theta) | result

        try:
            outcome, remark = shielded(train)
            attributes = attributes_of(outcome)
            if remark:
                remark.warn()
            callbacks.end(attributes)
            self._keep(attributes)
        except KeyboardInterrupt as interrupt:
            try:
                if training.outcome:
                    self._keep(attributes_of(training.outcome))
                    remark_on_interrupt(training.outcome).warn()
            finally:
                # Raised even where warnings are errors.
                raise interrupt
        return self

    @available_if_streaming
    def partial_fit(
        self, X, y, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Update the parameters by one epoch of a stochastic solver over a chunk of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (rows, n)
            Examples as rows.
        y : array-like of shape (rows,) or (rows, n_labels)
            Their labels.
        classes : array-like of shape (n_classes,), optional
            All labels that can occur. Required in the first call, unless the target is a
            multilabel indicator matrix.
        sample_weight : array-like of shape (rows,), optional
            Non-negative weights.

        Returns
        -------
        self : BackpropClassifier
            The updated estimator; `loss_` and the last entry of `loss_curve_` are the mean of
            the batches' estimates of J over these rows, each before its step.

        Raises
        ------
        ValueError
            If the data are invalid, or if J is no longer finite, as with too large a learning
            rate; the estimator is then left unchanged.
        AttributeError
            If the parameters need all rows at once: a deterministic solver, an `Adaptive`
            learning rate, `early_stopping`, or ``class_weight="balanced"``. The method does
            not exist then.

        Notes
        -----
        lambda is divided by the total number of rows m: the solver's ``n_samples``, or the
        number of rows seen so far if that is None. Options that concern a whole fit
        (`max_iter`, `tol`, `n_init`, ...) are not used.
        """
        self._validate_params()
        self._keep(next_chunk(self, X, y, classes, sample_weight))
        return self

    def _sources(
        self, X, y, sample_weight, validation: tuple, rng: np.random.RandomState
    ) -> tuple[Examples, ArrayRows, ArrayRows | None]:
        """The examples of a fit, the training rows and, if there are any, the validation rows."""
        examples = examples_of(self, X, y, sample_weight)
        rows, labels = examples.rows, examples.labels
        held_out = validation_examples(examples, *validation)
        if self.early_stopping and held_out is None:
            rows, held_out = hold_out(rows, labels, self.validation_fraction, rng)
        factors = class_factors(self.class_weight, labels, rows)
        n_threads = resolve_n_jobs(self.n_jobs)
        training = ArrayRows.of(weigh_classes(rows, factors, "training"), n_threads)
        if held_out is None:
            return examples, training, None
        held_out = weigh_classes(held_out, factors, "validation")
        return examples, training, ArrayRows.of(held_out, n_threads)
