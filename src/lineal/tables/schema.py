"""What a row of results holds: one per text, every number of its record in a column of its own. Knows no files.

docs/schema.md is this table.
A row is whole: `record` makes of it what `row` was given, to the last bit, wherever the row has been in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lineal.errors import MissingExtraError, OptionError, ResultError, listing
from lineal.records.attribution import Attribution
from lineal.records.base import parsed
from lineal.records.failure import Failure
from lineal.records.load import KINDS
from lineal.records.pair import PairAttribution

if TYPE_CHECKING:
    import pyarrow

    from lineal.records.base import Record

VERSION = 1
"""Of what follows. It rises when a column changes its name, type or meaning, not when one is added."""


class Column(NamedTuple):
    """type: as pyarrow writes it. about: what stands in it."""

    type: str
    about: str


COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "file": Column("string", "the input file, as the plan names it"),
        "row": Column("int64", "its row there, from 0; file and row together are the row's identity"),
        "id": Column("string", "the input's own id, or `file:row`"),
        "kind": Column("string", "`attribution`, `pair`, or `failure` where there are no scores"),
        "text": Column("string", "the text; of a failure, what stood in its place"),
        "second": Column("string", "the second text of a pair, else null"),
        "tokens": Column("list<string>", "(t) tokens; of a pair those of both texts, one after the other"),
        "begins": Column("list<int32>", "(t) where each token begins, in characters of its text"),
        "ends": Column("list<int32>", "(t) where it ends"),
        "segments": Column("list<int32>", "(t) 0: a token of `text`, 1: of `second`, -1: special, of neither"),
        "word_ids": Column("list<int32>", "(t) the word each token belongs to, null for none"),
        "roles": Column("list<string>", "(t) `content`, `special` or `held`: the last two have scores of exactly 0"),
        "regions": Column("list<string>", "(t) the named part of the prompt, or empty"),
        "targets": Column("list<string>", "(k) what was explained; of a pair `similarity`"),
        "units": Column("list<string>", "(k) the unit of scores, F, error, residual and mass"),
        "scores": Column("list<list<double>>", "(k × t) each token's share; null for a pair"),
        "f_input": Column("list<double>", "(k) F at the text; the similarity of a pair"),
        "f_baseline": Column("list<double>", "(k) F at the baseline; null for a pair"),
        "error": Column("list<double>", "(k) estimated bound on the sum of |score − exact score|, and on |residual|"),
        "residual": Column("list<double>", "(k) what the scores miss F(text) − F(baseline) by"),
        "mass": Column("list<double>", "(k) sum of |scores|"),
        "stops": Column("list<string>", "(k) why each integration ended; (2), one a text, of a pair"),
        "converged": Column("bool", "whether all of them converged; false for a failure"),
        "evaluations": Column("int64", "gradients computed"),
        "matrix": Column("list<list<double>>", "(t of `text` × t of `second`) shares of a pair's similarity, else null"),
        "notes": Column("list<string>", "what every view says of the result"),
        "warnings": Column("list<string>", "what is wrong with what was explained"),
        "failure": Column("string", "the class of the error, null where there is a result"),
        "message": Column("string", "what it says"),
        "seconds": Column("double", "the text's share of the time"),
        "provenance": Column("string", "JSON: model, versions, method, path, rule, baseline, tol: equal for most rows of a run"),
        "rest": Column("string", "JSON: what else the record holds (spread, choices, fluency, memory, …)"),
    }
)
"""In order. The input's own columns stand behind `id`, under their own names."""

PROVENANCE = ("schema", "model", "versions", "method", "path", "rule", "baseline", "tol", "adds_up", "level", "decomposition", "unit")
SPELLED = "utf-8", "backslashreplace"
"""How text becomes UTF-8; half a surrogate pair, which JSON files can hold, becomes the escape it was written as."""


def arrow() -> Any:
    """Return pyarrow. Raises MissingExtraError without it."""
    try:
        import pyarrow
    except ImportError:
        raise MissingExtraError("tables of results need the extra 'data': pip install 'lineal[data]'") from None
    return pyarrow


def schema(own: Mapping[str, Any] | None = None) -> pyarrow.Schema:
    """Return the pyarrow schema of rows. own: the input's own columns, name → pyarrow type.

    Raises OptionError for an own column that has the name of another.
    """
    pa, own = arrow(), dict(own or {})
    if taken := [name for name in own if name in COLUMNS]:
        raise OptionError(
            f"the column {taken[0]!r} cannot be kept under its name, which results use themselves; rename it: NAME={taken[0]}"
        )
    fields = [pa.field(name, _type(pa, column.type)) for name, column in COLUMNS.items()]
    at = list(COLUMNS).index("id") + 1
    return pa.schema([*fields[:at], *(pa.field(name, kind) for name, kind in own.items()), *fields[at:]])


