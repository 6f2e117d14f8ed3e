"""Model folders as they come when a download broke, a disk was full, or somebody meant harm."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

import lineal
from tests import tiny_gguf, tiny_lm
from tests.fuzz.cases import Case, Wrong, checked, dice, insist, shortened
from tests.fuzz.edits import ODD, _bytes
from tests.fuzz.workspace import Workspace

Damage = Callable[[Path, random.Random], str | None]
"""Damages a folder and says what it did, None when the folder has nothing to damage."""
FATAL = frozenset(
    {
        "weights cut",
        "weights gone",
        "weights emptied",
        "a tensor gone",
        "a tensor of another shape",
        "tokenizer gone",
        "own encoder",
        "encoders in a circle",
    }
)
"""After these no answer is the model's: whoever explains it anyway says what is not so."""


def case(seed: int, number: int, workspace: Workspace) -> Case:
    """Return a case of the kind `folder`."""
    name = f"folder:{number}"
    rng = dice(seed, name)
    root = workspace.root / "out" / f"folder-{seed}-{number}"
    if find_spec("gguf") is not None and rng.random() < 0.12:
        return _gguf(name, rng, workspace, root)
    kind = rng.choice(("classifier", "classifier", "encoder", "encoder", "decoder", "seq2seq", "tagger", "masked", "probe", "probe"))
    damage = rng.choice(list(DAMAGES))
    turn = rng.random()
    through = rng.choice(("command", "load"))
    more = rng.choice(([], [], ["--device", "cuda"], ["--dtype", "bfloat16"], ["--load-in-4bit"], ["--device-map", "auto"]))

    def run() -> None:
        folder = root / "model"
        shutil.copytree(workspace.folder(kind), folder)
        try:
            done = DAMAGES[damage](folder, random.Random(turn))
            fatal = damage in FATAL and done is not None
            text = "the film was good"
            if through == "load":
                record = lineal.explain(lineal.load(folder, device="cpu"), text, rule="gauss:4")
                insist(record)
                refused = False
            else:
                refused = checked(["explain", str(folder), text, "--rule", "gauss:4", *more], root / "nothing").code == 2
            if fatal and not refused:
                raise Wrong(f"explained a {kind} with {damage} ({done})")
        finally:
            shutil.rmtree(root, ignore_errors=True)

    how = f"lineal explain {' '.join(more)}" if through == "command" else "explain(load(…))"
    return Case(name, f"{how} of a {kind} with {damage} (turn {turn:.6f})", run)


def _gguf(name: str, rng: random.Random, workspace: Workspace, root: Path) -> Case:
    turn = rng.random()

    def run() -> None:
        how = random.Random(turn)
        root.mkdir(parents=True)
        try:
            whole = workspace.root / "whole.gguf"
            if not whole.exists():
                tiny_gguf.write(tiny_lm.llama(limit=64), whole)
            content = bytearray(whole.read_bytes())
            for _ in range(how.choice((0, 1, 3))):
                content[how.randrange(min(len(content), 6000))] = how.randrange(256)
            cut = len(content) if how.random() < 0.4 else how.randrange(len(content))
            file = root / how.choice(("model.gguf", "model.gguf", "m\x1bodel.gguf"))
            file.write_bytes(content[:cut])
            checked(["explain", str(file), "The man works", "--rule", "gauss:4"], root)
        finally:
            shutil.rmtree(root, ignore_errors=True)

    return Case(name, f"lineal explain of a GGUF file, cut or with bytes flipped (turn {turn:.6f})", run)


def _weights(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("*.safetensors"))), None)


def _cut(folder: Path, rng: random.Random) -> str | None:
    if file := _weights(folder):
        size = file.stat().st_size
        os.truncate(file, rng.randrange(1, size))
        return f"of {size} bytes"
    return None


def _gone(folder: Path, rng: random.Random) -> str | None:
    if file := _weights(folder):
        file.unlink()
        return "no file"
    return None


def _emptied(folder: Path, rng: random.Random) -> str | None:
    if file := _weights(folder):
        file.write_bytes(b"")
        return "no bytes"
    return None


def _header(folder: Path, rng: random.Random) -> str | None:
    if file := _weights(folder):
        content = bytearray(file.read_bytes())
        content[rng.randrange(min(300, len(content)))] = rng.randrange(256)
        file.write_bytes(content)
        return "a byte of the header"
    return None


def _tensor(change: Callable[[dict[str, Any], str], None]) -> Damage:
    def damage(folder: Path, rng: random.Random) -> str | None:
        file = _weights(folder)
        if file is None:
            return None
        tensors = dict(load_file(file))
        name = rng.choice(sorted(name for name in tensors if "pooler" not in name and "position_ids" not in name))
        change(tensors, name)
        save_file(tensors, file, metadata={"format": "pt"})
        return name

    return damage


