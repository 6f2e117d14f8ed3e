"""Stored records are held against themselves when they are read: what was edited is a clear error that names the field, or is harmless."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lineal
from lineal.cli.main import main
from lineal.errors import OptionError, ResultError
from lineal.evaluation.resume import Unfinished
from tests import fakes
from tests.test_evaluation import TEXTS
from tests.test_formats import RECORDS

ONE, PAIR, MATRIX = RECORDS["one output"], RECORDS["pair"], RECORDS["interactions"]
FREE = PAIR.model_copy(update={"tol": 0.9, "error": 0.0, "similarity": PAIR.total})
VALUES = (
    None,
    True,
    -1,
    0,
    1,
    3,
    10**20,
    10**400,
    1.5,
    -0.1,
    1e308,
    "nan",
    "inf",
    "",
    "x",
    "\x1b]0;x\x07",
    "\u202e",
    [],
    {},
    [[]],
    [1],
    {"a": 1},
)
"""What an edit puts in the place of something."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inside:
        yield (*path, key)
        yield from places(entry, (*path, key))


def edited(value: Any, rng: random.Random) -> Any:
    """Return a copy with one thing replaced, removed, doubled or multiplied."""
    copied = copy.deepcopy(value)
    *way, last = rng.choice(list(places(copied)))
    there = copied
    for key in way:
        there = there[key]
    how = rng.choice(("replace", "replace", "remove", "double", "scale"))
    if how == "remove":
        del there[last]
    elif how == "double" and isinstance(there, list):
        there.insert(last, copy.deepcopy(there[last]))
    elif how == "scale" and type(there[last]) in (int, float):
        there[last] = there[last] * rng.choice((-1, 2, 1000, 1e-9)) + rng.choice((0, 1, 100))
    else:
        there[last] = copy.deepcopy(rng.choice(VALUES))
    return copied


