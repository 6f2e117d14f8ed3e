"""Sentence encoders: a sentence-transformers pipeline exactly as it is, entered at the word embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lineal.errors import OptionError
from lineal.models.base import Adapter, Encoded, card, entered, feature_names, model_limit, tokenise


class SentenceEncoder(Adapter):
    """A `SentenceTransformer`: every module of it (pooling, Dense, Normalize, …) runs, `truncate_dim` included. Answers (n, D)."""

    def __init__(self, pipeline: Any, name: str, revision: str | None = None) -> None:
        """Wrap a live pipeline; raises OptionError when its first module is no transformer."""
        network = getattr(pipeline[0], "model", None) or getattr(pipeline[0], "auto_model", None)
        if network is None or not hasattr(network, "get_input_embeddings"):
            raise OptionError(f"{name} begins with {type(pipeline[0]).__name__}, which has no token embeddings to attribute to")
        super().__init__(pipeline, network, pipeline.tokenizer, card(name, "encoder", pipeline, network, revision))

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise one text as the pipeline does."""
        if len(texts) != 1:
            raise OptionError("a sentence encoder reads one text at a time; name the other text in the target: targets.similar(text)")
        limit = self.module.max_seq_length or model_limit(self.tokenizer, self.network.config)
        return tokenise(self.tokenizer, texts, limit, truncate, feature_names(self.network))

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return sentence embeddings (n, D)."""
        embedding: Tensor = self.module(entered(features, embeds))["sentence_embedding"]
        width = self.module.truncate_dim
        return embedding if width is None else embedding[:, :width]
