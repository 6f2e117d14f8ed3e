"""What is said in words: cells cover every token once, bars add up, the sentence and the badge repeat the record's numbers."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from lineal.quadrature.contract import Stop
from lineal.records.attribution import Attribution
from lineal.views import badge, page, sentence, spoken
from lineal.views.parts import words as summary
from lineal.views.parts.bars import bars
from lineal.views.parts.cells import By, cells, levels, short, visible
from lineal.views.parts.flow import flow
from lineal.views.parts.numbers import fixed, number, percent, places, share, signed
from lineal.views.parts.palette import oklch, scale, strength, tint
from tests.records import make_record, sample_records

RECORDS = sample_records()
LEVELS: tuple[By, ...] = ("word", "token", "sentence")


def test_views_open_without_torch() -> None:
    heavy = "'torch', 'transformers', 'matplotlib', 'pandas'"
    code = f"import sys, lineal.views, lineal.records.attribution; print([name for name in ({heavy}) if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("by", LEVELS)
@pytest.mark.parametrize("name", RECORDS)
def test_cells_cover_each_token_once_and_keep_the_sum(name: str, by: By) -> None:
    record = RECORDS[name]
    found = cells(record, by)
    assert [i for cell in found for i in cell.tokens] == list(range(len(record.tokens)))
    np.testing.assert_allclose(sum(cell.values for cell in found), record.scores.sum(axis=1), atol=1e-9)


@pytest.mark.parametrize("by", LEVELS)
@pytest.mark.parametrize("name", RECORDS)
def test_the_flow_is_the_text(name: str, by: By) -> None:
    record = RECORDS[name]
    for text, drawn in zip(record.texts, flow(record, by, lambda cell: bool(abs(cell.values[0]) < 0.1)), strict=True):
        assert "".join(part.text for passage in drawn.passages for part in passage.parts) + drawn.unread == text


@pytest.mark.parametrize("by", LEVELS)
@pytest.mark.parametrize("name", [name for name in RECORDS if name != "not_finite"])
def test_bars_add_up_to_the_difference(name: str, by: By) -> None:
    record = RECORDS[name]
    for c in range(len(record.targets)):
        found = bars(record, c, by, top=5)
        assert sum(bar.value for bar in found) == pytest.approx(record.delta[c], abs=1e-9)
        strengths = [abs(bar.value) for bar in found if bar.kind == "cell"]
        assert strengths == sorted(strengths, reverse=True)
        assert found[-1].kind == "residual"
        assert found[-1].value == -record.residual[c]


def test_special_and_held_have_bars_of_their_own() -> None:
    assert [bar.kind for bar in bars(RECORDS["converged"], top=2)] == ["cell", "cell", "rest", "special", "residual"]
    assert [bar.kind for bar in bars(RECORDS["held"], top=2)] == ["cell", "cell", "rest", "held", "residual"]
    assert bars(RECORDS["converged"], top=2)[2].label == "everything else (19 words)"


def test_the_sentence_names_words_numbers_and_unit() -> None:
    said = spoken(sentence(RECORDS["converged"]))
    assert said == ("“tepid” takes 2.1 off the logit of POSITIVE, “glorious” adds 1.4; all words together −0.93.")
    assert [piece.kind for piece in sentence(RECORDS["converged"]) if piece.kind != "plain"] == ["name", "down", "name", "up", "down"]
    assert "all tokens together" in spoken(sentence(RECORDS["converged"], by="token"))
    assert spoken(sentence(RECORDS["zeros"])) == "No word moves the logit of POSITIVE: every score is 0."
    assert "off the log-odds of A over B" in spoken(sentence(RECORDS["cancelling"]))


def test_a_unit_that_is_no_part_of_a_label_stands_in_brackets() -> None:
    record = make_record(["a b"], ["a", "b"], [(0, 1), (2, 3)], [[1.0, 0.5]], targets=("length",), units=("words",))
    assert "“a” adds 1 to length (words), “b” adds 0.5;" in spoken(sentence(record))
    other = record.model_copy(update={"targets": ("“hello”",), "units": ("cosine",)})
    assert "“a” adds 1 to the cosine with “hello”, “b” adds 0.5;" in spoken(sentence(other))
    assert "off the log-probability of Paris" in spoken(sentence(RECORDS["steps"]))


def test_the_sentence_warns_when_not_converged() -> None:
    said = spoken(sentence(RECORDS["not_converged"]))
    assert said.startswith("Not converged: any number here may be off by 3.1 (56 % of the total effect). ")
    assert "to within" not in said
    assert spoken(sentence(RECORDS["unbounded"])).startswith("Not converged, and the error is unbounded")
    assert "not finite numbers" in spoken(sentence(RECORDS["not_finite"]))


def test_the_badge_repeats_the_record() -> None:
    record = RECORDS["not_converged"]
    found = badge(record)
    assert not found.converged
    assert f"{found.headline.lower()}: {found.reason}" == Stop.BUDGET.value
    assert found.error_share == pytest.approx(3.1 / record.mass[0])
    assert found.residual_of_delta == pytest.approx(record.residual[0] / abs(record.delta[0]))
    assert found.evaluations == 512
    assert badge(RECORDS["converged"]).converged


def test_large_cancellation_earns_a_caution() -> None:
    assert "159 times" in badge(RECORDS["cancelling"]).caution
    assert badge(RECORDS["held"]).caution == ""
    assert badge(RECORDS["zeros"]).caution == ""
    nothing_left = make_record(["a b"], ["a", "b"], [(0, 1), (2, 3)], [[1.0, -1.0]], residual=0.0)
    assert "infinitely many times" in badge(nothing_left).caution


def test_a_target_is_judged_by_its_own_stop() -> None:
    record = RECORDS["labels"].model_copy(update={"stops": (Stop.CONVERGED, Stop.ROUNDING, Stop.CONVERGED)})
    assert [badge(record, c).converged for c in range(3)] == [True, False, True]


def test_levels_that_show_nothing_new_are_not_offered() -> None:
    assert levels(RECORDS["three"]) == ("word",)
    assert levels(RECORDS["converged"]) == ("word", "token", "sentence")
    assert levels(RECORDS["converged"].words()) == ("word",)


def test_repeated_words_are_told_apart() -> None:
    names = [cell.name for cell in cells(RECORDS["converged"])]
    assert [name for name in names if name.startswith("is")] == ["is (1 of 3)", "is (2 of 3)", "is (3 of 3)"]
    assert len(set(names)) == len(names)


def test_cells_are_kept_with_the_record_and_forgotten_with_it() -> None:
    from lineal.views.parts.cells import _kept

    record = make_record(["a b"], ["a", "b"], [(0, 1), (2, 3)], [[1.0, -1.0]])
    assert cells(record) is cells(record)
    alive = len(_kept)
    del record
    assert len(_kept) == alive - 1


def test_control_characters_are_shown_not_sent() -> None:
    assert visible("a\x1b[31m\x00\x07\x85b\n\t") == "a␛[31m␀␇\ufffdb\n\t"
    assert len(visible("\x1b" * 9)) == 9


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-0.03119, "−0.0312"), (0.0, "0"), (1234.5, "1,234"), (2e-7, "2.00e−07"), (float("inf"), "∞"), (float("nan"), "not a number")],
)
def test_numbers(value: float, expected: str) -> None:
    assert number(value) == expected


def test_columns_and_shares() -> None:
    assert [fixed(v, 3) for v in (2.1, -0.0312, 0.0, -0.0)] == ["+2.100", "−0.031", "0.000", "0.000"]
    assert [places(v) for v in (2.1, 0.02, 214.0, 0.0, float("inf"))] == [3, 5, 1, 2, 2]
    assert [percent(v) for v in (0.00314, 0.41, 0.9999, 1.0, 2.3, float("inf"), float("nan"))] == [
        "0.31 %",
        "41 %",
        "100 %",
        "100 %",
        "230 %",
        "∞ %",
        "unknown",
    ]
    assert [share(v) for v in (0.0, 1e-5, 0.5)] == ["0 %", "< 0.1 %", "50 %"]
    assert signed(1.4) == "+1.4"


def test_short_keeps_both_ends() -> None:
    assert short("Donaudampfschifffahrt", 10) == "Donaud…hrt"
    assert short("a\n b", 10) == "a b"


def test_both_signs_are_equally_light_and_zero_is_the_page() -> None:
    def lightness(colour: tuple[int, int, int]) -> float:
        r, g, b = ((c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in colour)
        long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
        medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
        small = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
        return float(0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * small)

    for dark in (True, False):
        for s in (0.25, 0.5, 1.0):
            assert lightness(tint(s, 1.0, dark)) == pytest.approx(lightness(tint(-s, 1.0, dark)), abs=0.01)
    assert tint(0.0, 1.0, False) == (255, 255, 255)
    assert oklch(0.0, 0.0, 0.0) == (0, 0, 0)


def test_one_unit_has_one_scale() -> None:
    assert scale([RECORDS["converged"], RECORDS["three"]], "logit", "word") == pytest.approx(2.1)
    assert scale([RECORDS["converged"], RECORDS["three"]], "logit", "token") == pytest.approx(1.4)
    assert scale([RECORDS["converged"]], "cosine", "word") == 0.0
    assert strength(float("nan"), 1.0) == 0.0
    assert strength(0.5, 0.0) == 0.0


def _generation(k: int = 3) -> Attribution:
    text, said = "The river is", " wide, and"
    words = ["The", " river", " is", " wide", ",", " and"]
    spans = [(0, 3), (3, 9), (9, 12), (0, 5), (5, 6), (6, 10)]
    scores = [[0, 0.5, 0.2, 0, 0, 0], [0, -0.1, 0.1, 0.7, 0, 0], [0, 0.3, 0.1, 0.2, -0.6, 0]][:k]
    made = make_record(
        [text, said], words, spans, scores, segments=[0, 0, 0, 1, 1, 1], targets=(" wide", ",", " and"), units=("log_prob",) * 3
    )
    return made.model_copy(update={"steps": 3, "roles": ("held", *("content",) * 5)})


def test_a_generated_token_has_no_bar_of_its_own_or_of_what_comes_later() -> None:
    record = _generation()
    for c, expected in enumerate((["river", "is"], ["wide", "river", "is"], [",", "river", "wide", "is"])):
        found = bars(record, c)
        assert [bar.label for bar in found if bar.kind == "cell"] == expected
        assert sum(bar.value for bar in found) == pytest.approx(record.delta[c])


def test_a_comma_that_is_explained_stands_in_quotes() -> None:
    assert summary.quantity(_generation(), 1) == "the log-probability of “,”"
    assert summary.quantity(_generation(), 0) == "the log-probability of wide"


def test_the_page_of_a_generation_keeps_its_place_while_steps_change() -> None:
    source = page(_generation())
    assert '<article data-r="0" data-by="word" class="stepped">' in source
    assert ".stepped .says{display:grid}" in source
    assert source.count('<div class="says">') == 1


@pytest.mark.parametrize("loud_every", [3, 7, 13, 40, 100])
def test_folding_loses_and_doubles_nothing_wherever_the_quiet_runs_lie(loud_every: int) -> None:
    text = " ".join(f"w{i}" for i in range(450))
    spans = [(m.start(), m.end()) for m in re.finditer(r"\S+", text)]
    scores = [[float(i % loud_every == 5 % loud_every or i > 440) for i in range(450)]]
    record = make_record([text], text.split(), spans, scores)
    drawn = flow(record, "word", lambda cell: cell.values[0] == 0)[0]
    assert "".join(part.text for passage in drawn.passages for part in passage.parts) == text
    assert any(passage.quiet for passage in drawn.passages) == (loud_every >= 100)


@pytest.mark.parametrize(("dtype", "finer"), [("bfloat16", "float32"), ("float16", "float32"), ("float32", "float64"), ("float64", None)])
def test_advice_against_rounding_fits_the_models_dtype(dtype: str, finer: str | None) -> None:
    record = next(iter(RECORDS.values()))
    record = record.model_copy(
        update={"stops": (Stop.ROUNDING,) * len(record.stops), "model": record.model.model_copy(update={"dtype": dtype})}
    )
    reason = badge(record).reason
    advised = set(re.findall(r"b?float\d+", reason))
    assert advised == ({finer} if finer else set())
    assert "raise tol" in reason
    assert badge(record).headline == "Not converged"
    assert reason in " ".join(page(record).replace("&#39;", "'").split())
    assert dtype not in Stop.ROUNDING.said(dtype)
