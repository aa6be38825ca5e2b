import sys

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from problems import ACTIVATIONS, HIDDEN_LAYERS, hidden_id, random_problem
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix
from scipy.stats import kstest

from skbackprop import Network
from skbackprop.network import as_float

GATES = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


# -- shapes and unrolled parameters ------------------------------------------------------


@pytest.mark.parametrize(
    ("layer_sizes", "n_parameters"),
    [((3, 5, 5, 4), 74), ((10, 10, 10, 1), 231), ((400, 25, 10), 10285), ((4, 1), 5)],
    ids=str,
)
def test_n_parameters(layer_sizes, n_parameters):
    network = Network(layer_sizes)
    assert network.n_parameters == n_parameters
    assert network.initialize().shape == (n_parameters,)


def test_shapes_are_units_of_the_next_layer_by_bias_and_units_of_this():
    network = Network((3, 5, 5, 4))
    assert [Theta.shape for Theta in network.reshape(np.zeros(74))] == [(5, 4), (5, 6), (4, 6)]
    assert network.n_outputs == 4
    assert "3-5-5-4" in repr(network)


def test_unroll_goes_row_by_row_and_reshape_goes_back():
    network = Network((1, 2, 1))
    thetas = [[[1, 2], [3, 4]], [[5, 6, 7]]]
    theta = network.unroll(thetas)
    assert theta.dtype == np.float64
    assert theta.tolist() == [1, 2, 3, 4, 5, 6, 7]
    for Theta, expected in zip(network.reshape(theta), thetas, strict=True):
        assert Theta.tolist() == expected


def test_reshape_gives_views_and_unroll_a_new_vector():
    network = Network((3, 4, 2))
    theta = network.initialize(random_state=0)
    views = network.reshape(theta)
    assert all(np.shares_memory(Theta, theta) for Theta in views)
    views[1][0, 0] = 42.0
    assert theta[16] == 42.0
    unrolled = network.unroll(views)
    assert not np.shares_memory(unrolled, theta)
    assert_array_equal(unrolled, theta)


def test_reshape_keeps_the_precision_and_serves_read_only_vectors():
    theta = np.zeros(26, dtype=np.float32)
    theta.flags.writeable = False
    assert {Theta.dtype for Theta in Network((3, 4, 2)).reshape(theta)} == {np.dtype(np.float32)}


# -- random initialisation ---------------------------------------------------------------


def test_initialize_is_uniform_in_every_layer():
    network = Network((300, 100, 50, 10))
    theta = network.initialize(random_state=0)
    sizes = network.layer_sizes
    for Theta, s, s_next in zip(network.reshape(theta), sizes, sizes[1:], strict=False):
        epsilon = np.sqrt(6) / np.sqrt(s + s_next)
        assert np.abs(Theta).max() <= epsilon
        assert kstest(Theta.ravel() / epsilon, "uniform", args=(-1, 2)).pvalue > 1e-3
        # The biases are drawn like the others.
        assert np.abs(Theta[:, 0]).min() > 0


def test_initialize_takes_epsilon():
    theta = Network((100, 100, 10)).initialize(0.12, random_state=0)
    assert np.abs(theta).max() <= 0.12
    assert kstest(theta / 0.12, "uniform", args=(-1, 2)).pvalue > 1e-3


def test_initialize_is_reproducible():
    network = Network((3, 4, 2))
    assert_array_equal(network.initialize(random_state=7), network.initialize(random_state=7))
    assert_array_equal(
        network.initialize(random_state=np.random.RandomState(7)),
        network.initialize(random_state=7),
    )
    assert np.all(network.initialize(random_state=7) != network.initialize(random_state=8))


def test_initialize_around_a_centre_starts_as_for_centred_features():
    network = Network((3, 4, 2))
    X, centre = np.random.RandomState(0).uniform(50, 60, (5, 3)), np.array([55.0, 54.0, 56.0])
    theta = network.initialize(random_state=1, centre=centre)
    plain = network.initialize(random_state=1)
    for A, expected in zip(
        network.forward_propagate(theta, X)[1:],
        network.forward_propagate(plain, X - centre)[1:],
        strict=True,
    ):
        assert_allclose(A, expected, rtol=1e-12)


