"""x, and how to run a model from it: adapters for the models of sentence-transformers and transformers."""

from lineal.models.base import Head, TextModel
from lineal.models.encoded import Encoded
from lineal.models.loading import ALIASES, load
from lineal.models.probe import LinearProbe

__all__ = ["ALIASES", "Encoded", "Head", "LinearProbe", "TextModel", "load"]
