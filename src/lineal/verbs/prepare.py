"""From a text to a case: model, target and baseline are bound once; each text is read and given its two ends and its objective."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lineal import baselines, prompts, targets
from lineal.baselines.draws import MOST_SAMPLES
from lineal.engine import memory
from lineal.engine.costs import costs
from lineal.engine.integrate import Budget
from lineal.engine.tangents import Mode
from lineal.errors import InputError, OptionError, listing
from lineal.methods.contract import Case
from lineal.models import TextModel
from lineal.models.base import GENERATIVE
from lineal.models.causal import CausalLM, Prefix
from lineal.models.checks import check_differentiable, check_fidelity
from lineal.models.encoded import Encoded
from lineal.models.layer import Entered
from lineal.models.rounding import spacing
from lineal.models.vocabulary import special_tokens
from lineal.objectives.contract import NO_BRANCHES, Objective
from lineal.paths import Drawn, Path, Straight
from lineal.prompts import regions
from lineal.quadrature import spelling as rules
from lineal.quadrature.contract import Schedule
from lineal.quadrature.expectation import Expectation
from lineal.records.attribution import Role
from lineal.targets import spelling as specs
from lineal.typed import check_fields
from lineal.verbs.options import Options

PREFIX_FROM = 8
"""Leading tokens that do not move from which running them once pays for the three passes it costs."""
PREFIXES = 4
"""Caches of leading tokens that are kept at a time."""
MANY_OUTPUTS = 16
"""From so many outputs on it is worth looking whether tangent passes are cheaper than reverse passes."""
BATCH_TOKENS = {"cpu": 1024, "cuda": 16384, "mps": 4096}
"""Points × padded length per batch. On a CPU 512 to 2048 took the same time within a tenth, and 8192 half as long again."""


class Preparation:
    """One model, one target, one baseline: what is found out once and used for every text.

    budget: how batches are filled, as memory and the model's padding allow. memory: bytes, as a record states them. entry: the model
    entered at a layer, or None. epsilon: the spacing of the model's numbers.
    """

    def __init__(self, model: TextModel, target: Any, baseline: Any, options: Options) -> None:
        """Bind target and baseline to the model. Raises OptionError when they do not fit."""
        check_differentiable(model)
        model = model.reading(options.prompt, options.prompt_name, options.route)
        self.target = _target(target, model)
        model = self.target.reader(model)
        self.model, self.options = model, options
        self.baseline = baselines.resolve(baseline, model)
        self.start = self.baseline.bind(model)
        self.objective = self.target.bind(model)
        self.epsilon = spacing(model)
        self.checked: dict[int, bool] = {}
        self.prefixes: dict[tuple[int, ...], Prefix | None] = {}
        self.entry = None if options.layer is None else Entered(model, options.layer)
        self.budget = Budget(options.batch_tokens or BATCH_TOKENS.get(model.device.type, 1024), recompute=options.recompute)
        self.memory = self._kept_to_memory()

    def beside(self, baseline: Any, options: Options) -> Preparation:
        """Return the preparation from another baseline, which shares with this one what is found out about the model.

        options: the same but for the method.
        """
        other = copy.copy(self)
        other.options, other.baseline = options, baselines.resolve(baseline, self.model)
        other.start = other.baseline.bind(self.model)
        return other

    @property
    def runs(self) -> TextModel:
        """What is run: the model, or the rest of it from the layer on."""
        return self.entry or self.model

    def _kept_to_memory(self) -> dict[str, int]:
        """Estimate what a language model's batches need, and make them smaller when that does not fit; one forward over a few tokens."""
        if self.model.card.kind not in GENERATIVE:
            return {}
        if self.options.recompute and not memory.can_recompute(self.model):
            raise OptionError(f"{self.model.card.name} has no layers that can be recomputed without changing its answers; drop recompute")
        needed = memory.measure(self.model, self.options.recompute)
        self.budget.tokens, self.budget.read = needed.fitting(self.budget.tokens), needed.read
        return {"weights": needed.weights, "batch": needed.batch(self.budget.tokens), "free": needed.free or 0}

    def case(self, text: Any) -> Case:
        """Return one text ready to be explained: up to four forward passes the first time, one or none later."""
        encoded = prompts.read(text, self.model, self.options.truncate)
        if self.options.anchor == "bos":
            encoded = _with_bos(encoded, self.model)
        if len(encoded.texts) not in self.checked:
            self.checked[len(encoded.texts)] = check_fidelity(self.model, encoded)
            self.budget.uniform |= not self.checked[len(encoded.texts)]
        encoded = baselines.widened(self.start, encoded)
        encoded = replace(encoded, roles=roles(encoded, self.model, self.options, baselines.still(self.start, encoded)))
        moving = self._moving(encoded)
        objective = self.objective(encoded)
        with torch.no_grad():
            end = self.model.embed(encoded.features["input_ids"].to(self.model.device))
            if encoded.neutral:
                end[list(encoded.neutral)] = baselines.default(self.model).bind(self.model)(encoded)[list(encoded.neutral)].to(end)
            starts = self.start(encoded)  # (t, d), or (m, t, d) for several baselines
            starts = _kept(starts if starts.dim() == 3 else starts[None], end, moving)
        encoded = replace(encoded, notes=(*encoded.notes, *baselines.notes(self.start, encoded)))
        if self.entry is not None:
            return self._entered(encoded, starts, end, objective)
        more = baselines.more(self.start, encoded)
        return Case(
            self.model,
            encoded,
            starts,
            end,
            tuple(moving),
            objective,
            self.schedule_for,
            self._prefix(encoded, moving, objective),
            drawn=baselines.drawn(self.start),
            more=None if more is None else lambda c: _kept(more(c), end, moving),
        )

    def mode(self, case: Case) -> Mode:
        """Return how derivatives are computed: by tangent passes where outputs are many and that is cheaper.

        Never for a generation: steps that have converged are to cost no further pass, and a tangent pass serves all steps or none.
        """
        plain = self.entry is None and case.prefix is None and not self.budget.recompute and case.objective.branches == NO_BRANCHES
        if not plain or case.encoded.steps or len(case.objective.names) < MANY_OUTPUTS:
            return Mode.REVERSE
        problem = case.problem(Straight(case.starts[0], case.end))
        cheapest = costs(self.model, problem).cheapest(problem.k, sum(case.moving))
        return cheapest if cheapest is Mode.FORWARD else Mode.REVERSE

    def _entered(self, encoded: Encoded, starts: Tensor, end: Tensor, objective: Objective) -> Case:
        """Return the case at the layer that was asked for: one forward pass per baseline and one for the text."""
        assert self.entry is not None, "a layer was asked for"
        if objective.branches != NO_BRANCHES:
            raise OptionError("a target with several continuations cannot be entered at a layer; explain one continuation or a next token")
        states = self.entry.states(encoded, end)
        if not self.checked.get(-1):
            self.entry.check(encoded, states)
            self.checked[-1] = True
        begun = torch.stack([self.entry.states(encoded, start) for start in starts])
        moving, drawn = (True,) * len(encoded), baselines.drawn(self.start)
        return Case(self.entry, encoded, begun, states, moving, objective, self.schedule_for, drawn=drawn)

    def _prefix(self, encoded: Encoded, moving: Sequence[bool], objective: Objective) -> Prefix | None:
        """Return the leading tokens that do not move, run once; None when they are few or the model cannot share them."""
        length = min(moving.index(True), *objective.positions) if any(moving) and objective.positions else 0
        if encoded.neutral or length < PREFIX_FROM or not self.options.share_prefix or not isinstance(self.model, CausalLM):
            return None
        key = tuple(encoded.ids[:length])
        if key not in self.prefixes:
            if len(self.prefixes) >= PREFIXES:
                self.prefixes.pop(next(iter(self.prefixes)))
            self.prefixes[key] = self.model.prefix(encoded, length)
        return self.prefixes[key]

    def schedule_for(self, path: Path, share: float = 1.0) -> Schedule:
        """Return a fresh schedule for a path, as the options ask for, to `share` times the tolerance."""
        o = self.options

        def one(tol: float, most: int) -> Schedule:
            return rules.schedule(o.rule, tol, most, path.breaks, epsilon=self.epsilon)

        if isinstance(path, Drawn):
            return Expectation(one, share * o.tol, o.max_evaluations, MOST_SAMPLES)
        return one(share * o.tol, o.max_evaluations)

    def _moving(self, encoded: Encoded) -> list[bool]:
        released = () if self.options.hold_special else ("special",)
        return [role == "content" or role in released for role in encoded.roles]


