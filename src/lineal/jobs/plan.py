"""Which rows each shard has, and what decided their numbers: written once, before the first shard, and held against everything later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lineal.errors import InputError, OptionError, ResultError, listing, unknown
from lineal.files import write_whole
from lineal.jobs.job import Job
from lineal.tables import inputs, schema
from lineal.tables.inputs import Broken, Place, Source

NAME = "manifest.json"
VERSION = 1
FOLDED = "json"
"""Type of an own column whose values are of several kinds, or nested: each is kept as its JSON."""
USUAL = "text", "sentence", "statement", "review", "prompt"
"""Columns that are taken for the text where none is named."""


@dataclass(frozen=True)
class File:
    """An input file as it was when the run was planned. rows: how many it has."""

    source: Source
    size: int
    hash: str
    rows: int


@dataclass(frozen=True)
class Plan:
    """files: in order. starts: of each shard, (file, row there, offset) of its first row. own: columns that are kept, with types.

    decided: everything that decides a number, by name; `lineal`, the model's fingerprint and dtype among them.
    """

    job: dict[str, Any]
    decided: dict[str, Any]
    files: tuple[File, ...]
    own: dict[str, str]
    starts: tuple[tuple[int, int, int], ...]
    shard: int

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(file.rows for file in self.files)

    @property
    def digest(self) -> str:
        """A hash of all that decides what stands in a shard, which every shard's metadata holds."""
        return _hash([self.decided, [[file.source.path, file.size, file.hash] for file in self.files], self.own, self.shard])

    def size(self, number: int) -> int:
        """Return how many rows a shard has."""
        return min(self.shard, self.rows - number * self.shard)

    def ids(self, number: int) -> Iterator[tuple[str, int]]:
        """Yield file and row of every row of a shard: what has to stand in it."""
        file, row, _ = self.starts[number]
        for _ in range(self.size(number)):
            while row >= self.files[file].rows:
                file, row = file + 1, 0
            yield self.files[file].source.path, row
            row += 1

    def read(self, number: int, wanted: Sequence[str] | None) -> Iterator[tuple[str, int, dict[str, Any] | Broken]]:
        """Yield the rows of a shard: file, row, cells. Raises InputError where a file is another than the plan saw."""
        file, row, offset = self.starts[number]
        left = self.size(number)
        while left:
            known = self.files[file]
            for place, found in inputs.rows(known.source, Place(row, offset), wanted):
                yield known.source.path, place.row - 1, found
                left -= 1
                if not left:
                    return
            file, row, offset = file + 1, 0, 0
            if left and file >= len(self.files):
                raise InputError(f"{known.source.path} has fewer rows than when the run was planned; it has changed")

    def to_json(self) -> str:
        """Return the manifest."""
        return json.dumps({"version": VERSION, "digest": self.digest, "rows": self.rows, **asdict(self)}, indent=1)


