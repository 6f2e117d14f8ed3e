"""Models with closed forms. A `FakeModel` reads words, embeds them from a fixed table in float64, and answers with any function of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from lineal.engine.field import Request
from lineal.engine.tangents import Mode
from lineal.errors import InputError
from lineal.models.base import Head, TextModel
from lineal.models.encoded import Encoded
from lineal.records.attribution import ModelCard

WORDS = ("<pad>", "<mask>", "a", "tepid", "glorious", "mess", "of", "film", "not", "good", "bad", "the")
WIDTH = 3


class FakeTokenizer:
    """Just enough of a tokenizer for baselines and targets."""

    mask_token_id = 1
    pad_token_id = 0
    unk_token_id = eos_token_id = bos_token_id = None
    all_special_ids = (0, 1)

    def __len__(self) -> int:
        return len(WORDS)

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        return [WORDS[i] for i in ids]

    def __call__(self, text: str, add_special_tokens: bool = False) -> dict[str, list[int]]:
        return {"input_ids": [WORDS.index(word) for word in text.split()]}

    def batch_decode(self, ids: Sequence[Sequence[int]], clean_up_tokenization_spaces: bool = True) -> list[str]:
        return [self.decode(one) for one in ids]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(WORDS[i] for i in ids)


class FakeModel(TextModel):
    """answer: (n, t, d) embeddings and (n, t, 1) mask → (n, C). Kind "classifier" unless told otherwise."""

    device = torch.device("cpu")
    vocabulary = len(WORDS)

    def __init__(self, answer: Callable[[Tensor, Tensor], Tensor], labels: Sequence[str] = ("no", "yes"), kind: str = "classifier") -> None:
        self.module = nn.Embedding(len(WORDS), WIDTH, dtype=torch.float64)
        with torch.no_grad():
            table = torch.linspace(-1.0, 1.3, len(WORDS) * WIDTH, dtype=torch.float64).sin().reshape(len(WORDS), WIDTH)
            self.module.weight.copy_(table)
        self.answer = answer
        self.tokenizer = FakeTokenizer()
        self.head = Head(tuple(labels))
        self.card = ModelCard(name="fake", architecture="FakeModel", kind=kind, dtype="float64")
        self.batches: list[tuple[int, int]] = []

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        if not texts[0].strip():
            raise InputError("the text is empty")
        found = [(match.group(), match.span()) for match in re.finditer(r"\S+", texts[0])]
        ids = torch.tensor([WORDS.index(word) for word, _ in found])
        return Encoded(
            texts=tuple(texts),
            features={"input_ids": ids, "attention_mask": torch.ones_like(ids)},
            tokens=tuple(word for word, _ in found),
            offsets=tuple(span for _, span in found),
            segments=(0,) * len(found),
            word_ids=tuple(range(len(found))),
            roles=("content",) * len(found),
            read=(len(texts[0]),),
        )

    def embed(self, ids: Tensor) -> Tensor:
        return self.module(ids)

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        points = self.embed(features["input_ids"]) if embeds is None else embeds
        self.batches.append((points.shape[0], points.shape[1]))
        return self.answer(points, features["attention_mask"][..., None].to(points))

    def read(self, states: Tensor, rows: tuple[int, ...] | None) -> Tensor:
        return states


def linear(points: Tensor, mask: Tensor) -> Tensor:
    """Two classes, linear in the embeddings: IG is w·(x − x') for any rule."""
    weights = torch.tensor([[0.3, -1.0, 0.5], [1.0, 0.2, -0.7]], dtype=points.dtype)
    return (points * mask).sum(dim=1) @ weights.T


def smooth(points: Tensor, mask: Tensor) -> Tensor:
    """Two classes, smooth and not additive across tokens."""
    pooled = (points * mask).sum(dim=1) / mask.sum(dim=1)
    hidden = torch.tanh(2.0 * pooled)
    return torch.stack([(hidden**2).sum(dim=-1), (hidden[:, 0] * hidden[:, 1] + hidden[:, 2]).exp()], dim=-1)


def steep(points: Tensor, mask: Tensor) -> Tensor:
    """A passage of width about 1/300 somewhere on the path: hard for every rule."""
    pooled = (points * mask).sum(dim=(1, 2))
    return torch.stack([pooled, torch.sigmoid(300.0 * (pooled - 0.4 * pooled.detach().max() - 0.013))], dim=-1)


def by(mode: Mode, requests: Sequence[Request]) -> list[Request]:
    """Return the same requests with derivatives computed in another way."""
    return [replace(request, problem=replace(request.problem, mode=mode)) for request in requests]
