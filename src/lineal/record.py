"""What every result can do: become JSON, be written whole, be read back, be compared. Knows nothing about torch, scores or drawing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from lineal.errors import ResultError
from lineal.quadrature.contract import Stop

SCHEMA = 1


def frozen(value: NDArray[np.float64] | Sequence[float]) -> NDArray[np.float64]:
    """Return a float64 copy that nobody can write to."""
    array = np.array(value, dtype=np.float64)
    array.setflags(write=False)
    return array


def _plain(array: NDArray[np.float64]) -> Any:
    """Return nested lists of numbers that JSON can hold: infinities and NaN as strings."""
    values: Any = array.tolist()
    return values if np.isfinite(array).all() else _spell(values)


def _spell(values: Any) -> Any:
    if isinstance(values, list):
        return [_spell(value) for value in values]
    return values if np.isfinite(values) else str(values)


Array = Annotated[NDArray[np.float64], BeforeValidator(frozen), PlainSerializer(_plain, return_type=Any)]
Reason = Annotated[Stop, BeforeValidator(lambda v: Stop[v] if isinstance(v, str) else v), PlainSerializer(lambda s: s.name)]
"""Why an integration ended, stored by its name."""


class Record(BaseModel):
    """A frozen result. A kind of result that is no plain attribution has a field `kind` that says which."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True)

    schema_number: int = Field(default=SCHEMA, alias="schema")

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain lists, strings and numbers, ready for `json`."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self, indent: int | None = None) -> str:
        """Return the record as one JSON document."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent, allow_nan=False)

    def save(self, path: str | Path) -> Path:
        """Write the record as JSON and return the path; the file appears whole or not at all."""
        return write_whole(path, self.to_json(indent=1) + "\n")

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Return a record from `to_dict` output. Raises ResultError for another schema number, another kind, or a broken record."""
        if not isinstance(data, dict) or "schema" not in data:
            raise ResultError("this is not a Lineal result: it has no 'schema' entry")
        if data["schema"] != SCHEMA:
            raise ResultError(f"the result has schema {data['schema']!r}, this version of Lineal reads schema {SCHEMA}")
        kind = cls.model_fields["kind"].default if "kind" in cls.model_fields else None
        if data.get("kind") != kind:
            raise ResultError(f"the result is of the kind {data.get('kind')!r}, wanted: {kind!r}")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            raise ResultError(f"the result is broken at {'.'.join(map(str, first['loc'])) or 'top level'}: {first['msg']}") from None

    def __eq__(self, other: object) -> bool:
        """Compare what would be stored."""
        return isinstance(other, type(self)) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]


def write_whole(path: str | Path, text: str) -> Path:
    """Write a text file that appears whole or not at all."""
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target
