"""What is asked of which rows: a job as one checked value, as a TOML file, and as the options of `lineal run`, which are its fields."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from lineal.errors import OptionError, unknown
from lineal.tables.inputs import FORMATS
from lineal.typed import check_fields, listed
from lineal.verbs.options import Options, PairOptions

Do = Literal["explain", "pair", "generate"]
OnError = Literal["row", "stop"]
Engine = Literal["local", "ray"]
SHARD = 256
"""Rows of a shard: a minute or a few of work for models of some ten million weights on two cores."""
LISTS = ("input", "baseline", "keep", "names")
HOW = ("out", "workers", "engine", "on_error", "device", "device_map", "batch_tokens")
"""Fields that decide where and how a job runs, and no number but for rounding: a run may go on with others."""
PLACE = re.compile(r"\{([^{}]+)\}")
"""A column's name in a target: its cell stands there."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Every field is a key of the job's file and an option of `lineal run`.

    model: what `lineal.load` takes by name. input: files, folders, globs, hf://NAME. out: the folder of results.
    do: "explain"; "pair" (`lineal.explain_pair` of the columns `text` and `second`); or "generate" (`lineal.explain_generation`).
    format, names, quotes: as in `lineal.tables.inputs.sources`. text, second, messages, id: columns; messages holds a chat, as a list or as
    JSON. keep: columns that stand in the results as they are; all others where None.
    target, unit, baseline, method and the rest: as in `lineal.explain`; {NAME} in a target is a cell of the row, as "similar:{query}",
    "label:{gold}". on_error: "row", a text that fails is a row with the reason; "stop", it ends the run. shard: rows of a file of results.
    workers: processes, None for as many as pay. engine: who runs them.
    """

    model: str
    input: tuple[str, ...]
    out: str
    do: Do = "explain"
    format: str | None = None
    names: tuple[str, ...] | None = None
    quotes: bool | None = None
    text: str | None = None
    second: str | None = None
    messages: str | None = None
    id: str | None = None
    keep: tuple[str, ...] | None = None
    target: str | None = None
    unit: str | None = None
    baseline: tuple[str, ...] | None = None
    method: str = "ig"
    tol: float = Options.tol
    rule: str = Options.rule
    max_evaluations: int = Options.max_evaluations
    attribute: str | None = None
    hold: str | None = None
    anchor: str | None = None
    layer: str | int | None = None
    hold_special: bool = True
    truncate: bool = False
    prompt: str | None = None
    prompt_name: str | None = None
    route: str | None = None
    batch_tokens: int | None = None
    similarity: str = "cosine"
    decomposition: str = "projected"
    mode: str = "auto"
    max_new_tokens: int = 6
    hold_generated: bool = False
    device: str | None = None
    dtype: str | None = None
    device_map: str | None = None
    load_in_4bit: bool = False
    load_in_8bit: bool = False
    allow_missing: bool = False
    on_error: OnError = "row"
    shard: int = SHARD
    workers: int | None = None
    engine: Engine = "local"

    def __post_init__(self) -> None:
        """Check everything that can be checked without the model and the input. OptionError says what fits."""
        for name in LISTS:
            given = getattr(self, name)
            if isinstance(given, str):
                given = (given,)
            object.__setattr__(self, name, given if given is None else tuple(listed(name, given)))
        check_fields(self)
        if not self.input:
            raise OptionError("input is empty; name a file, a folder or a glob")
        if "://" in self.out:
            raise OptionError(
                f"out is {self.out}; results are written to a folder on disk, so give one, and copy it when _SUCCESS is there"
            )
        if self.format is not None and self.format not in FORMATS:
            raise OptionError(unknown("format", self.format, FORMATS))
        if self.shard < 1:
            raise OptionError(f"shard is {self.shard}; give at least 1 row")
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"workers is {self.workers}; give at least 1")
        if self.text is not None and self.messages is not None:
            raise OptionError(f"text names the column {self.text!r} and messages {self.messages!r}; a row is one of the two")
        if self.do == "pair" and (self.second is None or self.messages is not None):
            raise OptionError("do 'pair' needs two columns; give text and second")
        if self.do != "pair" and (given := [name for name in PAIR if getattr(self, name) != getattr(type(self), name)]):
            raise OptionError(f"{given[0]} is for pairs, and do is {self.do!r}; drop it, or set do = 'pair'")
        if self.do == "pair":
            given = [name for name in NOT_PAIR if getattr(self, name) != getattr(type(self), name)]
            if given:
                raise OptionError(f"{given[0]} is for explanations of texts, and do is 'pair'; drop it")
            self.pair_options()
        else:
            self.options()

    def options(self) -> Options:
        """Return the options of explanations."""
        return Options(**self._of(Options))

    def pair_options(self) -> PairOptions:
        """Return the options of explanations of pairs."""
        return PairOptions(**self._of(PairOptions))

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns whose cells stand in the target."""
        return tuple(PLACE.findall(self.target or ""))

    @property
    def loading(self) -> dict[str, Any]:
        """What `lineal.load` is told beside the model."""
        return {name: getattr(self, name) for name in LOADING}

    def deciding(self) -> dict[str, Any]:
        """Return the fields that decide what stands in a row, as they are: what a run that goes on must have in common with its plan.

        Not the model, its dtype and the input, which are known by what they turn out to be.
        """
        return {name: value for name, value in self.to_dict().items() if name not in (*HOW, "model", "input", "dtype")}

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    def to_toml(self) -> str:
        """Return the file of this job: the fields that are not as usual."""
        usual = {field.name: field.default for field in fields(self)}
        told = {name: value for name, value in self.to_dict().items() if usual[name] is MISSING or value != usual[name]}
        return "".join(f"{name} = {_toml(value)}\n" for name, value in told.items() if value is not None)

    def _of(self, kind: type) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(kind) if hasattr(self, field.name)}


PAIR = ("similarity", "decomposition", "mode")
NOT_PAIR = ("target", "unit", "method", "attribute", "hold", "anchor", "layer", "prompt", "prompt_name", "route")
LOADING = ("device", "dtype", "device_map", "load_in_4bit", "load_in_8bit", "allow_missing")


def job(given: Mapping[str, Any]) -> Job:
    """Return the job of some keys. Raises OptionError for an unknown one, with the nearest, and for one that is missing."""
    known = [field.name for field in fields(Job)]
    for name in given:
        if name not in known:
            raise OptionError(unknown("key", name, known, limit=len(known)))
    if missing := [name for name in ("model", "input", "out") if given.get(name) is None]:
        raise OptionError(f"the job lacks {missing[0]}: model, input and out are needed")
    return Job(**given)


def read(path: str | Path) -> dict[str, Any]:
    """Return the keys of a job's file. Raises OptionError where it cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"{path} is no job that can be read: {error}") from None


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f") if isinstance(value, str) else json.dumps(value)
