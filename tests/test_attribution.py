"""The record: sums are kept by every grouping, what is saved comes back equal, and a broken file is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineal import Attribution, LinealError, Stop, load_result
from lineal.errors import InputError, OptionError, ResultError
from lineal.records.attribution import ModelCard

TEXT = "Unfathomably good. It isn't bad!\nBuy it"


def record(**changes) -> Attribution:
    pieces = ["[CLS]", "un", "##fathomably", "good", ".", "it", "isn", "'", "t", "bad", "!", "buy", "it", "[SEP]"]
    offsets = [
        (0, 0),
        (0, 2),
        (2, 12),
        (13, 17),
        (17, 18),
        (19, 21),
        (22, 25),
        (25, 26),
        (26, 27),
        (28, 31),
        (31, 32),
        (33, 36),
        (37, 39),
        (0, 0),
    ]
    fields = {
        "texts": (TEXT,),
        "tokens": tuple(pieces),
        "offsets": tuple(offsets),
        "segments": (-1, *[0] * 12, -1),
        "word_ids": (None, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, None),
        "roles": ("special", *["content"] * 7, "held", *["content"] * 4, "special"),
        "scores": np.arange(28.0).reshape(2, 14) - 9.0,
        "targets": ("yes", "no"),
        "units": ("logit", "logit"),
        "f_input": (5.0, 1.0),
        "f_baseline": (2.0, 1.0),
        "error": (0.1, 0.2),
        "stops": (Stop.CONVERGED, Stop.BUDGET),
        "evaluations": 25,
        "tol": 0.01,
        "method": "ig",
        "path": "straight",
        "rule": "adaptive",
        "baseline": "mask",
        "model": ModelCard(name="m", architecture="A", kind="classifier"),
    }
    return Attribution(**(fields | changes))


@pytest.mark.parametrize("group", [Attribution.words, Attribution.sentences, lambda r: r.spans("good|bad"), lambda r: r.spans([(0, 18)])])
def test_grouping_keeps_sums_roles_and_the_residual(group) -> None:
    whole, grouped = record(), group(record())
    np.testing.assert_allclose(grouped.scores.sum(axis=1), whole.scores.sum(axis=1))
    np.testing.assert_allclose(grouped.residual, whole.residual)
    for role in ("special", "held", "content"):
        per_role = [r.scores[:, [x == role for x in r.roles]].sum(axis=1) for r in (whole, grouped)]
        np.testing.assert_allclose(per_role[0], per_role[1])


def test_words_restore_the_raw_text() -> None:
    words = record().words()
    assert words.tokens[:4] == ("[CLS]", "Unfathomably", "good", ".")
    np.testing.assert_allclose(words.scores[:, 1], record().scores[:, 1:3].sum(axis=1))


def test_sentences_end_at_stops_and_line_breaks() -> None:
    sentences = record().sentences()
    assert [token for token, role in zip(sentences.tokens, sentences.roles, strict=True) if role == "content"] == [
        "Unfathomably good.",
        "It isn'",
        "bad!",
        "Buy it",
    ]


def test_spans_name_themselves_and_leave_the_rest() -> None:
    spans = record().spans([(13, 17), (28, 31)])
    assert "good" in spans.tokens
    assert "bad" in spans.tokens
    with pytest.raises(InputError, match="covers no token"):
        record().spans([(18, 19)])
    with pytest.raises(InputError, match="does not lie in a text of 39 characters"):
        record().spans([(5, 50)])
    with pytest.raises(InputError, match="not a regular expression"):
        record().spans("(")


def test_stop_is_the_first_failure() -> None:
    assert record().stop is Stop.BUDGET
    assert not record().converged
    assert record(stops=(Stop.CONVERGED, Stop.CONVERGED)).converged


def test_cancellation_is_one_without_it_and_infinite_without_a_difference() -> None:
    scores = np.zeros((2, 14))
    scores[0, 3], scores[1, 3], scores[1, 4] = 3.0, 1.0, -1.0
    assert record(scores=scores).cancellation.tolist() == [1.0, np.inf]


@pytest.mark.parametrize("error", [(0.1, 0.2), (np.inf, 0.0)])
def test_what_is_saved_comes_back_equal(tmp_path: Path, error: tuple[float, float]) -> None:
    original = record(error=error, stops=(Stop.FIXED, Stop.BUDGET))
    path = original.save(tmp_path / "r.json")
    assert load_result(path) == original
    assert load_result(path).scores.dtype == np.float64
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.json"]
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        record().scores[0, 0] = 1.0
    with pytest.raises(ValueError, match="frozen"):
        record().tol = 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file"),
        ("{", "not readable as JSON"),
        ("[]", "no 'schema' entry"),
        ('{"schema": 99}', "has schema 99, this version of Lineal reads schema 1"),
        ('{"schema": 1, "texts": []}', "broken at"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "r.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ResultError, match=message):
        load_result(path)
    assert issubclass(ResultError, LinealError)
    assert issubclass(ResultError, ValueError)


def test_fields_must_agree() -> None:
    with pytest.raises(ValueError, match="scores have shape"):
        record(scores=np.zeros((1, 14)))
    with pytest.raises(ValueError, match="offsets has 1 entries for 14 tokens"):
        record(offsets=((0, 1),))


def test_two_texts_keep_their_words_apart() -> None:
    offsets, scores = ((0, 2), (0, 2)), np.ones((2, 2))
    fields = {
        "tokens": ("ab", "ab"),
        "offsets": offsets,
        "segments": (0, 1),
        "word_ids": (0, 0),
        "roles": ("content",) * 2,
        "scores": scores,
    }
    pair = record(texts=("ab", "ab"), **fields)
    assert pair.words().tokens == ("ab", "ab")
    assert pair.spans("a", segment=1).segments == (0, 1)


@pytest.mark.parametrize("level", ["banana", "span", "", "words", None])
def test_an_unknown_level_is_an_error(level: Any) -> None:
    whole = record()
    with pytest.raises(OptionError, match="spans" if level == "span" else "token, word, sentence, region"):
        whole.by(level)


def test_what_is_summed_cannot_be_taken_apart() -> None:
    whole = record()
    assert whole.words().by("word") == whole.words(), "the same level is the same result"
    assert whole.words().sentences().scores.shape == whole.sentences().scores.shape
    for coarse in (whole.sentences(), whole.spans("good")):
        for finer in (coarse.words, lambda coarse=coarse: coarse.by("token")):
            with pytest.raises(ResultError, match=f"per {coarse.level}.*before"):
                finer()
