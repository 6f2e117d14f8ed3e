"""What a baseline is: a value that names a starting point and, bound to a model, gives it for a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from lineal.models.base import Encoded, TextModel

Start = Callable[[Encoded], Tensor]


class Baseline(Protocol):
    """Names a starting point; `bind` prepares it once for a model."""

    @property
    def name(self) -> str:
        """What the record calls it."""
        ...

    def bind(self, model: TextModel) -> Start:
        """Return the function from a text to its (t, d) or (m, t, d) starting embeddings.

        Raises OptionError when the model has no such thing.
        """
        ...


def notes(start: Start, encoded: Encoded) -> tuple[str, ...]:
    """Return what readers must know about a starting point for this text."""
    return getattr(start, "notes", lambda _: ())(encoded)


def still(start: Start, encoded: Encoded) -> frozenset[int]:
    """Return the tokens at which a starting point is the text itself, and which are held for it."""
    found: frozenset[int] = getattr(start, "still", lambda _: frozenset())(encoded)
    return found


def vector(model: TextModel, token: int) -> Tensor:
    """Return the (d,) embedding of a token."""
    with torch.no_grad():
        return model.embed(torch.tensor([token], device=model.device))[0]


def repeat(vector: Tensor, encoded: Encoded) -> Tensor:
    """Return a (d,) vector at every place of a text, (t, d)."""
    return vector.expand(len(encoded), -1)
