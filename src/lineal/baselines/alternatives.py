"""Baselines in which every word is another one that could stand in its place, as a model or a rule proposes it."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal.baselines.alignment import words
from lineal.baselines.classes import Classes, classes
from lineal.baselines.contract import Noted, Start
from lineal.baselines.draws import MOST_SAMPLES
from lineal.baselines.vectors import default
from lineal.errors import OptionError
from lineal.kept import Kept
from lineal.models import load
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.models.lease import lease
from lineal.models.vocabulary import spell
from lineal.typed import check_fields, check_seed, listed

Weights = NDArray[np.float64]
Proposer = Callable[[Encoded, Sequence[int]], Weights]
"""From a text and n places in it to (n, V) log weights of what could stand there; they need not be normalised."""
FILE = "texts:"
"""What the name of a file of texts begins with."""
AT_A_TIME = 8
"""Draws at a time where their number is open."""
ROWS = 16
"""Masked copies of a text that are run together."""


@dataclass(frozen=True)
class Alternatives:
    """`samples` baselines in which every word that moves is another one, drawn for its own place while all others stand as they are.

    samples: how many; None for as many as the tolerance needs, with methods that average integrals (`lineal.methods.IG`), else eight.

    proposer: "model", what the explained model itself predicts there (a decoder from what comes before, in one forward pass; a masked model
    with the word masked, one row per word); "class", any word of the same class (`lineal.baselines.classes`), equally likely; or a
    masked-language model with the same tokenizer: a value or a name that `lineal.load` takes; or texts, a list of them or "texts:FILE",
    one per line: what stands in the same place of those of as many tokens, and between the same neighbours of any, as often as it does.
    None: the model itself where it predicts words, else "class".

    Only whole words are drawn, never special tokens and never the word itself: with the same space before them, of the same kind (letters,
    digits, signs) and with the same capitals. Of a word of several tokens the first becomes another word, the others the model's
    default baseline. Words with nothing to draw for them stay as they are. The same text and seed give the same draws. Words are drawn
    independently, so a whole draw need not make sense.

    With integrated gradients this is Expected Gradients over fluent words; occlusion gives each word's mean effect of being replaced. Cost:
    an integral per sample, or with occlusion a forward pass per sample and token. Six draws are noisy: the spread says how much.
    """

    samples: int | None = None
    proposer: Any = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_fields(self)
        check_seed(self.seed)
        if self.samples is not None and not 1 <= self.samples <= MOST_SAMPLES:
            raise OptionError(f"alternatives need at least one sample, not {self.samples}; at most {MOST_SAMPLES} are drawn")
        if isinstance(self.proposer, (list, tuple)):
            object.__setattr__(self, "proposer", tuple(listed("proposer", self.proposer, "texts")))
            if not self.proposer:
                raise OptionError("the proposer is a list of no text; give texts whose words may be drawn")
        elif self.proposer is not None and not isinstance(self.proposer, str) and not isinstance(self.proposer, TextModel):
            raise OptionError(f"the proposer is {self.proposer!r}; give 'model', 'class', a masked-language model, or texts")

    @property
    def name(self) -> str:
        """How many, and who proposed them."""
        by = self.proposer.card.name if isinstance(self.proposer, TextModel) else self.proposer
        by = f"{len(by)} texts" if isinstance(by, tuple) else by
        named = "alternatives" + (f" by {by}" if by is not None else "")
        return f"{named}, as many as needed" if self.samples is None else f"{self.samples} × {named}"

    def by(self, model: TextModel) -> Any:
        """Return the proposer: what was asked for, else what suits the model."""
        return self.proposer if self.proposer is not None else "model" if model.card.kind in PREDICTS else "class"

    def bind(self, model: TextModel) -> Start:
        """Find the proposer. OptionError for a model that predicts no words, or reads texts otherwise than the explained one."""
        by, known = self.by(model), classes(model)
        if by == "class":
            return _Drawn(model, self, known, known.kind, _equally(model), "words of the same class")
        if isinstance(by, tuple) or (isinstance(by, str) and by.startswith(FILE)):
            own = by if isinstance(by, tuple) else _lines(by.removeprefix(FILE))
            return _Drawn(model, self, known, known.shape, _own_words(model, own), f"what {len(own)} texts have in the same place")
        proposer = model if by == "model" else load(by) if isinstance(by, str) else by
        if proposer.card.kind not in PREDICTS:
            raise OptionError(
                f"{proposer.card.name} is of kind {proposer.card.kind} and predicts no words; name a masked-language model as the "
                "proposer, or take words of the same class: alternatives:8:class"
            )
        who = (
            "what the model itself predicts in their places" if proposer is model else f"what {proposer.card.name} predicts in their places"
        )
        proposed = _next_words(model) if proposer is model and model.card.kind == "causal" else _masked_words(proposer, model, known)
        return _Drawn(model, self, known, known.shape, proposed, who)


PREDICTS = ("causal", "masked")
"""Kinds of models that say which word could stand in a place."""


@dataclass(frozen=True, eq=False)
class _Drawn(Noted):
    """The draws of a text. codes: (V,) which tokens may stand for one another. who: proposed them, in words."""

    model: TextModel
    asked: Alternatives
    known: Classes
    codes: NDArray[np.int64]
    propose: Proposer
    who: str

    def __call__(self, encoded: Encoded) -> Tensor:
        return self._embedded(encoded, *self.ids(encoded))

    @property
    def drawn(self) -> bool:
        return True

    def more(self, encoded: Encoded) -> Callable[[int], Tensor] | None:
        if self.asked.samples is not None:
            return None
        made = [self.ids(encoded)]

        def chunk(c: int) -> Tensor:
            while len(made) <= c:
                made.append(self._made(encoded, len(made)))
            return self._embedded(encoded, *made[c])

        return chunk

    def ids(self, encoded: Encoded) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return (m, t) token ids, and (t,) at which of them the neutral token stands instead; the first eight where there are more."""
        return _draws.get(self, (encoded.texts, encoded.roles, tuple(encoded.ids)), lambda: self._made(encoded, 0))

    def _embedded(self, encoded: Encoded, ids: NDArray[np.int64], neutral: NDArray[np.bool_]) -> Tensor:
        fill = default(self.model).bind(self.model)(encoded)
        with torch.no_grad():
            start = self.model.embed(torch.from_numpy(ids).to(self.model.device))  # (m, t, d)
        return torch.where(torch.from_numpy(neutral).to(start.device)[:, None], fill.to(start), start)

    def _made(self, encoded: Encoded, chunk: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        m = AT_A_TIME if self.asked.samples is None else self.asked.samples
        drawn, neutral = np.tile(np.array(encoded.ids), (m, 1)), np.zeros(len(encoded), dtype=bool)
        text = zlib.crc32("\0".join(encoded.texts).encode("utf-8", "surrogatepass"))
        random = np.random.default_rng([self.asked.seed, text, *([chunk] if chunk else [])])
        for word, ids, share in _places.get(self, (encoded.texts, encoded.roles, tuple(encoded.ids)), lambda: self._proposed(encoded)):
            drawn[:, word[0]] = random.choice(ids, m, p=share)
            neutral[word[1:]] = True
        return drawn, neutral

    def _proposed(self, encoded: Encoded) -> list[Place]:
        """Return every word that something can be drawn for."""
        every = words(encoded, [i for i, segment in enumerate(encoded.segments) if segment >= 0])
        able = [(word, self._able(encoded.ids[word[0]])) for word in every if all(encoded.roles[i] == "content" for i in word)]
        able = [(word, ids) for word, ids in able if len(ids)]
        proposed: Iterable[Weights] = self.propose(encoded, [word[0] for word, _ in able]) if able else ()
        found = []
        for (word, ids), weights in zip(able, proposed, strict=True):
            ids = ids[np.isfinite(weights[ids])]
            if len(ids):
                share = np.exp(weights[ids] - weights[ids].max())
                found.append((word, ids, share / share.sum()))
        return found

    def _able(self, own: int) -> NDArray[np.int64]:
        """Return the ids that may be drawn for a token: whole words of its code, less itself; none for what is no whole word."""
        return np.flatnonzero((self.codes == self.codes[own]) & (np.arange(len(self.codes)) != own) & (self.codes >= 0))

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        drawn, neutral = self.ids(encoded)
        changed = [i for i in range(len(encoded)) if (drawn[:, i] != encoded.ids[i]).any()]
        shown = "; ".join(f"{self._spelled([encoded.ids[i]])} → {self._spelled(drawn[:3, i])}" for i in changed[:3])
        same = sum(role == "content" for role in encoded.roles) - len(changed) - int(neutral.sum())
        rest = (
            f" Further tokens of words of several, which become {default(self.model).name}: {int(neutral.sum())}." if neutral.any() else ""
        )
        rest += f" Tokens without an alternative, which stay as they are: {same}." if same > 0 else ""
        many = "draws" if self.asked.samples is None else f"{self.asked.samples} draws"
        return (f"Baselines are {many} of other words, {self.who}{f' (as {shown})' if shown else ''}.{rest}",)

    def _spelled(self, ids: Iterable[int]) -> str:
        return ", ".join(dict.fromkeys(spell(self.model, int(i)).strip() for i in ids))


_draws: Kept[Any, tuple[NDArray[np.int64], NDArray[np.bool_]]] = Kept(most=4)
"""The last draws of a bound baseline: its starting points and its notes need the same ones."""
Place = tuple[list[int], NDArray[np.int64], NDArray[np.float64]]
"""A word's tokens, what may be drawn for the first of them, and how likely each is."""
_places: Kept[Any, list[Place]] = Kept(most=4)
"""Proposals of the last texts."""


def _equally(model: TextModel) -> Proposer:
    return lambda encoded, places: np.zeros((len(places), model.vocabulary))


def _lines(name: str) -> tuple[str, ...]:
    """Return the lines of a file that say something."""
    try:
        found = tuple(line for line in Path(name).read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"the texts of {name or 'no file'!r} cannot be read: {error}; write alternatives:8:texts:FILE") from None
    if not found:
        raise OptionError(f"there is no text in {name!r}; give one per line")
    return found


def _own_words(model: TextModel, texts: Sequence[str]) -> Proposer:
    """Texts of one's own: counts of what stands in the same place of those of equal length, and between the same neighbours of any."""
    placed: dict[tuple[int, int], Counter[int]] = {}
    between: dict[tuple[int, int], Counter[int]] = {}
    for text in texts:
        encoded = model.encode([text])
        ids = [encoded.ids[i] for i, segment in enumerate(encoded.segments) if segment >= 0]
        for place, token in enumerate(ids):
            placed.setdefault((len(ids), place), Counter())[token] += 1
            between.setdefault(_neighbours(ids, place), Counter())[token] += 1

    def propose(encoded: Encoded, places: Sequence[int]) -> Weights:
        found = np.full((len(places), model.vocabulary), -np.inf)
        for row, i in zip(found, places, strict=True):
            side = [j for j, segment in enumerate(encoded.segments) if segment == encoded.segments[i]]
            ids, place = [encoded.ids[j] for j in side], side.index(i)
            seen = placed.get((len(ids), place), Counter()) + between.get(_neighbours(ids, place), Counter())
            for token, count in seen.items():
                row[token] = np.log(count)
        return found

    return propose


def _neighbours(ids: Sequence[int], place: int) -> tuple[int, int]:
    """Return the ids before and behind a place, −1 for none."""
    return (ids[place - 1] if place else -1), (ids[place + 1] if place + 1 < len(ids) else -1)


def _next_words(model: TextModel) -> Proposer:
    """A decoder: what it expects after what comes before; one forward pass. The first place has nothing before it, and nothing is drawn."""

    def propose(encoded: Encoded, places: Sequence[int]) -> Weights:
        before = torch.tensor([[max(i - 1, 0) for i in places]], device=model.device)
        features = {name: value[None].to(model.device) for name, value in encoded.features.items()}
        with lease(model.module), torch.no_grad():
            logits = model.read(model.run(features, None, before), None)[0].double().cpu().numpy()
        found = np.full((len(places), model.vocabulary), -np.inf)
        found[:, : logits.shape[1]] = logits[:, : model.vocabulary]
        found[[n for n, i in enumerate(places) if i == 0]] = -np.inf
        return found

    return propose


def _masked_words(proposer: TextModel, model: TextModel, known: Classes) -> Proposer:
    """A masked-language model, each place masked in turn: one row each. Its words are found in the explained model's vocabulary by name."""
    names = proposer.tokenizer.convert_ids_to_tokens(list(range(min(proposer.vocabulary, len(proposer.tokenizer)))))
    pairs = np.array([(i, known.ids[name]) for i, name in enumerate(names) if name in known.ids], dtype=np.int64).reshape(-1, 2)

    def propose(encoded: Encoded, places: Sequence[int]) -> Weights:
        theirs = proposer.encode(encoded.texts)
        at = {(s, span): i for i, (s, span) in enumerate(zip(theirs.segments, theirs.offsets, strict=True))}
        where = [at.get((encoded.segments[i], encoded.offsets[i])) for i in places]
        if None in where or any(theirs.tokens[j] != encoded.tokens[i] for i, j in zip(places, where, strict=True) if j is not None):
            raise OptionError(
                f"{proposer.card.name} cuts the text into other tokens than {model.card.name}, so its words cannot be put in their places; "
                "name a masked-language model with the same tokenizer, or take words of the same class: alternatives:8:class"
            )
        found = np.full((len(places), model.vocabulary), -np.inf)
        for first in range(0, len(places), ROWS):
            rows = [j for j in where[first : first + ROWS] if j is not None]
            features = {name: value.repeat(len(rows), 1).to(proposer.device) for name, value in theirs.features.items()}
            features["input_ids"][torch.arange(len(rows)), rows] = proposer.tokenizer.mask_token_id
            positions = torch.tensor(rows, device=proposer.device)[:, None]
            with lease(proposer.module), torch.no_grad():
                weights = proposer.read(proposer.run(features, None, positions), None)[:, 0].double().cpu().numpy()
            found[first : first + len(rows), pairs[:, 1]] = weights[:, pairs[:, 0]]
        return found

    return propose
