"""The neighbour search on tables of its own: ties, and what it holds in memory beside the table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lineal.methods.dig import neighbours

ROOT = Path(__file__).parents[1]


def words(rows: torch.Tensor) -> Any:
    """Return what the search needs of a model."""
    embed = torch.nn.Embedding.from_pretrained(rows)
    return SimpleNamespace(vocabulary=len(rows), device=rows.device, module=embed, embed=embed)


def test_many_equal_rows_come_in_the_order_of_their_ids_whoever_asks() -> None:
    """More equal rows than are looked at exactly at first: rounding in the matrix product must not choose among them."""
    rows = torch.randn(400, 7, generator=torch.Generator().manual_seed(0))
    copies = np.arange(150, 150 + 3 * neighbours.SPARE)
    rows[copies] = rows[9] + 1e-3 * rows[8]
    model = words(rows)
    together = neighbours.nearest(model, np.arange(400), 5)
    assert together[9].tolist() == copies[:5].tolist()
    np.testing.assert_array_equal(np.concatenate([neighbours.nearest(model, np.array([i]), 5) for i in range(400)]), together)


def test_a_first_look_that_is_too_narrow_is_widened() -> None:
    """With equal rows only, k + spare of them are chosen by nothing; the answer is the first k ids all the same."""
    model = words(torch.ones(300, 4))
    assert neighbours.nearest(model, np.array([7]), 3)[0].tolist() == [0, 1, 2]


def test_rows_are_found_by_all_their_dimensions() -> None:
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    rows[7, 0] = rows[5, 0]  # equal in the first dimension only
    rows[30] = rows[12]
    asked = torch.stack([rows[7], rows[30], rows[5], rows[5] + 1e-3])
    assert neighbours.rows_of(words(rows), asked).tolist() == [7, 12, 5, -1]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of memory are read from /proc")
@pytest.mark.slow
def test_the_table_is_never_copied_nor_cast() -> None:
    """A table of 51 MB in bfloat16: a copy would take as much again, and float32 twice that; blocks need less than half of it."""
    script = [
        ROOT / "benchmarks" / "neighbour_memory.py",
        "--words",
        "400000",
        "--width",
        "64",
        "--k",
        "50",
        "--asked",
        "64",
        "--steps",
        "3",
    ]
    done = subprocess.run([sys.executable, *map(str, script)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["table"] == 400_000 * 64 * 2
    assert found["neighbours"]["peak"] < found["table"] / 2
    assert found["anchors"]["peak"] < found["table"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LINEAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def drawn(size: int = 300, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, 6, generator=torch.Generator().manual_seed(seed))


def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the words that are looked for, not remembered."""
    looked: list[int] = []
    search = neighbours.nearest
    monkeypatch.setattr(neighbours, "nearest", lambda model, words, k: looked.extend(words.tolist()) or search(model, words, k))
    return looked


@pytest.mark.parametrize("harm", ["zeros", "bits", "cut", "other table", "empty", "folder"])
def test_a_damaged_cache_changes_no_answer_and_heals(harm: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, wanted = words(drawn()), np.arange(300)
    truth = neighbours.nearest(model, wanted, 5)
    looked = searches(monkeypatch)
    neighbours.Neighbours(model, 5).index()
    assert len(looked) == 300
    (file,) = (cache / "neighbours").iterdir()
    whole, row = file.read_bytes(), file.stat().st_size // 300
    if harm == "folder":
        file.unlink()
        file.mkdir()
    else:
        swapped = whole[: 9 * row] + whole[10 * row : 11 * row] + whole[9 * row : 10 * row] + whole[11 * row :]
        bits = bytes(byte ^ 1 if i == 7 * row + 3 else byte for i, byte in enumerate(whole))
        harmed = {"zeros": whole[:4000] + bytes(2000) + whole[6000:], "bits": bits, "cut": whole[: len(whole) // 2 + 1]}
        file.write_bytes({**harmed, "other table": swapped, "empty": b""}[harm])
    for again in range(2):
        looked.clear()
        neighbours._stores.clear()
        np.testing.assert_array_equal(neighbours.Neighbours(model, 5).of(wanted), truth)
        assert bool(looked) == (again == 0 or harm == "folder")
        assert len(looked) < 300 or harm in ("empty", "folder")
    assert harm == "folder" or file.read_bytes() == whole


RACE = """
import sys, numpy as np, torch
from types import SimpleNamespace
from lineal.methods.dig import neighbours
embed = torch.nn.Embedding.from_pretrained(torch.randn(3000, 6, generator=torch.Generator().manual_seed(0)))
model = SimpleNamespace(vocabulary=3000, device=embed.weight.device, module=embed, embed=embed)
order = np.arange(3000)[:: int(sys.argv[1])].copy()
known, truth = neighbours.Neighbours(model, 5), neighbours.nearest(model, order, 5)
print("ready", flush=True)
sys.stdin.readline()
for first in range(0, 3000, 50):
    part = slice(first, first + 50)
    assert (known.of(order[part]) == truth[part]).all()
"""


def run(script: str, *arguments: str) -> subprocess.Popen[str]:
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script, *arguments], **pipes)


@pytest.mark.slow
def test_two_processes_on_one_cache_both_find_the_truth(cache: Path) -> None:
    racing = [run(RACE, step) for step in ("1", "-1")]
    for process in racing:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    for process in racing:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in racing:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said


FULL = """
import numpy as np, torch
from types import SimpleNamespace
from lineal.methods.dig import neighbours
embed = torch.nn.Embedding.from_pretrained(torch.randn(3000, 6, generator=torch.Generator().manual_seed(0)))
model = SimpleNamespace(vocabulary=3000, device=embed.weight.device, module=embed, embed=embed)
for _ in range(2):
    assert (neighbours.Neighbours(model, 50).of(np.arange(3000)) == neighbours.nearest(model, np.arange(3000), 50)).all()
"""


@pytest.mark.slow
def test_a_full_disk_is_survived(cache: Path) -> None:
    cache.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", cache], capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        process = run(FULL)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    finally:
        subprocess.run(["umount", cache], check=True)


def test_a_folder_that_cannot_be_written_means_memory(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_text("a file in the place of the folder", encoding="utf-8")
    model, looked = words(drawn()), searches(monkeypatch)
    known = neighbours.Neighbours(model, 5)
    first = known.of([1, 2, 3, 2])
    np.testing.assert_array_equal(first, known.of([1, 2, 3, 2]))
    assert looked == [1, 2, 3]
