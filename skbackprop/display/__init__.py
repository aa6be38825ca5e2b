"""Plots of a network and of its fit, from public fitted attributes only.

They need matplotlib, which the extra ``plots`` installs; it is imported when a plot is drawn.
"""

from skbackprop.display.hidden_units import HiddenUnitsDisplay
from skbackprop.display.loss_curve import LossCurveDisplay
from skbackprop.display.network_diagram import NetworkDisplay

__all__ = ["HiddenUnitsDisplay", "LossCurveDisplay", "NetworkDisplay"]
