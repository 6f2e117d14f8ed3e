"""Figures: bars of the right length and sign with the stated error, an honest title, files that repeat."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineal.errors import MissingExtraError
from lineal.views import plot_bars, plot_heat, save_plot
from lineal.views.parts.bars import bars
from tests.records import sample_records

RECORDS = sample_records()


def test_bars_are_the_values() -> None:
    record = RECORDS["converged"]
    axes: Any = plot_bars(record).axes[0]
    widths = [patch.get_width() for patch in axes.patches]
    np.testing.assert_allclose(widths, [bar.value for bar in bars(record)])
    assert sum(widths) == pytest.approx(record.delta[0])
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["tepid", "glorious"]
    assert axes.get_xlabel() == "logit"


def test_whiskers_are_the_stated_error() -> None:
    axes: Any = plot_bars(RECORDS["converged"]).axes[0]
    first = axes.containers[1].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(first[:, 0], [-2.1 - RECORDS["converged"].error[0], -2.1 + RECORDS["converged"].error[0]])


def test_text_order() -> None:
    axes: Any = plot_bars(RECORDS["converged"], order="text").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()][:3] == ["The", "acting", "is (1 of 3)"]


@pytest.mark.parametrize("name", ["not_converged", "not_finite", "unbounded"])
def test_a_bad_verdict_is_the_title(name: str) -> None:
    assert plot_bars(RECORDS[name]).axes[0].get_title(loc="left").startswith("NOT CONVERGED")
    assert "NOT CONVERGED" not in plot_bars(RECORDS["zeros"]).axes[0].get_title(loc="left")


def test_heat_map_is_the_matrix() -> None:
    record = RECORDS["labels"]
    axes = plot_heat(record).axes[0]
    image = axes.images[0]
    assert np.asarray(image.get_array()).sum(axis=1) == pytest.approx(record.scores.sum(axis=1))
    largest = np.abs(record.words().scores).max()
    assert image.get_clim() == pytest.approx((-largest, largest))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["POSITIVE", "NEGATIVE", "NEUTRAL"]


def test_long_texts_keep_the_loudest_columns_and_the_sum() -> None:
    record = RECORDS["long"].model_copy(update={"targets": ("A",)})
    image = plot_heat(record).axes[0].images[0]
    assert np.asarray(image.get_array()).shape == (1, 61)
    assert np.asarray(image.get_array()).sum() == pytest.approx(record.scores.sum())


def test_files_repeat_and_hold_hostile_text_as_text(tmp_path: Path) -> None:
    first, second = (save_plot(plot_bars(RECORDS["hostile"]), tmp_path / f"{i}.svg") for i in range(2))
    assert first.read_bytes() == second.read_bytes()
    assert "<img" not in first.read_text(encoding="utf-8")
    picture = save_plot(plot_bars(RECORDS["three"]), tmp_path / "a.png", dpi=50)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_dollars_are_no_formulas(tmp_path: Path) -> None:
    record = RECORDS["three"].model_copy(update={"targets": (r"$\frac{",), "units": ("$x_",)})
    assert re.search("<svg", save_plot(plot_bars(record), tmp_path / "a.svg").read_text(encoding="utf-8"))


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (plot_bars, plot_heat):
        with pytest.raises(MissingExtraError, match=r"lineal\[plot\]"):
            draw(RECORDS["labels"])
