"""The verdict first: what the model answered, at both ends, stands before the explanation in every view, in everybody's words."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lineal.errors import OptionError
from lineal.records.attribution import Answers, Attribution, Choices
from lineal.records.load import KINDS
from lineal.views import VIEWS, page, repr_html, spoken, to_markdown, to_text
from lineal.views.media.html import upright
from lineal.views.parts.answer import answer
from lineal.views.parts.bars import bars
from lineal.views.parts.chart import BREAK, chart
from lineal.views.parts.flow import said as said_by
from lineal.views.parts.numbers import likely
from lineal.views.parts.words import method_name, model_name, quantity, truncations
from tests import test_views_interactions, test_views_sides
from tests.records import MODEL, pair_record, pieces_record, sample_records
from tests.test_records import every_kind
from tests.test_views_html import Node

LABELS = Answers(names=("NEGATIVE", "POSITIVE"), probs=np.array([[0.04, 0.96], [0.5, 0.5], [0.36, 0.64]]))
CAUSAL = MODEL.model_copy(update={"kind": "causal"})
JARGON = ("residual", "mass", "gradients", "F(text)", "error ≤", "held")


def made(**changes: object) -> Attribution:
    return pieces_record("A fine film, but long.", seed=2).model_copy(update=changes)


def said(record: Attribution, target: int = 0) -> str:
    return spoken(answer(record, target))


def test_a_label_and_how_sure() -> None:
    assert said(made(answers=LABELS)) == "POSITIVE, 96 % sure (57 % without these words)"
    other = made(answers=LABELS, targets=("NEGATIVE",))
    assert said(other) == "POSITIVE, 96 % sure (57 % without these words); explained here: NEGATIVE, 4 % (43 %)"
    named = made(answers=LABELS, baseline="counterfactual “A poor film”")
    assert said(named) == "POSITIVE, 96 % sure (57 % with other words)"


def test_labels_that_may_hold_together_speak_for_themselves() -> None:
    found = made(answers=LABELS.model_copy(update={"exclusive": False}), targets=("NEGATIVE",))
    assert said(found) == "NEGATIVE, 4 % sure (43 % without these words)"


def test_a_token_is_quoted_and_likely() -> None:
    token = made(model=CAUSAL, targets=(" marketing",), units=("log_prob",), f_input=[math.log(0.031)], f_baseline=[math.log(1e-7)])
    assert said(token) == "“marketing”, 3.1 % likely (< 0.1 % without these words)"
    assert quantity(token) == "the log-probability of “marketing”"
    contrast = made(
        model=CAUSAL,
        targets=(" doctor over nurse",),
        answers=Answers(names=("doctor", "nurse"), probs=[[0.1, 0.05], [0.2, 0.1]], exclusive=False),
    )
    assert said(contrast) == "“doctor”, 10 % likely (20 % without these words); “nurse”, 5 % likely (10 % without these words)"
    assert quantity(contrast) == "the logit of “doctor” over “nurse”"


def test_a_choice_says_which_option_wins() -> None:
    chosen = Choices(names=("A", "B"), log_probs=np.log([[0.6, 0.2], [0.1, 0.1]]), picked=0)
    assert said(made(choices=chosen)) == "A, 75 % sure (50 % without these words), among the options"
    other = chosen.model_copy(update={"picked": 1})
    assert said(made(choices=other)).endswith("; explained here: B, 25 % (50 %)")


def test_what_has_no_probability_says_its_number() -> None:
    assert said(made(f_input=[3.2647], f_baseline=[-0.29])) == "POSITIVE: 3.26 logit (−0.29 without these words)"
    alike = made(targets=("“a long film”",), units=("cosine",), f_input=[0.1089], f_baseline=[0.04])
    assert said(alike) == "Similarity with “a long film” 0.109 (0.04 without these words)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0 %"),
        (1e-9, "< 0.1 %"),
        (0.0042, "0.4 %"),
        (0.031, "3.1 %"),
        (0.5, "50 %"),
        (0.9949, "99 %"),
        (0.9999, "> 99 %"),
        (1.0, "100 %"),
    ],
)
def test_nothing_uncertain_is_called_certain(value: float, expected: str) -> None:
    assert likely(value) == expected


def test_it_stands_first_in_every_view() -> None:
    record = made(answers=LABELS)
    words = "POSITIVE, 96 % sure (57 % without these words)"
    assert to_text(record).startswith(words)
    assert to_markdown(record).index("96 % sure") < to_markdown(record).index("adds")
    assert repr(record).splitlines()[1].startswith(words + ". “")
    for source in (page(record), repr_html(record)):
        node = Node(source)
        first = node.texts("p", "answer")[0]
        assert first == words
        assert source.index('class="answer"') < source.index('class="sentence"') < source.index('class="text"')


@pytest.mark.parametrize("name", [name for name, record in sample_records().items() if record.converged])
def test_in_view_there_are_everybodys_words(name: str) -> None:
    """The field's terms are in the fold and on hover; "How to read this" and a footer are on every page."""
    record = sample_records()[name]
    source = page(record)
    body = re.sub(r"<details.*?</details>|<script.*?</script>|<style.*?</style>|title=\"[^\"]*\"|<h1>.*?</h1>", "", source, flags=re.DOTALL)
    shown = re.sub(r"<[^>]*>", " ", body)
    for word in JARGON:
        assert word not in shown.replace("gradients)", ""), word
    assert "How to read this" in source
    assert "Made by Lineal 0.1.0, from the model lineal-tiny/sentiment." in source