def _drop(tensors: dict[str, Any], name: str) -> None:
    del tensors[name]


def _reshape(tensors: dict[str, Any], name: str) -> None:
    tensors[name] = np.concatenate([tensors[name], tensors[name]])


def _nan(tensors: dict[str, Any], name: str) -> None:
    tensors[name] = np.full_like(tensors[name], np.nan)


def _json_file(folder: Path, rng: random.Random) -> Path | None:
    found = sorted(folder.rglob("*.json"))
    return rng.choice(found) if found else None


def _key(folder: Path, rng: random.Random) -> str | None:
    file = rng.choice([*sorted(folder.rglob("*config*.json")), *folder.glob("lineal_probe.json")])
    data = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or not data:
        return None
    key = rng.choice(sorted(data))
    if rng.random() < 0.4:
        del data[key]
        done = f"{file.name}: no {key}"
    else:
        data[key] = rng.choice([value for value in ODD if value != "\udcff"])
        done = f"{file.name}: {key} = {shortened(data[key])}"
    file.write_text(json.dumps(data), encoding="utf-8")
    return done


def _torn(folder: Path, rng: random.Random) -> str | None:
    if file := _json_file(folder, rng):
        content, how = _bytes(file.read_bytes(), rng)
        file.write_bytes(content)
        return f"{file.name}: {how}"
    return None


def _replaced(folder: Path, rng: random.Random) -> str | None:
    if file := _json_file(folder, rng):
        data = rng.choice([value for value in ODD if value != "\udcff"])
        file.write_text(json.dumps(data), encoding="utf-8")
        return f"{file.name} = {shortened(data)}"
    return None


def _removed(folder: Path, rng: random.Random) -> str | None:
    if file := _json_file(folder, rng):
        file.unlink()
        return f"no {file.name}"
    return None


def _directory(folder: Path, rng: random.Random) -> str | None:
    if file := _json_file(folder, rng):
        file.unlink()
        file.mkdir()
        return f"{file.name} is a folder"
    return None


def _loop(folder: Path, rng: random.Random) -> str | None:
    if file := _json_file(folder, rng):
        file.unlink()
        file.symlink_to(file.name)
        return f"{file.name} is a link to itself"
    return None


def _no_tokenizer(folder: Path, rng: random.Random) -> str | None:
    gone = [path for path in folder.iterdir() if path.name.startswith(("tokenizer", "vocab", "special_tokens", "chat_template"))]
    for path in gone:
        path.unlink()
    return f"no {', '.join(path.name for path in gone)}" if gone else None


def _own_encoder(folder: Path, rng: random.Random) -> str | None:
    config = folder / "lineal_probe.json"
    if not config.exists():
        return None
    data = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps(data | {"encoder": str(folder)}), encoding="utf-8")
    return "itself"


def _circle(folder: Path, rng: random.Random) -> str | None:
    if _own_encoder(folder, rng) is None:
        return None
    other = folder.with_name("other")
    shutil.copytree(folder, other)
    config = folder / "lineal_probe.json"
    config.write_text(json.dumps(json.loads(config.read_text(encoding="utf-8")) | {"encoder": str(other)}), encoding="utf-8")
    return "each other"


def _other_encoder(folder: Path, rng: random.Random) -> str | None:
    config = folder / "lineal_probe.json"
    if not config.exists():
        return None
    others = [str(folder.parents[2] / "models" / kind) for kind in ("classifier", "decoder", "probe")]
    name = rng.choice([*others, "", ".", "/", "sentiment", "nobody/nothing", "\x00", "²", "x" * 300])
    config.write_text(json.dumps(json.loads(config.read_text(encoding="utf-8")) | {"encoder": name}), encoding="utf-8")
    return shortened(name)


DAMAGES: dict[str, Damage] = {
    "nothing changed": lambda folder, rng: None,
    "weights cut": _cut,
    "weights gone": _gone,
    "weights emptied": _emptied,
    "a bad header": _header,
    "a tensor gone": _tensor(_drop),
    "a tensor of another shape": _tensor(_reshape),
    "NaN weights": _tensor(_nan),
    "a key edited": _key,
    "another key edited": _key,
    "one more key edited": _key,
    "a torn file": _torn,
    "a replaced file": _replaced,
    "a removed file": _removed,
    "a folder in place of a file": _directory,
    "a link to itself": _loop,
    "tokenizer gone": _no_tokenizer,
    "own encoder": _own_encoder,
    "encoders in a circle": _circle,
    "another encoder": _other_encoder,
}
