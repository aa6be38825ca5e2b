"""Feed-forward neural networks trained by back propagation, for scikit-learn."""

from skbackprop.classifier import BackpropClassifier
from skbackprop.gradient_check import check_gradient, numerical_gradient
from skbackprop.network import Network
from skbackprop.objective import Objective

__version__ = "0.1.0"

__all__ = [
    "BackpropClassifier",
    "Network",
    "Objective",
    "check_gradient",
    "numerical_gradient",
]
