"""The public verbs: encode, baseline, path, schedule, integrate, pack. Wiring only, no arithmetic."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal import baselines, methods, prompts, regions, targets
from lineal.engine import memory
from lineal.engine.costs import costs
from lineal.engine.field import Problem
from lineal.engine.integrate import Budget, Done, OnPoints, attempt, integrate
from lineal.engine.tangents import Mode
from lineal.errors import FidelityError, InputError, LinealError, OptionError, listing
from lineal.methods.contract import Case, Outcome, block_size, prepare
from lineal.models import TextModel, load
from lineal.models.base import GENERATIVE, Encoded, check_differentiable, check_fidelity
from lineal.models.causal import CausalLM, Prefix
from lineal.models.layer import Entered
from lineal.models.rounding import spacing
from lineal.objectives.scores import NO_BRANCHES, Objective, SequenceScore
from lineal.paths import Path, Straight
from lineal.quadrature import spelling as rules
from lineal.quadrature.contract import Integral, Schedule, Stop
from lineal.quadrature.fixed import Ends
from lineal.records.attribution import Attribution, Choices, Role
from lineal.records.failure import Failure
from lineal.targets import spelling as specs
from lineal.typed import check_fields
from lineal.verbs.options import Options, lists_options, options_from

PREFIX_FROM = 8
"""Leading tokens that do not move from which running them once pays for the three passes it costs."""
PREFIXES = 4
"""Caches of leading tokens that are kept at a time."""
MANY_OUTPUTS = 16
"""From so many outputs on it is worth looking whether tangent passes are cheaper than reverse passes."""
AT_A_LAYER = ("ig", "sequential-ig", "smoothgrad-ig", "gradient-x-input", "saliency", "random")
OnError = Literal["raise", "return"]
OF_ALL_TEXTS = (OptionError, FidelityError)
"""Errors that are never one text's own: a wrong option, and a model that is not what it seems."""
BATCH_TOKENS = {"cpu": 1024, "cuda": 16384, "mps": 4096}
"""Points × padded length per batch. On a CPU 512 to 2048 took the same time within a tenth, and 8192 half as long again."""


@lists_options
def explain(
    model: Any,
    text: Any = None,
    target: Any = None,
    *,
    messages: Sequence[Mapping[str, str]] | None = None,
    baseline: Any = None,
    **options: Any,
) -> Attribution:
    """Return how much each token of a text contributes to what the model says, with the error of the answer.

        result = lineal.explain("sentiment", "A tepid, glorious mess.")
        result.scores, result.error, result.stop

    Integrated Gradients (Sundararajan, Taly & Yan 2017, eq. 1) of the target along a path from the baseline to the text:
    A[c, i] = ∫₀¹ ⟨∂F_c/∂x_i, γ_i′⟩ dα, so that Σ_i A[c, i] = F_c(text) − F_c(baseline).

    model: anything `lineal.load` takes. text: one text, a pair (text, text) for models that read pairs, or a value of `lineal.prompts`.
    messages: a chat in place of a text, see `lineal.prompts.Chat`.
    target: a value of `lineal.targets` or its spelling ("self", "label:POSITIVE", "next", …); None is the model's default.
    baseline: a value of `lineal.baselines` or its name; None is the model's default. options: see `Options`.
    Cost: one forward and k reverse passes per path point (from 16 outputs on t tangent passes, where those are cheaper); about 25 points
    for encoders, 60 to 300 for decoders at tol=0.01.

    Raises InputError, TooLongError, OptionError, ModelError, FidelityError. Not converging is no error: see `Attribution.stop`, and do
    not trust scores smaller than `Attribution.error`.
    """
    if (text is None) == (messages is None):
        raise InputError(f"give a text or messages, one of the two{'' if text else '; ' + prompts.MISSING.format(text)}")
    text = prompts.Chat(messages) if messages is not None else text
    prompts.check(text)
    if isinstance(text, list):
        raise InputError(
            f"text is a {type(text).__name__}; explain takes one string, or a tuple of two for a pair; many texts: explain_many"
        )
    return Session(load(model), target, baseline, options_from(options)).explain(text)


