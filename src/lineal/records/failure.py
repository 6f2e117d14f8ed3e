"""The result of a text that could not be explained, where failures are asked for as results: a frozen record beside the others."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lineal.records.base import Record


class Failure(Record):
    """Why one text of many has no explanation.

    row: the number of the text among those that were given, from 0. text: the text, or the `repr` of what stood in its place.
    error: the class of the error that `on_error="raise"` would have raised (`InputError`, `ModelError`, …). message: what it says.
    """

    kind: Literal["failure"] = "failure"
    row: int = Field(ge=0)
    text: str
    error: str
    message: str

    @property
    def converged(self) -> bool:
        """False, so that whoever filters results by it needs no second question."""
        return False
