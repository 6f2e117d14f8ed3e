"""γ: how the text is reached from the baseline. Knows nothing about models."""

from lineal.paths.dig import Polyline
from lineal.paths.straight import Path, Straight

__all__ = ["Path", "Polyline", "Straight"]
