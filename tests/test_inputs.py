"""What is no text is refused by every verb, with the number of the row and the next step, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

import lineal
from lineal import prompts, targets
from lineal.errors import InputError, OptionError
from lineal.evaluation.run import evaluate
from lineal.evaluation.trust import examine
from lineal.evaluation.trust_pair import examine_pair
from lineal.methods.dig.neighbours import rows_of
from lineal.verbs.interactions import explain_interactions
from lineal.verbs.options import Options
from lineal.verbs.session import Session
from tests import fakes, tiny, tiny_lm
from tests.families import FAMILIES

BERT = next(family for family in FAMILIES if family.name == "BERT")
TEXT = "the cat sat on the mat"
ROW = {"text": TEXT, "label": 1}

NO_TEXTS = [
    (ROW, r"text, label.*row\[\"text\"\]"),
    ({"sentence": TEXT, "id": 4}, r"row\[\"sentence\"\]"),
    ({"id": 4}, r"id.*one of its columns"),
    (None, "None.*dropna"),
    (float("nan"), "nan.*dropna"),
    (pd.NA, "<NA>.*dropna"),
    (np.float64("nan"), "nan.*dropna"),
    (3, r"3 \(int\)"),
    (b"bytes", "decode"),
    ([5, 6, 7], r"prompts\.Ids"),
    (np.array([5, 6]), r"prompts\.Ids"),
    (torch.tensor([5, 6]), r"prompts\.Ids"),
    ({TEXT}, "set"),
    ((), "0 were given"),
    ((TEXT, None), "None.*dropna"),
    ((TEXT, TEXT, TEXT), "3 were given"),
]


@pytest.mark.parametrize(("row", "message"), NO_TEXTS, ids=lambda case: str(case)[:20])
def test_rows_that_are_no_text_are_named_with_their_number(row: Any, message: str) -> None:
    model = fakes.FakeModel(fakes.smooth)
    done = []
    with pytest.raises(InputError, match=rf"^texts\[2\].*{message}"):
        done += lineal.explain_many(model, ["a film", "good", row], "label:yes")
    with pytest.raises(InputError, match=message):
        lineal.explain(model, row, "label:yes")


VERBS: dict[str, Callable[[Any], Any]] = {
    "pair, first": lambda row: lineal.explain_pair(BERT.load("encoder"), row, TEXT),
    "pair, second": lambda row: lineal.explain_pair(BERT.load("encoder"), TEXT, row),
    "similarity": lambda row: lineal.explain_similarity(BERT.load("encoder"), TEXT, row),
    "query": lambda row: lineal.explain_matches(BERT.load("encoder"), row, [TEXT]),
    "documents": lambda row: lineal.explain_matches(BERT.load("encoder"), TEXT, [TEXT, row]),
    "interactions": lambda row: explain_interactions(fakes.FakeModel(fakes.smooth), row, "label:yes"),
    "evaluate": lambda row: evaluate(BERT.load("classifier"), [TEXT, TEXT, row], "label:1", methods=["random"]),
    "compare": lambda row: lineal.compare(fakes.FakeModel(fakes.smooth), row, "label:yes", methods=["ig"]),
    "trust": lambda row: examine(BERT.load("classifier"), row),
    "generation": lambda row: lineal.explain_generation(tiny_lm.llama(), {**row} if row else float("nan"), 2),
}


@pytest.mark.parametrize("row", [ROW, None], ids=["mapping", "missing"])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_refuses_a_row_of_a_data_set(verb: str, row: Any) -> None:
    if (verb, row) == ("evaluate", None):
        assert len(VERBS[verb](row).skipped) == 1  # many texts, one of them missing: the others are judged, see below
        return
    place = {"documents": r"^documents\[1\]", "evaluate": r"^texts\[2\]"}.get(verb, "")
    with pytest.raises(InputError, match=place + (r".*row\[\"text\"\]" if row else r".*dropna")):
        VERBS[verb](row)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, (TEXT, None)], ids=["None", "nan", "NA", "half a pair"])
def test_a_missing_text_is_left_out_of_an_evaluation_with_its_number(missing: Any) -> None:
    how = {"methods": ["random"], "metrics": ["completeness_error"], "removals": ["delete"]}
    found = evaluate(fakes.FakeModel(fakes.smooth), ["a film", missing, "good film"], "label:yes", **how)
    assert found.texts == ("a film", "good film")
    (reason,) = found.skipped
    assert reason.startswith("texts[1]: the text is missing")
    assert "dropna" in reason
    with pytest.raises(OptionError, match=r"none of the texts could be explained; the first: texts\[0\]: the text is missing"):
        evaluate(fakes.FakeModel(fakes.smooth), [missing], "label:yes", **how)


@pytest.mark.parametrize(
    "texts",
    [pd.DataFrame({"text": [TEXT], "label": [1]}), {"text": [TEXT]}, None, b"bytes", 3],
    ids=["frame", "dict", "none", "bytes", "int"],
)
def test_a_table_is_no_list_of_texts(texts: Any) -> None:
    """A data frame and a dictionary iterate over the names of their columns."""
    message = r'\["text"\]' if hasattr(texts, "keys") else "takes a list of texts"
    with pytest.raises(InputError, match=message):
        lineal.explain_many(fakes.FakeModel(fakes.smooth), texts, "label:yes")
    with pytest.raises(InputError, match=message):
        evaluate(BERT.load("classifier"), texts, methods=["random"])
    with pytest.raises(InputError, match=message.replace("texts", "documents")):
        lineal.explain_matches(BERT.load("encoder"), TEXT, texts)


def test_columns_of_tables_are_lists_of_texts() -> None:
    model = fakes.FakeModel(fakes.smooth)
    for texts in (pd.Series(["a film", "good"]), np.array(["a film", "good"])):
        assert [record.text for record in lineal.explain_many(model, texts, "label:yes")] == ["a film", "good"]


def test_every_error_of_a_text_has_its_number() -> None:
    with pytest.raises(InputError, match=r"^texts\[1\]: the text is empty"):
        list(lineal.explain_many(fakes.FakeModel(fakes.smooth), ["film", " "], "label:yes"))
    with pytest.raises(InputError, match=r"^the text is empty"):
        lineal.explain(fakes.FakeModel(fakes.smooth), " ", "label:yes")


def test_labels_named_by_numbers_are_found_by_name() -> None:
    model = fakes.FakeModel(fakes.smooth, ("1", "0"))
    for target, name in (("label:1", "1"), ("label:0", "0"), (targets.label("1"), "1"), (targets.label(1), "0"), ("label:#1", "0")):
        assert lineal.explain(model, "film good", target).targets == (name,)
    assert lineal.explain(fakes.FakeModel(fakes.smooth), "film", "label:1").targets == ("yes",), "no such name: the number"


def test_equal_names_of_labels_need_the_number() -> None:
    model = fakes.FakeModel(fakes.smooth, ("x", "x"))
    with pytest.raises(OptionError, match=r"2 labels are called 'x'.*0 or 1"):
        lineal.explain(model, "film good", "label:x")
    record = lineal.explain(model, "film good", targets.labels())
    assert record.targets == ("x (0)", "x (1)")
    assert lineal.explain(model, "film good", "label:#1").targets == ("x (1)",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": "0.01"}, r"tol is '0\.01'.*a number"),
        ({"tol": True}, r"tol is True.*a number"),
        ({"tol": float("nan")}, "tol is nan"),
        ({"tol": None}, r"tol is None.*a number"),
        ({"layer": 1.5}, r"layer is 1\.5.*a text, a whole number or None"),
        ({"layer": True}, r"layer is True"),
        ({"max_evaluations": 100.5}, r"max_evaluations is 100\.5.*a whole number"),
        ({"max_evaluations": "100"}, r"max_evaluations is '100'.*a whole number"),
        ({"batch_tokens": 1e6}, r"batch_tokens is 1000000\.0.*a whole number or None"),
        ({"truncate": "no"}, r"truncate is 'no'.*True or False"),
        ({"hold_special": 0}, r"hold_special is 0.*True or False"),
        ({"rule": 50}, r"rule is 50.*a text"),
        ({"rule": "gauss:²"}, "needs a number of points"),
        ({"rule": "gauss:100000"}, "gauss:100000.*at most 2000"),
        ({"rule": "left:" + "9" * 5000}, "at most 2000"),
        ({"prompt": 3}, r"prompt is 3.*a text or None"),
        ({"anchor": 1}, r"anchor is 1.*first, bos, none"),
        ({"hold": 1.5}, r"hold is 1\.5"),
        ({"hold": ["a", "b"]}, r"hold is \['a', 'b'\]"),
        ({"hold": [(1, 2, 3)]}, r"hold is \[\(1, 2, 3\)\]"),
        ({"method": "smoothgrad-ig:noise=inf"}, "noise is inf"),
        ({"method": lineal.methods.DIG(stride=2), "tol": "1"}, "tol is '1'"),
        ({"tool": 0.1}, "unknown option 'tool'; did you mean 'tol'?"),
        ({"base_line": "mask"}, "did you mean 'baseline'?"),
    ],
    ids=lambda options: str(options)[:40],
)
def test_options_of_the_wrong_kind_are_named_before_any_work(options: dict[str, Any], message: str) -> None:
    model = fakes.FakeModel(fakes.smooth)
    with pytest.raises(OptionError, match=message):
        lineal.explain(model, "a film", "label:yes", **options)
    assert not model.batches


def test_numbers_of_numpy_are_numbers() -> None:
    options = Options(tol=np.float32(0.25), max_evaluations=np.int64(50), truncate=np.bool_(True), hold=np.array([1, 2]))
    assert (options.tol, options.max_evaluations, options.truncate) == (0.25, 50, True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lineal.methods.DIG(steps="3"), "steps is '3'"),
        (lambda: lineal.methods.DIG("gready"), "unknown strategy 'gready'; did you mean 'greedy'"),
        (lambda: lineal.methods.DIG(stride=0), "stride is 0"),
        (lambda: lineal.methods.SmoothGradIG(noise="big"), "noise is 'big'"),
        (lambda: lineal.methods.ExpectedGradients(samples=2.5), r"samples is 2\.5"),
        (lambda: lineal.methods.Random(seed=None), "seed is None"),
        (lambda: lineal.methods.Random(seed=-1), "seed is -1"),
        (lambda: lineal.baselines.random_words("many"), "samples is 'many'"),
        (lambda: lineal.explain_pair(fakes.FakeModel(fakes.smooth), "a", "a", tol="1"), "tol is '1'"),
        (lambda: lineal.explain_pair(fakes.FakeModel(fakes.smooth), "a", "a", similarty="dot"), "did you mean 'similarity'?"),
    ],
)
def test_settings_of_values_have_kinds_too(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


def test_trust_and_evaluation_name_an_unknown_option() -> None:
    model, encoder = BERT.load("classifier"), BERT.load("encoder")
    with pytest.raises(OptionError, match="unknown option 'tool'; did you mean 'tol'"):
        examine(model, TEXT, tool=0.1)
    with pytest.raises(OptionError, match="unknown option 'tool'; did you mean 'tol'"):
        examine_pair(encoder, TEXT, TEXT, tool=0.1)
    with pytest.raises(OptionError, match="unknown option 'tool'; did you mean 'tol'"):
        evaluate(model, [TEXT], methods=["random"], tool=0.1)
    with pytest.raises(OptionError, match="methods="):
        evaluate(model, [TEXT], method="ig")
    with pytest.raises(OptionError, match="did you mean 'baselines'"):
        evaluate(model, [TEXT], baseline="mask")
    with pytest.raises(OptionError, match="did you mean 'tol'"):
        lineal.explain_generation(tiny_lm.llama(), "The man", 2, tool=0.1)


def test_more_new_tokens_than_the_model_reads_are_refused_before_any_work() -> None:
    model = tiny_lm.llama(limit=32)
    prompt = "The man works as a"
    room = 32 - len(model.encode((prompt,)))
    with pytest.raises(OptionError, match=rf"max_new_tokens is 1000.*at most {room}"):
        lineal.explain_generation(model, prompt, 1000)
    with pytest.raises(OptionError, match="max_new_tokens is '6'"):
        lineal.explain_generation(model, prompt, "6")
    assert lineal.explain_generation(model, prompt, room, rule="gauss:3").steps <= room


def test_every_draw_is_a_word() -> None:
    """Special tokens, unused rows and rows behind the tokenizer's last token are no words."""
    words = tiny.tokenizer(extra=("[unused0]", "[unused17]", "<unused3>", "<|reserved_special_token_1|>"))
    torch.manual_seed(0)
    config = transformers.BertConfig(**tiny.SIZES | {"vocab_size": len(words) + 7})
    model = lineal.load(transformers.BertForSequenceClassification(config).eval(), words)
    allowed = {words.convert_tokens_to_ids(word) for word in (*tiny.WORDS, ".", ",", "!", "?")}
    case = Session(model, None, None, Options()).case("a film was good")
    moving = [i for i, moves in enumerate(case.moving) if moves]
    drawn = [problem.path.at((0.0,))[0][moving] for problem, _ in lineal.methods.ExpectedGradients(samples=300).plan(case).tasks.values()]
    for starts in (torch.stack(drawn), lineal.baselines.random_words(300).bind(model)(case.encoded)[:, moving]):
        ids = rows_of(model, starts.flatten(0, 1).detach())
        assert set(ids.tolist()) == allowed


