"""Views of pairs: nothing in a text can act, the drawing holds what the record holds, what did not converge cannot be missed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineal.errors import ResultError
from lineal.quadrature.contract import Stop
from lineal.records.pair import Matches, PairAttribution
from lineal.views import matches_page, pair_page, plot_alignment, plot_pair, render_matches, render_pair, save_plot
from lineal.views.pair.terminal import to_text
from lineal.views.parts.grid import MOST_WORDS, grid
from lineal.views.parts.tinted import tinted
from tests.records import pair_record

HOSTILE = "</script><img src=x onerror=alert(1)> & \x1b[31mred {{ 7*7 }} [bold]b[/bold]"


def matches() -> Matches:
    pairs = tuple(sorted((pair_record(b="the puppy gnaws wood"), pair_record(b=HOSTILE)), key=lambda pair: -pair.similarity))
    return Matches(query=pairs[0].a.text, pairs=pairs, order=(2, 0, 1), similarities=(pairs[0].similarity, pairs[1].similarity, 0.1))


def data(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("four", [False, True])
def test_the_page_holds_the_record_and_every_cell(four: bool) -> None:
    pair = pair_record(four=four)
    page = pair_page(pair)
    assert PairAttribution.from_dict(data(page)["record"]) == pair
    drawn = data(page)["grids"][0]
    assert np.asarray(drawn["values"]) == pytest.approx(pair.matrix[1:-1, 1:-1], rel=1e-3)
    cells = re.findall(r'<td class="u [np]"', page)
    assert len(cells) == 5 * 4 + (5 + 4 if four else 0)
    assert page.count("<path ") == len(grid(pair).links) > 3
    assert "stroke-dasharray" not in page, "its one negative cell is none of the strongest ten"
    assert pair_page(pair.model_copy(update={"matrix": -pair.matrix})).count("stroke-dasharray") == len(grid(pair).links) == 10
    assert "✓ accurate to" in page
    assert 'class="alarm"' not in page
    assert len(page.encode()) < 60_000


FOUR = ["word × word", "words of text 1 alone", "words of text 2 alone", "bias", "less the rounding left over", "similarity (cosine)"]
TWO = ["word × word", "shared with empty texts", "less the rounding left over", "similarity (cosine)"]


@pytest.mark.parametrize(("four", "names"), [(False, TWO), (True, FOUR)])
def test_the_parts_are_on_the_page_and_add_up(four: bool, names: list[str]) -> None:
    pair = pair_record(four=four)
    rows = re.findall(r'<th scope="row">([^<]+)</th><td>([+−]?[\d.]+)</td><td class="why">', pair_page(pair))
    values = [float(value.replace("−", "-")) for _, value in rows]
    assert [name for name, _ in rows] == names
    assert sum(values[:-1]) == pytest.approx(values[-1], abs=3e-4)


def test_only_four_parts_have_remainders_and_a_share() -> None:
    """Row and column strips, and the share of the similarity that the matrix carries, belong to the decomposition that has them."""
    for page in (pair_page(pair_record()), to_text(pair_record()), matches_page(matches())):
        view = re.sub(r"<script.*?</script>", "", page, flags=re.S)
        assert "alone" not in view
        assert "carries" not in view
        assert "own term" not in view
        assert "what both share with empty texts" in view or "shared with empty texts" in view
    page = re.sub(r"<script.*?</script>", "", pair_page(pair_record(four=True)), flags=re.S)
    assert "alone" in page
    assert "The matrix carries" in page
    assert "share with empty texts" not in page


@pytest.mark.parametrize("draw", [lambda: pair_page(pair_record(a=HOSTILE, b=HOSTILE)), lambda: matches_page(matches())])
def test_nothing_in_a_text_can_act(draw: Any) -> None:
    page = draw()
    assert "<img" not in page
    assert "\x1b" not in page
    assert "[bold]b[/bold]" in page
    assert page.count("</script>") == 2
    assert "default-src 'none'" in page


def test_what_did_not_converge_cannot_be_missed() -> None:
    pair = pair_record(stop=Stop.BUDGET)
    page = pair_page(pair)
    assert page.index('class="alarm"') < page.index("pairs of words together")
    assert "raise max_evaluations" in page
    text = to_text(pair)
    assert text.startswith("NOT CONVERGED")
    assert "not converged" in to_text(matches().model_copy(update={"pairs": (pair,)}))


def test_the_terminal_lists_the_strongest_pairs_and_the_parts() -> None:
    pair = pair_record()
    text = to_text(pair)
    strongest = pair.strongest(1)[0]
    lines = [line for line in text.splitlines() if line.split()[:2] == [strongest.left, strongest.right]]
    assert len(lines) == 1
    assert "+0.2000" in lines[0]
    for part in ("word × word", "shared with empty texts", "similarity (cosine)"):
        assert part in text
    assert "all pairs of words together" in text
    assert "bias" in to_text(pair_record(four=True))
    hostile = to_text(pair_record(a=HOSTILE))
    assert "\x1b" not in hostile
    assert "[bold]b[/bold]" in hostile


def test_matches_are_listed_in_their_order() -> None:
    found = matches()
    text = to_text(found)
    assert text.index("[3]") < text.index("[1]") < text.index("document 2")
    page = matches_page(found)
    assert page.index("document 3") < page.index("document 1<") < page.index("document 2")
    assert len(data(page)["grids"]) == 2
    assert render_matches(found) is not None
    assert render_pair(found.pairs[0]) is not None


@pytest.mark.parametrize("four", [False, True])
def test_a_tinted_document_is_the_document_and_its_scores_add_up(four: bool) -> None:
    pair = pair_record(b="  the puppy,  gnaws\nwood ", four=four)
    pieces = tinted(pair)
    assert "".join(piece.text for piece in pieces) == pair.b.text
    total = sum(piece.score for piece in pieces if piece.score is not None)
    assert total == pytest.approx(pair.matrix.sum() + pair.column_terms.sum())


@pytest.mark.parametrize("four", [False, True])
def test_long_texts_fold_their_quiet_words_and_lose_nothing(four: bool) -> None:
    long = " ".join(f"word{i}" for i in range(3 * MOST_WORDS))
    pair = pair_record(a=long, four=four)
    drawn = grid(pair)
    assert len(drawn.rows) == MOST_WORDS
    assert drawn.rows[-1] == f"{3 * MOST_WORDS - MOST_WORDS + 1} others"
    assert drawn.others == (True, False)
    assert drawn.values.sum() == pytest.approx(pair.matrix.sum())
    assert drawn.row_terms.sum() == pytest.approx(pair.row_terms.sum())
    assert all(link.i < MOST_WORDS - 1 for link in drawn.links)
    assert "others" in pair_page(pair)


def test_what_is_folded_does_not_set_the_scale() -> None:
    pair = pair_record(a=" ".join(f"word{i}" for i in range(3 * MOST_WORDS)))
    drawn = grid(pair)
    assert np.abs(drawn.values[-1]).max() > drawn.largest == np.abs(drawn.values[:-1]).max()
    assert drawn.links


def test_a_token_without_ink_is_named_by_its_code_point() -> None:
    assert "U+200D" in grid(pair_record(a="a \u200d b")).rows


def test_the_page_of_two_long_texts_stays_small() -> None:
    long = " ".join(f"word{i}" for i in range(300))
    page = pair_page(pair_record(a=long, b=long))
    assert len(page.encode()) < 400_000
    assert data(page)["record"] is None
    assert "--out FILE.json" in page


def test_figures_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = [plot_pair(pair_record(four=four)).axes[0].images[0].get_array().shape for four in (False, True)]
    assert drawn == [(5, 4), (6, 5)]
    for draw in (plot_pair, plot_alignment):
        svg = save_plot(draw(pair_record()), tmp_path / "f.svg").read_text(encoding="utf-8")
        assert "<svg" in svg
        assert save_plot(draw(pair_record(stop=Stop.BUDGET)), tmp_path / "f.png").stat().st_size > 5000
    assert len(plot_alignment(pair_record()).axes[0].patches) == len(grid(pair_record()).links)


def test_documents_that_are_not_explained_keep_their_text() -> None:
    ranked = matches()
    n = len(ranked.order)
    documents = tuple(f"document text number {i} <b>" for i in range(n + 1))
    similarities = (*ranked.similarities, min(ranked.similarities) - 0.1)
    found = ranked.model_copy(update={"order": (*ranked.order, n), "similarities": similarities, "documents": documents})
    assert f"document text number {n} &lt;b&gt;" in matches_page(found)
    assert f"document text number {n} <b>" in to_text(found)
    assert Matches.from_dict(found.to_dict()) == found
    assert f"[{n + 1}]" not in to_text(found.model_copy(update={"documents": ()}))
    with pytest.raises(ResultError, match="documents"):
        Matches.from_dict(found.to_dict() | {"documents": ["one"]})


def test_a_title_is_cut_between_words() -> None:
    title = re.findall("<title>(.*?)</title>", pair_page(pair_record(a="extraordinarily long words that go on and on " * 3)))[0]
    assert title.startswith("extraordinarily long words that go on and on … ↔ ")
