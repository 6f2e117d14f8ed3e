"""What a target is: a value that names what is explained and, bound to a model, gives the objective of a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.objectives.contract import Objective

Bound = Callable[[Encoded], Objective]


@runtime_checkable
class Target(Protocol):
    """Names what is explained; `bind` prepares it once for a model."""

    def bind(self, model: TextModel) -> Bound:
        """Return the function from a text to its objective. Raises OptionError when the model cannot answer this."""
        ...

    def reader(self, model: TextModel) -> TextModel:
        """Return the model that reads the texts: itself, unless the question adds a text of its own (a target inherits this)."""
        return model
