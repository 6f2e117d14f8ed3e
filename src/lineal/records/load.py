"""Which record lies in a file: `load_result` reads any of them, `load_results` many, one per line. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lineal.errors import ResultError, listing
from lineal.records.attribution import Attribution
from lineal.records.base import Record, parsed
from lineal.records.comparison import Comparison
from lineal.records.evaluation import Evaluation
from lineal.records.failure import Failure
from lineal.records.interactions import Interactions
from lineal.records.pair import Matches, PairAttribution
from lineal.records.summary import Summary
from lineal.records.trust import Trust

KINDS: dict[str | None, type[Record]] = {
    None: Attribution,
    "pair": PairAttribution,
    "matches": Matches,
    "interactions": Interactions,
    "comparison": Comparison,
    "evaluation": Evaluation,
    "trust": Trust,
    "summary": Summary,
    "failure": Failure,
}
"""What the `kind` entry of a stored record says; a plain attribution has none."""


def load_result(path: str | Path) -> Any:
    """Return the record saved at `path`, of whichever kind (`KINDS`): an `Attribution`, a `PairAttribution`, `Matches`, an `Evaluation`, …

    Raises ResultError when the file is missing, no JSON, no Lineal result, or a result that contradicts itself.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from None
    return _record(text, str(path))


def load_results(path: str | Path) -> Iterator[Any]:
    """Yield the records of a JSON Lines file (`lineal explain --file … --out r.jsonl`), each read when its turn comes.

    Raises ResultError at once when the file cannot be opened, and at its turn, naming it, for a line that `load_result` would not read.
    """
    try:
        file = Path(path).open(encoding="utf-8", newline="\n")  # noqa: SIM115 (closed by the generator below)
    except (OSError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from None

    def records() -> Iterator[Any]:
        number = 0
        with file:
            try:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        yield _record(line, f"{path}, line {number}")
            except UnicodeDecodeError as error:
                raise ResultError(f"{path}, line {number + 1} or below is not readable as text: {error}") from None

    return records()


def _record(text: str, where: str) -> Any:
    data = parsed(text, where)
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str | None) or kind not in KINDS:
        reads = listing(name for name in KINDS if name)
        raise ResultError(f"{where}: the result is of the kind {kind!r}; this version of Lineal reads {reads}")
    try:
        return KINDS[kind].from_dict(data)
    except ResultError as error:
        raise ResultError(f"{where}: {error}") from None


def _unreadable(path: str | Path, error: Exception) -> ResultError:
    if isinstance(error, FileNotFoundError):
        return ResultError(f"there is no file {path}")
    return ResultError(f"{path} is not readable as JSON: {error}")