@lists_options
def explain_many(
    model: Any,
    texts: Iterable[Any],
    target: Any = None,
    *,
    baseline: Any = None,
    progress: bool | Callable[[int], None] = False,
    on_error: OnError = "raise",
    **options: Any,
) -> Iterator[Any]:
    """Yield the explanation of each text, in order; path points of up to 64 texts share batches.

    texts: any iterable, read lazily, up to 64 ahead, and fewer where their derivatives, (n, k, t) numbers each, would take more than
    512 MiB together. progress: True shows a bar on standard error; a function is called with the number of gradients of each batch.
    on_error: what becomes of a text that cannot be read, does not fit into memory, or that the model fails on. "raise": all texts
    before it are given out first, then the error is raised with its place in `texts`, from 0. "return": a `Failure` takes its place, and
    all others are explained. Wrong options, a model that is not what it seems (FidelityError) and errors of `texts` itself are raised in
    either case. Rows of a data set are no texts: pass row["text"], or the column. The rest is as in `explain`.
    """
    prompts.check_list(texts, "explain_many", "explain")
    if on_error not in get_args(OnError):
        raise OptionError(f"unknown on_error {on_error!r}; choose one of {listing(get_args(OnError))}")
    session = Session(load(model), target, baseline, options_from(options))
    if progress is True:
        return _with_bar(session, list(texts), on_error)
    return session.attempt(texts, None if progress is False else progress, on_error)


