"""The result of an explanation: a frozen, self-contained record. Knows nothing about torch or drawing.

    Σ_i scores[c, i] = f_input[c] − f_baseline[c] + residual[c]          for every output c

Scores stay in the unit of the output; anything that normalises lives in `lineal.views`. Aggregation sums, so the equation above holds
for words, sentences and spans as it does for tokens, and `error` (a bound on an L1 norm) stays a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lineal.errors import OptionError, ResultError, listing
from lineal.quadrature.contract import Stop
from lineal.records import group as regroup
from lineal.records.base import Array, Count, Reason, Record, frozen, laid_out, unsound

Role = Literal["content", "special", "held"]
Level = Literal["token", "word", "sentence", "span", "region"]
LEVELS: tuple[Level, ...] = ("token", "word", "sentence", "region")
"""What a result can be grouped by without saying more."""


class ModelCard(BaseModel):
    """Which model gave the numbers.

    name: alias, folder or hub id it was loaded by. architecture: class name. kind: encoder, classifier, causal. revision: as asked for.
    fingerprint: a hash of what answers: weights, config, tokenizer, head; equal for equal models whatever the name. dtype, device: where it
    ran. missing: weights that were in no file and were drawn at random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    architecture: str
    kind: str
    revision: str | None = None
    fingerprint: str = ""
    dtype: str = "float32"
    device: str = "cpu"
    missing: tuple[str, ...] = ()


class Choices(BaseModel):
    """The options of a choice, and how likely each is at both ends of the path.

    names: (C,) the options. log_probs: (1 + m, C) at the text and at each of m baselines: log P(option | prompt) over everything the model
    may say, summed over the option's tokens, or their mean where `mean`. picked: the explained option. gold: the right one, where known.
    What is derived below is (2, C), at the text and (averaged) at the baselines.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    names: tuple[str, ...]
    log_probs: Annotated[Array, "ends C"]
    picked: int
    gold: int | None = None
    mean: bool = False

    @model_validator(mode="after")
    def _agree(self) -> Choices:
        count = len(self.names)
        if self.log_probs.ndim != 2 or self.log_probs.shape[1] != count or len(self.log_probs) < 2:
            raise ValueError(f"log_probs have shape {self.log_probs.shape}; there are {count} options, a text and at least one baseline")
        if np.isnan(self.log_probs).any() or (self.log_probs > 1e-6).any():
            raise ValueError("log_probs are logarithms of probabilities: at most 0, and no NaN")
        for name, chosen in (("picked", self.picked), ("gold", self.gold)):
            if chosen is not None and not 0 <= chosen < count:
                raise ValueError(f"{name} is {chosen}, but there are {count} options")
        return self

    def __eq__(self, other: object) -> bool:
        """Equal when every stored field is."""
        return isinstance(other, Choices) and self.model_dump(mode="json") == other.model_dump(mode="json")

    __hash__ = None  # type: ignore[assignment]

    @property
    def log_prob(self) -> NDArray[np.float64]:
        """(2, C) logarithms of the options' probabilities over everything the model may say."""
        return _ends(self.log_probs)

    @property
    def prob(self) -> NDArray[np.float64]:
        """(2, C) the options' probabilities over everything the model may say."""
        return _ends(np.exp(self.log_probs))

    @property
    def share(self) -> NDArray[np.float64]:
        """(2, C) the options' probabilities over the options: they sum to 1."""
        return _ends(np.exp(self.log_probs - np.logaddexp.reduce(self.log_probs, axis=1, keepdims=True)))

    @property
    def log_odds(self) -> NDArray[np.float64]:
        """(2, C) of each option against all the others together."""
        others = [np.logaddexp.reduce(np.delete(self.log_probs, i, axis=1), axis=1) for i in range(len(self.names))]
        return _ends(self.log_probs - np.stack(others, axis=1))


