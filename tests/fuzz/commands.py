"""Command lines: for every command one that works, with up to three of its options set to something that people or nobody would type."""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import typer

from lineal.cli.main import app
from lineal.records.load import KINDS, load_result
from tests import tabled
from tests.fuzz import values
from tests.fuzz.cases import Case, Ran, Wrong, checked, dice, insist, shortened
from tests.fuzz.workspace import Workspace

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
"""Every command as click knows it, so that an option that is added is tried as well."""
ENCODINGS = ("utf-8", "utf-8", "utf-8", "latin-1", "ascii")
SMALL_DISK = 1500
"""Bytes after which a full disk is full."""
WEIGHTS = {  # without serve, which does not end
    "explain": 6,
    "generate": 3,
    "pair": 3,
    "match": 2,
    "interactions": 2,
    "compare": 2,
    "evaluate": 2,
    "summary": 0.5,
    "run": 1,
    "show": 2,
    "probe": 1,
    "liar": 1,
    "models": 0.2,
    "demo": 0.3,
}


def case(seed: int, number: int, workspace: Workspace) -> Case:
    """Return a case of the kind `command`."""
    name = f"command:{number}"
    rng = dice(seed, name)
    folder = workspace.root / "out" / f"{seed}-{number}"
    command = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    arguments = [command, *_usual(command, rng, workspace, folder)]
    for parameter in _some(COMMANDS[command].params, rng):
        arguments += _set(parameter, rng, workspace, folder)
    encoding, full = rng.choice(ENCODINGS), rng.random() < 0.06
    stdin = rng.choice((b"the film was good\n", b"", b"\xff\xfe\x00", b"the\x00film", "²".encode()))

    def run() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "folder.html").mkdir(exist_ok=True)
        try:
            with full_disk(SMALL_DISK) if full else nullcontext():
                ran = checked(arguments, folder, stdin=stdin, encoding=encoding)
            if ran.code == 0 and encoding == "utf-8":
                truthful(arguments, ran)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    how = "".join((f", stdout in {encoding}" if encoding != "utf-8" else "", ", on a full disk" if full else ""))
    return Case(name, f"lineal {' '.join(shortened(argument) for argument in arguments)}{how}", run)


def truthful(arguments: Sequence[str], ran: Ran) -> None:
    """Raise Wrong where a command that ended well did not do what it says."""
    if "--json" in arguments and ran.out.strip():
        lines = [ran.out] if ran.out.startswith("{\n") else ran.out.splitlines()
        for line in lines:
            if line.startswith("{"):
                insist(_record(json.loads(line)))
    if "--out" in arguments:
        where = arguments[len(arguments) - arguments[::-1].index("--out")]
        path = Path(where)
        if not path.exists():
            raise Wrong(f"it ended well and did not write {where!r}")
        if path.suffix == ".json":
            insist(load_result(path))


def _record(data: Any) -> Any:
    return KINDS[data.get("kind")].from_dict(data)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: what a full disk does, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def _usual(command: str, rng: random.Random, workspace: Workspace, folder: Path) -> list[str]:
    """Return arguments of a command that works; its texts may be odd."""
    text = values.sentence(rng)
    quick = rng.choice((["--rule", "gauss:4"], ["--rule", "gauss:4"], ["--max-evaluations", "64"], []))
    out = rng.choice(([], [], ["--out", where(rng, folder)]))

    def model(*kinds: str) -> str:
        return str(workspace.folder(rng.choice(kinds)))

    made: dict[str, Callable[[], list[str]]] = {
        "explain": lambda: [
            model("classifier", "encoder", "decoder", "tagger", "masked", "probe", "seq2seq"),
            text,
            *_fits(rng),
            *quick,
            *out,
        ],
        "generate": lambda: [model("decoder", "decoder", "seq2seq"), text, "--max-new-tokens", "2", *quick, *out],
        "pair": lambda: [model("encoder", "encoder", "classifier"), text, values.sentence(rng), *quick, *out],
        "match": lambda: [model("encoder"), text, "--documents", str(workspace.file("lines.txt")), *quick, *out],
        "interactions": lambda: [
            model("classifier", "encoder", "decoder"),
            rng.choice((text, "the film was good")),
            "--rule",
            "gauss:4",
            *out,
        ],
        "compare": lambda: [
            model("classifier", "decoder", "encoder"),
            text,
            "--methods",
            rng.choice(("ig,random", "ig,occlusion")),
            *quick,
        ],
        "evaluate": lambda: [
            *(model("classifier", "probe", "decoder"), str(workspace.file("lines.txt")), "--limit", "2", "--methods", "ig,random"),
            *("--out", str(folder / "evaluation")),
        ],
        "summary": lambda: [
            str(
                tabled.folder(
                    folder / "rows", [(["the", f"x{i}"], [1.0, i], {"party": "ab"[i % 2]}) for i in range(9)], {"party": "string"}
                )
            ),
            *out,
        ],
        "run": lambda: [
            *(model("classifier", "encoder", "decoder", "probe"), str(workspace.file("lines.txt")), "--out", str(folder / "run"), *quick),
        ],
        "show": lambda: [str(stored(workspace, folder, rng)), *out],
        "probe": lambda: [str(workspace.file("labelled.tsv")), "--encoder", model("encoder"), "--out", str(folder / "probe")],
        "liar": lambda: [str(workspace.file("liar")), "--model", model("decoder"), "--limit", "1", "--out", str(folder / "liar")],
        "models": list,
        "demo": lambda: ["--out", rng.choice((str(folder / "a.png"), str(folder / "no" / "a.html"), "", "\x00.html"))],
    }
    return made[command]()


