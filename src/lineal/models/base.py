"""x, and how a model is run from it. What every kind of model shares; knows nothing about paths, rules or targets.

A `TextModel` answers for n rows at once. `run` takes token ids or, in their place, input embeddings; for models that answer once per
text it returns (n, C) or (n, D), for decoders the (n, p, ·) state at the read positions, which `read` turns into logits.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lineal.errors import ModelError, OptionError
from lineal.models.encoded import Encoded
from lineal.models.lease import lease
from lineal.objectives.units import Activation
from lineal.records.attribution import ModelCard

DIGITS = re.compile("[0-9]{1,18}")
"""A number as users write one."""

GENERATIVE = ("causal", "seq2seq")
"""Kinds of models that answer per position: what may follow."""

PER_TOKEN = (*GENERATIVE, "tagger", "reader", "masked")
"""Kinds of models whose answer is read at positions."""


@dataclass(frozen=True)
class Head:
    """What a classifier's numbers stand for. labels: (C,) names in order. activation: how they become probabilities."""

    labels: tuple[str, ...]
    activation: Activation = "softmax"

    @property
    def names(self) -> tuple[str, ...]:
        """(C,) the labels as results name them: those that share a name with their number behind it."""
        return tuple(name if self.labels.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(self.labels))

    def index(self, label: str | int) -> int:
        """Return the class of a label's name, or of a number, which digits are where no label is called so.

        OptionError lists the labels, or the numbers of those that share the name.
        """
        if isinstance(label, str):
            for wanted, names in ((label, list(self.labels)), (label.casefold(), [name.casefold() for name in self.labels])):
                places = [i for i, name in enumerate(names) if name == wanted]
                if len(places) == 1:
                    return places[0]
                if places:
                    numbers = " or ".join(map(str, places))
                    raise OptionError(f"{len(places)} labels are called {label!r}; give the number of one of them, {numbers}")
        number = int(label) if isinstance(label, str) and DIGITS.fullmatch(label) else label
        if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(self.labels):
            return number
        raise OptionError(f"there is no label {label!r}; this model has {', '.join(f'{i}: {name}' for i, name in enumerate(self.labels))}")


@runtime_checkable
class TextModel(Protocol):
    """A model that can be run from input embeddings. Its weights, tokenizer and config are never altered.

    What has a body here holds for every model that inherits from this class and does not say otherwise.
    """

    card: ModelCard
    module: nn.Module
    tokenizer: Any
    head: Head | None

    @property
    def device(self) -> torch.device:
        """Where inputs must live."""
        ...

    @property
    def vocabulary(self) -> int:
        """Number of token ids that have an embedding."""
        ...

    @property
    def network(self) -> Any:
        """The part of `module` that owns the word embeddings and the blocks; all of it where nothing stands around them."""
        return self.module

    @property
    def layers(self) -> tuple[nn.Module, ...]:
        """Trained layers behind `module` that are part of the answer; most models have none."""
        return ()

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise one text or a pair. Raises InputError (empty), TooLongError."""
        ...

    def embed(self, ids: Tensor) -> Tensor:
        """Return the input embeddings (…, d) of token ids, exactly as the model itself would look them up."""
        ...

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return the answer for n rows: from `embeds` (n, t, d), or from features["input_ids"] (n, t) when embeds is None.

        positions: (n, p) token positions that are read, for models that answer per token.
        """
        ...

    def read(self, states: Tensor, rows: tuple[int, ...] | None) -> Tensor:
        """Turn what `run` returned into what an objective takes: the answer itself. `rows` restricts the vocabulary where there is one."""
        return states

    def own(self, features: dict[str, Tensor]) -> Tensor | None:
        """Return what the module's plain forward answers to token ids (at the last position); None where `run` is nothing else."""
        return None

    def reading(self, prompt: str | None = None, prompt_name: str | None = None, route: str | None = None) -> TextModel:
        """Return the model reading its texts with a prompt, or by a route: itself for neither. OptionError where it has no such thing."""
        given = {"prompt": prompt, "prompt_name": prompt_name, "route": route}
        if name := next((name for name, value in given.items() if value is not None), None):
            raise OptionError(f"{name} is for sentence encoders; {self.card.name} is of kind {self.card.kind}")
        return self

    def lease(self, recompute: bool = False) -> AbstractContextManager[None]:
        """Have the module to oneself, frozen and in evaluation mode, while other threads explain it; see `lineal.models.lease`."""
        return lease(self.module, recompute)


