"""Folders of results that are made up: rows of words with given scores, without a model. For what reads many of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lineal.tables import schema, shards
from tests.records import make_record

Row = tuple[Sequence[str], Sequence[float], Mapping[str, Any]]
"""Words, their scores, and the input's own columns."""


def row(number: int, words: Sequence[str], scores: Any, own: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the row of a text that has these words, between two special tokens."""
    text, spans, at = " ".join(words), [], 0
    for word in words:
        spans.append((at, at + len(word)))
        at += len(word) + 1
    framed = np.pad(np.atleast_2d(np.asarray(scores, dtype=np.float64)), ((0, 0), (1, 1)))
    record = make_record(
        [text],
        ["[CLS]", *words, "[SEP]"],
        [(0, 0), *spans, (0, 0)],
        framed,
        segments=(-1, *[0] * len(words), -1),
        words=(None, *range(len(words)), None),
        roles=("special", *["content"] * len(words), "special"),  # type: ignore[arg-type]
        residual=0.0,
        **changes,
    )
    return schema.row(record, "in.csv", number, own=own)


def folder(path: Path, rows: Iterable[Row], own: Mapping[str, str], each: int = 1000) -> Path:
    """Write rows into shards of `each` and return the folder. own: the input's own columns, name → type."""
    made: list[dict[str, Any]] = []
    number = 0

    def flush() -> None:
        nonlocal number
        if made:
            kinds = {name: schema.arrow().type_for_alias(kind) for name, kind in own.items()}
            shards.write(path / shards.name(number), schema.schema(kinds), [made], {})
            number += 1
            made.clear()

    for i, (words, scores, columns) in enumerate(rows):
        made.append(row(i, words, scores, columns))
        if len(made) == each:
            flush()
    flush()
    return path
