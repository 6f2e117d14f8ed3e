"""Two texts and one row of scores: parts and bars add up, both texts come back unharmed, what did not converge cannot be missed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineal.quadrature.contract import Stop
from lineal.records.attribution import Attribution
from lineal.views import has_sides, plot_sides, render_sides, save_plot, sides_page
from lineal.views.media.terminal import plain
from lineal.views.parts.cells import by_text, cells, levels
from lineal.views.sides.words import PER_SIDE, parts, sentence, sides
from tests.records import HOSTILE, make_record, sample_records


def record(kind: str = "classifier", **changes: Any) -> Attribution:
    """Two texts in front of a model that reads pairs."""
    pair = sample_records()["two_texts"]
    return pair.model_copy(update={"model": pair.model.model_copy(update={"kind": kind}), **changes})


def hostile() -> Attribution:
    """Two texts, one word each, that try to act."""
    half = len(HOSTILE)
    made = make_record([HOSTILE, HOSTILE], ["a", "b"], [(0, half), (0, half)], [[0.5, -0.4]], segments=[0, 1], words=[0, 1])
    return made.model_copy(update={"model": made.model.model_copy(update={"kind": "classifier"})})


def printed(one: Attribution) -> str:
    return plain(render_sides(one, ground="none"), 140)


def test_only_two_moving_texts_of_a_model_that_reads_pairs_have_sides() -> None:
    assert has_sides(record())
    assert has_sides(record("pair encoder"))
    assert not has_sides(record("causal"))
    assert not has_sides(sample_records()["converged"])
    held = record()
    roles = tuple("held" if segment == 1 else role for segment, role in zip(held.segments, held.roles, strict=True))
    assert not has_sides(held.model_copy(update={"roles": roles}))


@pytest.mark.parametrize("by", ["token", "word", "sentence"])
def test_bars_sum_to_what_each_text_adds_and_parts_to_the_answer(by: Any) -> None:
    pair = record()
    for number, side in enumerate(sides(pair, 0, by)):
        own = [i for i, segment in enumerate(pair.segments) if segment == number]
        assert side.total == pytest.approx(pair.scores[0, own].sum())
        assert sum(bar.value for bar in side.bars) == pytest.approx(side.total)
        assert len(side.bars) <= PER_SIDE + 1
    values = {name: value for name, value, _ in parts(pair)}
    assert sum(values.values()) == pytest.approx(pair.f_input[0])
    assert values["less the rounding left over"] == pytest.approx(-pair.residual[0])


def test_special_tokens_that_move_have_a_part_of_their_own() -> None:
    scores = record().scores.copy()
    scores[0, 0] = 0.5
    found = record(scores=scores)
    values = {name: value for name, value, _ in parts(found)}
    assert values["special and fixed tokens"] == 0.5
    assert sum(values.values()) == pytest.approx(found.f_input[0])


def test_words_are_numbered_within_their_own_text() -> None:
    names = [bar.label for side in sides(record()) for bar in side.bars]
    assert "password" in names
    assert not any("(1 of 2)" in name for name in names)


def test_the_page_holds_the_record_both_texts_and_why_there_is_no_matrix() -> None:
    pair = record()
    page = sides_page(pair)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    assert Attribution.from_dict(json.loads(found[1])["records"][0]) == pair
    assert page.count('<div class="text"') == 2 * len(levels(pair))
    assert "There is no word × word matrix: this model reads both texts at once" in page
    assert "both texts move on one path" in sides_page(record("pair encoder"))
    assert len(page.encode()) < 60_000
    for _, value, _ in parts(pair):
        assert f"<td>{value:+.4f}</td>".replace("-", "−") in page


def test_nothing_in_a_text_can_act() -> None:
    page = sides_page(hostile())
    assert "<img" not in page
    assert "\x1b" not in page
    assert page.count("</script>") == 2
    assert "\x1b" not in printed(hostile())


def test_what_did_not_converge_cannot_be_missed() -> None:
    pair = record(stops=(Stop.BUDGET,))
    page = sides_page(pair)
    assert page.index('class="alarm"') < page.index('class="sentence"')
    assert sentence(pair)[0].kind == "warning"
    assert printed(pair).index("⚠") < printed(pair).index("relevance is")


def test_the_terminal_shows_texts_sums_and_parts() -> None:
    text = printed(record())
    for wanted in ("Text 1", "Text 2", "in sum", "words of text 1", "the model's answer", "no word × word matrix"):
        assert wanted in text


def test_the_figure_has_both_texts_on_one_axis(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pair = record()
    figure = plot_sides(pair)
    first, second = figure.axes
    assert first.get_xlim() == second.get_xlim()
    for axes, side in zip((first, second), sides(pair), strict=True):
        np.testing.assert_allclose([patch.get_width() for patch in axes.patches], [bar.value for bar in side.bars])
    assert save_plot(figure, tmp_path / "f.png").stat().st_size > 5000
    assert "NOT CONVERGED" in plot_sides(record(stops=(Stop.BUDGET,))).get_suptitle()


def test_what_stands_between_two_texts_ends_one_and_begins_the_other() -> None:
    places = [(0, 0), (0, 1), (0, 0), (0, 0), (0, 1), (0, 0)]
    segments = [-1, 0, -1, -1, 1, -1]
    roles = ["special", "content", "special"] * 2
    made = make_record(
        ["a", "b"], ["[CLS]", "a", "[SEP]", "[CLS]", "b", "[SEP]"], places, [[0, 1, 0, 0, 2, 0]], segments=segments, roles=roles
    )
    names = [[cell.label for cell in text] for text in by_text(made, cells(made, "token"))]
    assert names == [["[CLS]", "a", "[SEP]"], ["[CLS]", "b", "[SEP]"]]
