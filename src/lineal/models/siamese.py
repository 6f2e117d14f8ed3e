"""Two texts in one model: both go through the same encoder, and a path may move one of them or both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from lineal.errors import OptionError
from lineal.models.base import Adapter
from lineal.models.encoded import Encoded
from lineal.models.encoder import SentenceEncoder

Sides = Literal["a", "b", "both"]
SIDE = "side"
"""The feature that says which text a position belongs to: 1, 2, or 0 for padding."""


class Siamese(Adapter):
    """An encoder applied to two texts. Answers (n, 2D): the embedding of the first text, then that of the second.

    sides: whose tokens move; those of the other text are held, so that their scores are exactly 0.
    Cost: both texts are run at every point, also a held one; for a single row `targets.similar` costs half.
    """

    def __init__(self, encoder: SentenceEncoder, sides: Sides = "both") -> None:
        """Wrap an encoder; nothing of it is changed."""
        super().__init__(encoder.module, encoder.network, encoder.tokenizer, encoder.card.model_copy(update={"kind": "pair encoder"}))
        self.encoder, self.sides = encoder, sides

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise each text by itself, one behind the other. Raises OptionError unless there are two."""
        if len(texts) != 2:
            raise OptionError(f"a pair encoder reads two texts, not {len(texts)}")
        return _joined([self.encoder.encode([text], truncate) for text in texts], self.sides)

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return (n, 2D). Rows whose texts have other lengths run apart, so that no text is padded beside the other."""
        side = features[SIDE]
        lengths = [tuple(row) for row in torch.stack([(side == 1).sum(dim=1), (side == 2).sum(dim=1)], dim=1).tolist()]
        embeddings: list[Tensor | None] = [None] * len(lengths)
        for a, b in sorted(set(lengths)):
            rows = [i for i, pair in enumerate(lengths) if pair == (a, b)]
            together = torch.cat(
                [self._one(features, embeds, rows, slice(0, a)), self._one(features, embeds, rows, slice(a, a + b))], dim=-1
            )
            for at, row in enumerate(rows):
                embeddings[row] = together[at]
        return torch.stack([row for row in embeddings if row is not None])

    def _one(self, features: dict[str, Tensor], embeds: Tensor | None, rows: list[int], where: slice) -> Tensor:
        own = {name: value[rows, where] for name, value in features.items() if name != SIDE}
        return self.encoder.run(own, None if embeds is None else embeds[rows, where], None)


def _joined(parts: Sequence[Encoded], sides: Sides) -> Encoded:
    """Return both texts as one, each token with the number of its text."""
    features = {name: torch.cat([part.features[name] for part in parts]) for name in parts[0].features}
    features[SIDE] = torch.cat([torch.full((len(part),), number) for number, part in enumerate(parts, start=1)])

    def segments() -> Iterator[int]:
        for number, part in enumerate(parts):
            yield from (-1 if segment < 0 else number for segment in part.segments)

    kept = [replace(part, roles=_held(part)) if sides not in (name, "both") else part for name, part in zip("ab", parts, strict=True)]
    return Encoded(
        texts=tuple(part.texts[0] for part in parts),
        features=features,
        tokens=tuple(token for part in parts for token in part.tokens),
        offsets=tuple(pair for part in parts for pair in part.offsets),
        segments=tuple(segments()),
        word_ids=tuple(word for part in parts for word in part.word_ids),
        roles=tuple(role for part in kept for role in part.roles),
        read=tuple(part.read[0] for part in parts),
        notes=tuple(f"Text {number}: {note}" for number, part in enumerate(parts, start=1) for note in part.notes),
        warnings=tuple(f"Text {number}: {said}" for number, part in enumerate(parts, start=1) for said in part.warnings),
    )


def _held(part: Encoded) -> tuple[Literal["content", "special", "held"], ...]:
    return tuple("held" if role == "content" else role for role in part.roles)