def roles(encoded: Encoded, model: TextModel, options: Options, still: frozenset[int] = frozenset()) -> tuple[Role, ...]:
    """Return the role of each token: special, held (by `hold`, not in `attribute`, a decoder's first position, `still`), or content."""
    held = regions.select(encoded, options.hold) | still
    if options.attribute is not None:
        held |= set(range(len(encoded))) - regions.select(encoded, options.attribute)
    if model.card.kind == "causal" and options.anchor in (None, "first"):
        held.add(0)
    result: list[Role] = [role if role == "special" or i not in held else "held" for i, role in enumerate(encoded.roles)]
    if "content" in result or (not options.hold_special and "special" in result):
        return tuple(result)
    why = "is held" if not still else "is held or the same in the other text"
    step = "hold less or attribute more" if not still else "name a text that differs elsewhere; anchor='bos' frees a decoder's first token"
    raise InputError(f"every token of {encoded.texts[0][:40]!r} {why}, so nothing moves and nothing can be attributed; {step}")


def _with_bos(encoded: Encoded, model: TextModel) -> Encoded:
    """Put the beginning-of-text token in front, unless the prompt begins with a special token. OptionError when there is none."""
    bos = special_tokens(model.tokenizer).get("bos")
    if model.card.kind != "causal" or bos is None:
        raise OptionError(f"anchor 'bos' needs a decoder whose tokenizer has a beginning-of-text token; {model.card.name} has none")
    if encoded.roles[0] == "special":
        return encoded
    front = {name: 0 * value[:1] + (bos if name == "input_ids" else value[:1]) for name, value in encoded.features.items()}
    name = str(model.tokenizer.convert_ids_to_tokens(bos))
    return replace(
        encoded,
        features={name: torch.cat([front[name], value]) for name, value in encoded.features.items()},
        tokens=(name, *encoded.tokens),
        offsets=((0, 0), *encoded.offsets),
        segments=(-1, *encoded.segments),
        word_ids=(None, *encoded.word_ids),
        roles=("special", *encoded.roles),
        notes=(*encoded.notes, f"The model read {name} in front of the prompt, which its tokenizer does not add by itself."),
    )


def _kept(start: Tensor, end: Tensor, moving: Sequence[bool]) -> Tensor:
    return torch.where(torch.tensor(moving, device=end.device)[:, None], start.to(end), end)


def _target(target: Any, model: TextModel) -> targets.Target:
    if isinstance(target, str):
        target = specs.target(target)
    if target is None:
        return targets.default(model)
    if not isinstance(target, targets.Target):
        raise OptionError(
            f"a target is a spelling ({listing(specs.TARGET_HELP)}) or a value of lineal.targets, not {type(target).__name__}"
        )
    if is_dataclass(target):
        check_fields(target)
    return target
