"""What decoders and encoder-decoders share: generating, continuing a prompt token by token, and where the continuation lies in the text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from lineal.errors import InputError, OptionError, TooLongError
from lineal.models.base import Adapter
from lineal.models.encoded import Encoded, check_characters, model_limit
from lineal.models.lease import stepwise, turn, untouched
from lineal.records.attribution import Role


class Generative(Adapter):
    """A model that says what may follow. A prompt is an `Encoded` whose last position predicts the first following token."""

    def encode(self, texts: Sequence[str], truncate: bool = False, add_special: bool = True) -> Encoded:
        """Tokenise one prompt; add_special=False for one that spells its special tokens itself. Raises as `TextModel.encode`."""
        raise NotImplementedError

    @property
    def limit(self) -> int | None:
        """Most tokens the model reads, if it says so."""
        return model_limit(self.tokenizer, self.module.config)

    def follow(self, encoded: Encoded, continuation: str) -> tuple[int, ...]:
        """Return the ids of a text that follows the prompt, exactly as the tokenizer reads the two as one text: no space is added.

        Raises InputError for an empty continuation, or when the two share a token, so that the continuation has no tokens of its own.
        """
        if not continuation:
            raise InputError("the continuation is empty; give the text that follows the prompt, its leading space included")
        prompt = encoded.texts[0]
        alone, both = (self._plain(text) for text in (prompt, prompt + continuation))
        if both[: len(alone)] != alone or len(both) == len(alone):
            first = next((i for i, (a, b) in enumerate(zip(alone, both, strict=False)) if a != b), len(alone) - 1)
            joined, last = self._spelled(both[first : first + 1]), self._spelled(alone[first:])
            raise InputError(
                f"{continuation!r} is no continuation of this prompt: the tokenizer reads the prompt's end {last!r} and what follows as "
                f"{joined!r}; move the space or the characters they share from the end of the prompt to the start of the continuation"
            )
        return tuple(both[len(alone) :])

    def room(self, encoded: Encoded, extra: int) -> None:
        """Raise TooLongError when `extra` tokens more do not fit behind the prompt."""
        if self.limit is not None and len(encoded) + extra > self.limit:
            raise TooLongError(
                f"the prompt has {len(encoded)} tokens and its continuation {extra}, the model reads {self.limit}; shorten one of them"
            )

    def generate(self, encoded: Encoded, **options: Any) -> tuple[int, ...]:
        """Return the ids that the model itself generates after the prompt, by `generate` of transformers; greedy unless asked otherwise.

        The end-of-sequence token is part of the answer when the model says it: it was a choice too. Other threads have their turns between
        two tokens; a choice by chance (do_sample) draws from PyTorch's generator, which they all share.
        Raises OptionError for an option `generate` does not know, TooLongError when the prompt leaves no room.
        """
        self.room(encoded, 1)
        settings = {"do_sample": False, "pad_token_id": self._padding()} | options
        inputs = {name: value[None].to(self.device) for name, value in self.inputs(encoded).items()}
        if "stop_strings" in settings:
            settings["tokenizer"] = self.tokenizer
        try:
            with stepwise(self.module) as let_others, torch.no_grad():
                settings["stopping_criteria"] = _also(settings.get("stopping_criteria"), let_others)
                out: Tensor = self.module.generate(**inputs, **settings, num_return_sequences=1, return_dict_in_generate=False)
        except (TypeError, ValueError) as error:
            raise OptionError(f"generate refuses its options: {str(error).splitlines()[0]}") from error
        ids = tuple(int(i) for i in out[0, self.answered(encoded) :])
        if not ids:
            raise InputError("the model generated nothing after this prompt; raise max_new_tokens or give a continuation")
        return ids

    def inputs(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return what `generate` takes for a prompt."""
        return dict(encoded.features)

    def answered(self, encoded: Encoded) -> int:
        """Return how many of the ids that `generate` returns are not new."""
        return len(encoded)

    def extended(self, encoded: Encoded, ids: Sequence[int], role: Role = "content") -> Encoded:
        """Return the prompt with the given tokens behind it, as a second text, each a step to explain; `role` is theirs."""
        self.room(encoded, len(ids))
        special = [token in self.tokenizer.all_special_ids for token in ids]
        text, spans = self._placed(self._before(encoded), ids, special)
        words = _words(text, spans)
        features = {name: _continued(value, ids if name == "input_ids" else None, len(ids)) for name, value in encoded.features.items()}
        return replace(
            encoded,
            texts=(*encoded.texts, text),
            features=features,
            tokens=(*encoded.tokens, *self.tokenizer.convert_ids_to_tokens(list(ids))),
            offsets=(*encoded.offsets, *((0, 0) if flag else span for flag, span in zip(special, spans, strict=True))),
            segments=(*encoded.segments, *(-1 if flag else 1 for flag in special)),
            word_ids=(*encoded.word_ids, *(None if flag else word for flag, word in zip(special, words, strict=True))),
            roles=(*encoded.roles, *("special" if flag else role for flag in special)),
            read=(*encoded.read, len(text)),
            steps=len(ids),
        )

    def spelled(self, ids: Sequence[int]) -> Encoded:
        """Return a prompt from its token ids, as they are: special ones among them are special, words are told by white space.

        Raises TooLongError when there are more than the model reads.
        """
        if self.limit is not None and len(ids) > self.limit:
            raise TooLongError(f"the prompt has {len(ids)} tokens, the model reads {self.limit}; shorten it")
        special = [token in self.tokenizer.all_special_ids for token in ids]
        text, spans = self._placed([], ids, special)
        words = _words(text, spans)
        given = torch.tensor(list(ids))
        return Encoded(
            texts=(text,),
            features={"input_ids": given, "attention_mask": torch.ones_like(given)},
            tokens=tuple(self.tokenizer.convert_ids_to_tokens(list(ids))),
            offsets=tuple((0, 0) if flag else span for flag, span in zip(special, spans, strict=True)),
            segments=tuple(-1 if flag else 0 for flag in special),
            word_ids=tuple(None if flag else word for flag, word in zip(special, words, strict=True)),
            roles=tuple("special" if flag else "content" for flag in special),
            read=(len(text),),
        )

    def _placed(self, before: Sequence[int], ids: Sequence[int], special: Sequence[bool]) -> tuple[str, list[tuple[int, int]]]:
        """Return the text of the ids as it stands behind those before, and each id's characters; tokens of one character share its span."""
        skipped = len(self._spelled(before))
        shown = [token for token, flag in zip(ids, special, strict=True) if not flag]
        text = self._spelled([*before, *shown])[skipped:]
        ends, kept = [], list(before)
        for token, flag in zip(ids, special, strict=True):
            kept += [] if flag else [token]
            ends.append(_common(self._spelled(kept)[skipped:].rstrip("\N{REPLACEMENT CHARACTER}"), text))
        spans = [(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
        for i in range(len(spans) - 2, -1, -1):
            if spans[i][0] == spans[i][1] and not special[i] and spans[i + 1][1] > spans[i + 1][0]:
                spans[i] = (spans[i + 1][0], spans[i + 1][1])  # the first bytes of a character
        return text, spans

    def _before(self, encoded: Encoded) -> list[int]:
        """Return the ids behind which a continuation is spelled; they decide whether it starts with a space."""
        return encoded.ids[-4:]

    def _plain(self, text: str) -> list[int]:
        check_characters(text)
        with untouched(self.tokenizer):
            return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _spelled(self, ids: Sequence[int]) -> str:
        with turn(self.tokenizer):
            return str(self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _padding(self) -> int | None:
        """Return an id to fill with: never read here, but `generate` warns without one."""
        configured = self.module.generation_config.eos_token_id
        eos = configured[0] if isinstance(configured, list) else configured
        return next((token for token in (self.tokenizer.pad_token_id, eos, self.tokenizer.eos_token_id) if token is not None), None)


def _also(given: Any, step: Callable[[], None]) -> Any:
    """Return criteria of `generate` with one more, which takes a step after every token and never stops."""
    from transformers import StoppingCriteriaList

    def stepped(ids: Tensor, scores: Any, **_: Any) -> Tensor:
        step()
        return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

    several = [] if given is None else list(given) if isinstance(given, Iterable) else [given]
    return StoppingCriteriaList([*several, stepped])


def _continued(feature: Tensor, ids: Sequence[int] | None, count: int) -> Tensor:
    """Return a feature (t,) with `count` entries more: the ids, or its own last value (attention goes on, the side stays the same)."""
    more = feature[-1:].expand(count) if ids is None else torch.tensor(list(ids), dtype=feature.dtype)
    return torch.cat([feature, more])


def _common(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _words(text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    """Number the words of a continuation: a new one begins with white space, or where letters meet punctuation."""
    numbers, current = [], 0
    for begin, end in spans:
        piece = text[begin:end]
        current += bool(begin) and (piece[:1].isspace() or piece[:1].isalnum() != text[begin - 1].isalnum())
        numbers.append(current)
    return numbers


@cache
def generate_options() -> frozenset[str]:
    """Return the keywords of transformers' `generate` that make sense for one prompt and one answer."""
    import transformers

    ours = {"max_new_tokens", "num_return_sequences", "return_dict_in_generate", "inputs", "streamer"}
    direct = inspect.signature(transformers.GenerationMixin.generate).parameters
    return frozenset({*transformers.GenerationConfig().to_dict(), *direct} - ours - {"self", "kwargs"})