class Session:
    """One model, one question, many texts: what is prepared once and used for every text."""

    def __init__(self, model: TextModel, target: Any, baseline: Any, options: Options) -> None:
        """Bind target and baseline to the model. Raises OptionError when they do not fit."""
        check_differentiable(model)
        model = _reading(model, options)
        self.target = _target(target, model)
        if hasattr(self.target, "reader"):  # a question that adds a text of its own
            model = self.target.reader(model)
        self.model, self.options = model, options
        self.method = methods.resolve(options.method)
        self.baseline = baselines.resolve(baseline, model)
        self.start = self.baseline.bind(model)
        self.objective = self.target.bind(model)
        self.epsilon = spacing(model)
        self.checked: dict[int, bool] = {}
        self.prefixes: dict[tuple[int, ...], Prefix | None] = {}
        self.entry = None if options.layer is None else Entered(model, options.layer)
        if self.entry is not None and self.method.name not in AT_A_LAYER:
            raise OptionError(
                f"the method {self.method.name} works on words and cannot enter at a layer; choose one of {listing(AT_A_LAYER)}"
            )
        self.budget = Budget(options.batch_tokens or BATCH_TOKENS.get(model.device.type, 1024), recompute=options.recompute)
        self.memory = self._kept_to_memory()

    def _kept_to_memory(self) -> dict[str, int]:
        """Estimate what a language model's batches need, and make them smaller when that does not fit; one forward over a few tokens."""
        if self.model.card.kind not in GENERATIVE:
            return {}
        if self.options.recompute and not memory.can_recompute(self.model):
            raise OptionError(f"{self.model.card.name} has no layers that can be recomputed without changing its answers; drop recompute")
        needed = memory.measure(self.model, self.options.recompute)
        self.budget.tokens, self.budget.read = needed.fitting(self.budget.tokens), needed.read
        return {"weights": needed.weights, "batch": needed.batch(self.budget.tokens), "free": needed.free or 0}

    def explain(self, text: Any) -> Attribution:
        """Return the record of one text."""
        return next(self.run([text]))

    def run(self, texts: Iterable[Any], on_points: OnPoints | None = None, numbered: bool = False) -> Iterator[Attribution]:
        """Yield one record per text, in order; an error comes behind all records before it. numbered: it says where it stands."""
        return self.attempt(texts, on_points, "raise", numbered)  # type: ignore[return-value]

    def attempt(
        self, texts: Iterable[Any], on_points: OnPoints | None = None, on_error: OnError = "return", numbered: bool = True
    ) -> Iterator[Attribution | Failure]:
        """Yield one record per text, in order, or a failure in its place; see `explain_many`."""
        check_differentiable(self.model)  # where this is called from can be another place than where the session was made
        begun: deque[_Begun] = deque()

        def settled(first: _Begun) -> Attribution | Failure:
            if first.error is None:
                return self._record(first)
            if isinstance(first.error, OF_ALL_TEXTS):
                raise first.error
            if on_error == "raise":
                raise _numbered(first.error, first.row) if numbered else first.error
            return Failure(row=first.row, text=_said(first.text), error=type(first.error).__name__, message=str(first.error))

        for done in attempt(self.entry or self.model, self._tasks(texts, begun, on_error), self.budget, on_points):
            while begun[0].ended:
                yield settled(begun.popleft())
            begun[0].take(done)
            while begun and begun[0].ended:
                yield settled(begun.popleft())
        while begun:
            yield settled(begun.popleft())

    def _tasks(self, texts: Iterable[Any], begun: deque[_Begun], on_error: OnError) -> Iterator[tuple[Problem, Schedule]]:
        """Yield the integrals of all texts, noting in `begun` what belongs to which; a text that cannot be read is noted and has none.

        Where an error is to be raised, nothing behind it is read.
        """
        for first, block in _blocks(texts, block_size(self.method)):
            clock = time.perf_counter()
            rows = [_Begun(first + i, text) for i, text in enumerate(block)]
            for row in rows:
                with row.guarded():
                    case = self.case(row.text)
                    row.case = replace(case, mode=self._mode(case))
            prepare(self.method, [row.case for row in rows if row.case is not None])
            shared = (time.perf_counter() - clock - sum(row.seconds for row in rows)) / len(rows)
            for row in rows:
                tasks: Sequence[tuple[Problem, Schedule]] = ()
                with row.guarded():
                    tasks = row.planned(self.method)
                row.seconds += shared
                begun.append(row)
                if row.error is not None and on_error == "raise":
                    return
                yield from tasks
                del tasks  # their schedules keep every derivative they were told

    def _record(self, finished: _Begun) -> Attribution:
        """Return the record of a text whose integrals are all there."""
        clock = time.perf_counter()
        assert finished.case is not None
        assert finished.pack is not None, "a text that did not fail was planned"
        outcome = finished.pack(finished.done[: finished.count])
        choices = _choices(finished.case.objective, finished.done[finished.count :])
        seconds = finished.seconds + time.perf_counter() - clock
        return self.pack(finished.case, outcome, seconds).model_copy(update={"choices": choices})

    def case(self, text: Any) -> Case:
        """Return one text ready to be explained: up to four forward passes the first time, one or none later."""
        encoded = prompts.read(text, self.model, self.options.truncate)
        if self.options.anchor == "bos":
            encoded = _with_bos(encoded, self.model)
        if len(encoded.texts) not in self.checked:
            self.checked[len(encoded.texts)] = check_fidelity(self.model, encoded)
            self.budget.uniform |= not self.checked[len(encoded.texts)]
        encoded = replace(encoded, roles=roles(encoded, self.model, self.options, baselines.still(self.start, encoded)))
        moving = self._moving(encoded)
        objective = self.objective(encoded)
        with torch.no_grad():
            end = self.model.embed(encoded.features["input_ids"].to(self.model.device))
            starts = self.start(encoded)  # (t, d), or (m, t, d) for several baselines
            starts = _kept(starts if starts.dim() == 3 else starts[None], end, moving)
        encoded = replace(encoded, notes=(*encoded.notes, *baselines.notes(self.start, encoded)))
        if self.entry is not None:
            return self._entered(encoded, starts, end, objective)
        return Case(self.model, encoded, starts, end, tuple(moving), objective, self.schedule_for, self._prefix(encoded, moving, objective))

    def _mode(self, case: Case) -> Mode:
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
        return Case(self.entry, encoded, begun, states, (True,) * len(encoded), objective, self.schedule_for)

    def scores(self, cases: Sequence[Case]) -> list[NDArray[np.float64]]:
        """Return the (k, t) scores of each case, perhaps altered ones; all share batches."""
        prepare(self.method, cases)
        planned = [self.method.plan(case) for case in cases]
        done = integrate(self.entry or self.model, (task for plan in planned for task in plan.tasks), self.budget)
        return [plan.pack([next(done) for _ in plan.tasks]).integral.value for plan in planned]

    def _prefix(self, encoded: Encoded, moving: Sequence[bool], objective: Objective) -> Prefix | None:
        """Return the leading tokens that do not move, run once; None when they are few or the model cannot share them."""
        length = min(moving.index(True), *objective.positions) if any(moving) and objective.positions else 0
        if length < PREFIX_FROM or not self.options.share_prefix or not isinstance(self.model, CausalLM):
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
        return rules.schedule(o.rule, share * o.tol, o.max_evaluations, path.breaks, epsilon=self.epsilon)

    def _moving(self, encoded: Encoded) -> list[bool]:
        released = () if self.options.hold_special else ("special",)
        return [role == "content" or role in released for role in encoded.roles]

    def pack(self, case: Case, outcome: Outcome, seconds: float) -> Attribution:
        """Return the record of a finished explanation."""
        encoded, integral, o = case.encoded, outcome.integral, self.options
        return Attribution(
            texts=encoded.texts,
            segments=encoded.segments,
            scores=integral.value,
            targets=case.objective.names,
            units=case.objective.units,
            f_input=integral.f_end,
            f_baseline=integral.f_start,
            error=integral.error,
            stops=judged(integral, o.tol),
            evaluations=integral.evaluations,
            spread=outcome.spread,
            method=methods.spelling(self.method),
            adds_up=self.method.adds_up,
            path=outcome.path if o.layer is None else f"{outcome.path}, at layer {o.layer}",
            baseline=self.baseline.name,
            read=encoded.read,
            notes=(*encoded.notes, *outcome.notes),
            warnings=encoded.warnings,
            region_of=regions.names(encoded),
            steps=encoded.steps,
            memory=self.memory,
            **encoded.marks,
            **self.provenance(seconds),
        )

    def provenance(self, seconds: float) -> dict[str, Any]:
        """Return what every record says about how it was made. seconds: as in `lineal.Attribution`."""
        o = self.options
        return {"tol": o.tol, "rule": o.rule, "model": self.model.card, "versions": versions(), "seconds": round(seconds, 4)}


