"""x, and how a model is run from it. What every kind of model shares; knows nothing about paths, rules or targets.

A `TextModel` answers for n rows at once. `run` takes token ids or, in their place, input embeddings; for models that answer once per
text it returns (n, C) or (n, D), for decoders the (n, p, ·) state at the wanted positions, which `read` turns into logits.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lineal.errors import (
    FidelityError,
    InputError,
    LinealError,
    MemoryLimitError,
    ModelError,
    OptionError,
    TooLongError,
    listing,
)
from lineal.models.digests import digest
from lineal.models.lease import lease, untouched
from lineal.objectives.scores import Activation
from lineal.records.attribution import ModelCard, Role

FIDELITY = {torch.float64: 1e-9, torch.float32: 2e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}
"""Largest accepted |embeddings run − ids run|, relative to the largest |answer|: a few hundred roundings of each dtype."""

DIGITS = re.compile("[0-9]{1,18}")
"""A number as users write one."""

BLOCK = 4096
"""Values of a tensor whose bits are summed into one number of a fingerprint."""

PROVENANCE = ("architectures", "transformers_version", "torch_dtype", "dtype")
"""Entries of a config that do not say how a model computes; the dtype is that of the weights."""

GENERATIVE = ("causal", "seq2seq")
"""Kinds of models that answer per position: what may follow."""

PER_TOKEN = (*GENERATIVE, "tagger", "reader", "masked")
"""Kinds of models whose answer is read at positions."""


@dataclass(frozen=True)
class Region:
    """A named stretch of the first text: characters start to end. role: who speaks it in a chat; empty elsewhere."""

    name: str
    start: int
    end: int
    role: str = ""


@dataclass(frozen=True)
class Encoded:
    """One text (or pair of texts) as the model reads it.

    features: what the model takes, each (t,): input_ids, attention_mask, perhaps token_type_ids. The other fields are those of the
    record (`lineal.Attribution`) of the same name, but for these: named, the regions of the first text that have a name; steps, how
    many tokens at the end follow the prompt and are themselves explained.
    """

    texts: tuple[str, ...]
    features: dict[str, Tensor]
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    segments: tuple[int, ...]
    word_ids: tuple[int | None, ...]
    roles: tuple[Role, ...]
    read: tuple[int, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    named: tuple[Region, ...] = ()
    steps: int = 0

    @property
    def ids(self) -> list[int]:
        """Token ids, (t,)."""
        return [int(i) for i in self.features["input_ids"]]

    @property
    def marks(self) -> dict[str, Any]:
        """What every record keeps of its tokens: (t,) each."""
        return {"tokens": self.tokens, "offsets": self.offsets, "word_ids": self.word_ids, "roles": self.roles}

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.tokens)


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


class TextModel(Protocol):
    """A model that can be run from input embeddings. Its weights, tokenizer and config are never altered."""

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
        """Turn what `run` returned into what an objective takes; `rows` restricts the vocabulary."""
        ...


class Adapter:
    """What the adapters share: `module` is what runs and is frozen, `network` the transformer inside that owns the word embeddings."""

    head: Head | None = None
    layers: tuple[nn.Module, ...] = ()
    """Trained layers behind `module` that are part of the answer."""

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

    def read(self, states: Tensor, rows: tuple[int, ...] | None) -> Tensor:
        """Return the answer itself; adapters with a vocabulary override this."""
        return states

    def own(self, features: dict[str, Tensor]) -> Tensor | None:
        """Return what the module's plain forward answers to token ids (at the last position); None where `run` is nothing else."""
        return None

    def lease(self, recompute: bool = False) -> AbstractContextManager[None]:
        """Have the module to oneself, frozen and in evaluation mode, while other threads explain it; see `lineal.models.lease`."""
        return lease(self.module, recompute)


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


def answer(model: TextModel, encoded: Encoded, positions: Sequence[int] = ()) -> Tensor:
    """Return the plain answer for one text, (C,), (D,) or (p, V), without a gradient: one forward pass."""
    features = {name: value[None].to(model.device) for name, value in encoded.features.items()}
    where = torch.tensor([list(positions)], device=model.device) if positions else None
    with lease(model.module), torch.no_grad(), _running(model, "token ids"):
        return model.read(model.run(features, None, where), None)[0]


def last_positions(model: TextModel, encoded: Encoded) -> tuple[int, ...]:
    """Return the last position for models that answer per token, nothing for the others."""
    return (len(encoded) - 1,) if model.card.kind in PER_TOKEN else ()


