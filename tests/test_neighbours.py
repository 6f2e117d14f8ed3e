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

from lineal import neighbours

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