def test_token_ids_are_a_prompt() -> None:
    """Ids that the tokenizer itself gives are the text; others are shown token by token, and F is the model's own answer to them."""
    model = tiny_lm.llama()
    text = "The man works as a"
    ids = model.tokenizer(text)["input_ids"]
    plain = lineal.explain(model, text, "next", rule="gauss:8")
    for given in (ids, torch.tensor(ids), torch.tensor([ids]), np.array(ids)):
        record = lineal.explain(model, prompts.Ids(given), "next", rule="gauss:8")
        assert (record.texts, record.tokens, record.offsets, record.word_ids) == (plain.texts, plain.tokens, plain.offsets, plain.word_ids)
        np.testing.assert_array_equal(record.scores, plain.scores)
    letters = [i for letter in text for i in model.tokenizer(letter)["input_ids"]]
    assert letters != ids
    record = lineal.explain(model, prompts.Ids([1, *letters]), "next[unit=logit]", rule="gauss:8")
    with torch.no_grad():
        logits = model.module(torch.tensor([[1, *letters]])).logits[0, -1]
    assert record.f_input[0] == pytest.approx(float(logits.max()), abs=1e-6)
    assert record.text == text
    assert [text[slice(*span)] for span in record.offsets[1:]] == list(text)
    assert record.roles[0] == "special"


