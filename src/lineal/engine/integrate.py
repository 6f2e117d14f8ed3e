"""The loop: pool what the schedules of many texts ask for, fill batches, tell the answers. Names no rule, path or task."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch

from lineal.engine.field import Answer, Evaluate, Problem, Request, checked, evaluate, size
from lineal.engine.memory import can_recompute
from lineal.engine.watch import Watch, watching
from lineal.errors import MemoryLimitError, ModelError
from lineal.models.base import TextModel
from lineal.models.forward import is_out_of_memory
from lineal.models.lease import lease
from lineal.quadrature.contract import Ask, Integral, Schedule

OnPoints = Callable[[int], None]
"""Called with the number of gradients of every finished batch."""

IN_FLIGHT = 64
"""Most integrals open at once: enough to fill batches with their last rounds."""
IN_FLIGHT_BYTES = 2**29
"""Derivatives, (n, k, t) float64, that the schedules of all open integrals may keep together; they take a few times as much while they
estimate. Only the first one in line may exceed it, since somebody must be able to finish."""
EXPECTED_POINTS = 32
"""What an integral is taken to need before it has asked for more."""


class Task(NamedTuple):
    """One integral to compute. key: what it is known by when it is done; None where the order says it."""

    problem: Problem
    schedule: Schedule
    key: Any = None


@dataclass(frozen=True)
class Done:
    """What became of one integral. key: its task's. found: the integral, or the error that ended it; other integrals go on.

    seconds: its share of the time of the batches it took part in, by rows × tokens, and what its own schedule took; shares of a batch add
    up to its time.
    """

    key: Any
    found: Integral | Exception
    seconds: float

    @property
    def integral(self) -> Integral:
        """The integral; raises the error where there is none."""
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@dataclass
class Work:
    """One integral on its way: its problem, its schedule, the open ask, the answers that have come back, and at last what was found."""

    problem: Problem
    schedule: Schedule
    key: Any = None
    ask: Ask | None = None
    answers: dict[tuple[bool, int], Answer] = field(default_factory=dict)
    found: Integral | Exception | None = None
    told: int = 0
    seconds: float = 0.0

    @property
    def point(self) -> int:
        """Bytes of the derivatives of one point."""
        return 8 * self.problem.k * self.problem.width

    @property
    def asked(self) -> int:
        """Points whose derivatives are asked for."""
        return 0 if self.ask is None else len(self.ask.alphas)

    @property
    def held(self) -> int:
        """Bytes of derivatives that the schedule keeps; of a finished integral, of its value."""
        return self.point * (self.told if self.found is None else 1)

    @property
    def expected(self) -> int:
        """Bytes that are set aside: what is kept and asked for, and no less than is usual."""
        return self.held if self.found is not None else self.point * max(self.told + self.asked, EXPECTED_POINTS)

    def step(self) -> None:
        """Tell the schedule what has come back, if anything has, and take its next ask or its integral."""
        begun = time.perf_counter()
        if self.ask is not None:
            self.told += self.asked
            _tell(self)
        self.ask = self.schedule.ask()
        if self.ask is None:
            self.found = self.schedule.integral()
        self.seconds += time.perf_counter() - begun

    def close(self) -> None:
        """End with what is known, if anything is."""
        if self.found is None and (known := self.schedule.so_far()) is not None:
            self.found, self.ask = known, None
            self.answers.clear()

    def fail(self, error: Exception) -> None:
        """End with an error, and let go of everything that was computed."""
        traceback.clear_frames(error.__traceback__)  # they hold the tensors of the batch
        self.found, self.ask = error, None
        self.answers.clear()


@dataclass
class Budget:
    """tokens: most points × padded length in one batch, halved when memory runs out. uniform: only equal lengths may share a batch.
    recompute: layers are run again in the reverse pass instead of being kept, which is switched on when one point does not fit otherwise.
    read: what a position whose answer is read counts for, in tokens.
    """

    tokens: int
    uniform: bool = False
    recompute: bool = False
    read: float = 0.0

    def cost(self, piece: _Piece, rows: int) -> float:
        """Return what a batch of `rows` rows like those of a piece counts for, in tokens."""
        return rows * (piece.length + self.read * len(piece.request.problem.objective.positions))


@dataclass(frozen=True)
class _Piece:
    work: Work
    request: Request
    first: int

    @property
    def length(self) -> int:
        return size(self.request)[1]

    @property
    def rows(self) -> int:
        return size(self.request)[0]

    @property
    def kind(self) -> tuple[str, int, bool]:
        """What may share a batch: problems with the same mode, the same prefix or none, and those that keep to themselves."""
        return self.request.problem.mode.value, id(self.request.problem.prefix), self.request.problem.apart

    @property
    def points(self) -> int:
        return len(self.request.alphas)


def integrate(model: TextModel, tasks: Iterable[Task], budget: Budget, on_points: OnPoints | None = None) -> Iterator[Integral]:
    """Yield the integral of every task, in order; an integral that failed raises its error when its turn comes. See `attempt`."""
    for done in attempt(model, tasks, budget, on_points):
        yield done.integral


def attempt(
    model: TextModel,
    tasks: Iterable[Task],
    budget: Budget,
    on_points: OnPoints | None = None,
    answers: Evaluate | None = None,
) -> Iterator[Done]:
    """Yield what became of every task, in order.

    Up to `IN_FLIGHT` integrals are open at once, fewer where their derivatives would exceed `IN_FLIGHT_BYTES`: in each round every open
    schedule is asked, all points are packed by length into batches of at most `budget.tokens` tokens, and the answers are told. Easy texts
    finish early and make room for the next. An F that is not finite (ModelError), a point that does not fit (MemoryLimitError) and whatever
    the model raises end the integral they belong to, and no other: a batch that raises is run again text by text.
    An error of `tasks` itself is raised behind everything it gave before. answers: what evaluates a batch, `field.evaluate` if None.
    Cost: one forward and k reverse passes per batch, or t tangent passes (`Problem.mode`).
    """
    source, broken, watch = iter(tasks), None, watching()
    queue: deque[Work] = deque()
    ended = False
    while True:
        while not ended and _has_room(queue):
            try:
                work = Work(*next(source))
            except StopIteration:
                ended = True
            except Exception as error:
                ended, broken = True, error
            else:
                work.step()
                queue.append(work)
        if not queue and broken is not None:
            raise broken
        if not queue:
            return
        if watch is not None and watch.stopped:
            _close(queue)
        while queue and queue[0].found is not None:
            first = queue.popleft()
            yield Done(first.key, first.found, first.seconds)  # type: ignore[arg-type]
        _round(model, _fitting(queue), budget, on_points, answers or evaluate, watch)
        if watch is not None:
            watch.saw([work.found if isinstance(work.found, Integral) else work.schedule.so_far() for work in queue])


def _close(works: Iterable[Work]) -> None:
    for work in works:
        work.close()


def _has_room(queue: Sequence[Work]) -> bool:
    """Whether one more integral may be opened: always where there is none."""
    return not queue or (len(queue) < IN_FLIGHT and sum(work.expected for work in queue) < IN_FLIGHT_BYTES)


def _fitting(queue: Sequence[Work]) -> list[Work]:
    """Return the open integrals that take part in the next round: as many of the first as stay within the bound, and the very first."""
    room = IN_FLIGHT_BYTES - sum(work.held for work in queue)
    chosen: list[Work] = []
    for work in queue:
        if work.found is None:
            room -= work.point * work.asked
            if chosen and room < 0:
                break
            chosen.append(work)
    return chosen


def _round(
    model: TextModel, works: Sequence[Work], budget: Budget, on_points: OnPoints | None, answers: Evaluate, watch: Watch | None
) -> None:
    """Evaluate what the works ask for, batch by batch, and tell them; those that are stopped meanwhile know what they knew before.

    groups: pieces that may share batches. There is one, but a batch that raises falls into a group per text, to find the one to blame.
    """
    everything = (piece for work in works for piece in _pieces(work, budget.recompute))
    groups = deque([deque(sorted(everything, key=lambda piece: (piece.kind, piece.length)))])
    while groups:
        batch = [piece for piece in _fill(groups[0], budget) if piece.work.found is None]
        if not groups[0]:
            groups.popleft()
        if batch:
            groups.extendleft(reversed(_run(model, batch, budget, on_points, answers)))
            if watch is not None:
                watch.took(sum(piece.points for piece in batch if piece.request.outputs is not None))
                if watch.stopped:
                    _close(works)
    for work in works:
        if work.found is None:
            work.step()


def _run(model: TextModel, batch: Sequence[_Piece], budget: Budget, on_points: OnPoints | None, answers: Evaluate) -> list[deque[_Piece]]:
    """Evaluate one batch and hand out its answers, or its error; return the pieces that have to be run again, in groups."""
    begun, failed = time.perf_counter(), None
    try:
        with lease(model.module, budget.recompute):
            found = answers(model, [piece.request for piece in batch])
    except Exception as error:
        failed = error
        traceback.clear_frames(error.__traceback__)
    _share(batch, time.perf_counter() - begun)
    if failed is not None:
        return _again(model, batch, failed, budget)
    for piece, answer in zip(batch, found, strict=True):
        try:
            piece.work.answers[piece.request.outputs is None, piece.first] = checked(piece.request, answer)
        except ModelError as error:
            piece.work.fail(error)
    if on_points is not None:
        on_points(sum(piece.points for piece in batch if piece.request.outputs is not None))
    return []


def _share(batch: Sequence[_Piece], seconds: float) -> None:
    """Give every work its share of a batch's time."""
    weights = [piece.rows * piece.length for piece in batch]
    for piece, weight in zip(batch, weights, strict=True):
        piece.work.seconds += seconds * weight / sum(weights)


