"""One process's share of a run: the model, loaded once, and shard after shard with it. What runs it, and where, is no matter here."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lineal import targets
from lineal.errors import FidelityError, InputError, LinealError, ModelError, OptionError, unknown
from lineal.jobs import plan as plans
from lineal.jobs.folder import PLAN
from lineal.jobs.job import PLACE, Job
from lineal.jobs.plan import Plan
from lineal.models import load
from lineal.prompts import Chat, Generation, check_string
from lineal.records.failure import Failure
from lineal.tables import inputs, schema, shards
from lineal.tables.inputs import Broken
from lineal.targets import spelling
from lineal.verbs.pack import versions
from lineal.verbs.pair_session import Pairs
from lineal.verbs.session import Session, said

WINDOW = 4_000_000
"""Characters of texts that are explained together, short ones beside short ones; one more text may stand in it."""
SESSIONS = 32
"""Targets that stay bound at a time, where each row may have another."""
OnRow = Callable[[], None]


@dataclass(frozen=True)
class Receipt:
    """What a shard holds. failed: class of the error → rows. seconds: of explaining."""

    shard: int
    rows: int = 0
    explained: int = 0
    converged: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    failed: dict[str, int] = field(default_factory=dict)


@dataclass
class _Row:
    """A row on its way. asked: what is explained, or why it cannot be."""

    file: str
    row: int
    id: str | None
    own: dict[str, Any]
    asked: Any
    target: str | None = None
    record: Any = None

    @property
    def length(self) -> int:
        whole = self.asked if isinstance(self.asked, (str, tuple)) else said(self.asked)
        return len(whole) if isinstance(whole, str) else sum(len(part) for part in whole if isinstance(part, str))


class Worker:
    """The model of a job, and what was bound to it."""

    def __init__(self, job: Job) -> None:
        """Load the model and bind what all rows share. Raises OptionError, ModelError, … as `lineal.load` and `lineal.explain` do."""
        self.job = job
        self.model = load(job.model, **job.loading)
        self.sessions: OrderedDict[str | None, Session] = OrderedDict()
        self.proven = False
        baseline = None if job.baseline is None else list(job.baseline)
        self.baseline = baseline[0] if baseline is not None and len(baseline) == 1 else baseline
        self.pairs = Pairs(self.model, self.model, self.baseline, None, job.pair_options()) if job.do == "pair" else None
        if job.do != "pair" and not job.cells:
            self._session(job.target)

    @property
    def decided(self) -> dict[str, Any]:
        """Everything that decides a number of this job, by name."""
        card = self.model.card
        known = {"model": card.fingerprint, "dtype": card.dtype, "lineal": versions()["lineal"], "schema": schema.VERSION}
        return {**self.job.deciding(), **known}

    def write(self, plan: Plan, number: int, folder: Path, on_row: OnRow | None = None) -> Receipt:
        """Explain the rows of a shard and write it; it appears whole, or OutputError is raised and nothing is left."""
        count = Counter[str]()
        failed = Counter[str]()
        seconds = 0.0

        def counted() -> Iterator[list[dict[str, Any]]]:
            nonlocal seconds
            for window in self._windows(plan, number):
                self._explain(window, on_row)
                for row in window:
                    if isinstance(row.record, Failure):
                        failed[row.record.error] += 1
                    else:
                        seconds += row.record.seconds
                        count.update(explained=1, converged=int(row.record.converged), evaluations=row.record.evaluations)
                yield [schema.row(row.record, row.file, row.row, row.id, row.own) for row in window]

        fitting = schema.schema({name: schema.arrow().type_for_alias(_stored(kind)) for name, kind in plan.own.items()})
        rows = shards.write(folder / shards.name(number), fitting, counted(), {PLAN: plan.digest})
        return Receipt(number, rows, count["explained"], count["converged"], count["evaluations"], seconds, dict(failed))

    def _windows(self, plan: Plan, number: int) -> Iterator[list[_Row]]:
        """Yield the rows of a shard, some at a time, in order."""
        window: list[_Row] = []
        size = 0
        for row in self._rows(plan, number):
            window.append(row)
            size += row.length
            if size > WINDOW:
                yield window
                window, size = [], 0
        if window:
            yield window

    def _rows(self, plan: Plan, number: int) -> Iterator[_Row]:
        job, named = self.job, plans.renamed(self.job)
        own = {next((column for column, other in named.items() if other == name), name): name for name in plan.own}
        first = plan.files[0].source
        text = plans.text_column(job, inputs.columns(first))
        wanted = list(dict.fromkeys(name for name in (text, job.second, job.messages, job.id, *own, *job.cells) if name is not None))
        for file, row, cells in plan.read(number, wanted):
            if isinstance(cells, Broken):
                yield _Row(file, row, None, {}, _refused(InputError(cells.reason), cells.text))
                continue
            kept = {name: _cell(cells.get(column), plan.own[name]) for column, name in own.items()}
            id = None if job.id is None or cells.get(job.id) is None else str(cells[job.id])
            found = _Row(file, row, id, kept, None)
            try:
                found.asked, found.target = self._asked(cells, text), self._target(cells)
            except LinealError as error:
                found.asked = _refused(error, said(cells.get(text or job.messages or "")))
            yield found

    def _asked(self, cells: dict[str, Any], text: str | None) -> Any:
        """Return what of a row is explained. Raises InputError where it cannot be read."""
        job = self.job
        if job.messages is not None:
            asked: Any = Chat(_messages(_need(cells, job.messages)))
        else:
            asked = _sound(_need(cells, text or ""))
            if job.second is not None:
                asked = (asked, _sound(_need(cells, job.second)))
        return Generation(asked, job.max_new_tokens, None, job.hold_generated) if job.do == "generate" else asked

    def _target(self, cells: dict[str, Any]) -> str | None:
        return self.job.target and PLACE.sub(lambda place: str(_need(cells, place[1])), self.job.target)

    def _session(self, target: str | None) -> Session:
        """Return the session that asks for a target; what is known of the model is shared by all."""
        if target not in self.sessions:
            job = self.job
            if job.do == "generate":
                wanted: Any = targets.steps(job.unit or "log_prob")
            else:
                wanted = spelling.target(target, job.unit, usual=targets.default(self.model))
            made = Session(self.model, wanted, self.baseline, job.options())
            if (other := next(iter(self.sessions.values()), None)) is not None and other.model is made.model:
                made.preparation.checked, made.preparation.budget = other.preparation.checked, other.preparation.budget
            self.sessions[target] = made
        self.sessions.move_to_end(target)
        while len(self.sessions) > SESSIONS:
            self.sessions.popitem(last=False)
        return self.sessions[target]

    def _explain(self, window: Sequence[_Row], on_row: OnRow | None) -> None:
        """Give every row its record: those with one target together, from the shortest to the longest."""
        groups: dict[str | None, list[_Row]] = {}
        for row in window:
            if isinstance(row.asked, Failure):
                self._take(row, row.asked, on_row)
            else:
                groups.setdefault(row.target, []).append(row)
        for target, rows in groups.items():
            rows.sort(key=lambda row: row.length)
            self._group(target, rows, on_row)

    def _group(self, target: str | None, rows: Sequence[_Row], on_row: OnRow | None) -> None:
        """Explain rows with one target. What some row asks for and the model has not (a label, room for tokens) is that row's failure.

        Where the job has one target for all rows, and none was explained yet, it is the job's: OptionError.
        """
        for alone in (False, True):
            left = [row for row in rows if row.record is None]
            for some in ([row] for row in left) if alone else [left]:
                try:
                    for row, record in zip(some, self._records(target, [row.asked for row in some]), strict=True):
                        self._take(row, record, on_row)
                        self.proven |= not isinstance(record, Failure)
                except OptionError as error:
                    if alone and not self.proven and not self.job.cells:
                        raise
                    if alone:
                        self._take(some[0], _refused(error, said(some[0].asked)), on_row)

    def _records(self, target: str | None, asked: Sequence[Any]) -> Iterator[Any]:
        if self.pairs is None:
            yield from self._session(target).attempt(asked)
            return
        for a, b in asked:
            try:
                yield self.pairs.explain(a, [b])[0]
            except (OptionError, FidelityError):
                raise
            except Exception as error:
                yield _refused(error, said((a, b)))

    def _take(self, row: _Row, record: Any, on_row: OnRow | None) -> None:
        if isinstance(record, Failure) and self.job.on_error == "stop":
            kind = ModelError if record.error not in ("InputError", "TooLongError", "OptionError") else InputError
            raise kind(f"row {row.row} of {row.file} failed with {record.error}: {record.message}")
        row.record = record
        if on_row is not None:
            on_row()


def _refused(error: Exception, text: str) -> Failure:
    return Failure(row=0, text=_spelled(text), error=type(error).__name__, message=_spelled(str(error)))


def _spelled(text: str) -> str:
    return text.encode(*schema.SPELLED).decode("utf-8")


def _need(cells: dict[str, Any], name: str) -> Any:
    if name not in cells:
        raise InputError(f"the row has no {name!r}: {unknown('column', name, cells)}")
    return cells[name]


def _sound(text: Any) -> str:
    """Return a text; InputError for what is none, and for one that has bytes that were no UTF-8, or half of a surrogate pair."""
    check_string(text)
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            what = "a byte that is no UTF-8" if "\udc80" <= text[error.start] <= "\udcff" else "half of a surrogate pair"
            raise InputError(f"the text has {what} at character {error.start}; repair its encoding") from None
    return str(text)


def _messages(found: Any) -> Any:
    if not isinstance(found, str):
        return found
    try:
        return json.loads(found)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the messages are no JSON: {error}") from None


def _stored(kind: str) -> str:
    return "string" if kind in (plans.FOLDED, "null") else kind


def _cell(value: Any, kind: str) -> Any:
    """Return the cell of an own column as its type holds it."""
    if value is None:
        return None
    if kind == "double":
        return float(value)
    if kind in ("bool", "int64", "uint64"):
        return value
    if isinstance(value, bytes):
        return value.decode(*schema.SPELLED)
    return value if isinstance(value, str) and kind != plans.FOLDED else json.dumps(value, ensure_ascii=False, default=str)
