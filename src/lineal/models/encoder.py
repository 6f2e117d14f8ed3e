"""Sentence encoders: a sentence-transformers pipeline exactly as it is, entered at the word embeddings."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from lineal.errors import FidelityError, OptionError, listing
from lineal.models.base import Adapter, entered, feature_names
from lineal.models.card import card
from lineal.models.encoded import Encoded, model_limit, readable, tokenise
from lineal.models.lease import untouched

ROUTE_PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""Which of a pipeline's prompts sentence-transformers' encode_query and encode_document take when none is named."""


class SentenceEncoder(Adapter):
    """A `SentenceTransformer`: every module of it (pooling, Dense, Normalize, …) runs, `truncate_dim` included. Answers (n, D).

    Read with a prompt, the prompt stands before the text, in the record too; its tokens are held: they act, but do not move.
    """

    def __init__(self, pipeline: Any, name: str, revision: str | None = None) -> None:
        """Wrap a live pipeline, with its own default prompt; raises OptionError when it begins with no transformer."""
        network = _network(pipeline, None, name)
        tokenizer = _entry(pipeline, None).tokenizer
        super().__init__(pipeline, network, tokenizer, card(name, "encoder", pipeline, network, tokenizer, revision, _stages(pipeline)))
        self.route: str | None = None
        self.prompt: str = pipeline.prompts.get(pipeline.default_prompt_name) or ""

    def reading(self, prompt: str | None = None, prompt_name: str | None = None, route: str | None = None) -> SentenceEncoder:
        """Return the same pipeline, reading its texts with another prompt or by another route; nothing is copied.

        prompt: text put before every text; prompt_name: one of the pipeline's own prompts; as in sentence-transformers' `encode`.
            route: query or document, as in `encode_query` and `encode_document`: the way through an asymmetric pipeline and its prompt.
        Raises OptionError for a prompt or route that the pipeline does not have.
        """
        if prompt is None and prompt_name is None and route is None:
            return self
        prompts = self.module.prompts
        if prompt_name is not None and prompt_name not in prompts:
            raise OptionError(f"{self.card.name} has no prompt named {prompt_name!r}; it has {listing(prompts) or 'none'}")
        if route is not None and route not in ROUTE_PROMPTS:
            raise OptionError(f"unknown route {route!r}; choose one of {listing(ROUTE_PROMPTS)}")
        other = copy.copy(self)
        other.route = route
        if route is not None:
            other.network, other.tokenizer = _network(self.module, route, self.card.name), _entry(self.module, route).tokenizer
            prompt_name = prompt_name or next((name for name in ROUTE_PROMPTS[route] if name in prompts), None)
        named = prompts[prompt_name] if prompt_name is not None else self.prompt
        other.prompt = prompt if prompt is not None else named
        return other

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise one text as the pipeline does. Raises FidelityError when the pipeline itself reads other tokens."""
        if len(texts) != 1:
            raise OptionError("a sentence encoder reads one text at a time; name the other text in the target: targets.similar(text)")
        limit = _entry(self.module, self.route).max_seq_length or model_limit(self.tokenizer, self.network.config)
        names = feature_names(self.network)
        encoded = tokenise(self.tokenizer, texts, limit, truncate, names)
        if self.prompt:
            encoded = _held(tokenise(self.tokenizer, (self.prompt + texts[0],), limit, truncate, names), self.prompt)
        route = {} if self.route is None else {"task": self.route}
        heads = readable(self.tokenizer, texts, limit)
        with untouched(self.tokenizer):
            own = self.module.preprocess(list(heads), prompt=self.prompt or None, **route)["input_ids"][0].tolist()
        if own != encoded.ids:
            raise FidelityError(
                f"{self.card.name} itself reads {len(own)} tokens where its tokenizer gives {len(encoded)}: it rewrites texts "
                "first (a chat template, an expansion of queries), so their tokens cannot be told from what it adds"
            )
        return encoded

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return sentence embeddings (n, D)."""
        inputs: dict[str, Any] = entered(features, embeds)
        if self.prompt:
            inputs["prompt_length"] = _prompt_length(self.module, self.route, self.prompt)
        if self.route is not None:
            inputs |= {"task": self.route, "modality": "text"}
        embedding: Tensor = self.module(inputs)["sentence_embedding"]
        width = self.module.truncate_dim
        return embedding if width is None else embedding[:, :width]


def _entry(pipeline: Any, route: str | None) -> Any:
    """Return the pipeline's first module, looked up behind a router."""
    first = pipeline[0]
    if not hasattr(first, "sub_modules"):
        return first
    return first.sub_modules[first._resolve_route(task=route, modality="text")][0]


def _stages(pipeline: Any) -> list[Any]:
    """Return what decides a pipeline's answer besides weights: its modules with their settings, its width and prompts."""
    stages: list[Any] = [(type(part).__name__, getattr(part, "get_config_dict", dict)()) for part in pipeline]
    return [stages, pipeline.truncate_dim, pipeline.prompts, pipeline.default_prompt_name]


def _network(pipeline: Any, route: str | None, name: str) -> Any:
    """Return the transformer that owns the word embeddings."""
    entry = _entry(pipeline, route)
    network = getattr(entry, "model", None) or getattr(entry, "auto_model", None)
    if network is None or not hasattr(network, "get_input_embeddings"):
        side = f" for a {route}" if route else ""
        raise OptionError(f"{name} begins{side} with {type(entry).__name__}, which has no token embeddings to attribute to")
    return network


def _prompt_length(pipeline: Any, route: str | None, prompt: str) -> int | None:
    """Return how many tokens the pipeline counts as the prompt, which pooling may leave out."""
    count = getattr(_entry(pipeline, route), "_get_prompt_length", None)
    return None if count is None else count(prompt)


def _held(encoded: Encoded, prompt: str) -> Encoded:
    """Hold the tokens that lie in the prompt; one that reaches into the text belongs to the text."""
    inside = [segment == 0 and end <= len(prompt) for segment, (_, end) in zip(encoded.segments, encoded.offsets, strict=True)]
    roles = tuple("held" if held and role == "content" else role for held, role in zip(inside, encoded.roles, strict=True))
    note = f"The model reads the prompt “{prompt.strip()}” before the text; it is held and scores 0."
    return replace(encoded, roles=roles, notes=(*encoded.notes, note))
