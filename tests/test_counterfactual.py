"""A text against what it could have said instead: only what differs moves, and the scores are the effect of the edit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lineal
from lineal import baselines, targets
from lineal.errors import InputError, OptionError
from lineal.models import TextModel
from tests import tiny_lm
from tests.families import FAMILIES

TEXT, OTHER = "the cat sat on the mat", "the dog sat on the log"
NAMED = {family.name: family for family in FAMILIES}
ASKED = [
    ("BERT", "classifier", targets.label(1)),
    ("BERT", "classifier", targets.labels()),
    ("BERT", "encoder", targets.similar("a dog ran")),
    ("BERT", "encoder", None),
    ("Llama", "causal", targets.next_token(" dog")),
    ("Llama", "causal", targets.contrast(" dog", " cat")),
    ("GPT-2", "causal", targets.contrast(" dog", " cat")),
]


def explain(model: TextModel, text: Any, baseline: Any, target: Any = None, **options: Any) -> lineal.Attribution:
    return lineal.explain(model, text, target, baseline=baseline, tol=1e-3, max_evaluations=4000, **options)


@pytest.mark.parametrize(("family", "task", "target"), ASKED)
def test_scores_are_the_effect_of_the_edit(family: str, task: Any, target: Any) -> None:
    model = NAMED[family].load(task)
    record = explain(model, TEXT, baselines.counterfactual(OTHER), target)
    there = explain(model, OTHER, "mean", targets.similar(TEXT) if task == "encoder" and target is None else target)
    np.testing.assert_allclose(record.f_baseline, there.f_input, atol=1e-5)
    np.testing.assert_allclose(record.scores.sum(axis=1), record.f_input - there.f_input, atol=2e-3 * record.mass.max())
    moving = [i for i, role in enumerate(record.roles) if role == "content"]
    assert [record.tokens[i] for i in moving] == ["cat", "mat"]
    held = np.delete(record.scores, moving, axis=1)
    assert (held == 0).all()
    assert "2 of" in record.notes[0]
    assert "cat → dog" in record.notes[0]
    assert "the effect of the edit" in record.notes[0]


def test_words_are_put_back_where_they_belong() -> None:
    """A longer text against a shorter one: what the other has not stands against the neutral token, all else against itself."""
    model = NAMED["BERT"].load("classifier")
    record = explain(model, "the very good cat sat on the mat", baselines.counterfactual(TEXT), targets.label(1))
    assert [t for t, role in zip(record.tokens, record.roles, strict=True) if role == "content"] == ["very", "good"]
    masked = explain(model, "the [MASK] [MASK] cat sat on the mat", "mean", targets.label(1))
    assert record.f_baseline[0] == pytest.approx(masked.f_input[0], abs=1e-5)
    assert "F(baseline) is not F of that text" in record.notes[0]
    assert "2 tokens of the text stand against a neutral one (mask)" in record.notes[0]


def test_what_the_text_has_no_place_for_stands_against_a_neutral_token(tmp_path: Any) -> None:
    """The sum is exactly the effect of the edit with the neutral token standing in, and what it is F of is said."""
    model, other = NAMED["BERT"].load("classifier"), "the very good cat ran on the mat"
    record = explain(model, TEXT, baselines.counterfactual(other), targets.label(1))
    wide = explain(model, "the [MASK] [MASK] cat sat on the mat", "mean", targets.label(1))
    there = explain(model, other, "mean", targets.label(1))
    assert record.f_input[0] == pytest.approx(wide.f_input[0], abs=1e-5)
    assert record.f_baseline[0] == pytest.approx(there.f_input[0], abs=1e-5)
    assert record.scores.sum() == pytest.approx(wide.f_input[0] - there.f_input[0], abs=2e-3 * record.mass[0])
    moving = [i for i, role in enumerate(record.roles) if role == "content"]
    assert [record.tokens[i] for i in moving] == ["⟨mask⟩", "⟨mask⟩", "sat"]
    assert all(record.offsets[i] == (3, 3) for i in moving[:2]), "behind the word before them"
    note = record.notes[0]
    assert "⟨mask⟩ → very" in note
    assert "2 tokens of the other text stand against a neutral one (mask)" in note
    assert "F(text) is F of “the ⟨mask⟩ ⟨mask⟩ cat sat on the mat”" in note
    assert "the effect of the edit with the neutral token standing in" in note
    assert lineal.load_result(record.save(tmp_path / "r.json")) == record
    assert "⟨mask⟩" in lineal.views.page(record)
    assert "⟨mask⟩" in lineal.views.to_text(record)
    assert "⟨⟨" not in lineal.views.to_text(record)
    assert record.words().scores.sum() == pytest.approx(record.scores.sum())


def test_insertions_and_deletions_at_once_in_a_pair_and_a_decoder() -> None:
    model = NAMED["BERT"].load("classifier")
    pair = explain(model, (TEXT, "the good cat ran"), baselines.counterfactual((OTHER, "the cat ran on the log")), targets.label(1))
    masked = explain(model, (TEXT, "the good cat ran [MASK] [MASK] [MASK]"), "mean", targets.label(1))
    other = explain(model, (OTHER, "the [MASK] cat ran on the log"), "mean", targets.label(1))
    assert pair.f_input[0] == pytest.approx(masked.f_input[0], abs=1e-5)
    assert pair.f_baseline[0] == pytest.approx(other.f_input[0], abs=1e-5)
    assert "standing in" in pair.notes[0]
    decoder, target = tiny_lm.llama(), targets.next_token(" doctor")
    record = explain(decoder, "The man works as a", baselines.counterfactual("The man of the wall works as a"), target)
    assert record.tokens.count("⟨mean⟩") >= 3
    assert record.scores.sum() == pytest.approx(float(record.delta[0]), abs=2e-3 * record.mass[0])
    there = explain(decoder, "The man of the wall works as a", "mean", target)
    assert record.f_baseline[0] == pytest.approx(there.f_input[0], abs=1e-6)
    assert not record.fluency
    with pytest.raises(InputError, match="behind the last token"):
        explain(decoder, "The man works as a", baselines.counterfactual("The man works as a doctor"), target)
    spaceless = NAMED["GPT-2"].load("causal")
    with pytest.raises(InputError, match="in front of the first"):
        explain(spaceless, "the cat sat", baselines.counterfactual("a dog the cat sat"), targets.next_token(" dog"))
    with pytest.raises(InputError, match="against that alone"):
        explain(model, TEXT, [baselines.counterfactual(OTHER), baselines.counterfactual("the very good cat sat")], targets.label(1))


def test_a_word_of_several_tokens_keeps_its_neighbours() -> None:
    """Laid over token by token, a word of other length pushes all that follows out of place; aligned, only the word moves."""
    model = tiny_lm.llama()
    short, long = "The man works as a nurse.", "The man works as a xylophone."
    assert len(model.encode([long])) > len(model.encode([short]))
    record = explain(model, long, baselines.counterfactual(short), targets.next_token(" doctor"))
    words = record.words()
    assert [t for t, role in zip(words.tokens, words.roles, strict=True) if role == "content"] == ["xylophone"]
    back = explain(model, short, baselines.counterfactual(long), targets.next_token(" doctor"))
    assert [t for t, role in zip(back.tokens, back.roles, strict=True) if role == "content"].count("⟨mean⟩") >= 1
    assert back.f_baseline[0] == pytest.approx(record.f_input[0], abs=1e-6)


def test_an_alignment_of_ones_own() -> None:
    model = NAMED["BERT"].load("classifier")
    longer = "the very good cat sat on the mat"
    record = explain(model, TEXT, baselines.counterfactual(longer, alignment=[(2, 3), (3, None)]), targets.label(1))
    plain = explain(model, "the good [MASK] on the mat", "mean", targets.label(1))
    assert record.f_baseline[0] == pytest.approx(plain.f_input[0], abs=1e-5)
    assert [t for t, role in zip(record.tokens, record.roles, strict=True) if role == "content"] == ["cat", "sat"]
    assert "is left out" in record.notes[0]
    for wrong, said in (([(2, 99)], "8 and 10 tokens"), ([(2, 3), (2, 4)], "twice")):
        with pytest.raises(InputError, match=said):
            explain(model, TEXT, baselines.counterfactual(longer, alignment=wrong), targets.label(1))
    with pytest.raises(OptionError, match="pairs of token numbers"):
        baselines.counterfactual(longer, alignment=[3])
    with pytest.raises(OptionError, match="by"):
        baselines.counterfactual(longer, by="letters")


def test_a_decoders_first_token_is_held_and_the_note_says_so() -> None:
    model = NAMED["GPT-2"].load("causal")
    target = targets.next_token(" dog")
    record = explain(model, TEXT, baselines.counterfactual("a dog sat on the mat"), target)
    assert record.roles[0] == "held"
    assert record.f_baseline[0] == pytest.approx(explain(model, "the dog sat on the mat", "mean", target).f_input[0], abs=1e-5)
    assert "the is held though the texts differ there" in record.notes[0]
    with pytest.raises(InputError, match="anchor='bos'"):
        explain(model, TEXT, baselines.counterfactual("a cat sat on the mat"), target)


def test_the_same_text_is_no_counterfactual() -> None:
    with pytest.raises(InputError, match="the same in the other text"):
        explain(NAMED["BERT"].load("classifier"), TEXT, f"counterfactual:{TEXT}", targets.label(1))


def test_a_pair_and_a_chat() -> None:
    model = NAMED["BERT"].load("classifier")
    record = explain(model, (TEXT, "rain fell"), baselines.counterfactual((OTHER, "rain fell")), targets.label(1))
    assert record.f_baseline[0] == pytest.approx(explain(model, (OTHER, "rain fell"), "mean", targets.label(1)).f_input[0], abs=1e-5)
    with pytest.raises(OptionError, match="give as many"):
        explain(model, (TEXT, "rain fell"), baselines.counterfactual(OTHER), targets.label(1))
    decoder = tiny_lm.llama()
    chats = [lineal.prompts.Chat([{"role": "user", "content": f"The {who} works as a"}]) for who in ("man", "nurse")]
    record = explain(decoder, chats[0], baselines.counterfactual(chats[1]), targets.next_token(" doctor"))
    if len(record.tokens) == len(explain(decoder, chats[1], "mean", targets.next_token(" doctor")).tokens):
        assert "the effect of the edit" in " ".join(record.notes)
    assert {t for t, role in zip(record.tokens, record.roles, strict=True) if role == "content"} <= {"Ġman", "Ġma", "n", "an", "Ġm"}


def test_several_are_averaged_and_what_all_share_is_held() -> None:
    model = NAMED["BERT"].load("classifier")
    both = explain(model, TEXT, [baselines.counterfactual(OTHER), baselines.counterfactual("the cat ran on the log")], targets.label(1))
    assert [role for role in both.roles if role == "content"] == ["content"] * 3
    assert both.spread is not None


def test_spellings_and_methods() -> None:
    model = NAMED["BERT"].load("classifier")
    for value in (
        baselines.counterfactual(OTHER),
        baselines.counterfactual(OTHER, by="tokens"),
        baselines.counterfactual((OTHER, "b, c")),
        baselines.counterfactual(OTHER, alignment=[(2, 2), (3, None)]),
    ):
        assert baselines.resolve(baselines.spelling(value), model) == value
    one = "the dog sat on the mat"
    integrated = explain(model, TEXT, f"counterfactual:{one}", targets.label(1))
    left_out = explain(model, TEXT, f"counterfactual:{one}", targets.label(1), method="occlusion")
    np.testing.assert_allclose(integrated.scores, left_out.scores, atol=2e-3 * integrated.mass[0]), "one edit: both are its effect"


def test_another_text_that_is_nearly_the_same_is_not_misaligned() -> None:
    """Three tokens for one, laid over token by token, would let every later word stand against its neighbour."""
    model = NAMED["BERT"].load("classifier")
    record = explain(model, "the very good cat sat on the mat", f"text:{TEXT}", targets.label(1))
    moved = np.flatnonzero(record.scores[0])
    assert [record.tokens[i] for i in moved] == ["very", "good"]
    assert "aligned by words" in record.notes[0]
    longer = explain(model, TEXT, "text:the very good cat sat on the mat", targets.label(1))
    assert "2 of its tokens left out" in longer.notes[0]


def test_one_word_of_other_length_in_a_long_text_is_not_misaligned_either() -> None:
    """However long the text is before it: most tokens stand against themselves, and what follows is put back."""
    model = tiny_lm.llama()
    before = "The man works as a nurse and the wall takes years to build and the man works as "
    record = explain(model, before + "a xylophone in the wall.", f"text:{before}a nurse in the wall.", targets.next_token(" doctor"))
    moved = np.flatnonzero(record.scores[0])
    assert [t for t, s in zip(record.words().tokens, record.words().scores[0], strict=True) if s] == ["xylophone"], record.notes
    assert len(moved) > 1
    assert "aligned by words" in " ".join(record.notes)


def test_plain_strings_are_texts_where_they_can_be_nothing_else() -> None:
    model = NAMED["BERT"].load("classifier")
    several = baselines.resolve(["the dog sat on the log", "it was good, but long", "mask"], model)
    assert several == baselines.resolve(["text:the dog sat on the log", "text:it was good, but long", "mask"], model)
    assert baselines.resolve("the dog sat", model) == baselines.another_text("the dog sat")
    assert baselines.resolve("mask, pad", model) == baselines.resolve(["mask", "pad"], model)
    for slip in ("maks", "maks, pad", ["mask", "banana"]):
        with pytest.raises(OptionError, match="unknown baseline"):
            baselines.resolve(slip, model)
    record = explain(model, TEXT, ["the dog sat on the log", "a dog ran on the mat"], targets.label(1))
    assert record.spread is not None