def judged(integral: Integral, tol: float) -> tuple[Stop, ...]:
    """Return the stop reasons, withdrawing CONVERGED where the error exceeds `tol` of the mass, as it can where parts cancel."""
    allowed = tol * np.abs(integral.value).sum(axis=1) * (1 + 1e-9)  # the last digits are rounding, not error
    return tuple(
        Stop.CANCELLED if stop.converged and error > limit else stop
        for stop, error, limit in zip(integral.stops, integral.error, allowed, strict=True)
    )


@dataclass
class _Begun:
    """A text on its way.

    pack: makes a record's numbers of its first `count` integrals; those of its options (`_menu`) come behind them. wanted: integrals that
    are still to come. error: the first one; there is then no record. seconds: spent on it so far.
    """

    row: int
    text: Any
    case: Case | None = None
    pack: Callable[[Sequence[Integral]], Outcome] | None = None
    count: int = 0
    wanted: int = 0
    done: list[Integral] = field(default_factory=list)
    error: Exception | None = None
    seconds: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come."""
        return self.wanted == 0

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keep the time of what is done for this text, and its first error."""
        clock = time.perf_counter()
        try:
            yield
        except Exception as error:
            self.error = error if self.error is None else self.error
        self.seconds += time.perf_counter() - clock

    def planned(self, method: methods.Method) -> list[tuple[Problem, Schedule]]:
        """Return the integrals to compute for this text; none for one that failed."""
        if self.case is None:
            return []
        plan, menu = method.plan(self.case), _menu(self.case)
        self.pack, self.count, self.wanted = plan.pack, len(plan.tasks), len(plan.tasks) + len(menu)
        return [*plan.tasks, *menu]

    def take(self, done: Done) -> None:
        """Take the next integral, or its error."""
        self.wanted -= 1
        self.seconds += done.seconds
        if isinstance(done.found, Exception):
            self.error = done.found if self.error is None else self.error
        else:
            self.done.append(done.found)