class Adapter(TextModel):
    """What the adapters share: `module` is what runs and is frozen, `network` the transformer inside that owns the word embeddings."""

    head: Head | None = None
    network: Any = None
    layers: tuple[nn.Module, ...] = ()

    def __init__(self, module: Any, network: Any, tokenizer: Any, card: ModelCard) -> None:
        """Keep the parts; nothing is computed. Raises ModelError when the network cannot be entered at its embeddings."""
        parameters = inspect.signature(network.forward).parameters
        if "inputs_embeds" not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            raise ModelError(f"{card.name} ({card.architecture}) takes no inputs_embeds, so no path can be followed through its embeddings")
        self.module, self.network, self.tokenizer, self.card = module, network, tokenizer, card
        word_embeddings(network)

    @property
    def device(self) -> torch.device:
        """Where the word embeddings live."""
        return word_embeddings(self.network).weight.device

    @property
    def vocabulary(self) -> int:
        """Number of rows of the embedding table."""
        return int(word_embeddings(self.network).weight.shape[0])

    def embed(self, ids: Tensor) -> Tensor:
        """Look up word embeddings with the model's own layer, scale included."""
        return word_embeddings(self.network)(ids)  # type: ignore[no-any-return]


class Around(TextModel):
    """A model around another one, `inner`, whose is all that a class does not say itself."""

    def __init__(self, inner: TextModel) -> None:
        """Take over what the inner model is."""
        self.inner = inner
        self.module, self.tokenizer, self.card, self.head = inner.module, inner.tokenizer, inner.card, inner.head

    @property
    def device(self) -> torch.device:
        """That of the inner model."""
        return self.inner.device

    @property
    def vocabulary(self) -> int:
        """That of the inner model."""
        return self.inner.vocabulary

    @property
    def network(self) -> Any:
        """That of the inner model."""
        return self.inner.network

    @property
    def layers(self) -> tuple[nn.Module, ...]:
        """Those of the inner model."""
        return self.inner.layers

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise as the inner model does."""
        return self.inner.encode(texts, truncate)

    def embed(self, ids: Tensor) -> Tensor:
        """Look up the inner model's embeddings."""
        return self.inner.embed(ids)

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Run the inner model."""
        return self.inner.run(features, embeds, positions)

    def read(self, states: Tensor, rows: tuple[int, ...] | None) -> Tensor:
        """Read as the inner model does."""
        return self.inner.read(states, rows)

    def own(self, features: dict[str, Tensor]) -> Tensor | None:
        """Return the inner module's plain answer."""
        return self.inner.own(features)


def word_embeddings(network: Any) -> nn.Embedding:
    """Return the network's layer from token ids to vectors. Raises ModelError when it has none (byte hashes, bags of words)."""
    try:
        layer = network.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        layer = None
    if getattr(layer, "weight", None) is None:
        raise ModelError(f"{type(network).__name__} has no table of word embeddings, so there is no token embedding to attribute to")
    return layer  # type: ignore[no-any-return]


def feature_names(network: Any) -> tuple[str, ...]:
    """Return which of the common features the network's forward takes."""
    parameters = inspect.signature(network.forward).parameters
    return tuple(name for name in ("input_ids", "attention_mask", "token_type_ids") if name in parameters)


def entered(features: dict[str, Tensor], embeds: Tensor | None) -> dict[str, Tensor]:
    """Return model inputs: the features as they are, or with `embeds` in place of the token ids."""
    if embeds is None:
        return dict(features)
    return {name: value for name, value in features.items() if name != "input_ids"} | {"inputs_embeds": embeds}


def require(model: TextModel, kind: str, what: str) -> None:
    """Raise OptionError unless the model is of a kind; "causal" covers every model that generates. what: what needs it."""
    if model.card.kind != kind and (kind != "causal" or model.card.kind not in GENERATIVE):
        raise OptionError(f"{what} is explained with a model of kind {kind}; {model.card.name} is of kind {model.card.kind}")