def test_a_unit_that_cannot_be_centred_keeps_its_bias():
    network = Network((2, 3, 1))
    plain = network.initialize(1e307, random_state=0)
    centre = np.array([2.0, 1e10])
    theta = network.initialize(1e307, random_state=0, centre=centre * [1, 0])
    Theta1 = network.reshape(plain)[0]
    assert_allclose(network.reshape(theta)[0][:, 0], Theta1[:, 0] - 2.0 * Theta1[:, 1])
    for centre[1] in (1e10, -1e10, np.inf, np.nan):
        assert_array_equal(network.initialize(1e307, random_state=0, centre=centre), plain)


@pytest.mark.parametrize("init_epsilon", [0, 1, np.float32(0.5), 1e300, sys.float_info.max / 2])
def test_every_epsilon_that_is_allowed_gives_finite_parameters(init_epsilon):
    theta = Network((3, 4, 2)).initialize(init_epsilon, random_state=0)
    assert_allclose(np.abs(theta).max(), init_epsilon, rtol=0.1)


# -- a start that is given ---------------------------------------------------------------


START = np.arange(26.0)
MATRICES = [START[:16].reshape(4, 4), START[16:].reshape(2, 5)]


@pytest.mark.parametrize(
    "theta_init",
    [
        START,
        START.tolist(),
        tuple(START),
        START.astype(np.float32),
        START.astype(int),
        MATRICES,
        tuple(MATRICES),
        [Theta.tolist() for Theta in MATRICES],
        [MATRICES[0].astype(np.float32), MATRICES[1].astype(int)],
    ],
)
def test_a_start_becomes_an_unrolled_vector_of_its_own(theta_init):
    theta = Network((3, 4, 2)).check_theta(theta_init)
    assert theta.dtype == np.float64
    assert_array_equal(theta, START)
    theta[:] = -1.0
    assert_array_equal(START, np.arange(26.0))


@pytest.mark.parametrize(
    ("theta_init", "match"),
    [
        (0.5, "list of matrices or the unrolled vector; got 0.5"),
        (np.array(0.5), "list of matrices or the unrolled vector"),
        (None, "list of matrices or the unrolled vector; got None"),
        (START[:25], r"26 unrolled.*\(25,\)"),
        (MATRICES[:1], r"\(4, 4\), \(2, 5\)"),
        ([], r"\(4, 4\), \(2, 5\)"),
        ([MATRICES[0].T[:3], MATRICES[1]], r"\(4, 4\), \(2, 5\)"),
        (START + 0j, "real numbers; got entries of type complex128"),
        ([MATRICES[0], MATRICES[1] + 1j], "real numbers; got entries of type complex128"),
        ("zeros", "real numbers; got entries of type <U5"),
        (START.astype(str), "real numbers; got entries of type <U"),
        (START.astype(object), "real numbers; got entries of type object"),
        ([*START[:25], None], "real numbers; got entries of type object"),
        ([MATRICES[0].astype(object), MATRICES[1]], "real numbers; got entries of type object"),
        (START * np.nan, "not finite"),
        ([MATRICES[0], MATRICES[1] * np.inf], "not finite"),
        (START * np.longdouble(sys.float_info.max), "not finite"),
    ],
)
def test_a_start_that_is_none(theta_init, match):
    if getattr(theta_init, "dtype", None) == np.longdouble and np.isinf(theta_init).any():
        pytest.skip("the widest type of this machine is float64")
    with pytest.raises(ValueError, match=match):
        Network((3, 4, 2)).check_theta(theta_init)


# -- forward propagation -----------------------------------------------------------------


def test_and_or_not():
    def gate(theta, X):
        X = np.asarray(X)
        return Network((X.shape[1], 1)).forward_propagate(theta, X)[-1].ravel()

    assert_allclose(gate([-30.0, 20, 20], GATES), [0, 0, 0, 1], atol=5e-5)
    assert_allclose(gate([-10.0, 20, 20], GATES), [0, 1, 1, 1], atol=5e-5)
    assert_allclose(gate([10.0, -20], [[0], [1]]), [1, 0], atol=5e-5)