def load(folder: str | Path) -> Plan:
    """Return the plan of a folder of results. Raises ResultError where there is none, or one that cannot be read."""
    path = Path(folder) / NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if (version := found.pop("version")) != VERSION:
            raise ResultError(f"{path} is a plan of version {version}; this version of Lineal reads {VERSION}")
        digest = found.pop("digest")
        del found["rows"]
        files = tuple(File(**{**file, "source": _source(file["source"])}) for file in found.pop("files"))
        plan = Plan(files=files, starts=tuple(map(tuple, found.pop("starts"))), **found)
    except FileNotFoundError:
        raise ResultError(f"there is no run in {folder}: no file {NAME}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ResultError):
            raise
        raise ResultError(f"{path} is damaged: {error}") from None
    if plan.digest != digest:
        raise ResultError(f"{path} was changed after it was written; it no longer says what its shards are")
    return plan


def _source(found: Mapping[str, Any]) -> Source:
    names = found["names"]
    return Source(**{**found, "names": None if names is None else tuple(names)})


def make(job: Job, decided: Mapping[str, Any], on_rows: Callable[[int], None] | None = None) -> Plan:
    """Read all input once and return the plan. Raises InputError where a column is missing, OptionError where a name is taken."""
    sources = inputs.sources(job.input, job.format, job.quotes, job.names)
    kept: dict[str, str] | None = None
    files: list[File] = []
    starts: list[tuple[int, int, int]] = []
    rows = 0
    for i, source in enumerate(sources):
        names = inputs.columns(source)
        needed = roles(job, names)
        for name in (*needed, *(job.keep or ())):
            if _taken(name) not in names:
                raise InputError(f"in {source.path}: {unknown('column', _taken(name), names)}")
        known = inputs.types(source)
        size, hash = inputs.identity(source)
        before, place, seen = rows, inputs.START, dict[str, set[str]]()
        for behind, found in inputs.rows(source, wanted=[names[0]] if known else None):
            if rows % job.shard == 0:
                starts.append((i, *place))
            if known is None and isinstance(found, dict):
                for name, value in found.items():
                    seen.setdefault(name, set()).add(_kind(value))
            rows, place = rows + 1, behind
            if on_rows is not None and rows % 1000 == 0:
                on_rows(rows)
        kinds = known if known is not None else {name: _one(found) for name, found in seen.items()}
        kept = _agreed(kept, _own(job, needed, kinds), source.path)
        files.append(File(source, size, hash, rows - before))
    if not rows:
        raise InputError(f"there is no row in {listing(job.input)}")
    schema.schema(dict.fromkeys(kept or {}, "string"))  # names that results use themselves
    return Plan(job.to_dict(), dict(decided), tuple(files), kept or {}, tuple(starts), job.shard)


def roles(job: Job, names: Sequence[str]) -> list[str]:
    """Return the columns that a job reads for itself; where it names no text, a usual one. Raises InputError where there is none."""
    return [name for name in (text_column(job, names), job.second, job.messages, job.id) if name is not None]


def text_column(job: Job, names: Sequence[str]) -> str | None:
    """Return the column of the text; None for chats."""
    if job.text is not None or job.messages is not None:
        return job.text
    found = next((name for name in USUAL if name in names), names[0] if len(names) == 1 else None)
    if found is None:
        raise InputError(f"which column holds the text? Give text; there are {listing(names)}")
    return found


def check_same(old: Plan, new: Plan) -> None:
    """Raise OptionError, naming what differs, where a run that goes on would not write what the first one did; InputError for its files."""
    for name in sorted({*old.decided, *new.decided}):
        before, now = old.decided.get(name), new.decided.get(name)
        if before != now:
            raise OptionError(
                f"this folder holds a run with {name} = {before!r}, and now it is {now!r}; give that again, or another folder"
            )
    known, given = ({file.source.path: file for file in plan.files} for plan in (old, new))
    if [*known] != [*given]:
        differ = sorted(known.keys() ^ given.keys()) or ["their order"]
        raise InputError(f"the input is not that of the run in this folder: {listing(differ, 5)} differs; give another folder")
    for path, file in given.items():
        if replace(known[path], rows=0) != replace(file, rows=0):
            said = f"{known[path].size} bytes, hash {known[path].hash[:8]}; now {file.size}, {file.hash[:8]}"
            raise InputError(f"{path} has changed since the run in this folder was planned ({said}); put it back, or choose another folder")


def write(plan: Plan, folder: Path) -> None:
    """Write the manifest; it appears whole."""
    write_whole(folder / NAME, plan.to_json())


def _own(job: Job, needed: Sequence[str], kinds: Mapping[str, str]) -> dict[str, str]:
    """Return the kept columns, by their name in the results, and their types. `NAME=COLUMN` renames one."""
    if job.keep is None:
        return {name: kind for name, kind in kinds.items() if name not in needed}
    return {name.partition("=")[0]: kinds[_taken(name)] for name in job.keep}


def renamed(job: Job) -> dict[str, str]:
    """Return column → name in the results, for those that are named anew."""
    return {_taken(name): name.partition("=")[0] for name in job.keep or () if "=" in name}


def _taken(name: str) -> str:
    return name.partition("=")[2] or name


def _agreed(before: dict[str, str] | None, now: dict[str, str], path: str) -> dict[str, str]:
    if before is None:
        return now
    if differ := sorted(before.keys() ^ now.keys()):
        raise InputError(f"{path} has other columns than the files before it: {listing(differ)}; name those to keep with keep")
    return {name: kind if kind == now[name] else _one({kind, now[name]}) for name, kind in before.items()}


def _kind(value: Any) -> str:
    kinds = {bool: "bool", int: "int64", float: "double", str: "string", type(None): "null"}
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return FOLDED
    return kinds.get(type(value), FOLDED)


def _one(kinds: set[str]) -> str:
    left = kinds - {"null"}
    if left == {"int64", "double"}:
        return "double"
    return left.pop() if len(left) == 1 else "string" if not left else FOLDED


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()
