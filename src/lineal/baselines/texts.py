"""Baselines that are other texts."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from lineal import prompts
from lineal.baselines.alignment import HELD, Alignment, By, Pairs, aligned, given, interleaved, kept, overlaid
from lineal.baselines.contract import Baseline, Noted, Start, notes, still, widened
from lineal.baselines.vectors import SpecialToken, default
from lineal.errors import InputError, OptionError, listing
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.models.vocabulary import special_tokens, spell
from lineal.typed import check_fields, listed


@dataclass(frozen=True)
class Several:
    """Several baselines, averaged with equal weight; the record's spread says how much the scores differ between them."""

    parts: tuple[Baseline, ...]

    @property
    def name(self) -> str:
        """The names, joined."""
        return ", ".join(part.name for part in self.parts)

    def bind(self, model: TextModel) -> Start:
        """Bind every part; the starting points of a text are those of all parts."""
        starts = [part.bind(model) for part in self.parts]

        return _AllOf(starts)


@dataclass(frozen=True)
class _AllOf(Noted):
    starts: Sequence[Start]

    def __call__(self, encoded: Encoded) -> Tensor:
        points = [start(encoded) for start in self.starts]
        return torch.cat([point if point.dim() == 3 else point[None] for point in points])  # (m, t, d)

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        found = [note for start in self.starts for note in notes(start, encoded)]
        return tuple(found) if len(found) < 3 else (f"{found[0]} So with the other {len(found) - 1} texts, each in its own way.",)

    def widened(self, encoded: Encoded) -> Encoded:
        if any(widened(start, encoded).neutral for start in self.starts):
            raise InputError(
                f"one of {len(self.starts)} baselines has tokens that {encoded.texts[0][:40]!r} has no place for; explain the text "
                "against that alone"
            )
        return encoded

    def still(self, encoded: Encoded) -> frozenset[int]:
        return frozenset.intersection(*(still(start, encoded) for start in self.starts))


@dataclass(frozen=True)
class AnotherText:
    """The tokens of another text, one for one in order; for a pair, of another pair.

    A longer text is cut; a shorter one is followed by the model's default baseline (mask, or the mean embedding). A text of another length
    that shares half of the tokens, or whose words would stand far from their places, is aligned by words instead, as `Counterfactual`
    does. The record's notes say which it was. Positions that do not move keep their own token and the other text's token there goes unused.
    """

    text: str | tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that there is a text, or one per text of a pair."""
        if not isinstance(self.text, str):
            object.__setattr__(self, "text", tuple(listed("text", self.text, "texts, or one text")))

    @property
    def name(self) -> str:
        """The text, shortened."""
        return f"text “{shortened(self.text)}”"

    def bind(self, model: TextModel) -> Start:
        """Tokenise the other text; InputError when it is empty."""
        other = model.encode((self.text,) if isinstance(self.text, str) else self.text)
        return _Laid(model, other, default(model).name, default(model).bind(model))


@dataclass(frozen=True)
class _Laid(Noted):
    """A text laid over another. filler, fill: what stands where the other text has nothing."""

    model: TextModel
    other: Encoded
    filler: str
    fill: Start

    def __call__(self, encoded: Encoded) -> Tensor:
        start = self.fill(encoded).clone()  # (t, d)
        against = self.alignment(encoded).against
        here = [i for i, j in enumerate(against) if j not in (None, HELD)]
        ids = torch.tensor([self.other.ids[against[i]] for i in here], dtype=torch.int64, device=self.model.device)  # type: ignore[index]
        with torch.no_grad():
            start[here] = self.model.embed(ids).to(start)
        return start

    def alignment(self, encoded: Encoded) -> Alignment:
        plain, shared = overlaid(encoded, self.other), aligned(encoded, self.other, "words")
        here, there = kept(encoded, self.other, plain), kept(encoded, self.other, shared)
        edited = there > here and there >= len(encoded) * EDITED
        return shared if edited or there - here > len(encoded) * MISPLACED else plain

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        found = self.alignment(encoded)
        here, there = (sum(s >= 0 for s in e.segments) for e in (encoded, self.other))
        alone = sum(j is None and s >= 0 for j, s in zip(found.against, encoded.segments, strict=True))
        if found.how == "token by token":
            how = (
                found.how if here == there else f"cut after {here} tokens" if there > here else f"and {alone} times {self.filler} after it"
            )
        else:
            left = f", {len(found.left)} of its tokens left out" if found.left else ""
            how = f"aligned {found.how}{left}{f', and {alone} times {self.filler} where it has nothing' if alone else ''}"
        return (f"The baseline is another text of {there} tokens, laid over the text's {here}: {how}.",)


EDITED = 0.5
"""Share of a text's tokens that stand against themselves, aligned by words, from which another text is taken for an edit of it."""
MISPLACED = 0.3
"""Share of a text's tokens that alignment by words must put back in their places before another text is not simply laid over it."""


