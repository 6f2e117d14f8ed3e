"""Many texts through one loop: each is planned, its integrals share batches with those of the others, its record comes in its turn."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lineal import baselines, methods
from lineal.engine.integrate import Budget, Done, OnPoints, Task, attempt
from lineal.errors import FidelityError, LinealError, OptionError, listing
from lineal.methods.contract import Case, Integrals, Key, Outcome
from lineal.models import TextModel
from lineal.models.base import Head
from lineal.models.checks import check_differentiable
from lineal.quadrature.contract import Integral
from lineal.records.attribution import Attribution
from lineal.records.failure import Failure
from lineal.verbs import plausibility
from lineal.verbs.answers import answers, asked
from lineal.verbs.options import Options
from lineal.verbs.pack import choices, menu, pack
from lineal.verbs.prepare import Preparation

AT_A_LAYER = ("ig", "sequential-ig", "smoothgrad-ig", "gradient-x-input", "saliency", "random")
OnError = Literal["raise", "return"]
OF_ALL_TEXTS = (OptionError, FidelityError)
"""Errors that are never one text's own: a wrong option, and a model that is not what it seems."""


class Session:
    """One model, one question, many texts, one method."""

    def __init__(self, model: TextModel, target: Any, baseline: Any, options: Options) -> None:
        """Bind target and baseline to the model. Raises OptionError when they, or the method, do not fit."""
        self.method = _method(options)
        self.preparation = Preparation(model, target, baseline, options)

    def beside(self, method: Any, baseline: Any) -> Session:
        """Return the session that asks the same in another way; all that is known of the model, its budget too, is shared with this one."""
        options = replace(self.preparation.options, method=method)
        other = copy.copy(self)
        other.method = _method(options)
        other.preparation = self.preparation.beside(baseline, options)
        return other

    @property
    def model(self) -> TextModel:
        """The model, as it reads texts for the target."""
        return self.preparation.model

    @property
    def baseline(self) -> baselines.Baseline:
        """Where paths start."""
        return self.preparation.baseline

    @property
    def budget(self) -> Budget:
        """How batches are filled."""
        return self.preparation.budget

    def case(self, text: Any) -> Case:
        """Return one text ready to be explained; see `Preparation.case`."""
        return self.preparation.case(text)

    def explain(self, text: Any) -> Attribution:
        """Return the record of one text."""
        return next(self.run([text]))

    def run(self, texts: Iterable[Any], on_points: OnPoints | None = None, numbered: bool = False) -> Iterator[Attribution]:
        """Yield one record per text, in order; an error comes behind all records before it. numbered: it says where it stands."""
        return self.attempt(texts, on_points, "raise", numbered)  # type: ignore[return-value]

    def attempt(
        self, texts: Iterable[Any], on_points: OnPoints | None = None, on_error: OnError = "return", numbered: bool = True
    ) -> Iterator[Attribution | Failure]:
        """Yield one record per text, in order, or a failure in its place; see `lineal.explain_many`."""
        check_differentiable(self.model)  # where this is called from can be another place than where the session was made
        begun: dict[int, _Begun] = {}

        def ended() -> Iterator[Attribution | Failure]:
            while begun and (first := next(iter(begun.values()))).ended:
                del begun[first.row]
                yield settled(first)

        def settled(first: _Begun) -> Attribution | Failure:
            if first.error is None:
                return self._record(first)
            if isinstance(first.error, OF_ALL_TEXTS):
                raise first.error
            if on_error == "raise":
                raise _numbered(first.error, first.row) if numbered else first.error
            return Failure(row=first.row, text=said(first.text), error=type(first.error).__name__, message=str(first.error))

        for done in attempt(self.preparation.runs, self._tasks(texts, begun, on_error), self.budget, on_points):
            row, key = done.key
            begun[row].take(key, done)
            yield from ended()
        yield from ended()

    def _tasks(self, texts: Iterable[Any], begun: dict[int, _Begun], on_error: OnError) -> Iterator[Task]:
        """Yield the integrals of all texts, keyed (row, key); noting in `begun` what belongs to a row. A text that cannot be read has none.

        Where an error is to be raised, nothing behind it is read.
        """
        for first, block in _blocks(texts, self.method.block):
            clock = time.perf_counter()
            rows = [_Begun(first + i, text) for i, text in enumerate(block)]
            for row in rows:
                with row.guarded():
                    case = self.case(row.text)
                    row.case = replace(case, mode=self.preparation.mode(case))
            self.method.prepare([row.case for row in rows if row.case is not None])
            shared = (time.perf_counter() - clock - sum(row.seconds for row in rows)) / len(rows)
            for row in rows:
                tasks: Sequence[Task] = ()
                with row.guarded():
                    tasks = row.planned(self.method, self.model.head)
                row.seconds += shared
                begun[row.row] = row
                if row.error is not None and on_error == "raise":
                    return
                yield from tasks
                del tasks  # their schedules keep every derivative they were told

    def _record(self, finished: _Begun) -> Attribution:
        """Return the record of a text whose integrals are all there."""
        clock = time.perf_counter()
        assert finished.case is not None
        assert finished.pack is not None, "a text that did not fail was planned"
        outcome, options = finished.pack(finished.found), choices(finished.case, finished.found)
        fluency, notes, warnings = plausibility.remarks(finished.case, outcome, finished.found, self.baseline)
        seconds = finished.seconds + time.perf_counter() - clock
        record = pack(self.preparation, self.method, finished.case, outcome, seconds, options)
        more: dict[str, Any] = {"answers": answers(finished.case, self.model.head, finished.found), "fluency": fluency}
        more |= {"notes": (*record.notes, *notes), "warnings": (*record.warnings, *warnings)}
        return record.model_copy(update=more)

    def scores(self, cases: Sequence[Case]) -> list[NDArray[np.float64]]:
        """Return the (k, t) scores of each case, perhaps altered ones; all share batches."""
        self.method.prepare(cases)
        plans = [self.method.plan(case) for case in cases]
        tasks = (Task(*task, key=(i, key)) for i, plan in enumerate(plans) for key, task in plan.tasks.items())
        found: list[dict[Key, Integral]] = [{} for _ in plans]
        for done in attempt(self.preparation.runs, tasks, self.budget):
            i, key = done.key
            found[i][key] = done.integral
        return [plan.pack(integrals).integral.value for plan, integrals in zip(plans, found, strict=True)]