def _again(model: TextModel, batch: Sequence[_Piece], failed: Exception, budget: Budget) -> list[deque[_Piece]]:
    """Return what is run again after a batch has raised: all of it in smaller batches when memory ran out, else text by text."""
    if is_out_of_memory(failed):
        try:
            _shrink(model, batch, budget)
        except MemoryLimitError as error:
            batch[0].work.fail(error)
            return []
        return [deque(single for piece in batch for single in _singles(piece, budget.recompute))]
    works = [deque(pieces) for _, pieces in groupby(batch, key=lambda piece: id(piece.work))]
    if len(works) > 1:
        return works
    batch[0].work.fail(failed)
    return []


def _pieces(work: Work, recompute: bool) -> Iterator[_Piece]:
    """Yield the work's ask as single points: batches are filled point by point."""
    assert work.ask is not None, "only open asks become pieces"
    outputs = np.ones(work.problem.k, dtype=bool) if work.ask.outputs is None else work.ask.outputs
    yield from _singles(_Piece(work, Request(work.problem, tuple(work.ask.alphas), outputs), 0), recompute)
    yield from _singles(_Piece(work, Request(work.problem, tuple(work.ask.ends), None), 0), recompute)


def _singles(piece: _Piece, recompute: bool) -> Iterator[_Piece]:
    """Yield the points of a piece; layers that are recomputed keep no keys and values, so that prefixes are then run in full."""
    problem = replace(piece.request.problem, prefix=None) if recompute else piece.request.problem
    for i, alpha in enumerate(piece.request.alphas):
        yield _Piece(piece.work, Request(problem, (float(alpha),), piece.request.outputs), piece.first + i)