@dataclass(frozen=True)
class Counterfactual:
    """Another text that says what is asked about otherwise: only tokens that differ move, all others are held and score exactly 0.

    Where both texts have equally many tokens they are laid over one another token by token, and Σ scores is exactly the effect of the edit,
    F(text) − F(other text). Otherwise they are aligned `by` words or by tokens (`difflib`), or by a given `alignment`: pairs (token of the
    text, token of the other text or None), counted from 0 as on a record, tokens that are not named being held. A token that one of the
    texts alone has stands against a neutral token, the model's default baseline: in the baseline where it was taken out, and in the text
    itself, as a place of its own on the record, where it was put in. Σ scores is then exactly the effect of the edit with the neutral token
    standing in, which need not be F(text) − F(other text); the notes say what F(text) and F(baseline) are F of, and whether
    anything else (a held first position) keeps the baseline from being the other text.

    text: a text, a pair of texts, or a value of `lineal.prompts`. Raises InputError, per text, where nothing differs; for a decoder also
    where the other text has tokens more in front of the first token, which is held, or behind the last, where the answer is read.
    """

    text: Any
    by: By = "words"
    alignment: Pairs | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        check_fields(self)
        prompts.check(self.text)
        if isinstance(self.text, list):
            object.__setattr__(self, "text", tuple(self.text))
        if self.alignment is None:
            return
        try:
            pairs = tuple((operator.index(i), None if j is None else operator.index(j)) for i, j in self.alignment)
        except (TypeError, ValueError):
            raise OptionError(f"alignment is {self.alignment!r}; give pairs of token numbers: ((3, 3), (4, None))") from None
        object.__setattr__(self, "alignment", pairs)

    @property
    def name(self) -> str:
        """The text, shortened."""
        return f"counterfactual “{shortened(self.text)}”"

    def bind(self, model: TextModel) -> Start:
        """Tokenise the other text; InputError when it is empty, TooLongError when the model does not read it whole."""
        return _Edited(model, prompts.read(self.text, model, False), default(model).name, default(model).bind(model), self)


@dataclass(frozen=True)
class _Edited(_Laid):
    asked: Counterfactual

    def alignment(self, encoded: Encoded) -> Alignment:
        if self.asked.alignment is not None:
            return given(encoded, self.other, self.asked.alignment)
        own = _taken(encoded, [i for i in range(len(encoded)) if i not in encoded.neutral])
        found = aligned(own, self.other, self.asked.by)
        if not encoded.neutral:
            return found
        return Alignment(tuple(j for _, j in interleaved(own, self.other, found)), (), found.how)

    def widened(self, encoded: Encoded) -> Encoded:
        if self.asked.alignment is not None or encoded.neutral:
            return encoded
        found = aligned(encoded, self.other, self.asked.by)
        if not found.left:
            return encoded
        places = interleaved(encoded, self.other, found)
        ends = ((0, "in front of the first token, which is held"), (-1, "behind the last token, where the answer is read"))
        for end, where in ends:
            if self.model.card.kind == "causal" and places[end][0] is None and (end == 0 or not encoded.steps):
                raise InputError(
                    f"the other text has tokens ({self._pieces(self.other, found.left)}) {where} of {encoded.texts[0][:40]!r}; let both "
                    "texts begin and end alike, or explain the other text against this one, where scores change sign"
                )
        kind = default(self.model)
        token = special_tokens(self.model.tokenizer)[kind.name] if isinstance(kind, SpecialToken) else 0
        return _opened(encoded, self.other, places, f"⟨{self.filler}⟩", token)

    def still(self, encoded: Encoded) -> frozenset[int]:
        same = [j == HELD or (j is not None and encoded.ids[i] == self.other.ids[j]) for i, j in enumerate(self.alignment(encoded).against)]
        return frozenset(i for i, flag in enumerate(same) if flag and i not in encoded.neutral)

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        """Say what moves, and what F(baseline) is F of. Reads the roles: what is held keeps the text's own token."""
        found = self.alignment(encoded)
        moving = [i for i, role in enumerate(encoded.roles) if role == "content"]
        edits = [
            f"{self._pieces(encoded, [i])} → {self.filler if (j := found.against[i]) is None else self._pieces(self.other, [j])}"
            for i in moving
        ]
        what = (
            f"Compared with “{shortened(self.asked.text, 80)}”, {found.how}: {len(moving)} of {len(encoded)} tokens differ "
            f"({listing(edits, 8)}); the others are held."
        )
        sides = [[i for i, s in enumerate(e.segments) if s >= 0] for e in (encoded, self.other)]
        start = [self._at(encoded, found, i) for i in sides[0]]
        whole = start == [self.other.ids[j] for j in sides[1]]
        if whole and not encoded.neutral:
            return (f"{what} F(baseline) is F of that text, so the scores add up to the effect of the edit.",)
        held = [i for i in sides[0] if encoded.roles[i] != "content" and i not in self.still(encoded)]
        why = [f"{sum(found.against[i] is None for i in moving)} tokens of the text stand against a neutral one ({self.filler})"] * (
            None in start
        )
        why += [f"{self._pieces(self.other, found.left)} is left out"] * bool(found.left)
        why += [f"{self._pieces(encoded, held)} is held though the texts differ there"] * bool(held)
        there = "F of that text" if whole else f"not F of that text, but of “{self._whole(start)}”: {'; '.join(why)}"
        if not encoded.neutral:
            stands = f"The scores add up to the effect of the edit with the neutral token ({self.filler}) standing in."
            return (f"{what} F(baseline) is {there}.", *([stands] if None in start and not found.left and not held else []))
        own = self._whole([None if i in encoded.neutral else encoded.ids[i] for i in sides[0]])
        here = (
            f"{len(encoded.neutral)} tokens of the other text stand against a neutral one ({self.filler}), so that F(text) is F of “{own}”"
        )
        stands = "the effect of the edit with the neutral token standing in"
        return (f"{what} {here}, F(baseline) is {there}, and the scores add up to {stands}.",)

    def _whole(self, tokens: Sequence[int | None]) -> str:
        """Return a text whose neutral tokens are None, as it reads."""
        read = " ".join(self._read(list(run)) for _, run in groupby(tokens, lambda token: token is None))
        return " ".join(read.split())[:200]

    def _at(self, encoded: Encoded, found: Alignment, i: int) -> int | None:
        """Return the id that stands at a place of the baseline, None for the neutral one."""
        j = found.against[i]
        return encoded.ids[i] if encoded.roles[i] != "content" or j == HELD else None if j is None else self.other.ids[j]

    def _read(self, run: Sequence[int | None]) -> str:
        words = [token for token in run if token is not None]
        return spell(self.model, *words) if words else f"⟨{self.filler}⟩ " * len(run)

    def _pieces(self, encoded: Encoded, tokens: Sequence[int]) -> str:
        """Return tokens as they stand in their text."""
        found: list[tuple[int, int, int]] = []  # segment, begin, end
        if len(tokens) == 1 and tokens[0] in encoded.neutral:
            return f"⟨{self.filler}⟩"
        for i in tokens:
            segment, (begin, end) = encoded.segments[i], encoded.offsets[i]
            joined = found and found[-1][0] == segment and not encoded.texts[segment][found[-1][2] : begin].strip()
            found[-1:] = [(segment, found[-1][1], end)] if joined else [*found[-1:], (segment, begin, end)]
        return " … ".join(encoded.texts[s][a:b].strip() for s, a, b in found)


