"""Pictures of a network and of its fit, from fitted public attributes only.

They need matplotlib, which is in the extra ``plots``; it is imported when a picture is drawn.
"""

from skbackprop.display.hidden_units import HiddenUnitsDisplay
from skbackprop.display.loss_curve import LossCurveDisplay
from skbackprop.display.network_diagram import NetworkDisplay

__all__ = ["HiddenUnitsDisplay", "LossCurveDisplay", "NetworkDisplay"]
