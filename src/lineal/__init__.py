"""Lineal: line-integral attributions for text models, with the error bar."""

__version__ = "0.1.0"
