"""What is no text is refused by every verb, with the number of the row and the next step, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import lineal
from lineal import targets
from lineal.errors import InputError, OptionError
from lineal.evaluation import evaluate
from lineal.interactions import explain_interactions
from lineal.trust import examine
from tests import fakes, tiny_lm
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
    place = {"documents": r"^documents\[1\]", "evaluate": r"^texts\[2\]"}.get(verb, "")
    with pytest.raises(InputError, match=place + (r".*row\[\"text\"\]" if row else r".*dropna")):
        VERBS[verb](row)


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
