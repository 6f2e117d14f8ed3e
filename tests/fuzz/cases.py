"""One case: something to run, what a failure is, and how long and how much it may take."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import signal
import sys
import time
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lineal.cli.console import NOT_CONVERGED
from lineal.cli.main import main
from lineal.errors import LinealError, ResultError
from lineal.records.attribution import Attribution
from lineal.records.base import Record

EXITS = (0, 2, NOT_CONVERGED)
"""What the command line may exit with."""
SECONDS = 60.0
"""After so long a case is given up."""
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@dataclass(frozen=True)
class Case:
    """One thing to try. name: `KIND:NUMBER`. what: the command line or the call, for people. run: does it, and raises `Wrong` or worse."""

    name: str
    what: str
    run: Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a case. failure: one line, or None; late: given up after SECONDS; trace: where it happened."""

    case: Case
    seconds: float
    failure: str | None = None
    late: bool = False
    trace: str = ""

    @property
    def site(self) -> str:
        """The last place in Lineal that the traceback names, else the failure's first words."""
        places = re.findall(r'File "[^"]*/src/(lineal/[^"]+)", line (\d+), in (\S+)', self.trace)
        return f"{places[-1][0]}:{places[-1][1]} {places[-1][2]}" if places else (self.failure or "").split(":")[0]


class Wrong(Exception):
    """A run that ended as it may, with a result that is not so."""


class Late(BaseException):
    """The time is over. No Exception, so that nobody takes it for a bad text."""


def attempt(case: Case, seconds: float = SECONDS) -> Outcome:
    """Run a case and say how it ended."""
    begun = time.perf_counter()
    failure, late, trace = None, False, ""
    try:
        with warnings.catch_warnings(), _within(seconds):
            warnings.simplefilter("ignore")
            case.run()
    except LinealError:
        pass
    except Late:
        late = True
    except Wrong as error:
        failure = str(error)
    except BaseException as error:  # a SystemExit or a KeyboardInterrupt from within is as wrong as a KeyError
        failure, trace = f"{type(error).__name__}: {error}"[:300], traceback.format_exc()
    return Outcome(case, time.perf_counter() - begun, failure, late, trace)


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Ran:
    """How a command ended. raised: what came out of it that was no exit."""

    code: int
    out: str
    err: str


def command(arguments: Sequence[str], stdin: bytes = b"", encoding: str = "utf-8") -> Ran:
    """Run the command line in this process, with streams as a terminal or a pipe of that encoding has them."""
    out, err = io.BytesIO(), io.BytesIO()
    streams = (
        io.TextIOWrapper(io.BytesIO(stdin), encoding=encoding),
        io.TextIOWrapper(out, encoding=encoding, write_through=True),
        io.TextIOWrapper(err, encoding=encoding, errors="backslashreplace", write_through=True),
    )
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = streams
    try:
        main(list(arguments))
        code: Any = 0
    except SystemExit as stopped:
        code = stopped.code or 0
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
    if not isinstance(code, int):
        raise Wrong(f"exit with {code!r}")
    return Ran(code, out.getvalue().decode(encoding, "replace"), err.getvalue().decode(encoding, "replace"))


def checked(arguments: Sequence[str], folder: Path, **how: Any) -> Ran:
    """Run a command that may write into `folder`; raises Wrong where its exit code, its output or its files say what is not so."""
    before = snapshot(folder)
    ran = command(arguments, **how)
    if ran.code not in EXITS:
        raise Wrong(f"exit code {ran.code}: {(ran.err.strip().splitlines() or [''])[-1][:200]}")
    if "Traceback (most recent call last)" in ran.err:
        raise Wrong("a traceback on standard error")
    if ran.code == 2 and not ran.err.strip():
        raise Wrong("exit code 2 without a word")
    for name, stream in (("standard output", ran.out), ("standard error", ran.err)):
        if raw := sorted({c for c in stream if _steers(c)}):
            raise Wrong(f"control characters on {name}: {raw}")
    left = {path for path, state in snapshot(folder).items() if before.get(path) != state}
    if halves := sorted(path.name for path in left if path.suffix in (".partial", ".tmp")):
        raise Wrong(f"left behind: {halves}")
    kept = {path for path in left if path.name == "unfinished.jsonl" or "written to" in ran.err}  # what is finished is not lost
    if ran.code == 2 and left - kept:
        raise Wrong(f"refused, and yet there is {sorted(path.name for path in left)}")
    if ran.code == NOT_CONVERGED and "--strict" not in arguments:
        raise Wrong("exit code 3 without --strict")
    return ran


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of every file below a folder."""
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*") if not path.is_dir()}


def _steers(character: str) -> bool:
    return (unicodedata.category(character) == "Cc" and character not in "\n\t\r") or character in BIDI


def contradictions(record: Any) -> list[str]:
    """Return what a record says of itself that is not so."""
    if not isinstance(record, Record):
        return [f"a {type(record).__name__} in place of a record"]
    found, stored = [], json.loads(record.to_json())
    try:
        if type(record).from_dict(stored).to_dict() != stored:
            found.append("what is stored is not what is read")
    except ResultError as error:
        found.append(str(error))
    if isinstance(record, Attribution):
        found += _unproven(record)
    return found


def _unproven(record: Attribution) -> list[str]:
    """Return where CONVERGED stands beside numbers that do not allow it."""
    found = []
    if any(not 0 <= a <= b for a, b in record.offsets) or (record.error < 0).any():
        found.append("a negative error, or spans that run backwards")
    for c, stop in enumerate(record.stops):
        rounding = 1e-6 * max(1.0, record.mass[c], abs(record.f_input[c]), abs(record.f_baseline[c]))
        if not stop.converged or not record.adds_up:
            continue
        if not np.isfinite([record.f_input[c], record.f_baseline[c], record.error[c], record.mass[c]]).all():
            found.append(f"output {c} converged on what is no number")
        elif record.error[c] > record.tol * record.mass[c] + rounding:
            found.append(f"output {c} converged with error {record.error[c]:.3g} of a mass {record.mass[c]:.3g} at tol {record.tol:g}")
        elif abs(record.residual[c]) > record.error[c] + rounding:
            found.append(f"output {c} converged with residual {record.residual[c]:.3g} beyond its error {record.error[c]:.3g}")
    return found


def insist(record: Any) -> None:
    """Raise Wrong where a record contradicts itself."""
    if found := contradictions(record):
        raise Wrong(f"the result is not so: {'; '.join(found)[:250]}")


def shortened(value: Any, length: int = 60) -> str:
    """Return a value as Python would write it, at most so long."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length // 2]}…{text[-length // 4 :]} ({len(text)} characters)"


def dice(seed: int, name: str) -> random.Random:
    """Return the dice of one case, independent of every other's."""
    return random.Random(f"{seed}/{name}")
