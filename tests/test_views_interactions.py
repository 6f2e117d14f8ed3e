"""Views of interactions: every cell is drawn, what is said adds up, nothing in a text can act, long texts stay small."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lineal
from lineal import Interactions
from lineal.errors import ResultError
from lineal.quadrature.contract import Stop
from lineal.views import interactions_page, plot_interactions, render_interactions, save_plot
from lineal.views.interactions.words import pairs, rows
from lineal.views.media.terminal import plain
from lineal.views.parts.grid import MOST_WORDS, grid
from lineal.views.parts.tinted import tinted_texts
from tests.records import HOSTILE, pieces_record

TEXT = "The acting is extraordinarily glorious but not good"


def record(text: str = TEXT, stop: Stop = Stop.CONVERGED, seed: int = 0) -> Interactions:
    """A made-up symmetric matrix whose rows are the scores."""
    made = pieces_record(text, seed=seed)
    t = len(made.tokens)
    half = np.random.default_rng(seed).normal(size=(t, t)) * 0.1
    moving = np.array([role == "content" for role in made.roles])
    matrix = (half + half.T) * moving[:, None] * moving
    own = made.model_copy(update={"scores": matrix.sum(axis=1)[None], "f_input": made.f_baseline + matrix.sum() - 0.01})
    return Interactions(attribution=own, matrix=matrix, error=0.02, stop=stop)


def data(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


def printed(one: Interactions) -> str:
    return plain(render_interactions(one), 140)


def test_a_record_is_saved_and_read_back(tmp_path: Path) -> None:
    found = record()
    again = lineal.load_result(found.save(tmp_path / "i.json"))
    assert isinstance(again, Interactions)
    assert again == found
    with pytest.raises(ResultError, match="matrix has shape"):
        Interactions.from_dict(found.to_dict() | {"matrix": [[0.0]]})
    with pytest.raises(ResultError, match="kind"):
        Interactions.from_dict(found.attribution.to_dict())


def test_words_keep_the_sum_and_the_rows() -> None:
    found = record()
    words = found.words()
    assert len(words.matrix) < len(found.matrix)
    assert words.matrix.sum() == pytest.approx(found.matrix.sum())
    np.testing.assert_allclose(words.matrix.sum(axis=1), words.attribution.scores[0])
    np.testing.assert_allclose(words.matrix, words.matrix.T)
    assert words.alone + words.together == pytest.approx(found.matrix.sum())
    assert words.words() is words


def test_the_parts_add_up_to_the_answer() -> None:
    found = record()
    values = {name: value for name, value, _ in rows(found)}
    assert sum(values.values()) == pytest.approx(found.attribution.f_input[0])
    assert values["less the rounding left over"] == pytest.approx(-0.01)


def test_pairs_are_both_cells_strongest_first() -> None:
    words = record().words()
    first = pairs(record())[0]
    i, j = (list(words.attribution.tokens).index(name) for name in (first.left, first.right))
    assert first.score == pytest.approx(2 * words.matrix[i, j])
    assert first.share == 1.0
    beside = words.matrix * ~np.eye(len(words.matrix), dtype=bool)
    assert abs(first.score) == pytest.approx(2 * np.abs(beside).max())


def test_the_grid_is_scaled_beside_its_diagonal_and_the_page_holds_every_cell() -> None:
    found = record()
    matrix = found.matrix + np.diag(np.where(found.matrix.any(axis=1), 9.0, 0.0))
    total = found.attribution.f_input + matrix.sum() - found.matrix.sum()
    scores = {"attribution": found.attribution.model_copy(update={"scores": matrix.sum(axis=1)[None], "f_input": total})}
    found = found.model_copy(update={"matrix": matrix} | scores)
    drawn = grid(found)
    assert drawn.largest < 2
    page = interactions_page(found)
    n = len(drawn.rows)
    assert len(re.findall(r'<td class="u [np]"', page)) == n * n + n
    assert np.asarray(data(page)["grids"][0]["values"]) == pytest.approx(drawn.values, rel=1e-3)
    assert Interactions.from_dict(data(page)["record"]) == found
    assert 'role="grid"' in page


def test_long_texts_fold_their_quiet_words_and_the_page_stays_small() -> None:
    found = record(" ".join(f"word{i}" for i in range(300)))
    drawn = grid(found)
    assert len(drawn.rows) == MOST_WORDS
    assert drawn.values.sum() == pytest.approx(found.matrix.sum())
    page = interactions_page(found)
    assert len(page.encode()) < 400_000
    assert data(page)["record"] is None
    assert "--out FILE.json" in page


@pytest.mark.parametrize("text", [HOSTILE, "כל הסרט היה נפלא ולא רע", "What a party 🎉🎉 café!", "good"])
def test_texts_come_back_whole_and_cannot_act(text: str) -> None:
    found = record(text)
    assert "".join(piece.text for piece in tinted_texts(found)[0]) == text
    page = interactions_page(found)
    assert "<img" not in page
    assert page.count("</script>") == 2
    assert "\x1b" not in page
    assert "\x1b" not in printed(found)


def test_what_did_not_converge_cannot_be_missed() -> None:
    found = record(stop=Stop.BUDGET)
    page = interactions_page(found)
    assert page.index('class="alarm"') < page.index('class="sentence"')
    assert printed(found).startswith("STOPPED") or "NOT CONVERGED" in printed(found).upper()


def test_the_terminal_lists_pairs_and_parts() -> None:
    found = record()
    text = printed(found)
    first = pairs(found)[0]
    assert any(line.split()[:2] == [first.left, first.right] for line in text.splitlines())
    for wanted in ("words by themselves", "pairs of words", "baseline", "the model's answer"):
        assert wanted in text


def test_the_figure_is_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert "<svg" in save_plot(plot_interactions(record()), tmp_path / "f.svg").read_text(encoding="utf-8")
    assert save_plot(plot_interactions(record(stop=Stop.BUDGET)), tmp_path / "f.png").stat().st_size > 5000
