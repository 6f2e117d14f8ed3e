"""The loop: pool what the schedules of many texts ask for, fill batches, tell the answers. Names no rule, path or task."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import torch

from lineal.errors import MemoryLimitError
from lineal.field import Answer, Problem, Request, evaluate, size
from lineal.models.base import TextModel, evaluating
from lineal.models.memory import can_recompute, recomputing
from lineal.quadrature.contract import Ask, Integral, Schedule

OnPoints = Callable[[int], None]
"""Called with the number of gradients of every finished batch."""


@dataclass
class Work:
    """One text on its way: its problem, its schedule, the open ask and the answers that have come back."""

    problem: Problem
    schedule: Schedule
    ask: Ask | None = None
    answers: dict[tuple[bool, int], Answer] = field(default_factory=dict)


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
    def kind(self) -> tuple[str, int]:
        """What may share a batch: problems with the same mode, and the same prefix or none."""
        return self.request.problem.mode.value, id(self.request.problem.prefix)

    @property
    def points(self) -> int:
        return len(self.request.alphas)


def integrate(
    model: TextModel,
    tasks: Iterable[tuple[Problem, Schedule]],
    budget: Budget,
    in_flight: int = 64,
    on_points: OnPoints | None = None,
) -> Iterator[Integral]:
    """Yield the integral of every task, in order.

    Up to `in_flight` texts are open at once: in each round every open schedule is asked, all points are packed by length into batches
    of at most `budget.tokens` tokens, and the answers are told. Easy texts finish early and make room for the next.
    Cost: one forward and k reverse passes per batch, or t tangent passes (`Problem.mode`). Raises ModelError (F not finite),
    MemoryLimitError.
    """
    source = iter(tasks)
    queue: deque[Work] = deque()
    while True:
        queue.extend(Work(problem, schedule) for problem, schedule in islice(source, in_flight - len(queue)))
        if not queue:
            return
        for work in queue:
            work.ask = work.schedule.ask()
        while queue and queue[0].ask is None:
            yield queue.popleft().schedule.integral()
        _round(model, [work for work in queue if work.ask is not None], budget, on_points)


def _round(model: TextModel, works: Sequence[Work], budget: Budget, on_points: OnPoints | None) -> None:
    pieces = deque(
        sorted((piece for work in works for piece in _pieces(work, budget.recompute)), key=lambda piece: (piece.kind, piece.length))
    )
    while pieces:
        batch = _fill(pieces, budget)
        try:
            with evaluating(model.module), recomputing(model.module, budget.recompute):
                answers = evaluate(model, [piece.request for piece in batch])
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            _shrink(model, batch, budget)
            pieces.extendleft(reversed([single for piece in batch for single in _singles(piece, budget.recompute)]))
            continue
        for piece, answer in zip(batch, answers, strict=True):
            piece.work.answers[piece.request.outputs is None, piece.first] = answer
        if on_points is not None:
            on_points(sum(piece.points for piece in batch if piece.request.outputs is not None))
    for work in works:
        _tell(work)


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
    k, t = work.problem.k, len(work.problem.encoded)
    values = np.concatenate([answer.values for answer in gradients]) if gradients else np.zeros((0, k))
    derivatives = np.concatenate([answer.derivatives for answer in gradients]) if gradients else np.zeros((0, k, t))
    work.schedule.tell(values, derivatives, np.concatenate([answer.values for answer in ends]) if ends else np.zeros((0, k)))
    work.answers.clear()


def _is_out_of_memory(error: BaseException) -> bool:
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "out of memory" in str(error) or "can't allocate memory" in str(error)
    )


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
