"""What the model answered, said before anything is explained: `POSITIVE, 96 % sure (57 % without these words)`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from lineal.records.attribution import Attribution
from lineal.views.parts.cells import visible
from lineal.views.parts.numbers import likely, number
from lineal.views.parts.words import WRITES, Piece, has_words, quoted, spoken, unit_name


def answer(record: Attribution, target: int = 0) -> tuple[Piece, ...]:
    """Return what the model answered at the text and, in brackets, at the baseline: probabilities where there are any, else F itself."""
    if record.choices is not None:
        return _choice(record, record.choices.picked if target == 0 else target - 1)
    if record.answers is not None:
        return _labelled(record, target)
    unit, name = record.units[target], quoted(record, record.targets[target])
    ends = float(record.f_input[target]), float(record.f_baseline[target])
    if unit in _PROBABILITY:
        return (Piece(name, "answer"), Piece(f", {_sure(record, *map(_PROBABILITY[unit], ends))}"))
    if unit in ("cosine", "dot"):
        what = "Similarity" if record.model.kind == "pair encoder" else f"Similarity with {name}"
        return (Piece(what), Piece(f" {number(ends[0])}", "answer"), Piece(f" ({number(ends[1], 2)} {without(record)})"))
    return (
        Piece(name, "answer"),
        Piece(f": {number(ends[0])}{_unit(record, target)} ({number(ends[1], 2)} {without(record)})"),
    )


def brief(record: Attribution, target: int = 0) -> str:
    """Return what the model answered at the text alone, for a line of a list."""
    return spoken(answer(record, target)).split(" (")[0].removesuffix(" sure").removesuffix(" likely")


def probability(record: Attribution, target: int = 0) -> str:
    """Return how likely a target is at the text, in percent; nothing where F is no probability."""
    unit = record.units[target]
    return likely(_PROBABILITY[unit](float(record.f_input[target]))) if unit in _PROBABILITY else ""


def without(record: Attribution) -> str:
    """Return what stands at the other end of the path, in words: no words, or other ones."""
    return "with other words" if has_words(record) else "without these words"


def _sigmoid(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0


_PROBABILITY: Mapping[str, Callable[[float], float]] = {"log_prob": math.exp, "prob": float, "log_odds": _sigmoid}
"""How a number in a unit becomes a probability."""


def _labelled(record: Attribution, target: int) -> tuple[Piece, ...]:
    found = record.answers
    assert found is not None, "there is no answer without answers"
    (high, low), wanted = found.ends.tolist(), record.targets[target].strip()
    explained = next((i for i, name in enumerate(found.names) if name == wanted), None)
    if found.exclusive:
        best = found.best
        said = (Piece(visible(found.names[best]), "answer"), Piece(f", {_sure(record, high[best], low[best])}"))
        if explained is None or explained == best:
            return said
        return (*said, Piece(f"; explained here: {visible(wanted)}, {likely(high[explained])} ({likely(low[explained])})"))
    shown = range(len(found.names)) if explained is None else (explained,)
    return tuple(
        piece
        for i in shown
        for piece in (
            *([Piece("; ")] if i > shown[0] else []),
            Piece(quoted(record, found.names[i]), "answer"),
            Piece(f", {_sure(record, high[i], low[i])}"),
        )
    )


def _choice(record: Attribution, option: int) -> tuple[Piece, ...]:
    found = record.choices
    assert found is not None, "there is no choice without options"
    (high, low), best = found.share.tolist(), int(found.share[0].argmax())
    said = (Piece(visible(found.names[best]), "answer"), Piece(f", {_sure(record, high[best], low[best])}, among the options"))
    if option == best:
        return said
    return (*said, Piece(f"; explained here: {visible(found.names[option])}, {likely(high[option])} ({likely(low[option])})"))


def _sure(record: Attribution, high: float, low: float) -> str:
    return (
        f"{likely(high)} {'likely' if record.model.kind in WRITES and record.choices is None else 'sure'} ({likely(low)} {without(record)})"
    )


def _unit(record: Attribution, target: int) -> str:
    unit = unit_name(record.units[target])
    return f" {unit}" if unit else ""