def test_pairs_interactions_and_two_texts_say_it_too() -> None:
    pair, joint, sides = pair_record(), test_views_interactions.record(), test_views_sides.record()
    for record, first in ((pair, "Similarity"), (joint, "POSITIVE"), (sides, "")):
        source = page(record)
        assert Node(source).texts("p", "answer")[0].startswith(first)
        assert "How to read this" in source
        assert "Made by Lineal" in source
    assert to_text(pair).startswith("Similarity 1.8 (cosine)")


def test_a_long_bar_of_many_words_is_cut_and_single_words_keep_their_length() -> None:
    """The sum of 232 words would leave the strongest single word a sliver; its number stays whole."""
    record = sample_records()["long"]
    found = bars(record)
    rest = next(bar for bar in found if bar.kind == "rest")
    swollen = [replace(bar, value=40.0) if bar is rest else bar for bar in found]
    strokes = chart(swollen, 0.01).strokes
    widths = {stroke.bar.kind: stroke.width for stroke in strokes if stroke.cut or stroke.bar is found[0]}
    assert widths["rest"] == pytest.approx(BREAK * widths["cell"], rel=0.01)
    assert [stroke.bar.kind for stroke in strokes if stroke.cut] == ["rest"]
    assert not any(stroke.cut for stroke in chart(found[:12], 0.01).strokes)


def test_a_chat_is_in_bubbles_and_its_template_out_of_the_title() -> None:
    record = pieces_record("<s>user What is it?</s>", seed=4, framed=False)
    n = len(record.tokens)
    regions = ("template",) * 4 + ("question",) * (n - 8) + ("template",) * 4
    chat = record.model_copy(update={"region_of": regions, "roles": tuple("held" if r == "template" else "content" for r in regions)})
    node = Node(page(chat))
    assert node.texts("span", "role")[0] == "question"
    assert node.texts("h1")[0].strip() == said_by(chat).strip()
    assert "<s>" not in node.texts("h1")[0]
    assert "marks of the chat template" in page(chat)


def test_chips_of_a_generation_say_how_likely_each_token_was() -> None:
    steps = sample_records()["steps"]
    k = len(steps.targets)
    record = steps.model_copy(update={"f_input": np.log(np.full(k, 0.37)), "units": ("log_prob",) * k, "steps": k})
    assert "37 %" in " ".join(Node(page(record)).texts("small"))
    assert "What each new word rests on" in page(record)


def test_heads_of_chinese_stand_upright() -> None:
    assert [upright(text) for text in ("电影", "ラーメン", "film", "فيلم")] == [True, True, False, False]


def test_what_is_cut_is_said_once_and_methods_and_models_have_names() -> None:
    cut = sample_records()["truncated"]
    assert len(truncations(cut)) == 1
    note = "The text was cut from 298 to 256 tokens: its last 167 characters were not read."
    assert truncations(cut.model_copy(update={"notes": (note,)})) == ()
    assert method_name("dig-greedy:steps=10") == "Discretized IG (greedy), steps=10"
    assert method_name("mine") == "mine"
    assert model_name(MODEL) == "lineal-tiny/sentiment"
    assert model_name(MODEL.model_copy(update={"name": "/home/me/models/mine/"})) == "mine"


def test_many_texts_are_a_list_that_opens() -> None:
    """A line each with its number, opening, answer and strongest words; the whole of each text opens below it."""
    records = [made(answers=LABELS), sample_records()["not_converged"], *[made(answers=LABELS)] * 4]
    source = page(records)
    node = Node(source)
    lines = [text for text in node.texts("summary") if "POSITIVE" in text]
    assert len(lines) == len(records)
    assert "POSITIVE, 96 %" in lines[0]
    assert "sure" not in lines[0]
    assert "not converged" in lines[1]
    assert source.count('<details class="one"') == len(records)
    assert "6 texts, 1 not converged." in " ".join(source.split())
    assert "<h2>" not in source
    assert 'class="one"' not in page(records, headings=["a"] * 6).replace(".one", "")
    assert 'class="one"' not in page(records[:3]).replace(".one", "")


@pytest.mark.parametrize("kind", KINDS)
def test_every_record_shows_itself(kind: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = every_kind()[kind]
    record.show()
    assert len(capsys.readouterr().out.splitlines()) > 1
    path = tmp_path / "page.html"
    assert record.to_html(path) == path.read_text(encoding="utf-8") == page(record)
    assert len(record.to_dataframe()) > 0
    assert record._repr_html_().startswith("<div")
    assert len(repr(record).splitlines()) == 3
    figure = tmp_path / "figure.png"
    if VIEWS[type(record)].plot is None:
        with pytest.raises(OptionError, match="has no figure"):
            record.plot(figure)
    else:
        record.plot(figure)
        assert figure.read_bytes().startswith(b"\x89PNG")
    assert record.save(tmp_path / "again.json").exists()
