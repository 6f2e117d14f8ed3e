"""The options of a choice in every view: all numbers at both ends, the explained and the right one named, hostile names harmless."""

from __future__ import annotations

import numpy as np
import pytest

from lineal.errors import ResultError
from lineal.records.attribution import Attribution, Choices
from lineal.views import page, repr_html, to_markdown, to_text
from lineal.views.parts.choices import GROUPS, MEAN, menu
from tests.records import HOSTILE, pieces_record
from tests.test_views_html import Node

NAMES = ("yes", "a rather long answer that goes on and on, to the end of the line and past it", "لا 🎉", HOSTILE)
LOGS = np.log([[0.2, 0.1, 1e-9, 0.1], [0.05, 0.05, 1e-12, 0.2], [0.01, 0.3, 1e-12, 0.1]])


def record(rows: bool = False, **changes: object) -> Attribution:
    found = Choices(**{"names": NAMES, "log_probs": LOGS, "picked": 0, "gold": 1, **changes})  # type: ignore[arg-type]
    k = 1 + len(NAMES) if rows else 1
    units = ("log_odds", *("log_prob",) * (k - 1))
    made = pieces_record("Is the river wide? Answer:", seed=3, k=k, framed=False, targets=("yes over the rest", *NAMES)[:k], units=units)
    return made.model_copy(update={"choices": found})


def test_probabilities_add_up_and_odds_are_against_the_rest() -> None:
    found = record().choices
    assert found is not None
    np.testing.assert_allclose(found.share.sum(axis=1), 1.0)
    np.testing.assert_allclose(found.prob[1], np.exp(LOGS[1:]).mean(axis=0))
    p = np.exp(LOGS[0])
    np.testing.assert_allclose(found.log_odds[0], np.log(p / (p.sum() - p)))
    np.testing.assert_allclose(found.log_prob[1], LOGS[1:].mean(axis=0))


def test_every_option_is_a_row_with_its_marks_and_eight_numbers() -> None:
    rows = menu(record())
    assert [row.marks for row in rows] == ["explained", "right", "", ""]
    assert [row.target for row in rows] == [0, None, None, None]
    assert [row.target for row in menu(record(rows=True))] == [1, 2, 3, 4]
    assert all(len(row.numbers) == len(GROUPS) for row in rows)
    assert rows[0].numbers == (("50 %", "9.6 %"), ("20 %", "3 %"), ("−1.61", "−3.80"), ("0.00", "−2.65"))
    assert rows[2].numbers[1] == ("1.0e−09", "1.0e−12")
    assert menu(pieces_record("no choice here", seed=1)) == ()


@pytest.mark.parametrize("rows", [False, True])
def test_the_page_shows_them_and_leads_to_their_rows_of_scores(rows: bool) -> None:
    source = page(record(rows))
    node = Node(source)
    table, folded = node.texts("table", "menu")
    for row in menu(record(rows)):
        assert row.name in table
        assert row.name in folded
        assert all(number in table for number in row.numbers[0]), "one number, at both ends, is in view"
        assert all(number in folded for pair in row.numbers for number in pair)
        assert rows or row.numbers[2][0] not in table
    assert "explained" in table
    assert "right" in table
    leading = [attrs["data-c"] for tag, attrs, _, around in node.all if tag == "tr" and "menu" in around and "data-c" in attrs]
    assert leading == (["1", "2", "3", "4"] if rows else [])
    assert HOSTILE not in source
    assert '<table class="menu"' in repr_html(record(rows))
    assert '<table class="menu"' not in page(pieces_record("no choice here", seed=1))


def test_text_and_markdown_show_them() -> None:
    drawn, written = to_text(record(), width=160), to_markdown(record())
    for row in menu(record()):
        assert row.numbers[2][0] in drawn
        assert row.numbers[2][1] in written
    assert "yes explained" in drawn
    assert "| yes (explained) | 50 % |" in written
    assert "\x1b" not in drawn + written
    assert "option" not in to_text(pieces_record("no choice here", seed=1))


def test_means_over_tokens_are_said_to_be_means() -> None:
    for view in (page, to_text, to_markdown):
        assert MEAN in " ".join(view(record(mean=True)).replace("&#39;", "'").split())
        assert MEAN not in view(record())


def test_a_record_keeps_them_and_broken_ones_are_refused() -> None:
    whole = record()
    assert Attribution.from_dict(whole.to_dict()) == whole
    for broken in ({"picked": 4}, {"gold": -1}, {"log_probs": LOGS[:1].tolist()}, {"names": ["a", "b"]}):
        data = whole.to_dict()
        data["choices"] |= broken
        with pytest.raises(ResultError, match="choices"):
            Attribution.from_dict(data)
