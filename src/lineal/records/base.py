"""What every result can do: become JSON, be written whole, be read back, be compared. Knows nothing about torch, scores or drawing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from lineal.errors import ResultError, listing
from lineal.quadrature.contract import Stop
from lineal.visible import escaped

SCHEMA = 1


def frozen(value: NDArray[np.float64] | Sequence[float]) -> NDArray[np.float64]:
    """Return a float64 copy that nobody can write to."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, OverflowError) as error:  # an entry that is no number, or a whole number beyond all floats
        raise ValueError(f"no array of numbers: {error}") from None
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


def nulls(value: Any) -> Any:
    """Return plain lists, entries and numbers with None in place of every number that JSON has no word for."""
    if isinstance(value, dict):
        return {key: nulls(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [nulls(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


Array = Annotated[NDArray[np.float64], BeforeValidator(frozen), PlainSerializer(_plain, return_type=Any)]
Number = Annotated[float, PlainSerializer(lambda v: v if np.isfinite(v) else str(v), return_type=Any)]
"""A number that may be infinite or NaN, stored as its name then."""
Count = Annotated[int, Field(ge=0, le=2**53)]


def _reason(value: Any) -> Any:
    if isinstance(value, str) and value not in Stop.__members__:
        raise ValueError(f"unknown reason {value!r}; there are {listing(Stop.__members__)}")
    return Stop[value] if isinstance(value, str) else value


Reason = Annotated[Stop, BeforeValidator(_reason), PlainSerializer(lambda s: s.name)]
"""Why an integration ended, stored by its name."""

ROUNDING = 1e-9
"""Share of what was added and subtracted that a sum may be off by; the last digits are rounding, not error."""


def unsound(stop: Stop, numbers: Mapping[str, Any], residual: float, error: float, size: float, limit: float = np.inf) -> str | None:
    """Return what contradicts itself in one integrated output, with the field's name, or None.

    numbers: what must be finite, by field, unless the integration met a number that is not. residual: what the scores miss the difference
    by, which `error` bounds where stop says CONVERGED. size: of what was added up, for rounding. limit: of the error, where converged.
    """
    if np.isnan(error) or error < 0:
        return f"error is {error:g}; it is a bound, 0 or more"
    if stop is not Stop.NOT_FINITE:
        for name, values in numbers.items():
            if not np.isfinite(values).all():
                return f"{name} is not finite, but the integration ended with {stop.name}"
    if not stop.converged:
        return None
    if error > limit * (1 + ROUNDING):
        return f"error is {error:g}, more than the {limit:g} that the tolerance allows, but the result is marked CONVERGED"
    if not abs(residual) <= error + ROUNDING * (error + size):
        return f"scores miss F(text) − F(baseline) by {residual:g}, more than the error of {error:g}, but the result is marked CONVERGED"
    return None


def laid_out(texts: Sequence[str], segments: Sequence[int], offsets: Sequence[tuple[int, int]], word_ids: Sequence[int | None]) -> None:
    """Raise ValueError for a token that lies outside its text."""
    for i, (segment, (begin, end)) in enumerate(zip(segments, offsets, strict=True)):
        if not -1 <= segment < len(texts):
            raise ValueError(f"segments[{i}] is {segment}, but there are {len(texts)} texts")
        if not 0 <= begin <= end or (segment >= 0 and end > len(texts[segment])):
            where = f"text {segment} with {len(texts[segment])} characters" if segment >= 0 else "no text"
            raise ValueError(f"offsets[{i}] are {begin} and {end}, in {where}")
    if any(word is not None and not 0 <= word <= 2**53 for word in word_ids):
        raise ValueError("word_ids are 0 or more, or null")


class Views(Protocol):
    """What draws records."""

    def save(self, record: Any, path: str | Path, *, by: Any = "word") -> str | Path:
        """Write a record as the ending of the name says and return the path."""
        ...

    def lines(self, record: Any) -> tuple[str, str, str]:
        """Return a record in three lines."""
        ...

    def repr_html(self, record: Any) -> str:
        """Return what a notebook shows."""
        ...

    def show(self, record: Any, by: Any = "word") -> None:
        """Print a record, or draw it in a notebook."""
        ...

    def to_html(self, records: Any, path: str | Path | None = None) -> str:
        """Return a whole page, and write it where a path is given."""
        ...

    def to_dataframe(self, records: Any, by: Any = "word") -> Any:
        """Return the table of a record."""
        ...

    def plot(self, record: Any, by: Any = "word") -> Any:
        """Return the figure of a record."""
        ...


def drawn_by(views: Callable[[], Any]) -> None:
    """Say what draws records, loaded on first use: whoever stands above both does, so that no record depends on a view."""
    global _views
    _views = views


def views() -> Views:
    """Return what draws records."""
    assert _views is not None, "the package says it when it is imported"
    return _views()  # type: ignore[no-any-return]


_views: Callable[[], Any] | None = None


class Record(BaseModel):
    """A frozen result. A kind of result that is no plain attribution has a field `kind` that says which.

    reads: the schema numbers that can be read, the one that is written last; a record read from an older one is of the newest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True)
    reads: ClassVar[tuple[int, ...]] = (SCHEMA,)

    schema_number: int = Field(default=SCHEMA, alias="schema")

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain lists, strings and numbers, ready for `json`."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self, indent: int | None = None) -> str:
        """Return the record as one JSON document, which is safe to print: characters that steer a terminal are escaped."""
        return escaped(json.dumps(self.to_dict(), ensure_ascii=False, indent=indent, allow_nan=False))

    def save(self, path: str | Path) -> Path:
        """Write the record as the ending of the name says (`lineal.views.save`) and return the path; the file appears whole or not at all.

        .json is the record itself, which `lineal.load_result` reads back; .html, .png, .csv, .md and others are views of it. Raises
        OptionError for an ending that stands for nothing, OutputError where no file can be written, MissingExtraError without matplotlib.
        """
        return Path(views().save(self, path))

    def show(self, by: str = "word") -> None:
        """Show the record: drawn in a notebook, printed in a terminal. by: the level that scores are summed to."""
        views().show(self, by)

    def to_html(self, path: str | Path | None = None) -> str:
        """Return the record as one self-contained page, and write it where a path is given. Raises OutputError where it cannot be."""
        return views().to_html(self, path)

    def to_dataframe(self, by: str = "word") -> Any:
        """Return the record's numbers as a pandas data frame. Raises MissingExtraError without pandas."""
        return views().to_dataframe(self, by)

    def plot(self, path: str | Path | None = None, by: str = "word") -> Any:
        """Return the record's figure (matplotlib), and write it where a path is given, ending in .png, .svg or .pdf.

        Raises OptionError for a kind that has no figure and for another ending, MissingExtraError without matplotlib.
        """
        drawn = views().plot(self, by)
        if path is not None:
            views().save(self, path, by=by)
        return drawn

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Return a record from `to_dict` output.

        Raises ResultError for another schema number, another kind, a broken record, or one whose numbers contradict each other: it names
        the field. What was computed here need not pass (`doubt`): it says itself how far it is to be trusted.
        """
        if not isinstance(data, dict) or "schema" not in data:
            raise ResultError("this is not a Lineal result: it has no 'schema' entry")
        if data["schema"] is True or data["schema"] not in cls.reads:
            known = " or ".join(map(str, cls.reads))
            raise ResultError(f"the result has schema {data['schema']!r}, this version of Lineal reads schema {known}")
        kind = cls.model_fields["kind"].default if "kind" in cls.model_fields else None
        if data.get("kind") != kind:
            raise ResultError(f"the result is of the kind {data.get('kind')!r}, wanted: {kind!r}")
        try:
            record = cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            raise ResultError(f"the result is broken at {'.'.join(map(str, first['loc'])) or 'top level'}: {first['msg']}") from None
        if (doubt := record.doubt()) is not None:
            raise ResultError(f"the result contradicts itself: {doubt}")
        return record

    def doubt(self) -> str | None:
        """Return what contradicts itself in the record, with the field's name, or None."""
        return None

    def __repr__(self) -> str:
        """Return three lines: what it is, what was found, how far that can be trusted; of what cannot be drawn, how it would be stored."""
        try:
            return "\n".join(views().lines(self))
        except Exception:
            return f"{type(self).__name__} that cannot be drawn: {self.to_dict()!r:.200}"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return views().repr_html(self)

    def __eq__(self, other: object) -> bool:
        """Compare what would be stored."""
        return isinstance(other, type(self)) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]


def parsed(text: str, where: str) -> Any:
    """Return what a JSON text says. where: how to name it. Raises ResultError for what is no JSON, or nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ResultError(f"{where} is not readable as JSON: it is nested too deeply") from None
    except ValueError as error:
        raise ResultError(f"{where} is not readable as JSON: {error}") from None
