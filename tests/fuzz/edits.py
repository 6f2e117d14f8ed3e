"""Stored records and other files that are read, with random edits: keys gone, numbers turned, nesting, truncation, bytes flipped."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lineal
from lineal.records.attribution import Attribution
from tests.fuzz.cases import Case, checked, dice, insist, shortened
from tests.fuzz.commands import where
from tests.fuzz.workspace import Workspace

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 10**30, 0.5, -0.5, 100.0, 1e308, float("nan"), float("inf"), "", "²", "NaN", "Infinity", "-Infinity",
    "nan", "1e5", "\x00", "\udcff", "\x1b[31mred", "\u202e", "CONVERGED", "converged", "BUDGET", "content", "special", "pair", "matches",
    [], {}, [[]], [1, 2], [[1.0]], [None], {"a": 1}, [0, 10**9], [-5, -1], ["a"], [[0, 1], [2, 3]], "x" * 3000,
)  # fmt: skip


def case(seed: int, number: int, workspace: Workspace) -> Case:
    """Return a case of the kind `record`."""
    name = f"record:{number}"
    rng = dice(seed, name)
    folder = workspace.root / "out" / f"record-{seed}-{number}"
    kind = rng.choices(("record", "messages", "liar", "probe", "unfinished", "documents"), (12, 1, 0.7, 0.4, 1, 0.4))[0]
    maker = {"record": _record, "messages": _messages, "unfinished": _unfinished}.get(kind)
    return maker(name, rng, workspace, folder) if maker else _table(name, kind, rng, workspace, folder)


def _record(name: str, rng: random.Random, workspace: Workspace, folder: Path) -> Case:
    which = rng.choice(sorted(workspace.records))
    content, done = _edited(workspace.records[which].to_dict(), rng)
    arguments = ["show", str(folder / "edited.json"), *_how(rng, folder)]

    def run() -> None:
        with _written(folder, "edited.json", content) as path:
            ran = checked(arguments, folder)
            if ran.code == 2:
                return
            record = lineal.load_result(path)
            insist(record)
            if isinstance(record, Attribution):
                for level in ("word", "sentence"):
                    record.by(level)  # type: ignore[arg-type]
                record._repr_html_()

    return Case(name, f"lineal {' '.join(shortened(a) for a in arguments)} of the record {which!r} with {done}", run)


def _messages(name: str, rng: random.Random, workspace: Workspace, folder: Path) -> Case:
    chat = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "the man works as a"}]
    content, done = _edited(chat, rng)
    command = rng.choice(("explain", "generate"))
    arguments = [command, str(workspace.folder("decoder")), "--messages", str(folder / "chat.json"), "--rule", "gauss:4", "--json"]

    def run() -> None:
        with _written(folder, "chat.json", content):
            checked(arguments, folder)

    return Case(name, f"lineal {command} … --messages with {done}", run)


def _unfinished(name: str, rng: random.Random, workspace: Workspace, folder: Path) -> Case:
    turn = rng.random()

    def run() -> None:
        how = random.Random(turn)
        folder.mkdir(parents=True)
        try:
            into = folder / "unfinished.jsonl"
            model, texts = workspace.model("classifier"), ["the film was good", "a mess"]
            asked: dict[str, Any] = {"methods": ["ig", "random"], "into": into, "tol": 0.05}
            lineal.evaluate(model, texts, **asked)
            lines = into.read_text(encoding="utf-8").splitlines()
            i = how.randrange(len(lines))
            content, _ = _edited(json.loads(lines[i]), how)
            into.write_bytes(b"\n".join([*(line.encode() for line in lines[:i]), content, *(line.encode() for line in lines[i + 1 :])]))
            lineal.evaluate(model, texts, **asked)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return Case(name, f"evaluate(classifier, …, into=) going on from an edited file (turn {turn:.6f})", run)


def _table(name: str, kind: str, rng: random.Random, workspace: Workspace, folder: Path) -> Case:
    source, file = {"liar": ("liar/test.tsv", "test.tsv"), "probe": ("labelled.tsv", "rows.tsv"), "documents": ("lines.txt", "lines.txt")}[
        kind
    ]
    content, done = _bytes(workspace.file(source).read_bytes(), rng)
    path = str(folder / file)
    arguments = {
        "liar": [
            "liar",
            path,
            "--model",
            str(workspace.folder("decoder")),
            "--limit",
            "1",
            "--rule",
            "gauss:4",
            "--out",
            str(folder / "out"),
        ],
        "probe": ["probe", path, "--encoder", str(workspace.folder("encoder")), "--out", str(folder / "out")],
        "documents": ["match", str(workspace.folder("encoder")), "the film", "--documents", path, "--rule", "gauss:4"],
    }[kind]

    def run() -> None:
        with _written(folder, file, content):
            checked(arguments, folder)

    return Case(name, f"lineal {arguments[0]} of {source} with {done}", run)


@contextmanager
def _written(folder: Path, name: str, content: bytes) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    try:
        yield folder / name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _how(rng: random.Random, folder: Path) -> list[str]:
    by = rng.choice(([], [], ["--by", "token"], ["--by", "sentence"], ["--by", "region"]))
    return [*by, *rng.choice(([], [], ["--json"], ["--out", str(folder / "page.html")], ["--out", where(rng, folder)], ["--strict"]))]


def _edited(data: Any, rng: random.Random) -> tuple[bytes, str]:
    """Return a document as bytes after one to three edits, and what they were."""
    data, done = copy.deepcopy(data), []
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(data))
        if not places:
            break
        holder, key = rng.choice([place for place in places if rng.random() < _weight(place)] or places)
        done.append(_edit(holder, key, rng))
    content = json.dumps(data, ensure_ascii=rng.random() < 0.3).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        content, how = _bytes(content, rng)
        done.append(how)
    return content, ", ".join(done)


def _weight(place: tuple[Any, Any]) -> float:
    """Prefer the entries that a record has few of."""
    return 1.0 if isinstance(place[0], dict) else 0.15


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        yield data, key
        yield from _places(value)


def _edit(holder: Any, key: Any, rng: random.Random) -> str:
    what = rng.choice(("drop", "replace", "replace", "replace", "scale", "repeat", "rename"))
    value = holder[key]
    if what == "drop":
        del holder[key]
    elif what == "scale" and isinstance(value, (int, float)) and not isinstance(value, bool):
        holder[key] = value * rng.choice((-1, 10, 1e9)) + rng.choice((0, 1, 100))
    elif what == "repeat" and isinstance(value, list):
        value.extend(copy.deepcopy(value[: rng.randrange(3)]))
    elif what == "rename" and isinstance(holder, dict):
        holder[rng.choice(("extra", "", "²", "__class__", "schema"))] = holder.pop(key)
    else:
        what, holder[key] = "replace", copy.deepcopy(rng.choice(ODD))
        return f"{key} = {shortened(holder[key])}"
    return f"{what} {key}"


def _bytes(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Return bytes after one edit, and what it was."""
    at = rng.randrange(len(content) + 1)
    edits = {
        "cut short": lambda: content[:at],
        "emptied": lambda: b"",
        "a byte flipped": lambda: content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :],
        "a NUL": lambda: content[:at] + b"\x00" + content[at:],
        "a byte order mark": lambda: b"\xef\xbb\xbf" + content,
        "UTF-16": lambda: content.decode("utf-8", "replace").encode("utf-16"),
        "deep nesting": lambda: b"[" * 100_000 + content + b"]" * 100_000,
        "deep nesting inside": lambda: content.replace(b": ", b": " + b"[" * 5_000 + b"]" * 5_000 + b" or ", 1),
        "deep nesting as a value": lambda: content.replace(b"null", b'{"a":' * 900 + b"1" + b"}" * 900),
        "a huge number": lambda: content.replace(b"0.01", b"9" * 5000, 1).replace(b"0, ", b"9" * 5000 + b", ", 1),
        "an infinite number": lambda: content.replace(b"0.01", b"1e999", 1),
        "lines doubled": lambda: content + b"\n" + content,
        "blanks": lambda: b" " * 100_000 + content,
        "control characters": lambda: content.replace(b"the", b"\\u001b[31m\\u202e\\u009b"),
        "a surrogate": lambda: content.replace(b"the", b"\\ud800"),
        "a raw surrogate": lambda: content.replace(b"e", b"\xed\xa0\x80", 1),
    }
    what = rng.choice(list(edits))
    return edits[what](), what