class Answers(BaseModel):
    """What the model says, whatever of it is explained.

    names: (C,) what it can answer, the likeliest where there are many. probs: (1 + m, C) how likely each is, at the text and at each
    of m baselines. exclusive: whether one answer excludes the others (the probabilities of all labels sum to 1), so that the likeliest is
    the answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    names: tuple[str, ...]
    probs: Annotated[Array, "ends C"]
    exclusive: bool = True

    @model_validator(mode="after")
    def _agree(self) -> Answers:
        count = len(self.names)
        if not count or self.probs.ndim != 2 or self.probs.shape[1] != count or len(self.probs) < 2:
            raise ValueError(f"probs have shape {self.probs.shape}; there are {count} answers, a text and at least one baseline")
        if not ((self.probs >= 0) & (self.probs <= 1)).all():
            raise ValueError("probs are probabilities: from 0 to 1, and no NaN")
        return self

    def __eq__(self, other: object) -> bool:
        """Equal when every stored field is."""
        return isinstance(other, Answers) and self.model_dump(mode="json") == other.model_dump(mode="json")

    __hash__ = None  # type: ignore[assignment]

    @property
    def ends(self) -> NDArray[np.float64]:
        """(2, C) how likely each answer is at the text and, averaged, at the baselines."""
        return _ends(self.probs)

    @property
    def best(self) -> int:
        """The likeliest answer at the text."""
        return int(self.probs[0].argmax())


def _ends(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([values[0], values[1:].mean(axis=0)])


class Attribution(Record):
    """Scores of t tokens for k outputs, with what is needed to judge them.

    texts: the raw texts, one or two. tokens, offsets, segments, word_ids, roles: (t,) per token: its spelling; its character span in
    `texts[segment]`; which text it comes from (-1 for a special token that comes from none); the tokenizer's word; content (moves along the
    path), special or held (kept at its own embedding, so its score is exactly 0).
    scores: (k, t) in `units`. targets, units: (k,). f_input, f_baseline: (k,) F at the text and at the baseline.
    error: (k,) bound on the L1 distance of a row of scores to the exact integral, and on |residual|; an estimate, not a proof.
    stops: (k,) why the integration of each output ended. evaluations: gradients computed. tol: the tolerance that was asked for.
    spread: (k, t) standard deviation of each score over several baselines or noisy inputs, None for a single one; after grouping an upper
    bound of the group's. draws, sampling: how many random baselines the scores are the mean over, 0 where none is random; and (k,) how far
    that may be from the mean over all of them, the standard errors of the tokens' scores added up: one standard error, no bound, and no
    part of `error`. adds_up: false for methods that do not promise that scores add up to `delta`; their residual is then no error.
    read: characters of each text the model saw; less than its length after truncation. notes: sentences every view shows. warnings: what
    is wrong with what was explained (characters the model cannot read), shown by every view in a style of its own.
    region_of: (t,) the named part of the prompt each token lies in ("" for none), or () when no part has a name. steps: how many tokens at
    the end are themselves explained, one output each (a generation), else 0.
    seconds: what this text took: reading it, its share of every batch it took part in by rows × tokens, and its schedule. The sum over many
    texts is the time of the whole run, less what was prepared for all of them once and what the caller did in between.
    memory: estimated bytes, for language models: weights, batch (peak of the largest batch), free before the run.
    choices: for a choice among options, how likely each one is.
    answers: what the model says at the text and at the baselines, as probabilities, where F does not say it itself (a logit, a contrast).
    fluency: a decoder's own mean log-probability per token (nats): of the "text", of the "baseline" where it is a text, or of the text's
    tokens behind a baseline that is none ("nothing"), and of the text's tokens halfway ("middle"); from the first token that moves, at most
    the last 256. Empty where there is no path, or no decoder.
    """

    texts: tuple[str, ...]
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    segments: tuple[int, ...]
    word_ids: tuple[int | None, ...]
    roles: tuple[Role, ...]
    level: Level = "token"
    scores: Annotated[Array, "k t"]
    targets: tuple[str, ...]
    units: tuple[str, ...]
    f_input: Annotated[Array, "k"]
    f_baseline: Annotated[Array, "k"]
    error: Annotated[Array, "k"]
    stops: tuple[Reason, ...]
    evaluations: Count
    tol: float = Field(gt=0, allow_inf_nan=False)
    spread: Annotated[Array, "k t"] | None = None
    sampling: Annotated[Array, "k"] | None = None
    draws: Count = 0
    adds_up: bool = True
    method: str
    path: str
    rule: str
    baseline: str
    model: ModelCard
    versions: dict[str, str] = Field(default_factory=dict)
    seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    read: tuple[Count, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    region_of: tuple[str, ...] = ()
    steps: Count = 0
    memory: dict[str, Count] = Field(default_factory=dict)
    choices: Choices | None = None
    answers: Answers | None = None
    fluency: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agree(self) -> Attribution:
        t, k = len(self.tokens), len(self.targets)
        for name in ("offsets", "segments", "word_ids", "roles"):
            if len(getattr(self, name)) != t:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {t} tokens")
        if self.region_of and len(self.region_of) != t:
            raise ValueError(f"region_of has {len(self.region_of)} entries for {t} tokens")
        if self.scores.shape != (k, t):
            raise ValueError(f"scores have shape {self.scores.shape}, but there are {k} targets and {t} tokens")
        if self.spread is not None and self.spread.shape != (k, t):
            raise ValueError(f"spread has shape {self.spread.shape}, but there are {k} targets and {t} tokens")
        for name in ("units", "stops"):
            if len(getattr(self, name)) != k:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {k} targets")
        for name in ("f_input", "f_baseline", "error"):
            if getattr(self, name).shape != (k,):
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, but there are {k} targets")
        if self.sampling is not None and (self.sampling.shape != (k,) or self.draws < 2):
            raise ValueError(f"sampling has shape {self.sampling.shape} and is of {self.draws} draws, but there are {k} targets")
        if not k or not t or not self.texts:
            raise ValueError(f"there are {len(self.texts)} texts, {t} tokens and {k} targets; each is at least 1")
        laid_out(self.texts, self.segments, self.offsets, self.word_ids)
        if self.read and (len(self.read) != len(self.texts) or any(n > len(x) for n, x in zip(self.read, self.texts, strict=True))):
            raise ValueError(f"read is {self.read}, but the texts have {tuple(map(len, self.texts))} characters")
        if self.steps > t:
            raise ValueError(f"steps is {self.steps}, but there are {t} tokens")
        return self

    def doubt(self) -> str | None:
        """Return what contradicts itself in the record, with the field's name, or None."""
        if self.spread is not None and (self.spread < 0).any():
            return "spread has entries below 0"
        if self.sampling is not None and (self.sampling < 0).any():
            return "sampling has entries below 0"
        for c, stop in enumerate(self.stops):
            numbers = {name: getattr(self, name)[c] for name in ("scores", "f_input", "f_baseline")}
            residual = float(self.residual[c]) if self.adds_up else 0.0
            size = float(self.mass[c] + abs(self.f_input[c]) + abs(self.f_baseline[c]))
            limit = self.tol * float(self.mass[c]) if self.level == "token" else np.inf  # the mass of words is smaller
            if (found := unsound(stop, numbers, residual, float(self.error[c]), size, limit)) is not None:
                return found if len(self.stops) == 1 else f"of target {c} ({self.targets[c]}), {found}"
        return None

    @property
    def text(self) -> str:
        """The first text."""
        return self.texts[0]

    @property
    def delta(self) -> NDArray[np.float64]:
        """(k,) F(input) − F(baseline): what the scores add up to."""
        return self.f_input - self.f_baseline

    @property
    def residual(self) -> NDArray[np.float64]:
        """(k,) Σ_i scores − (F(input) − F(baseline)), the field's convergence delta: 0 for an exact integral."""
        return np.asarray(self.scores.sum(axis=1) - self.delta)

    @property
    def mass(self) -> NDArray[np.float64]:
        """(k,) Σ_i |scores|, the scale that `tol` and `error` are relative to."""
        return np.asarray(np.abs(self.scores).sum(axis=1))

    @property
    def cancellation(self) -> NDArray[np.float64]:
        """(k,) mass / |F(input) − F(baseline)|: 1 when all scores share a sign; large when they cancel. inf when the difference is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.mass / np.abs(self.delta)
        return np.where(self.mass == 0, 1.0, ratio)

    @property
    def stop(self) -> Stop:
        """The first reason that is not success, or success."""
        return next((stop for stop in self.stops if not stop.converged), Stop.CONVERGED)

    @property
    def converged(self) -> bool:
        """True when every output converged."""
        return self.stop.converged

    def words(self) -> Attribution:
        """Return the same result per word: scores of a word's tokens summed, roles kept apart."""
        return self._regrouped(regroup.words(self), "word")

    def sentences(self) -> Attribution:
        """Return the same result per sentence (see `lineal.records.group.sentences` for what ends one)."""
        return self._regrouped(regroup.sentences(self), "sentence")

    def spans(self, wanted: str | Sequence[tuple[int, int]], segment: int = 0) -> Attribution:
        """Return the same result per span: a regular expression, or (start, end) in characters of `texts[segment]`.

        What lies between the spans stays as its own items, so the sum is unchanged. Raises InputError for spans that cover no token.
        """
        return self._regrouped(regroup.spans(self, wanted, segment), "span")

    def regions(self) -> Attribution:
        """Return the same result per named region, in text order; what lies between them stays as its own items.

        Raises InputError when no part of the prompt has a name.
        """
        return self._regrouped(regroup.regions(self), "region")

    def region_totals(self) -> dict[str, NDArray[np.float64]]:
        """Return (k,) sums by region name, wherever its parts lie; together they are the sum of all scores."""
        found: dict[str, NDArray[np.float64]] = {}
        for i, name in enumerate(self.region_of or ("",) * len(self.tokens)):
            found[name] = found.get(name, np.zeros(len(self.targets))) + self.scores[:, i]
        return found

    def by(self, level: Level) -> Attribution:
        """Return the result at a level: token, word, sentence or region. The level it has is the result itself.

        Raises OptionError for any other level, ResultError for one that lies below the result's own.
        """
        if level == "span":
            raise OptionError("there is no level 'span' by itself; name the spans: result.spans(…)")
        if level not in LEVELS:
            raise OptionError(f"unknown level {level!r}; choose one of {listing(LEVELS)}")
        singles = [[i] for i in range(len(self.tokens))]
        groupings = {"word": self.words, "sentence": self.sentences, "region": self.regions}
        return groupings[level]() if level in groupings else self._regrouped(singles, "token")

    def _regrouped(self, groups: regroup.Groups, level: Level) -> Attribution:
        same, apart = level == self.level and level != "span", level == "token" or self.level not in ("token", "word")
        if same:
            return self
        if apart:
            raise ResultError(
                f"this result is per {self.level}, a sum that cannot be taken apart; group the result that was there before, per token"
            )
        firsts = [group[0] for group in groups]
        fields = {
            "tokens": tuple(self._spelling(group) for group in groups),
            "offsets": tuple((self.offsets[group[0]][0], max(self.offsets[i][1] for i in group)) for group in groups),
            "segments": tuple(self.segments[i] for i in firsts),
            "word_ids": tuple(self.word_ids[i] for i in firsts),
            "roles": tuple(self.roles[i] for i in firsts),
            "scores": frozen(regroup.summed(self.scores, groups, axis=1)),
            "region_of": tuple(self.region_of[i] for i in firsts) if self.region_of else (),
            "steps": self.steps if level == "token" else 0,
            "spread": None if self.spread is None else frozen(regroup.summed(self.spread, groups, axis=1)),
            "level": level,
        }
        return self.model_copy(update=fields)

    def _spelling(self, group: list[int]) -> str:
        segment = self.segments[group[0]]
        if segment < 0:
            return " ".join(self.tokens[i] for i in group)
        begin, end = self.offsets[group[0]][0], max(self.offsets[i][1] for i in group)
        return self.texts[segment][begin:end].strip() or self.tokens[group[0]]
