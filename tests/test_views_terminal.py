"""The terminal: the same numbers as everywhere, no foreign escape sequence, and no doubt about what did not converge."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from lineal.views import badge, render, to_text
from lineal.views.attribution.reading import Ground
from lineal.views.parts.bars import bars
from lineal.views.parts.cells import short
from lineal.views.parts.numbers import fixed, places
from tests.records import sample_records

RECORDS = sample_records()


def drawn(name: str, ground: Ground = "dark") -> str:
    file = io.StringIO()
    Console(file=file, width=100, force_terminal=True, color_system="truecolor", legacy_windows=False).print(
        render(RECORDS[name], ground=ground)
    )
    return file.getvalue()


@pytest.mark.parametrize("name", RECORDS)
def test_the_verdict_comes_first_when_it_is_bad(name: str) -> None:
    shown = to_text(RECORDS[name], target=0)
    assert ("NOT CONVERGED" in shown.splitlines()[0]) == (not RECORDS[name].converged)
    assert (f"✓ {badge(RECORDS[name]).brief}" in shown) == RECORDS[name].converged


@pytest.mark.parametrize("name", RECORDS)
def test_no_line_is_too_wide(name: str) -> None:
    assert max(map(cell_len, to_text(RECORDS[name], width=80).splitlines())) <= 80


@pytest.mark.parametrize("name", RECORDS)
def test_no_number_is_cut_at_80_columns(name: str) -> None:
    shown = to_text(RECORDS[name], target=0, width=80)
    rows = [line for line in shown.splitlines() if "%" in line and "█" in line]
    assert not [row for row in rows if re.search(r"[+−][\d.]*…", row)]
    if RECORDS[name].mass[0] > 0:
        largest = max(abs(bar.value) for bar in bars(RECORDS[name]) if np.isfinite(bar.value))
        total = fixed(float(RECORDS[name].delta[0]), places(largest))
        assert re.search(rf"\s{re.escape(total)}$", shown, flags=re.MULTILINE)


def test_plain_text_carries_the_numbers() -> None:
    shown = to_text(RECORDS["converged"])
    assert "\x1b" not in shown
    assert "“tepid” takes 2.1 off the logit of POSITIVE" in shown
    assert "glorious[+1.4], but the script is tepid[−2.1]" in shown
    for fact in ("F(text) 0.316", "F(baseline) 1.25", "Σ scores −0.932", "residual +0.002", "gradients 33", "ended converged"):
        assert fact in " ".join(shown.split())
    assert re.search(r"tepid\s+█+\s+−2.100\s+38 %", shown)


def test_only_own_escape_sequences_reach_the_terminal() -> None:
    shown = drawn("hostile")
    bare = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert "\x1b" not in bare
    assert "␛[31mred␛[0m" in bare
    assert "[bold]markup[/bold]" in bare


def test_tints_follow_the_ground() -> None:
    dark, light = drawn("converged", "dark"), drawn("converged", "light")
    assert dark != light
    assert "48;2;113;177;255m" in light  # full blue under "tepid"
    assert "48;2;43;100;168m" in dark
    assert "48;2" not in drawn("converged", "none")


def test_all_targets_or_one() -> None:
    assert to_text(RECORDS["labels"]).count("Σ scores") == 3
    assert to_text(RECORDS["labels"], target=1).count("Σ scores") == 1
    assert "target NEGATIVE" in to_text(RECORDS["labels"], target=1)


def test_bars_whose_sign_the_error_leaves_open_say_so() -> None:
    assert to_text(RECORDS["not_converged"]).count("sign?") == 13
    assert "sign?" not in to_text(RECORDS["held"])


def test_spread_has_a_column() -> None:
    assert "± 0.35" in to_text(RECORDS["spread"])  # the two tokens of "tepid"
    assert "spread" not in to_text(RECORDS["converged"])


def test_truncation_and_notes_are_shown() -> None:
    shown = " ".join(to_text(RECORDS["truncated"]).split())
    assert "The model read only the first" in shown
    assert "The end of the text was cut off, as asked." in shown


@pytest.mark.parametrize("name", RECORDS)
def test_labels_and_numbers_stay_at_50_columns(name: str) -> None:
    shown = to_text(RECORDS[name], target=0, width=50)
    assert max(map(cell_len, shown.splitlines())) <= 50
    found = bars(RECORDS[name])
    decimals = places(max((abs(bar.value) for bar in found if np.isfinite(bar.value)), default=0.0))
    for bar in found:
        label = short(bar.label, 16)
        rows = [line.split() for line in shown.splitlines() if line.lstrip().startswith(label)]
        assert any(row[-1] == fixed(bar.value, decimals) for row in rows), bar.label