@pytest.mark.parametrize(
    ("record", "path", "value", "says"),
    [
        (ONE, ("scores", 0, 3), 100.0, "scores miss F"),
        (ONE, ("error", 0), -1, "error is -1"),
        (ONE, ("error", 0), 100.0, "error is 100, more than"),
        (ONE, ("error", 0), None, "error is nan"),
        (ONE, ("f_input", 0), "inf", "f_input is not finite"),
        (ONE, ("scores", 0, 3), "nan", "scores is not finite"),
        (ONE, ("scores", 0, 3), {}, "scores: Value error, no array of numbers"),
        (ONE, ("f_input", 0), 10**400, "f_input: Value error, no array of numbers"),
        (ONE, ("f_input",), 3.0, r"f_input has shape \(\)"),
        (ONE, ("stops", 0), "FINE", "stops.0: Value error, unknown reason 'FINE'"),
        (ONE, ("segments", 3), 7, r"segments\[3\] is 7"),
        (ONE, ("offsets", 3), [5, 1000], r"offsets\[3\] are 5 and 1000"),
        (ONE, ("word_ids", 3), -1, "word_ids"),
        (ONE, ("tol",), -0.1, "tol"),
        (ONE, ("evaluations",), 10**30, "evaluations"),
        (ONE, ("steps",), 500, "steps is 500"),
        (ONE, ("read",), [10**6], "read is"),
        (PAIR, ("matrix", 0, 0), 100.0, "scores miss F"),
        (PAIR, ("error",), -1, "error is -1"),
        (PAIR, ("error",), 100.0, "error is 100, more than the .* that the tolerance allows"),
        (PAIR, ("tol",), 1e-9, "more than the .* that the tolerance allows"),
        (PAIR, ("scale",), 0.001, "more than the .* that the tolerance allows"),
        (FREE, ("scale",), 0.001, "scale is 0.001, but it bounds the terms"),
        (RECORDS["matches"], ("pairs", 1, "error"), 100.0, r"of pairs\[1\], error is 100, more than"),
        (PAIR, ("bias",), "nan", "bias is not finite"),
        (PAIR, ("decomposition",), "four", "shared is not 0, but the decomposition is 'four'"),
        (PAIR, ("a", "offsets", 1), [3, 2], r"offsets\[1\] are 3 and 2"),
        (RECORDS["matches"], ("order",), [0, 0, 1], "order is no order"),
        (RECORDS["matches"], ("similarities", 0), -5.0, "similarities rise"),
        (RECORDS["matches"], ("pairs", 1, "bias"), 9.0, r"of pairs\[1\], scores miss F"),
        (MATRIX, ("matrix", 0, 1), 50.0, "."),
        (MATRIX, ("error",), -1, "error is -1"),
        (MATRIX, ("attribution", "error", 0), -1, "in its attribution, error is -1"),
    ],
)
def test_an_edited_field_is_named(record: Any, path: tuple[Any, ...], value: Any, says: str, tmp_path: Path) -> None:
    data = record.to_dict()
    there = data
    for key in path[:-1]:
        there = there[key]
    there[path[-1]] = value
    (tmp_path / "r.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ResultError, match=says):
        lineal.load_result(tmp_path / "r.json")


def shown(path: Path, *arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["show", str(path), *map(str, arguments)])
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("edits", [30, pytest.param(150, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", RECORDS)
def test_edited_records_are_shown_or_refused_in_one_line(name: str, edits: int, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Edits of each kind of record: no other end than a view, or one line and exit code 2."""
    rng, data, refused = random.Random(name), RECORDS[name].to_dict(), 0
    for number in range(edits):
        path, out = tmp_path / "r.json", tmp_path / ("r.html", "r.txt", "r.json")[number % 3]
        broken = edited(data, rng)
        path.write_text(json.dumps(broken), encoding="utf-8")
        try:
            code = shown(path, "--out", out)
        except Exception as error:
            raise AssertionError(f"edit {number} of {name}") from error
        said = capsys.readouterr().err
        assert code in (0, 2)
        assert code == 0 or (said.startswith("lineal: ") and said.count("\n") == 1), said
        assert "\x1b" not in said
        refused += code == 2
    assert refused > edits // 2


FOREIGN = ("[" * 200_000, '{"a":' * 200_000, "1" * 100_000, "\x00", '"\\ud800"', '{"schema": 1, "kind": []}', "{}" * 9, "")


@pytest.mark.parametrize("text", FOREIGN, ids=range(len(FOREIGN)))
def test_deep_huge_and_foreign_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text, encoding="utf-8")
    with pytest.raises(ResultError):
        lineal.load_result(tmp_path / "r.json")
    if text:
        with pytest.raises(ResultError, match="line 1"):
            next(lineal.load_results(tmp_path / "r.json"))


def test_an_edited_unfinished_file_is_refused_or_computed_again(tmp_path: Path) -> None:

    how: dict[str, Any] = {"methods": ["random"], "metrics": ["lds"], "removals": ["delete"]}
    texts, into = list(TEXTS[:2]), tmp_path / "unfinished.jsonl"
    whole = lineal.evaluate(fakes.FakeModel(fakes.smooth), texts, "label:yes", into=into, **how)
    lines, rng = into.read_text(encoding="utf-8").splitlines(), random.Random(0)
    for _ in range(60):
        damaged = [json.dumps(edited(json.loads(line), rng)) if i == 1 else line for i, line in enumerate(lines)]
        into.write_text("\n".join(damaged) + "\n", encoding="utf-8")
        found = lineal.evaluate(fakes.FakeModel(fakes.smooth), texts, "label:yes", into=into, **how)
        assert found.values.shape == whole.values.shape
    for first in ("[]", "3", "[" * 100_000, "null", "{}"):
        into.write_text("\n".join([first, *lines[1:]]), encoding="utf-8")
        with pytest.raises(OptionError):
            Unfinished(into, {"lineal": "0"})