def check_fidelity(model: TextModel, encoded: Encoded) -> bool:
    """Raise FidelityError unless running from embeddings equals running from ids, for this text; return whether padding is invisible.

    Catches what makes an attribution explain another model than the one that runs: positions or segment ids lost, embedding scales
    applied twice or never, pooling that looks at ids; and, where the adapter does not simply call the module, an answer that is not the
    module's own. Another forward pass, with one padded position, tells whether texts of different lengths may share a batch. Three
    forward passes, or four.
    """
    features = {name: value[None].to(model.device) for name, value in encoded.features.items()}
    positions = last_positions(model, encoded)
    where = torch.tensor([list(positions)], device=model.device) if positions else None
    padded = {name: torch.nn.functional.pad(value, (0, 1)) for name, value in features.items()}
    with lease(model.module), torch.no_grad():
        with _running(model, "token ids"):
            plain = model.read(model.run(features, None, where), None)
            own = model.own(features) if isinstance(model, Adapter) else None
        embeds = model.embed(features["input_ids"])
        with _running(model, "input embeddings"):
            embedded = model.read(model.run(features, embeds, where), None)
            stretched = _stretched(model, padded, torch.nn.functional.pad(embeds, (0, 0, 0, 1)), where)
    if not torch.isfinite(plain).all():
        raise ModelError(f"{model.card.name} answers with NaN or infinity for the plain text {encoded.texts[0][:60]!r}")
    scale = max(1.0, float(plain.double().abs().max()))
    limit = FIDELITY.get(plain.dtype, 1e-3) * scale
    if own is not None and not (own.shape == plain.shape and (own.double() - plain.double()).abs().max() <= limit):
        raise FidelityError(
            f"{model.card.name} ({model.card.architecture}) answers otherwise than its own plain forward from token ids: shapes "
            f"{tuple(plain.shape)} and {tuple(own.shape)}, largest values {float(plain.abs().max()):.4g} and {float(own.abs().max()):.4g}. "
            "An attribution would explain another quantity than the model's answer, so nothing was computed; please report this model."
        )
    gap = float((plain.double() - embedded.double()).abs().max())
    if not gap <= limit:
        raise FidelityError(
            f"{model.card.name} ({model.card.architecture}) answers differently from input embeddings than from token ids: "
            f"the largest difference is {gap:.3g}, rounding allows {limit:.3g}. An attribution would explain another model than the one "
            "that runs, so nothing was computed. The model probably uses the token ids beyond their embeddings."
        )
    return stretched is not None and bool((plain.double() - stretched.double()).abs().max() <= limit)


def _stretched(model: TextModel, features: dict[str, Tensor], embeds: Tensor, positions: Tensor | None) -> Tensor | None:
    """Return the answer with one more, padded position; None where the model has no room for it: the text is as long as it reads."""
    try:
        return model.read(model.run(features, embeds, positions), None)
    except (RuntimeError, IndexError):
        return None


@contextmanager
def _running(model: TextModel, start: str) -> Iterator[None]:
    """Say what failed when the model's own code raises."""
    try:
        yield
    except LinealError:
        raise
    except (
        RuntimeError,
        MemoryError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:  # RuntimeError includes NotImplementedError
        c = model.card
        if is_out_of_memory(error):
            raise MemoryLimitError(
                f"a plain forward pass of {c.name} over this one text does not fit in memory on {c.device}; "
                "shorten the text, load the model in a smaller dtype, or free memory"
            ) from None
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ModelError(f"{c.name} ({c.architecture}) cannot be run from {start} in {c.dtype} on {c.device}: {reason}") from error


OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad_alloc",
    "bad allocation",
    "alloc_failed",
    "cublascreate",
    "insufficient memory",
    "insufficient system resources",
    "paging file is too small",
)
"""How libraries say that memory ran out, in lower case: CUDA and MPS, PyTorch on a CPU (Windows, Linux, its own), C++ libraries, cuBLAS
and cuDNN (STATUS_ALLOC_FAILED; cublasCreate fails when no memory is left for its workspace), Windows itself (errors 1450, 1455).
"""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, (RuntimeError, OSError)) and any(sign in str(error).lower() for sign in OUT_OF_MEMORY)


def differentiable(model: TextModel, output: Tensor) -> Tensor:
    """Return the output, through which a gradient is to be taken; ModelError when the model's forward pass has cut it off."""
    if output.requires_grad:
        return output
    raise ModelError(
        f"{model.card.name} ({model.card.architecture}) answers without a gradient: its forward pass runs under torch.no_grad() or "
        "torch.inference_mode(), or detaches what it returns, so there is nothing to integrate. Take that out of its forward pass, or use "
        'a method that needs no gradient, as method="occlusion"'
    )


