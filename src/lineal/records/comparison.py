"""Several methods asked the same question: one record per method. Knows nothing about torch or drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import model_validator

from lineal.quadrature.contract import Stop
from lineal.records.attribution import Attribution
from lineal.records.base import Record


class Comparison(Record):
    """Attributions of one text and one target by several methods, as `lineal.compare` returns them.

        lineal.compare("sentiment", "A tepid, glorious mess.").save("compare.html")

    records: at least one, all of the same texts, tokens and targets. A comparison is also read like a tuple of them.
    """

    kind: Literal["comparison"] = "comparison"
    records: tuple[Attribution, ...]

    @model_validator(mode="after")
    def _agree(self) -> Comparison:
        if (wrong := differing(self.records)) is not None:
            raise ValueError(wrong)
        return self

    def __len__(self) -> int:
        """How many methods."""
        return len(self.records)

    def __iter__(self) -> Iterator[Attribution]:  # type: ignore[override]
        """Yield the record of each method."""
        return iter(self.records)

    def __getitem__(self, number: int) -> Attribution:
        """Return the record of one method by its place."""
        return self.records[number]

    def doubt(self) -> str | None:
        """Return what contradicts itself in the record, with the field's name, or None."""
        doubts = ((i, record.doubt()) for i, record in enumerate(self.records))
        return next((f"of records[{i}], {found}" for i, found in doubts if found is not None), None)

    @property
    def stop(self) -> Stop:
        """The first record's reason that is not success, or success."""
        return next((record.stop for record in self.records if not record.converged), Stop.CONVERGED)

    @property
    def converged(self) -> bool:
        """True when every record converged."""
        return self.stop.converged


def differing(records: Sequence[Attribution]) -> str | None:
    """Return why records cannot be compared, or None."""
    if not records:
        return "there is nothing to compare: give at least one record"
    first = records[0]
    if any(record.texts != first.texts or record.tokens != first.tokens or record.targets != first.targets for record in records):
        return "a comparison needs records of one text and one target; these differ"
    return None