def test_xnor():
    network = Network((2, 2, 1))
    theta = network.unroll([[[-30, 20, 20], [10, -20, -20]], [[-10, 20, 20]]])
    _, hidden, h = network.forward_propagate(theta, GATES)
    assert_array_equal(hidden.round(3), [[0, 1], [0, 0], [0, 0], [1, 0]])
    one, zero = 0.9999545609, 4.54803785e-5
    assert_allclose(h.ravel(), [one, zero, zero, one], rtol=0, atol=5e-11)


@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
@pytest.mark.parametrize("activations", HIDDEN_LAYERS, ids=hidden_id)
def test_activations_equal_the_reference(activations, output_activation):
    sizes = (3, *[4, 2, 5][: len(activations)], 3)
    problem = random_problem(sizes, activation=activations, output_activation=output_activation)
    network, X = problem.network, problem.X
    layers = network.forward_propagate(problem.theta, X)
    assert layers[0] is X
    assert [A.shape for A in layers] == [(len(X), size) for size in sizes]
    for i, x in enumerate(X):
        expected, _ = reference.forward_propagate(
            network.reshape(problem.theta), x, activations, output_activation
        )
        for A, a in zip(layers, expected, strict=True):
            assert_allclose(A[i], a, rtol=1e-12, atol=1e-14)


def test_one_name_stands_for_all_hidden_layers():
    one = Network((3, 4, 5, 2), "tanh")
    each = Network((3, 4, 5, 2), ["tanh", "tanh"])
    assert one.activation == each.activation == ("tanh", "tanh")
    assert Network((3, 2), "tanh").activation == ()


@pytest.mark.parametrize("as_sparse", [csr_matrix, csc_matrix, coo_matrix])
def test_sparse_examples_give_the_same_activations(as_sparse):
    problem = random_problem(sparse=True)
    dense = problem.network.forward_propagate(problem.theta, problem.X.toarray())
    for A, expected in zip(
        problem.network.forward_propagate(problem.theta, as_sparse(problem.X))[1:],
        dense[1:],
        strict=True,
    ):
        assert_allclose(A, expected, rtol=1e-14)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_float32_examples_stay_float32(activation):
    problem = random_problem(activation=activation)
    single = problem.network.forward_propagate(problem.theta, problem.X.astype(np.float32))
    double = problem.network.forward_propagate(problem.theta, problem.X)
    for A, expected in zip(single, double, strict=True):
        assert A.dtype == np.float32
        assert_allclose(A, expected, rtol=1e-5, atol=1e-6)


