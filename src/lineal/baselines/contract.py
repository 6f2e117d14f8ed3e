"""What a baseline is: a value that names a starting point and, bound to a model, gives it for a text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lineal.models.base import TextModel
from lineal.models.encoded import Encoded

Start = Callable[[Encoded], Tensor]


class Noted(ABC):
    """A start that says more of a text than where its path begins."""

    @abstractmethod
    def __call__(self, encoded: Encoded) -> Tensor:
        """Return the starting embeddings of a text."""

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        """Return sentences for the record of this text."""
        return ()

    def still(self, encoded: Encoded) -> frozenset[int]:
        """Return the tokens of a text that do not move; all do unless a start says otherwise."""
        return frozenset()

    def widened(self, encoded: Encoded) -> Encoded:
        """Return the text with a neutral token in every place that only the starting point has a token for."""
        return encoded

    def more(self, encoded: Encoded) -> Callable[[int], Tensor] | None:
        """Return what gives the c-th of further starting points, (m, t, d), where as many are to be drawn as the tolerance needs."""
        return None

    @property
    def drawn(self) -> bool:
        """Whether the starting points are a random sample."""
        return False


@runtime_checkable
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
    return start.notes(encoded) if isinstance(start, Noted) else ()


def still(start: Start, encoded: Encoded) -> frozenset[int]:
    """Return the tokens at which a starting point is the text itself, and which are held for it."""
    return start.still(encoded) if isinstance(start, Noted) else frozenset()


def widened(start: Start, encoded: Encoded) -> Encoded:
    """Return the text with neutral tokens where only the starting point has tokens."""
    return start.widened(encoded) if isinstance(start, Noted) else encoded


def more(start: Start, encoded: Encoded) -> Callable[[int], Tensor] | None:
    """Return what draws further starting points, None where their number is given."""
    return start.more(encoded) if isinstance(start, Noted) else None


def drawn(start: Start) -> bool:
    """Return whether starting points are a random sample."""
    return isinstance(start, Noted) and start.drawn


def vector(model: TextModel, token: int) -> Tensor:
    """Return the (d,) embedding of a token."""
    with torch.no_grad():
        return model.embed(torch.tensor([token], device=model.device))[0]


def repeat(vector: Tensor, encoded: Encoded) -> Tensor:
    """Return a (d,) vector at every place of a text, (t, d)."""
    return vector.expand(len(encoded), -1)