def _fill(pieces: deque[_Piece], budget: Budget) -> list[_Piece]:
    """Take pieces from the left, shortest first, while they fit; merge points of one text. At least one point is always taken."""
    batch: list[_Piece] = []
    rows = 0
    while pieces:
        head = pieces[0]
        if batch and (budget.cost(head, rows + head.rows) > budget.tokens or not _fits(head, batch[0], budget)):
            break
        batch.append(pieces.popleft())
        rows += head.rows
    return _merged(batch)


def _fits(piece: _Piece, first: _Piece, budget: Budget) -> bool:
    return piece.kind == first.kind and (piece.length == first.length or not budget.uniform)


def _merged(batch: Sequence[_Piece]) -> list[_Piece]:
    """Join consecutive points of one text into one request, so that its objective is read once."""
    merged: list[_Piece] = []
    for piece in batch:
        previous = merged[-1] if merged else None
        same = (
            previous is not None and previous.work is piece.work and (previous.request.outputs is None) == (piece.request.outputs is None)
        )
        if same and previous is not None and previous.first + previous.points == piece.first:
            request = Request(piece.request.problem, (*previous.request.alphas, *piece.request.alphas), piece.request.outputs)
            merged[-1] = _Piece(piece.work, request, previous.first)
        else:
            merged.append(piece)
    return merged


def _tell(work: Work) -> None:
    gradients, ends = ([work.answers[key] for key in sorted(work.answers) if key[0] is alone] for alone in (False, True))
    k, t = work.problem.k, work.problem.width
    values = np.concatenate([answer.values for answer in gradients]) if gradients else np.zeros((0, k))
    derivatives = np.concatenate([answer.derivatives for answer in gradients]) if gradients else np.zeros((0, k, t))
    work.schedule.tell(values, derivatives, np.concatenate([answer.values for answer in ends]) if ends else np.zeros((0, k)))
    work.answers.clear()


def _shrink(model: TextModel, batch: Sequence[_Piece], budget: Budget) -> None:
    used = sum(piece.rows for piece in batch) * max(piece.length for piece in batch)
    if sum(piece.points for piece in batch) == 1 and not budget.recompute and can_recompute(model):
        budget.recompute = True
        return
    if sum(piece.points for piece in batch) == 1:
        raise MemoryLimitError(
            f"one path point of {batch[0].length} tokens does not fit in memory; shorten the text or use a smaller dtype"
        )
    budget.tokens = max(1, min(budget.tokens, used) // 2)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