def check_differentiable(model: TextModel) -> None:
    """Raise ModelError where PyTorch keeps no gradients: inside `torch.inference_mode()`, or for weights that were made there."""
    if torch.is_inference_mode_enabled():
        raise ModelError("this was called inside torch.inference_mode(), where no gradient can be computed; call it outside")
    if any(parameter.is_inference() for parameter in model.module.parameters()):
        raise ModelError(f"the weights of {model.card.name} were made inside torch.inference_mode(); load the model outside of it")


def check_characters(text: str) -> None:
    """Raise InputError for a text that no tokenizer reads: with half of a surrogate pair, as bytes of another encoding leave it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{text[error.start]!r} at place {error.start} of the text {text[:40]!r} is no character: it was probably read in another "
            "encoding than it was written in"
        ) from None


def tokenise(
    tokenizer: Any, texts: Sequence[str], limit: int | None, truncate: bool, wanted: Sequence[str], add_special: bool = True
) -> Encoded:
    """Tokenise one text or a pair with offsets, word ids and roles.

    limit: most tokens the model reads. wanted: names of the features the model takes. add_special: False for a text that spells its
    special tokens itself, as a chat template does. Raises InputError for something that is no
    text or empty, TooLongError (naming both lengths) unless `truncate`; OptionError for a tokenizer without offsets.
    """
    if not 1 <= len(texts) <= 2:
        raise InputError(f"a model reads one text, or a pair of two; {len(texts)} were given; for many texts use explain_many")
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"a text must be a string, not {type(text).__name__}; for many texts use explain_many")
        if not text.strip():
            raise InputError("the text is empty: there is no token to attribute anything to")
        check_characters(text)
    if not getattr(tokenizer, "is_fast", False):
        raise OptionError(f"{type(tokenizer).__name__} is a slow tokenizer without character offsets; load the fast version of it")
    with untouched(tokenizer):
        return _tokenise(tokenizer, tuple(texts), limit, truncate, wanted, add_special)


def _tokenise(
    tokenizer: Any, texts: tuple[str, ...], limit: int | None, truncate: bool, wanted: Sequence[str], add_special: bool
) -> Encoded:
    asked = {"return_offsets_mapping": True, "return_special_tokens_mask": True, "add_special_tokens": add_special, "verbose": False}
    full = tokenizer(*texts, **asked)
    length = len(full["input_ids"])
    batch = full
    if limit is not None and length > limit:
        if not truncate:
            raise TooLongError(f"the text has {length} tokens, the model reads {limit}; shorten it or pass truncate=True")
        batch = tokenizer(*texts, **asked, truncation=True, max_length=limit)
    return _encoded(tokenizer, batch, texts, length, wanted)


def _encoded(tokenizer: Any, batch: Any, texts: tuple[str, ...], full_length: int, wanted: Sequence[str]) -> Encoded:
    ids = batch["input_ids"]
    segments = [-1 if s is None else int(s) for s in batch.sequence_ids(0)]
    offsets = [(0, 0) if s < 0 else (int(a), int(b)) for s, (a, b) in zip(segments, batch["offset_mapping"], strict=True)]
    special = [
        bool(flag) or s < 0 or _spelled_special(tokenizer, i, texts[s][slice(*span)])
        for flag, s, i, span in zip(batch["special_tokens_mask"], segments, ids, offsets, strict=True)
    ]
    if all(special):
        raise InputError(f"the text {texts[0][:40]!r} has no token but special ones: there is nothing to attribute anything to")
    read = tuple(
        len(text) if len(ids) == full_length else max((b for (_, b), s in zip(offsets, segments, strict=True) if s == j), default=0)
        for j, text in enumerate(texts)
    )
    notes: tuple[str, ...] = ()
    if len(ids) < full_length:
        lost = sum(len(text) - end for text, end in zip(texts, read, strict=True))
        notes = (f"The text was cut from {full_length} to {len(ids)} tokens: its last {lost} characters were not read.",)
    return Encoded(
        texts=texts,
        features={name: torch.tensor(batch[name]) for name in wanted if name in batch},
        tokens=tuple(tokenizer.convert_ids_to_tokens(ids)),
        offsets=tuple(offsets),
        segments=tuple(segments),
        word_ids=tuple(None if flag else word for flag, word in zip(special, batch.word_ids(0), strict=True)),
        roles=tuple("special" if flag else "content" for flag in special),
        read=read,
        notes=notes,
        warnings=_unknown(tokenizer, ids, texts, segments, offsets, special),
    )


def _unknown(
    tokenizer: Any,
    ids: Sequence[int],
    texts: Sequence[str],
    segments: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    special: Sequence[bool],
) -> tuple[str, ...]:
    """Return a sentence about the characters that the vocabulary lacks; nothing when there are none."""
    unknown = getattr(tokenizer, "unk_token_id", None)
    places = [(s, a, b) for s, (a, b), i, flag in zip(segments, offsets, ids, special, strict=True) if i == unknown and s >= 0 and not flag]
    pieces = [texts[s][a:b] for s, a, b in places]
    lost, every = (sum(not char.isspace() for text in of for char in text) for of in (pieces, texts))
    if not lost:
        return ()
    return (
        f"The model cannot read {lost} of {every} characters: {listing(dict.fromkeys(pieces), 8)}. Each stands for "
        f"{tokenizer.unk_token}, so a score beside it is not about what is written there.",
    )


def _spelled_special(tokenizer: Any, token: int, piece: str) -> bool:
    """Whether a special token is written out in the text, as <|im_end|> in a chat; an unknown word is none."""
    return token in tokenizer.all_special_ids and (token != tokenizer.unk_token_id or piece == tokenizer.unk_token)


def model_limit(tokenizer: Any, config: Any) -> int | None:
    """Return the most tokens a model reads: the tokenizer's word when it has one, else the position table's size, else None."""
    stated = getattr(tokenizer, "model_max_length", None)
    table = next(
        (
            value
            for name in ("max_position_embeddings", "n_positions")
            if isinstance(value := getattr(config, name, None), int) and value > 0
        ),
        None,
    )
    if table is not None and getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer"):
        table -= int(getattr(config, "pad_token_id", 1) or 1) + 1  # positions start behind the padding index
    sensible = [value for value in (stated, table) if isinstance(value, int) and 0 < value < 10_000_000]
    return min(sensible) if sensible else None


def fingerprint(*modules: nn.Module) -> str:
    """Return a short hash of all weights: names, shapes, dtypes and the bits of every value.

    Summed as integers over blocks of 4,096 values, so that no change of a single value goes unseen, at the cost of one pass over memory.
    """
    digest = hashlib.blake2b(digest_size=8)
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            if not isinstance(tensor, Tensor):
                continue
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            if not tensor.is_meta:
                digest.update(_block_sums(tensor).cpu().numpy().tobytes())
    return digest.hexdigest()


def _block_sums(tensor: Tensor) -> Tensor:
    """Return the sums of a tensor's bits, read as integers, over blocks of its values; exact, and so the same on every device."""
    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.int64}[tensor.element_size()]
    flat = tensor.detach().contiguous().reshape(-1).view(integers)
    whole = len(flat) // BLOCK * BLOCK
    return torch.cat([flat[:whole].reshape(-1, BLOCK).sum(dim=1, dtype=torch.int64), flat[whole:].sum(dtype=torch.int64)[None]])


