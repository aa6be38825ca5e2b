"""`BackpropClassifier`: scikit-learn's conventions; no mathematics."""

from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from skbackprop.callbacks import CallbackSupportMixin, FitCallbacks, with_callbacks
from skbackprop.diagnosis import Remark, remark_on, remark_on_interrupt
from skbackprop.fitted import FittedNetworkMixin, fitted_attributes, result_attributes
from skbackprop.interrupts import Cancellation, shielded
from skbackprop.monitoring import StoppingRule
from skbackprop.objective import Objective
from skbackprop.parameter_names import accepts_lambda, translated
from skbackprop.prediction import Validator
from skbackprop.preparation import (
    class_factors,
    examples_of,
    given_starts,
    hold_out,
    validation_examples,
    weigh_classes,
)
from skbackprop.rows import ArrayRows
from skbackprop.solvers import Solver, solver_of
from skbackprop.streaming import has_partial_fit, next_chunk
from skbackprop.threads import resolve_n_jobs
from skbackprop.training import Outcome, Training

# Where the documentation is published; the notebook's view of an estimator links to its page.
DOCUMENTATION = "https://skbackprop.readthedocs.io/en/stable"


class BackpropClassifier(CallbackSupportMixin, FittedNetworkMixin, ClassifierMixin, BaseEstimator):
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
    history_ : dict of lists
        One entry an iteration, for ``pandas.DataFrame(clf.history_)``: `iteration`, `stage`,
        `rows`, `loss` (J), `gradient_max`, `step_length` (Euclidean norm of the change of theta),
        `n_evaluations`, `seconds`, `validation_loss`, `validation_score` (NaN without
        validation examples). A head start has entries with `iteration` 0, of J on some rows.
    loss_curve_ : list of float
        J after each iteration, from `history_`. Early ones of a large fit with "lbfgs", "bfgs"
        or "cg" are computed in float32; `loss_` is always in the precision of X.
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
        examples = examples_of(self, X, y, sample_weight)
        rows, labels, network = examples.rows, examples.labels, examples.network
        held_out = validation_examples(examples, X_val, y_val, sample_weight_val)
        rng = check_random_state(self.random_state)
        if self.early_stopping and held_out is None:
            rows, held_out = hold_out(rows, labels, self.validation_fraction, rng)
        factors = class_factors(self.class_weight, labels, rows)
        n_threads = resolve_n_jobs(self.n_jobs)
        rows = weigh_classes(rows, factors, "training")
        objective = Objective.from_rows(
            network,
            ArrayRows.of(rows, n_threads),
            reg_lambda=self.reg_lambda,
            penalty=self.penalty,
        )
        validator = None
        if held_out is not None:
            held_out = weigh_classes(held_out, factors, "validation")
            validator = Validator(network, labels, ArrayRows.of(held_out, n_threads))
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
                # Also where warnings are errors.
                raise interrupt
        return self

    @available_if(has_partial_fit)
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
        self._keep(next_chunk(self, X, y, classes, sample_weight))
        return self