def test_token_ids_of_an_encoder_are_those_it_reads() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    ids = model.tokenizer("a film was good")["input_ids"]
    own, given = (lineal.explain(model, text, "label:L1", rule="gauss:8") for text in ("a film was good", prompts.Ids(ids)))
    np.testing.assert_array_equal(own.scores, given.scores)
    for wrong in (model.tokenizer("a film", "good")["input_ids"], ids[1:-1]):
        with pytest.raises(InputError, match=r"reads \d+ tokens where \d+ others were given"):
            lineal.explain(model, prompts.Ids(wrong), "label:L1")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "no token ids"),
        ([5, 10**9], "outside the vocabulary"),
        ([-1], "outside the vocabulary"),
        ([1.5], "whole numbers"),
        ("text", "whole numbers"),
        (torch.ones(2, 3, dtype=torch.long), "one text"),
        (list(range(7, 40)) * 20, "the model reads 64"),
    ],
    ids=lambda case: str(case)[:12],
)
def test_bad_token_ids_are_named(ids: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lineal.explain(tiny_lm.llama(limit=64), prompts.Ids(ids), "next")


def test_a_generation_goes_on_from_token_ids() -> None:
    model = tiny_lm.llama()
    text = "The man works as a"
    plain, ids = (
        lineal.explain_generation(model, given, 3, rule="gauss:8") for given in (text, prompts.Ids(model.tokenizer(text)["input_ids"]))
    )
    assert ids.targets == plain.targets
    np.testing.assert_array_equal(ids.scores, plain.scores)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda: targets.next_token(rank="2"), "rank is '2'"),
        (lambda: targets.next_token(unit=None), "unit is None"),
        (lambda: targets.label(1.5), r"label is 1\.5"),
        (lambda: targets.word_label(3), "word is 3"),
    ],
)
def test_fields_of_targets_have_kinds_too(target: Callable[[], Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        lineal.explain(fakes.FakeModel(fakes.smooth), "a film", target())