def settings(config: Any) -> dict[str, Any]:
    """Return what a config of transformers says about how a model computes; not where it came from or who wrote it."""
    return {name: value for name, value in config.to_dict().items() if name not in PROVENANCE and not name.startswith("_")}


def spelling(tokenizer: Any) -> str:
    """Return a hash of how a tokenizer reads: rules, vocabulary, special tokens and chat template.

    Not its length limit, which changes no answer: a text that was cut says so itself.
    """
    names = ("special_tokens_map", "chat_template")
    core = getattr(tokenizer, "backend_tokenizer", None)
    if core is None:
        return digest(type(tokenizer).__name__)
    _, _, rules = core.to_str().partition('"added_tokens"')  # behind truncation and padding, which every call sets anew
    return digest(rules, [getattr(tokenizer, name, None) for name in names])


def card(name: str, kind: str, module: nn.Module, inner: Any, tokenizer: Any, revision: str | None, *more: Any) -> ModelCard:
    """Return the record's description of a model: `module` is what runs, `inner` the network whose class, config and dtype name it.

    more: what else decides its answers. Cost: one pass over the weights, and over the tokenizer's vocabulary.
    """
    weight = next(inner.parameters())
    return ModelCard(
        name=name,
        architecture=type(inner).__name__,
        kind=kind,
        revision=revision,
        fingerprint=digest(fingerprint(module), settings(inner.config), spelling(tokenizer), more),
        dtype=str(weight.dtype).removeprefix("torch."),
        device=str(weight.device),
    )