@dataclass
class _Begun:
    """A text on its way.

    pack: makes a record's numbers of its integrals. wanted: integrals that are still to come. found: those that have. error: the first
    one; there is then no record. seconds: spent on it so far.
    """

    row: int
    text: Any
    case: Case | None = None
    pack: Callable[[Integrals], Outcome] | None = None
    wanted: int = 0
    found: dict[Key, Integral] = field(default_factory=dict)
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

    def planned(self, method: methods.Method, head: Head | None) -> list[Task]:
        """Return the integrals to compute for this text, keyed (row, key); none for one that failed."""
        if self.case is None:
            return []
        plan = method.plan(self.case)
        tasks = {**plan.tasks, **menu(self.case), **plausibility.fluency(self.case, plan), **asked(self.case, head)}
        self.pack, self.wanted = plan.pack, len(tasks)
        return [Task(*task, key=(self.row, key)) for key, task in tasks.items()]

    def take(self, key: Key, done: Done) -> None:
        """Take one of its integrals, or the error of one."""
        self.wanted -= 1
        self.seconds += done.seconds
        if isinstance(done.found, Exception):
            if key[0] in ("fluency", "answer"):
                return  # a remark that cannot be made loses no explanation
            self.error = done.found if self.error is None else self.error
        else:
            self.found[key] = done.found


def _method(options: Options) -> methods.Method:
    """Return the method of the options. OptionError for one that cannot enter at a layer."""
    method = methods.resolve(options.method)
    if options.layer is not None and method.name not in AT_A_LAYER:
        raise OptionError(f"the method {method.name} works on words and cannot enter at a layer; choose one of {listing(AT_A_LAYER)}")
    return method


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


def said(text: Any) -> str:
    """Return a text as messages quote it: the string, or the `repr` of a pair, of a prompt, or of what stood in its place."""
    whole = text[0] if isinstance(text, tuple) and len(text) == 1 else text
    return whole if isinstance(whole, str) else repr(text)