def _fits(rng: random.Random) -> list[str]:
    return rng.choice(([], [], [], ["--json"], ["--trust"], ["--strict"]))


def _some(parameters: Sequence[Any], rng: random.Random) -> list[Any]:
    """Return up to three parameters; none of a command that would go to work on real models if it were given a place for its page."""
    return rng.sample(parameters, k=min(rng.choice((0, 1, 1, 2, 2, 3)), len(parameters))) if len(parameters) > 2 else []


def _set(parameter: Any, rng: random.Random, workspace: Workspace, folder: Path) -> list[str]:
    """Return what sets one parameter of a command to something."""
    if parameter.param_type_name == "argument":
        return [] if rng.random() < 0.8 else [_value(parameter, rng, workspace, folder)]
    spelling = rng.choice([*parameter.opts, *parameter.secondary_opts])
    if spelling in ("--help", "--show-completion", "--install-completion"):
        return []
    return [spelling] if parameter.is_flag else [spelling, _value(parameter, rng, workspace, folder)]


def _value(parameter: Any, rng: random.Random, workspace: Workspace, folder: Path) -> str:
    if parameter.name == "out":
        return where(rng, folder)
    files = {
        "messages": (
            "chat.json",
            "no-chat.json",
            "no-messages.json",
            "numbers.json",
            "no-content.json",
            "number-content.json",
            "parts.json",
            "odd-role.json",
            "empty-content.json",
            "surrogate.json",
            "huge.json",
        ),
        "file": ("lines.txt", "pairs.tsv"),
        "documents": ("lines.txt", "blank.txt"),
        "sentences": ("labelled.tsv", "one-label.tsv", "ragged.tsv"),
        "test": ("labelled.tsv", "one-label.tsv", "ragged.tsv"),
        "folder": ("liar", "liar-broken", "liar/test.tsv"),
        "result": ("chat.json", "no-chat.json"),
    }
    if parameter.name in files:
        return workspace.some(rng, *files[parameter.name])
    if parameter.name in ("model", "encoder"):
        kinds = [str(workspace.folder(kind)) for kind in ("classifier", "encoder", "decoder", "probe")]
        return rng.choice(
            [
                *kinds,
                str(workspace.root),
                "/dev/null",
                "nobody/nothing",
                "\x00",
                "\udcff",
                "x" * 300,
                "",
                "a/b/c",
                "~",
                "../..",
                "²",
                "\x1b[31m",
            ]
        )
    return values.spelled(rng, parameter.name)


def where(rng: random.Random, folder: Path) -> str:
    """Return where a result is to go: half of the time where it can."""
    ending = rng.choice((".html", ".json", ".html", ".json", ".jsonl", ".png", ".svg", ".pdf"))
    if rng.random() < 0.5:
        return str(folder / f"result{ending}")
    odd = (
        *("", ".", "/", "/dev/null", f"/proc/result{ending}", f"/sys/result{ending}", str(folder), str(folder / "folder.html")),
        *(str(folder / "no" / f"a{ending}"), str(folder / ("x" * 300 + ending)), f"{folder}/\x00{ending}", f"{folder}/\udcff{ending}"),
        *(
            f"{folder}/\x1b[31m{ending}",
            f"{folder}/a{ending.upper()}",
            f"{folder}/a",
            f"{folder}/a.xlsx",
            f"{folder}/folder.html/a{ending}",
        ),
    )
    return rng.choice(odd)


def stored(workspace: Workspace, folder: Path, rng: random.Random) -> Path:
    """Return a stored record; the same name always holds the same one."""
    name = rng.choice(sorted(workspace.records))
    path = workspace.root / "records" / f"{name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        workspace.records[name].save(path)
    return path
