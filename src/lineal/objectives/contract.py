"""f: which k scalars of a model's answer are explained. Knows nothing about tokenizing, paths or quadrature.

An objective maps the answer of a `TextModel` for n path points to an (n, k) tensor. It says what it needs: `positions`, the token
positions whose answer is read (decoders, token-level heads; empty for models that answer once per text), and `rows`, the entries of the
vocabulary that suffice (None: all of them). With `branches`, B tuples of token ids, each is appended to every path point as constant
embeddings, and the answer that is read is (n, B·p, V), branch by branch. Most objectives have but one, empty: the text as it is.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

Branches = tuple[tuple[int, ...], ...]
NO_BRANCHES: Branches = ((),)


class Objective(Protocol):
    """k differentiable scalars of a model's answer."""

    @property
    def names(self) -> tuple[str, ...]:
        """(k,) what each scalar is, as a reader sees it."""
        ...

    @property
    def units(self) -> tuple[str, ...]:
        """(k,) the unit of each scalar."""
        ...

    @property
    def positions(self) -> tuple[int, ...]:
        """Token positions that are read; empty when the model answers once per text."""
        ...

    @property
    def rows(self) -> tuple[int, ...] | None:
        """Vocabulary entries that suffice, or None for all."""
        ...

    @property
    def branches(self) -> Branches:
        """Token ids that follow every path point, a row per branch; `NO_BRANCHES` for the text as it is."""
        ...

    @property
    def is_softmax(self) -> bool:
        """Whether the scalars are read off one softmax distribution."""
        ...

    @property
    def needs_model(self) -> bool:
        """Whether it holds numbers of the model it was bound to (an embedding to compare with), and another model needs its own."""
        ...

    def as_log_prob(self) -> Objective | None:
        """Return the same outputs as log-probabilities; None for what has no probability."""
        ...

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the (n, k) scalars of an answer for n points."""
        ...


class Plain:
    """What an objective is unless it says otherwise: of the text as it is, of any model, and no probability."""

    @property
    def branches(self) -> Branches:
        """None but the text."""
        return NO_BRANCHES

    @property
    def is_softmax(self) -> bool:
        """No."""
        return False

    @property
    def needs_model(self) -> bool:
        """No."""
        return False

    def as_log_prob(self) -> Objective | None:
        """None."""
        return None