def test_integers_and_lists_are_examples_too():
    network = Network((2, 3, 1))
    theta = network.initialize(random_state=0)
    expected = network.forward_propagate(theta, GATES.astype(float))[-1]
    assert_array_equal(network.forward_propagate(theta, GATES)[-1], expected)
    assert_array_equal(network.forward_propagate(theta, GATES.tolist())[-1], expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_inputs_are_not_changed(activation):
    problem = random_problem((3, 4, 5, 2), activation=activation)
    theta, X = problem.theta.copy(), problem.X.copy()
    theta.flags.writeable = X.flags.writeable = False
    problem.network.forward_propagate(theta, X)
    assert_array_equal(theta, problem.theta)
    assert_array_equal(X, problem.X)


# -- errors ------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0), (3, -2, 1), (3, 2.5, 1), (3, "4")], ids=str)
def test_layer_sizes_must_be_two_positive_integers_or_more(sizes):
    with pytest.raises(ValueError, match="layer_sizes"):
        Network(sizes)


@pytest.mark.parametrize(
    "init_epsilon",
    [-0.1, np.nan, np.inf, 1e308, 10**400, 0.1j, "large"],
    ids=lambda e: f"{e!r:.9}",
)
def test_init_epsilon_must_be_auto_or_a_number_not_below_zero(init_epsilon):
    with pytest.raises(
        ValueError, match=r"init_epsilon must be \"auto\" or a number from 0 to 8.988e\+307"
    ):
        Network((3, 4, 2)).initialize(init_epsilon)


@pytest.mark.parametrize("shape", [(5, 2), (5, 4), (3,)], ids=str)
def test_examples_must_have_a_column_for_each_input(shape):
    network = Network((3, 4, 2))
    with pytest.raises(ValueError, match=r"3 inputs.*\(m, 3\)"):
        network.forward_propagate(network.initialize(), np.zeros(shape))


@pytest.mark.parametrize("activation", ["sigmoid", ["tanh", "sigmoid"]], ids=str)
def test_an_unknown_activation_is_named_with_the_known_ones(activation):
    with pytest.raises(ValueError, match=r"'sigmoid'.*'logistic'.*'relu'"):
        Network((3, 4, 5, 2), activation)


def test_activations_must_be_as_many_as_hidden_layers():
    with pytest.raises(ValueError, match=r"3 hidden layers.*has 2"):
        Network((3, 4, 5, 2), ["tanh", "tanh", "tanh"])


@pytest.mark.parametrize(
    "names", [{"output_activation": "tanh"}, {"loss": "hinge"}], ids=["output", "loss"]
)
def test_an_unknown_output_or_loss_is_named(names):
    with pytest.raises(ValueError, match="|".join(names.values())):
        Network((3, 4, 2), **names)


def test_softmax_needs_two_units():
    with pytest.raises(ValueError, match="two output units"):
        Network((3, 4, 1), output_activation="softmax")


@pytest.mark.parametrize(
    "thetas",
    [
        [np.zeros((4, 4))],
        [np.zeros((4, 3)), np.zeros((2, 5))],
        [np.zeros((4, 4)).ravel(), np.zeros((2, 5))],
        [np.zeros((4, 4)), np.zeros((5, 2))],
    ],
    ids=["too_few", "no_bias_column", "flat", "transposed"],
)
def test_unroll_names_the_shapes_it_needs(thetas):
    with pytest.raises(ValueError, match=r"\(4, 4\), \(2, 5\)"):
        Network((3, 4, 2)).unroll(thetas)


@pytest.mark.parametrize("shape", [(25,), (27,), (1, 26), (26, 1)], ids=str)
def test_theta_must_have_n_parameters(shape):
    network = Network((3, 4, 2))
    with pytest.raises(ValueError, match="26 unrolled"):
        network.reshape(np.zeros(shape))
    with pytest.raises(ValueError, match="26 unrolled"):
        network.forward_propagate(np.zeros(shape), np.zeros((1, 3)))


def test_automatic_epsilon_is_the_root_of_6_over_the_units_of_both_layers():
    theta = Network((3, 5)).initialize(random_state=0)
    epsilon = np.sqrt(6 / 8)
    assert_array_equal(theta, np.random.RandomState(0).uniform(-epsilon, epsilon, 20))


def test_networks_are_equal_where_they_are_the_same_function():
    network = Network((3, 2, 2), "tanh")
    assert network == Network([3, 2, 2], ["tanh"])
    assert hash(network) == hash(Network([3, 2, 2], ["tanh"]))
    others = [
        Network((3, 1, 2), "tanh"),
        Network((3, 2, 2)),
        Network((3, 2, 2), "tanh", "softmax"),
        Network((3, 2, 2), "tanh", loss="squared_error"),
        (3, 2, 2),
    ]
    assert not any(network == other for other in others)


def test_back_propagation_needs_no_buffers():
    network = Network((2, 3, 2, 1), "tanh")
    theta = network.initialize(random_state=0)
    thetas, X = network.reshape(theta), np.random.RandomState(0).standard_normal((5, 2))
    found = []
    for buffers in (None, [np.empty((5, 3)), np.empty((5, 2))]):
        gradient = np.empty(network.n_parameters)
        deltas = network.back_propagate(
            thetas,
            network.propagate(thetas, X),
            np.ones((5, 1)),
            out=network.reshape(gradient),
            deltas=buffers,
        )
        found.append([gradient, *deltas])
    assert all(given is used for given, used in zip(buffers, deltas[:-1], strict=True))
    assert [delta.shape for delta in deltas] == [(5, 3), (5, 2), (5, 1)]
    for without, with_buffers in zip(*found, strict=True):
        assert_allclose(without, with_buffers, rtol=1e-13)


@pytest.mark.parametrize(
    ("value", "expected"), [(3, 3.0), (10**400, np.inf), (-(10**400), -np.inf)], ids=repr
)
def test_a_number_beyond_the_largest_float_is_infinite(value, expected):
    assert as_float(value) == expected
    assert np.isnan(as_float("3"))
