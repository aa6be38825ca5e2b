import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose
from scipy.special import expit

from skbackprop.activations import ACTIVATIONS

# Symmetric about 0 but never at it, where relu has its kink.
Z = np.linspace(-6.0, 6.0, 48)


def g(name, z):
    z = np.array(z)
    assert ACTIVATIONS[name].function(z) is None
    return z


def g_prime(name, z):
    a = g(name, z)
    slope = np.ones_like(a)
    assert ACTIVATIONS[name].times_derivative(slope, a) is None
    return slope


def test_names():
    assert set(ACTIVATIONS) == set(reference.ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_function_and_derivative_equal_the_formulas(name):
    function, derivative = reference.ACTIVATIONS[name]
    assert_allclose(g(name, Z), [function(z) for z in Z], rtol=1e-13, atol=1e-15)
    assert_allclose(g_prime(name, Z), [derivative(z) for z in Z], rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_the_limit_of_differences(name):
    epsilon = 1e-5
    numeric = (g(name, Z + epsilon) - g(name, Z - epsilon)) / (2 * epsilon)
    assert_allclose(g_prime(name, Z), numeric, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_saturation_is_finite_and_keeps_the_precision(name, dtype):
    z = np.array([-1e4, -800.0, 800.0, 1e4], dtype=dtype)
    a, slope = g(name, z), g_prime(name, z)
    assert a.dtype == slope.dtype == dtype
    limits = {
        "logistic": ([0, 0, 1, 1], [0, 0, 0, 0]),
        "tanh": ([-1, -1, 1, 1], [0, 0, 0, 0]),
        "relu": ([0, 0, 800, 1e4], [0, 0, 1, 1]),
        "identity": ([-1e4, -800, 800, 1e4], [1, 1, 1, 1]),
    }
    assert a.tolist() == limits[name][0]
    assert slope.tolist() == limits[name][1]


def test_logistic_is_as_exact_as_scipys():
    z = np.linspace(-40, 40, 1001)
    assert_allclose(g("logistic", z), expit(z), rtol=0, atol=3e-16)


def test_sigmoid_of_two():
    assert_allclose(g("logistic", [2.0]), 0.8807970780, rtol=0, atol=5e-11)


def test_sigmoid_gradient_of_the_notes():
    expected = [0.1966119332, 0.2350037122, 0.25, 0.2350037122, 0.1966119332]
    assert_allclose(g_prime("logistic", [-1, -0.5, 0, 0.5, 1]), expected, rtol=0, atol=5e-11)


@pytest.mark.parametrize(("name", "slope"), [("logistic", 0.1049935854), ("tanh", 0.0706508249)])
def test_derivative_at_two(name, slope):
    assert_allclose(g_prime(name, [2.0]), slope, rtol=0, atol=5e-11)


def test_relu_has_slope_zero_at_its_kink():
    assert g_prime("relu", [-0.0, 0.0, 5e-324]).tolist() == [0.0, 0.0, 1.0]