def _blocks(texts: Iterable[Any], size: int) -> Iterator[tuple[int, list[Any]]]:
    """Yield `size` texts at a time with the row of the first; an error of `texts` is raised behind what was read before."""
    source, row = iter(texts), 0
    while True:
        block: list[Any] = []
        broken: Exception | None = None
        try:
            while len(block) < size:
                block.append(next(source))
        except StopIteration:
            pass
        except Exception as error:
            broken = error
        if block:
            yield row, block
            row += len(block)
        if broken is not None:
            raise broken
        if len(block) < size:
            return


def _numbered(error: Exception, row: int) -> Exception:
    """Return the error with the place of its text: in the message of Lineal's own errors, as a note on others."""
    if isinstance(error, LinealError):
        found = type(error)(f"texts[{row}]: {error}")
        found.__cause__ = error.__cause__
        return found.with_traceback(error.__traceback__)
    error.add_note(f"This was raised for texts[{row}].")
    return error


def _said(text: Any) -> str:
    whole = text[0] if isinstance(text, tuple) and len(text) == 1 else text
    return whole if isinstance(whole, str) else repr(text)


def _menu(case: Case) -> list[tuple[Problem, Schedule]]:
    """Return what a choice shows of its options: F at the text and at each baseline, no gradient."""
    if not isinstance(case.objective, SequenceScore) or not case.objective.menu:
        return []
    every = case.objective.every
    return [(replace(case.problem(Straight(start, case.end)), objective=every), Ends()) for start in case.starts]


def _choices(objective: Objective, ends: Sequence[Integral]) -> Choices | None:
    if not isinstance(objective, SequenceScore) or not ends:
        return None
    log_probs = np.stack([ends[0].f_end, *(end.f_start for end in ends)])
    names = tuple(name.strip() or repr(name) for name in objective.menu)
    return Choices(names=names, log_probs=log_probs, picked=objective.picks[0], gold=objective.gold, mean=objective.normalise == "mean")


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
    bos = getattr(model.tokenizer, "bos_token_id", None)
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


def _reading(model: TextModel, options: Options) -> TextModel:
    how = {name: value for name in ("prompt", "prompt_name", "route") if (value := getattr(options, name)) is not None}
    if not how:
        return model
    if not hasattr(model, "reading"):
        raise OptionError(f"{next(iter(how))} is for sentence encoders; {model.card.name} is of kind {model.card.kind}")
    return model.reading(**how)  # type: ignore[no-any-return]


def versions() -> dict[str, str]:
    """Return the versions of what computes the numbers."""
    found = {}
    for package in ("lineal", "torch", "transformers", "sentence-transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # running from a source tree that was never installed
            found[package] = "not installed"
    return found


def _kept(start: Tensor, end: Tensor, moving: Sequence[bool]) -> Tensor:
    return torch.where(torch.tensor(moving, device=end.device)[:, None], start.to(end), end)


def _target(target: Any, model: TextModel) -> targets.Target:
    if isinstance(target, str):
        target = specs.target(target)
    if target is None:
        return targets.default(model)
    if not hasattr(target, "bind"):
        raise OptionError(
            f"a target is a spelling ({listing(specs.TARGET_HELP)}) or a value of lineal.targets, not {type(target).__name__}"
        )
    if is_dataclass(target):
        check_fields(target)
    return target  # type: ignore[no-any-return]


def _with_bar(session: Session, texts: Sequence[Any], on_error: OnError) -> Iterator[Attribution | Failure]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[gradients]} gradients"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("texts", total=len(texts), gradients=0)
        gradients = 0

        def on_points(count: int) -> None:
            nonlocal gradients
            gradients += count
            bar.update(task, gradients=gradients)

        for record in session.attempt(texts, on_points, on_error):
            bar.advance(task)
            yield record
