"""Which record lies in a file: `load_result` reads any of them. Needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lineal.attribution import Attribution
from lineal.errors import ResultError, listing
from lineal.failure import Failure
from lineal.interaction_matrix import Interactions
from lineal.pair_attribution import Matches, PairAttribution
from lineal.record import Record

KINDS: dict[str | None, type[Record]] = {
    None: Attribution,
    "pair": PairAttribution,
    "matches": Matches,
    "interactions": Interactions,
    "failure": Failure,
}
"""What the `kind` entry of a stored record says; a plain attribution has none."""


def load_result(path: str | Path) -> Any:
    """Return the record saved at `path`, of whichever kind: an `Attribution`, a `PairAttribution`, `Matches`, `Interactions`, a `Failure`.

    Raises ResultError when the file is missing, no JSON, or no Lineal result.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultError(f"there is no file {path}") from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError: bytes, syntax, or a number of more digits than Python reads
        raise ResultError(f"{path} is not readable as JSON: {error}") from None
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in KINDS:
        raise ResultError(f"the result is of the kind {kind!r}; this version of Lineal reads {listing(name for name in KINDS if name)}")
    return KINDS[kind].from_dict(data)
