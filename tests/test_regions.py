"""Regions of prompts: chats by role, regular expressions, spans; what is not attributed is held, and groups sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lineal
from lineal import targets, views
from lineal.errors import InputError, OptionError
from lineal.models.causal import CausalLM
from lineal.prompts import Marked
from lineal.records.attribution import Attribution
from lineal.views.parts.cells import cells, levels
from tests import tiny_lm
from tests.honest import assert_keeps_its_word

SHOTS = [
    {"role": "system", "content": "You are a careful assistant."},
    {"role": "user", "content": "The nurse works. True?"},
    {"role": "assistant", "content": "A"},
    {"role": "user", "content": "The doctor works. True?"},
    {"role": "assistant", "content": "B"},
    {"role": "user", "content": "The wall takes years to build. True?"},
]
TEXT = "You are a careful assistant. The claim says that the wall takes years to build."
GAUSS: dict[str, Any] = {"rule": "gauss:6"}


@pytest.fixture(scope="module")
def model() -> CausalLM:
    return tiny_lm.llama()


def shown(record: Attribution, name: str) -> str:
    return "".join(record.texts[0][a:b] for (a, b), region in zip(record.offsets, record.region_of, strict=True) if region == name).strip()


def test_a_chat_is_the_template_s_own_prompt(model: CausalLM) -> None:
    record = lineal.explain(model, messages=SHOTS, **GAUSS)
    expected = model.tokenizer.apply_chat_template(SHOTS, tokenize=False, add_generation_prompt=True)
    assert record.text == expected
    ids = model.tokenizer(expected, add_special_tokens=False)["input_ids"]
    assert list(record.tokens) == model.tokenizer.convert_ids_to_tokens(ids), "tokenised once, no second beginning-of-text token"


def test_roles_of_a_chat_are_regions(model: CausalLM) -> None:
    record = lineal.explain(model, messages=SHOTS, **GAUSS)
    assert shown(record, "system") == "You are a careful assistant."
    assert shown(record, "example 1").split() == ["The", "nurse", "works.", "True?", "A"] or shown(record, "example 1").endswith("A")
    assert shown(record, "example 2").endswith("B")
    assert shown(record, "question") == "The wall takes years to build. True?"
    assert set(record.region_of) == {"system", "example 1", "example 2", "question", "template"}


def test_what_the_template_adds_is_held_or_special_and_scores_zero(model: CausalLM) -> None:
    record = lineal.explain(model, messages=SHOTS, **GAUSS)
    for i, region in enumerate(record.region_of):
        assert (record.roles[i] == "content") == (region != "template"), record.tokens[i]
        if region == "template":
            assert (record.scores[:, i] == 0).all()
    assert record.roles[record.tokens.index("<|im_start|>")] == "special"


def test_region_groups_sum_to_the_whole(model: CausalLM) -> None:
    record = lineal.explain(model, messages=SHOTS, **GAUSS)
    grouped = record.regions()
    assert grouped.level == "region"
    np.testing.assert_allclose(grouped.scores.sum(), record.scores.sum(), atol=1e-12)
    totals = record.region_totals()
    np.testing.assert_allclose(sum(totals.values()), record.scores.sum(axis=1), atol=1e-12)
    wanted = [i for i, name in enumerate(record.region_of) if name == "example 1"]
    np.testing.assert_allclose(totals["example 1"], record.scores[:, wanted].sum(axis=1), atol=1e-12)
    assert record.by("region") == grouped


def test_regions_survive_storing(model: CausalLM) -> None:
    record = lineal.explain(model, messages=SHOTS, **GAUSS)
    assert Attribution.from_dict(record.to_dict()) == record
    old = {name: value for name, value in record.to_dict().items() if name not in ("region_of", "steps")}
    assert Attribution.from_dict(old).region_of == ()


@pytest.mark.parametrize(
    ("wanted", "moving"),
    [
        ("question", {"question"}),
        ("user", {"example 1", "example 2", "question"}),
        ("example 2", {"example 2"}),
        ("system", {"system"}),
    ],
)
def test_attribute_selects_regions_and_roles(model: CausalLM, wanted: str, moving: set[str]) -> None:
    record = lineal.explain(model, messages=SHOTS, attribute=wanted, **GAUSS)
    assert {name for name, role in zip(record.region_of, record.roles, strict=True) if role == "content"} == moving
    assert all(role in ("held", "special") for name, role in zip(record.region_of, record.roles, strict=True) if name not in moving)


def test_hold_takes_regions_away(model: CausalLM) -> None:
    record = lineal.explain(model, messages=SHOTS, hold="question", **GAUSS)
    assert {name for name, role in zip(record.region_of, record.roles, strict=True) if role == "content"} == {
        "system",
        "example 1",
        "example 2",
    }


@pytest.mark.parametrize("wanted", ["wall takes", [(53, 63)]], ids=["expression", "span"])
def test_attribute_by_expression_or_span_holds_all_else(model: CausalLM, wanted: Any) -> None:
    assert TEXT[53:63] == "wall takes"
    record = lineal.explain(model, TEXT, attribute=wanted, **GAUSS)
    inside = [a < 63 and b > 53 for a, b in record.offsets]
    assert [role == "content" for role in record.roles] == inside
    assert {role for role, flag in zip(record.roles, inside, strict=True) if not flag} == {"held"}
    assert (record.scores[0][~np.array(inside)] == 0).all()


def test_attribute_works_for_every_kind_of_model() -> None:
    from lineal.models.classifier import SequenceClassifier
    from tests import tiny

    classifier = SequenceClassifier(tiny.bert_classifier(), tiny.tokenizer(), "tiny")
    record = lineal.explain(classifier, "the film was a glorious mess", attribute="glorious mess", **GAUSS)
    assert [token for token, role in zip(record.tokens, record.roles, strict=True) if role == "content"] == ["glorious", "mess"]


def test_attributing_part_of_a_prompt_is_complete_for_that_part(model: CausalLM) -> None:
    record = lineal.explain(model, TEXT, targets.NextToken(), attribute="wall takes years", tol=0.003)
    exact = lineal.explain(model, TEXT, targets.NextToken(), attribute="wall takes years", rule="gauss:64")
    assert_keeps_its_word(record, exact, rounding=1e-6)
    other = lineal.explain(model, TEXT, targets.NextToken(), attribute="careful", tol=0.003)
    np.testing.assert_allclose(other.f_input, record.f_input, atol=1e-6)
    assert abs(other.f_baseline[0] - record.f_baseline[0]) > 1e-3


def test_marked_texts_have_regions(model: CausalLM) -> None:
    marked = Marked(TEXT, {"claim": r"the wall.*", "instruction": (0, 28)})
    record = lineal.explain(model, marked, attribute="claim", **GAUSS)
    assert shown(record, "claim") == "the wall takes years to build."
    assert shown(record, "instruction") == "You are a careful assistant."
    assert record.regions().region_of == ("instruction", "", "claim")


def test_a_begun_answer_goes_on(model: CausalLM) -> None:
    begun = [*SHOTS, {"role": "assistant", "content": "("}]
    record = lineal.explain(model, messages=begun, target=targets.Choice(["A", "B"]), **GAUSS)
    assert record.text.endswith("assistant\n(")
    assert record.region_of[-1] == "answer"


def test_chats_generate_and_the_generation_is_a_region(model: CausalLM) -> None:
    record = lineal.explain_generation(model, messages=SHOTS, max_new_tokens=2, **GAUSS)
    assert record.region_of[-2:] == ("generated", "generated")
    only = lineal.explain_generation(model, messages=SHOTS, max_new_tokens=2, attribute="question", **GAUSS)
    assert only.roles[-2] == "held"


@pytest.mark.parametrize(
    ("anchor", "front", "role"), [("first", "You", "held"), (None, "You", "held"), ("none", "You", "content"), ("bos", "<s>", "special")]
)
def test_the_anchor_decides_about_the_first_position(model: CausalLM, anchor: Any, front: str, role: str) -> None:
    record = lineal.explain(model, TEXT, anchor=anchor, **GAUSS)
    assert record.roles[0] == role
    assert record.tokens[0] in (front, front[0])
    assert record.roles[1] == "content"
    if anchor == "bos":
        assert "<s>" in record.notes[0]
        assert record.scores[0, 1] != 0
        ids = [model.tokenizer.bos_token_id, *model.tokenizer(TEXT)["input_ids"]]
        assert list(record.tokens) == model.tokenizer.convert_ids_to_tokens(ids)


def test_a_model_without_a_beginning_token_has_no_such_anchor() -> None:
    bare = CausalLM(tiny_lm.llama().module, tiny_lm.tokenizer(bos_token=None), "bare")
    with pytest.raises(OptionError, match="beginning-of-text"):
        lineal.explain(bare, TEXT, anchor="bos")


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"text": TEXT, "attribute": "zebra"}, InputError, "matches nothing"),
        ({"text": TEXT, "attribute": "("}, InputError, "not a regular expression"),
        ({"text": TEXT, "attribute": [(5, 500)]}, InputError, "does not lie"),
        ({"text": TEXT, "attribute": "wall", "hold": "wall"}, InputError, "nothing moves"),
        ({"text": TEXT, "anchor": "second"}, OptionError, "unknown anchor"),
        ({"text": TEXT, "messages": SHOTS}, InputError, "one of the two"),
        ({}, InputError, "one of the two"),
        ({"messages": []}, InputError, "messages is empty"),
        ({"messages": [{"role": "user"}]}, InputError, "message 1"),
        ({"messages": ["hello"]}, InputError, "message 1"),
        ({"text": Marked(TEXT, {"claim": "zebra"})}, InputError, "matches nothing"),
    ],
)
def test_bad_regions_are_clear_errors(model: CausalLM, options: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        lineal.explain(model, **options)


def test_a_missing_chat_template_is_an_error() -> None:
    words = tiny_lm.tokenizer()
    words.chat_template = None
    with pytest.raises(OptionError, match="no chat template"):
        lineal.explain(CausalLM(tiny_lm.llama().module, words, "bare"), messages=SHOTS)


def test_a_template_that_rewrites_or_refuses_messages_is_an_error() -> None:
    words = tiny_lm.tokenizer()
    model = CausalLM(tiny_lm.llama().module, words, "odd")
    words.chat_template = "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}"
    with pytest.raises(InputError, match="rewrites"):
        lineal.explain(model, messages=SHOTS)
    words.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(InputError, match="roles must alternate"):
        lineal.explain(model, messages=SHOTS)


def test_messages_need_a_language_model() -> None:
    from lineal.models.classifier import SequenceClassifier
    from tests import tiny

    classifier = SequenceClassifier(tiny.bert_classifier(), tiny.tokenizer(), "tiny")
    with pytest.raises(OptionError, match="chat models"):
        lineal.explain(classifier, messages=SHOTS)


def test_pages_offer_regions_under_their_names(model: CausalLM) -> None:
    record = lineal.explain(model, messages=SHOTS, **GAUSS)
    assert "region" in levels(record)
    content = [cell for cell in cells(record, "region") if cell.role == "content"]
    assert {cell.label for cell in content} == set(record.region_of) - {"", "template"}
    assert sum(cell.values for cell in cells(record, "region"))[0] == pytest.approx(record.scores[0].sum())
    totals = record.region_totals()
    for name in {cell.label for cell in content}:
        assert sum(cell.values[0] for cell in content if cell.label == name) == pytest.approx(totals[name][0], abs=1e-9)
    assert 'value="region"' in views.page(record)
    plain = lineal.explain(model, "the man works as", **GAUSS)
    assert "region" not in levels(plain)
    assert 'value="region"' in views.page([plain, record])
