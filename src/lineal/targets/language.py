"""What is asked of a language model: a next token, this one rather than that one, a given continuation, one of several answers, each step.

A continuation is what the tokenizer reads behind the prompt when the two are one text. The targets are reached as
`lineal.targets.next_token`, `contrast`, `continuation` and `choice`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lineal.errors import InputError, OptionError, listing
from lineal.models.base import TextModel, require
from lineal.models.encoded import Encoded
from lineal.models.forward import answer
from lineal.models.generative import Generative
from lineal.models.lease import lease
from lineal.models.vocabulary import spell, token_id
from lineal.objectives.contract import Objective
from lineal.objectives.sequence import SequenceScore, check_among, check_normalise
from lineal.objectives.token import TokenScore
from lineal.objectives.units import Unit, check_unit
from lineal.objectives.wrap import Combined
from lineal.targets.contract import Bound, Target
from lineal.typed import listed


@dataclass(frozen=True)
class NextToken(Target):
    """The token after the prompt: the most likely one (rank 0), the one of another rank, or a given token (text or id).

    A text must be one token as it stands, leading space included: " nurse", not "nurse", after "works as a".
    unit: log_prob (default: unlike the logit it does not depend on a constant added to all logits), prob, log_odds or logit.
    """

    token: str | int | None = None
    rank: int = 0
    unit: str = "log_prob"

    def bind(self, model: TextModel) -> Bound:
        """Look the token up; the most likely one costs a forward per text."""
        unit = check_unit(self.unit)
        require(model, "causal", "a next token")
        if not 0 <= self.rank < model.vocabulary:
            raise OptionError(f"rank is {self.rank}; it counts from 0, the most likely, to {model.vocabulary - 1}")
        fixed = None if self.token is None else token_id(model, self.token)

        def bound(encoded: Encoded) -> TokenScore:
            last = len(encoded) - 1
            chosen = fixed
            if chosen is None:
                ranked = answer(model, encoded, (last,))[0].topk(self.rank + 1).indices
                chosen = int(ranked[self.rank])
            return TokenScore((last,), (chosen,), (spell(model, chosen),), unit)

        return bound


@dataclass(frozen=True)
class Contrast(Target):
    """Why this token and not that one: the score of `token` minus the score of `foil` after the same prompt (Yin & Neubig, EMNLP 2022).

    Two tokens, as text (leading space included) or id. unit: logit (default), whose difference is also the log of p(token)/p(foil);
    log_prob gives the same numbers; prob is p(token) − p(foil). Costs no more than a single token.
    """

    token: str | int
    foil: str | int
    unit: str = "logit"

    def bind(self, model: TextModel) -> Bound:
        """Look both tokens up; InputError when they are the same."""
        unit = check_unit(self.unit)
        require(model, "causal", "a contrast of tokens")
        token, foil = token_id(model, self.token), token_id(model, self.foil)
        if token == foil:
            raise InputError(f"token and foil are both {spell(model, token)!r} (id {token}): they never differ; give another foil")
        name = f"{spell(model, token)} over{spell(model, foil) if spell(model, foil)[:1].isspace() else ' ' + spell(model, foil)}"

        def bound(encoded: Encoded) -> Combined:
            last = len(encoded) - 1
            parts = TokenScore((last, last), (token, foil), (spell(model, token), spell(model, foil)), unit)
            return Combined(parts, ((1.0, -1.0),), (name,))

        return bound


@dataclass(frozen=True)
class Continuation(Target):
    """A given text after the prompt, token by token exactly as the tokenizer reads prompt and continuation together.

    rows: "sum", one output Σ_j log p(token j | prompt, tokens before it); "tokens", one output per token; "both", the sum first. The
    continuation itself is constant: scores say what the prompt does (`lineal.prompts.Generation` also lets it move).
    unit: log_prob (default), logit, prob or log_odds; of the whole for "sum". "both" needs log_prob or logit, which add up.
    """

    text: str
    rows: str = "sum"
    unit: str = "log_prob"

    def bind(self, model: TextModel) -> Bound:
        """Check the options; the tokens depend on the prompt."""
        unit = check_unit(self.unit)
        require(model, "causal", "a continuation")
        if self.rows not in ("sum", "tokens", "both"):
            raise OptionError(f"unknown rows {self.rows!r}; choose sum, tokens or both")
        if self.rows == "both" and unit not in ("log_prob", "logit"):
            raise OptionError(
                f"rows 'both' with unit {unit}: only log_prob and logit add up over tokens; choose one of them, or rows='sum'"
            )
        if not self.text:
            raise InputError("the continuation is empty; give the text that follows the prompt, its leading space included")

        def bound(encoded: Encoded) -> Objective:
            ids = follow(model, encoded, self.text)
            last = len(encoded) - 1
            if self.rows == "sum":
                return SequenceScore(last, (ids,), (0,), (self.text,), (unit,), among="vocabulary")
            names = tuple(spell(model, token) for token in ids)
            parts = TokenScore(tuple(range(last, last + len(ids))), ids, names, unit, branches=(ids[:-1],))
            if self.rows == "tokens":
                return parts
            each = tuple(tuple(float(i == j) for j in range(len(ids))) for i in range(len(ids)))
            return Combined(parts, ((1.0,) * len(ids), *each), (self.text, *names))

        return bound


@dataclass(frozen=True)
class Choice(Target):
    """Why the model picks this option: a multiple-choice answer among texts that may follow the prompt, of one or several tokens.

    options: the texts, exactly as they follow the prompt. pick: the explained one (its text or number); None for the one the model
    prefers. unit: log_odds of the pick against all the others together (default), log_prob, prob or logit. normalise: an option's score is
    the sum of its tokens' log-probabilities, or their mean. among: probabilities over the options, or over everything the model may say.
    per_option: also one output per option, in log_prob (logit if that is the unit). names: what to call the options, if not by their text.
    gold: the right option (its text or number), where known: it is marked, and explained only as the pick.
    Cost: single tokens cost as much as one text; else one row per different beginning. One forward per text to see the preference.
    """

    options: Sequence[str]
    pick: str | int | None = None
    unit: str = "log_odds"
    normalise: str = "sum"
    among: str = "options"
    per_option: bool = False
    names: Sequence[str] | None = None
    gold: str | int | None = None

    def bind(self, model: TextModel) -> Bound:
        """Check the options; the tokens depend on the prompt."""
        unit, normalise, among = check_unit(self.unit), check_normalise(self.normalise), check_among(self.among)
        require(model, "causal", "a choice")
        options = tuple(listed("options", self.options, "two or more texts"))
        if isinstance(self.options, str) or len(set(options)) < max(2, len(options)):
            raise OptionError(f"a choice needs at least two different options, not {self.options!r}")
        fixed, gold = (
            None if given is None else _index(options, given, what) for what, given in (("pick", self.pick), ("gold", self.gold))
        )
        names = options if self.names is None else tuple(listed("names", self.names))
        if len(names) != len(options) or not all(isinstance(name, str) for name in (*names, *options)):
            raise OptionError(f"there are {len(names)} names for {len(options)} options; give one text each")

        def bound(encoded: Encoded) -> SequenceScore:
            sequences = tuple(follow(model, encoded, option) for option in options)
            if len(set(sequences)) < len(options):
                raise InputError(f"two of the options {listing(options)} are the same tokens after this prompt")
            each: list[Unit] = ["log_prob"] * len(options)
            every = SequenceScore(len(encoded) - 1, sequences, tuple(range(len(options))), options, tuple(each), among, normalise)
            c = int(score(model, encoded, every).argmax()) if fixed is None else fixed
            rows = range(len(options)) if self.per_option else ()
            return replace(
                every,
                menu=names,
                gold=gold,
                picks=(c, *rows),
                names=(_over(names, c), *(names[i] for i in rows)),
                units=(unit, *(("logit" if unit == "logit" else "log_prob") for _ in rows)),
            )

        return bound


@dataclass(frozen=True)
class Steps(Target):
    """Each token of a generation, given what stands before it: k outputs, one per step. For `lineal.prompts.Generation`."""

    unit: str = "log_prob"

    def bind(self, model: TextModel) -> Bound:
        """Need a language model."""
        unit = check_unit(self.unit)
        require(model, "causal", "the steps of a generation")

        def bound(encoded: Encoded) -> TokenScore:
            if not encoded.steps:
                raise OptionError("there are no steps to explain: the prompt has no continuation; use explain_generation")
            first = len(encoded) - encoded.steps
            ids = tuple(encoded.ids[first:])
            return TokenScore(tuple(range(first - 1, len(encoded) - 1)), ids, tuple(spell(model, token) for token in ids), unit)

        return bound


def follow(model: TextModel, encoded: Encoded, text: str) -> tuple[int, ...]:
    """Return the ids of a text that follows a prompt. Raises InputError when it has none of its own, TooLongError when it does not fit."""
    assert isinstance(model, Generative), "only language models have continuations"
    ids = model.follow(encoded, text)
    model.room(encoded, len(ids))
    return ids


def score(model: TextModel, encoded: Encoded, objective: Objective) -> Tensor:
    """Return an objective's (k,) values at the text itself: one forward pass, with a row per branch."""
    following = objective.branches
    longest = max(map(len, following))
    rows = {name: torch.stack([_after(value, name, branch, longest) for branch in following]) for name, value in encoded.features.items()}
    where = torch.tensor([list(objective.positions)] * len(following), device=model.device)
    with lease(model.module), torch.no_grad():
        states = model.run({name: value.to(model.device) for name, value in rows.items()}, None, where)
        read = model.read(states, objective.rows)
        return objective((read if read.dtype == torch.float64 else read.float()).flatten(0, 1)[None])[0]


def _after(feature: Tensor, name: str, branch: Sequence[int], longest: int) -> Tensor:
    more = torch.tensor(list(branch), dtype=feature.dtype) if name == "input_ids" else feature[-1:].expand(len(branch))
    return torch.nn.functional.pad(torch.cat([feature, more]), (0, longest - len(branch)))


def _index(options: tuple[str, ...], given: str | int, what: str) -> int:
    if isinstance(given, int) and 0 <= given < len(options):
        return given
    if given in options:
        return options.index(str(given))
    raise OptionError(f"{what} {given!r} is none of the options {listing(options)}")


def _over(options: Sequence[str], c: int) -> str:
    others = [option.strip() for i, option in enumerate(options) if i != c]
    return f"{options[c].strip()} over {listing(others, 6)}"