def _opened(encoded: Encoded, other: Encoded, places: Sequence[tuple[int | None, int | None]], name: str, token: int) -> Encoded:
    """Return a text with a neutral token, of this name and id, in every place that is only the other's. All else of it is as beside it."""
    first = {segment: encoded.segments.index(segment) for segment in set(encoded.segments) if segment >= 0}
    like = [first[other.segments[j]] if i is None and j is not None else i for i, j in places]
    wide, neutral = _taken(encoded, [i for i in like if i is not None]), [n for n, (i, _) in enumerate(places) if i is None]
    ids, offsets = wide.features["input_ids"].clone(), list(wide.offsets)
    ids[neutral] = token
    for n in neutral:
        behind = offsets[n - 1][1] if n and wide.segments[n - 1] == wide.segments[n] else 0
        offsets[n] = (behind, behind)
    return replace(
        wide,
        features=wide.features | {"input_ids": ids},
        tokens=tuple(name if n in neutral else token for n, token in enumerate(wide.tokens)),
        offsets=tuple(offsets),
        word_ids=tuple(None if n in neutral else word for n, word in enumerate(wide.word_ids)),
        roles=tuple("content" if n in neutral else role for n, role in enumerate(wide.roles)),
        neutral=tuple(neutral),
    )


def _taken(encoded: Encoded, which: Sequence[int]) -> Encoded:
    """Return a text of some of its tokens."""
    own = list(which)
    return replace(
        encoded,
        features={name: value[own] for name, value in encoded.features.items()},
        tokens=tuple(encoded.tokens[i] for i in own),
        offsets=tuple(encoded.offsets[i] for i in own),
        segments=tuple(encoded.segments[i] for i in own),
        word_ids=tuple(encoded.word_ids[i] for i in own),
        roles=tuple(encoded.roles[i] for i in own),
        neutral=(),
    )


def shortened(text: Any, most: int = 40) -> str:
    """Return a text, a pair or a prompt in few characters."""
    whole = text if isinstance(text, str) else " / ".join(text) if isinstance(text, tuple) else repr(text)
    return whole if len(whole) <= most else whole[: most - 1] + "…"