def row(record: Record, file: str, number: int, id: str | None = None, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the row of an attribution, a pair or a failure: plain values by column. file, number: where its text stands.

    Raises ResultError for a record of another kind.
    """
    kind, columns, fields = _columns(record)
    left = {name: value for name, value in record.model_dump(mode="json", by_alias=True, exclude=fields).items() if name != "kind"}
    provenance = {name: left.pop(name) for name in PROVENANCE if name in left}
    place = {"file": file, "row": number, "id": f"{file}:{number}" if id is None else id, **(own or {}), "kind": kind}
    found = dict.fromkeys(COLUMNS) | place | columns | {"provenance": _json(provenance), "rest": _json(left)}
    return {name: _sound(value) for name, value in found.items()}


def record(row: Mapping[str, Any]) -> Any:
    """Return the record of a row: what `row` was given. Raises ResultError for one that is none, or that contradicts itself."""
    if missing := [name for name in COLUMNS if name not in row]:
        raise ResultError(f"this is no whole row of results: it lacks {listing(missing)}; read it with all its columns")
    kinds = {"attribution": _attribution, "pair": _pair, "failure": _failure}
    if row["kind"] not in kinds:
        raise ResultError(f"the row is of the kind {row['kind']!r}; there are {listing(kinds)}")
    told = parsed(row["provenance"], "the column 'provenance'") | parsed(row["rest"], "the column 'rest'")
    kind = None if row["kind"] == "attribution" else row["kind"]
    return KINDS[kind].from_dict({**({} if kind is None else {"kind": kind}), **told, **kinds[row["kind"]](row, told)})


def _columns(record: Record) -> tuple[str, dict[str, Any], set[str]]:
    """Return the kind of a record, its columns, and the fields that they hold."""
    if isinstance(record, Attribution):
        return "attribution", *_of_attribution(record)
    if isinstance(record, PairAttribution):
        return "pair", *_of_pair(record)
    if isinstance(record, Failure):
        columns = {"text": record.text, "failure": record.error, "message": record.message, "converged": False}
        return "failure", columns, {"row", "text", "error", "message"}
    raise ResultError(f"{type(record).__name__} has no row in a table; attributions, pairs and failures have")


def _of_attribution(record: Attribution) -> tuple[dict[str, Any], set[str]]:
    same = {"segments", "word_ids", "roles", "tokens", "targets", "units", "evaluations", "notes", "warnings", "seconds"}
    arrays = {"scores", "f_input", "f_baseline", "error"}
    columns = {name: getattr(record, name) for name in same} | {name: getattr(record, name).tolist() for name in arrays}
    columns |= {
        "text": record.texts[0],
        "second": record.texts[1] if len(record.texts) > 1 else None,
        "begins": [begin for begin, _ in record.offsets],
        "ends": [end for _, end in record.offsets],
        "regions": record.region_of or None,
        "residual": record.residual.tolist(),
        "mass": record.mass.tolist(),
        "stops": [stop.name for stop in record.stops],
        "converged": record.converged,
    }
    return columns, same | arrays | {"texts", "offsets", "region_of", "stops"}


def _attribution(row: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    same = ("segments", "word_ids", "roles", "tokens", "targets", "units", "evaluations", "notes", "warnings", "seconds", "stops")
    arrays = ("f_input", "f_baseline", "error")
    return {
        **{name: row[name] for name in same},
        **{name: np.asarray(row[name], dtype=np.float64) for name in arrays},
        "scores": np.asarray(row["scores"], dtype=np.float64).reshape(len(row["targets"]), len(row["tokens"])),
        "texts": [row["text"]] if row["second"] is None else [row["text"], row["second"]],
        "offsets": list(zip(row["begins"], row["ends"], strict=True)),
        "region_of": row["regions"] or (),
    }


SIDE = ("tokens", "word_ids", "roles")


def _of_pair(record: PairAttribution) -> tuple[dict[str, Any], set[str]]:
    sides = (record.a, record.b)
    columns: dict[str, Any] = {name: [each for side in sides for each in getattr(side, name)] for name in SIDE}
    columns |= {name: list(getattr(record, name)) for name in ("notes", "warnings")}
    columns |= {
        "text": record.a.text,
        "second": record.b.text,
        "begins": [begin for side in sides for begin, _ in side.offsets],
        "ends": [end for side in sides for _, end in side.offsets],
        "segments": [i if segment == 0 else -1 for i, side in enumerate(sides) for segment in side.segments],
        "targets": ["similarity"],
        "units": [record.unit],
        "f_input": [record.similarity],
        "error": [record.error],
        "residual": [record.residual],
        "mass": [record.mass],
        "stops": [side.stop.name for side in sides],
        "converged": record.converged,
        "evaluations": record.evaluations,
        "matrix": record.matrix.tolist(),
        "seconds": record.seconds,
    }
    return columns, {"matrix", "similarity", "error", "notes", "warnings", "seconds"}


def _pair(row: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    shape = tuple(len(told[side]["tokens"]) for side in ("a", "b"))
    return {
        "matrix": np.asarray(row["matrix"], dtype=np.float64).reshape(shape),
        "similarity": row["f_input"][0],
        "error": row["error"][0],
        **{name: row[name] for name in ("notes", "warnings", "seconds")},
    }


def _failure(row: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    return {"row": row["row"], "text": row["text"], "error": row["failure"], "message": row["message"]}


def _type(pa: Any, spelled: str) -> Any:
    inner = spelled.removeprefix("list<")
    return pa.list_(_type(pa, inner[:-1])) if inner != spelled else pa.type_for_alias(spelled)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(*SPELLED).decode("utf-8")
    if isinstance(value, (list, tuple)):
        return [_sound(each) for each in value] if value and not isinstance(value[0], (int, float)) else list(value)
    return value
