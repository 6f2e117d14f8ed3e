"""Every spelling comes back: spelling(value) → value → spelling, over all targets, baselines, methods and rules with their settings.

Nothing behind a name is dropped. Every unit of every target is honoured or refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineal import baselines, methods, spellings, targets
from lineal.errors import OptionError
from lineal.methods import METHODS
from lineal.quadrature import spelling as rules
from lineal.quadrature.rules import RULES
from lineal.targets import spelling as specs

HARD = st.sampled_from(
    [
        "",
        " a",
        "a ",
        '"',
        '""',
        '"a"',
        "#1",
        "1",
        "a,b",
        "a=b",
        "~",
        "a~b",
        "[x]",
        "]",
        ":",
        "a:b",
        "\n",
        "mask",
        "none",
        "yes",
        "1e3",
        "²",
        "\\",
        "'",
    ]
)
ANY = st.text(max_size=12) | HARD
TEXTS = ANY.filter(bool)
LABELS = ANY | st.integers(0, 999)
TOKENS = TEXTS | st.integers(0, 99_999)
UNIT = st.sampled_from(specs.UNITS)
SIMILARITY = st.sampled_from(specs.SIMILARITIES)
MAYBE = st.none() | ANY
ROUTE = st.sampled_from([None, "query", "document"])

TARGETS: dict[str, st.SearchStrategy[Any]] = {
    "self": st.builds(targets.OwnEmbedding, SIMILARITY),
    "similar": st.builds(targets.Similar, TEXTS, SIMILARITY, MAYBE, MAYBE, MAYBE, ROUTE),
    "label": st.builds(targets.Label, st.none() | LABELS, UNIT),
    "labels": st.builds(targets.Labels, st.none() | st.lists(LABELS, min_size=1, max_size=4).map(tuple), UNIT),
    "next": st.builds(targets.NextToken, st.none(), st.integers(0, 99), UNIT),
    "token": st.builds(targets.NextToken, TOKENS, st.integers(0, 99), UNIT),
    "contrast": st.builds(targets.Contrast, TOKENS, TOKENS, UNIT),
    "choice": st.builds(
        targets.Choice,
        st.lists(ANY, min_size=2, max_size=4).map(tuple),
        st.none() | LABELS,
        UNIT,
        st.sampled_from(["sum", "mean"]),
        st.sampled_from(["options", "vocabulary"]),
        st.booleans(),
        st.none() | st.lists(ANY, max_size=3).map(tuple),
        st.none() | LABELS,
    ),
    "continuation": st.builds(targets.Continuation, TEXTS, st.sampled_from(["sum", "tokens", "both"]), UNIT),
    "steps": st.builds(targets.Steps, UNIT),
    "word": st.builds(targets.WordLabel, TEXTS, st.none() | LABELS, st.integers(0, 9), UNIT),
    "entities": st.builds(targets.Entities, ANY, UNIT),
    "answer": st.builds(targets.AnswerSpan, st.sampled_from(["span", "start", "end", "both"]), MAYBE, st.integers(0, 99)),
    "zero-shot": st.builds(targets.ZeroShot, TEXTS, ANY, UNIT),
    "fill": st.builds(targets.Fill, st.none() | TOKENS, st.integers(0, 99), UNIT),
}
SINGLE = (
    st.sampled_from(list(baselines.NAMED.values()))
    | st.builds(baselines.AnotherText, TEXTS)
    | st.builds(baselines.AnotherText, st.tuples(ANY, ANY))
    | st.builds(baselines.Word, TOKENS)
    | st.builds(baselines.RandomWords, st.integers(1, 99), st.integers(0, 99))
)
COUNT = st.integers(1, 99)
METHOD: dict[type, st.SearchStrategy[dict[str, Any]]] = {
    methods.DIG: st.fixed_dictionaries(
        {}, optional={"steps": COUNT, "neighbours": COUNT, "factor": st.integers(0, 6), "even": st.booleans(), "stride": st.none() | COUNT}
    ),
    methods.BlogDIG: st.fixed_dictionaries({}, optional={"steps": COUNT, "neighbours": COUNT}),
    methods.ExpectedGradients: st.fixed_dictionaries({}, optional={"samples": st.integers(2, 99), "seed": COUNT}),
    methods.SmoothGradIG: st.fixed_dictionaries(
        {},
        optional={"samples": st.integers(2, 99), "seed": COUNT, "noise": st.floats(0, 10, exclude_min=True)},
    ),
    methods.Random: st.fixed_dictionaries({}, optional={"seed": COUNT}),
}


def test_every_name_has_a_strategy() -> None:
    also = {"query": "similar", "document": "similar", "choices": "choice"}
    assert {also.get(name, name) for name in specs.TARGETS} == set(TARGETS)
    settled = {type(method()) for method in METHODS.values()}
    assert {kind for kind in settled if methods._settings(kind())} == set(METHOD)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_targets_come_back(name: str, data: st.DataObject) -> None:
    value = data.draw(TARGETS[name])
    spelling = specs.spelling(value)
    assert specs.target(spelling) == value
    assert specs.spelling(specs.target(spelling)) == spelling


@settings(max_examples=300, deadline=None)
@given(SINGLE)
def test_baselines_come_back(value: Any) -> None:
    spelling = baselines.spelling(value)
    assert baselines.resolve(spelling, None) == value  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(st.lists(SINGLE, min_size=2, max_size=4))
def test_lists_of_baselines_come_back(parts: list[Any]) -> None:
    value = baselines.Several(tuple(parts))
    assert baselines.resolve(baselines.spelling(value), None) == value  # type: ignore[arg-type]


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_methods_come_back(name: str, data: st.DataObject) -> None:
    usual = METHODS[name]()
    value = replace(usual, **data.draw(METHOD.get(type(usual), st.just({}))))  # type: ignore[type-var]
    assert methods.resolve(methods.spelling(value)) == value


@given(st.sampled_from(list(RULES)), st.integers(0, rules.MOST_POINTS))
def test_rules_come_back(name: str, points: int) -> None:
    spelling = rules.write_rule(name, points)
    assert rules.read_rule(spelling) == (name, points)
    for alone in (*rules.ADAPTIVE, *rules.SIDES):
        assert rules.write_rule(*rules.read_rule(alone)) == alone


@settings(max_examples=1000, deadline=None)
@given(
    st.text(max_size=30)
    | st.tuples(
        st.sampled_from([*specs.TARGETS, *baselines.BASELINES, *METHODS, *RULES]), st.sampled_from(["", ":", "[", "[unit=", ":steps="]), ANY
    ).map("".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (specs.target, rules.read_rule, methods.resolve, lambda spelled: baselines.resolve(spelled, None)):
        try:
            read(text)
        except OptionError:
            continue


@pytest.mark.parametrize(
    "spelling",
    [
        "self:foo",
        "self:",
        "entities:LOC",
        "steps:3",
        "label:",
        "answer:middle",
        "adaptive",
        "next[unit=prob",
        "next[unit=prob]x",
        "next[unit=prob,unit=prob]",
        "next[unt=prob]",
        "next[rank=1]:2",
        "choice[pick=A]:A,B=B",
        "word:a=b=c",
        "contrast:A~B~C",
    ],
)
def test_what_is_left_over_is_an_error(spelling: str) -> None:
    with pytest.raises(OptionError):
        specs.target(spelling)


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("label[unit=prob]:POSITIVE", targets.Label("POSITIVE", "prob")),
        ("label:1", targets.Label("1")),
        ("label:#1", targets.Label(1)),
        ('label:"#1"', targets.Label("#1")),
        ('labels:#0,"B, C"', targets.Labels((0, "B, C"))),
        ("choice[normalise=mean,gold=B]:A,B", targets.Choice(("A", "B"), normalise="mean", gold="B")),
        ('entities[outside="no entity"]', targets.Entities("no entity")),
        ('zero-shot[hypothesis="It is {}."]:good', targets.ZeroShot("good", "It is {}.")),
        ('answer[text="in Rome",longest=3]:start', targets.AnswerSpan("start", "in Rome", 3)),
        ('similar:"quoted" text', targets.Similar('"quoted" text')),
    ],
)
def test_settings_stand_in_brackets(spelling: str, value: Any) -> None:
    assert specs.target(spelling) == value


def test_stride_is_part_of_the_name_of_a_path() -> None:
    assert methods.spelling(methods.DIG(even=False, stride=10)) == "dig-greedy:even=no:stride=10"
    assert methods.resolve("dig-greedy:stride=10") == methods.DIG(stride=10)
    with pytest.raises(OptionError, match="twice"):
        methods.resolve("dig-greedy:steps=3:steps=4")


def test_a_value_without_a_spelling_says_so() -> None:
    for value in (targets.Similar([1.0, 2.0]), targets.PairSimilarity(), 3):
        with pytest.raises(OptionError, match="no spelling"):
            specs.spelling(value)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="no spelling"):
        baselines.spelling(baselines.given([1.0]))


def test_a_second_text_is_read_or_refused() -> None:
    assert specs.target("similar", text="rain") == specs.target(None, text="rain") == targets.Similar("rain")
    assert specs.target("query", "dot", text="rain") == targets.Similar("rain", "dot", route="query")
    for spelling in ("self", "similar:snow", "label:A"):
        with pytest.raises(OptionError, match="second text"):
            specs.target(spelling, text="rain")


@pytest.mark.parametrize("known", [*specs.UNITS, *specs.SIMILARITIES])
@pytest.mark.parametrize("name", specs.TARGETS)
def test_a_unit_reaches_the_target_or_is_refused(name: str, known: str) -> None:
    spelled = next(s for s in EXAMPLES if spellings.parts(s)[0] == name)
    row = specs.TARGETS[name]
    if known not in row.units:
        with pytest.raises(OptionError, match="has no unit"):
            specs.target(spelled, known)
        return
    value = specs.target(spelled, known)
    assert row.unit is None or getattr(value, row.unit) == known
    assert specs.target(spelled, known, usual=targets.Label()) == value
    assert specs.target(None, known, usual=specs.target(spelled)) == value
    with pytest.raises(OptionError, match="unknown unit 'volts'"):
        specs.target(spelled, "volts")


EXAMPLES = (
    *("self", "similar:rain", "query:rain", "document:rain", "label", "labels", "next", 'token:" a"', 'contrast:" a"~" b"', "choice:A,B"),
    *("choices:A,B", 'continuation:" a"', "steps", "word:rain", "entities", "answer", "zero-shot:good", "fill"),
)
