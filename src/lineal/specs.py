"""Strings to values: "gauss:50", "label:POSITIVE", "next". The one parser for the command line and job files; computes nothing."""

from __future__ import annotations

import csv
from typing import Any, get_args

from lineal import targets
from lineal.errors import OptionError, listing
from lineal.objectives import SimilarityName
from lineal.quadrature import Adaptive, Fixed, Nested, Schedule
from lineal.quadrature.rules import RULES
from lineal.quadrature.vertices import SIDES, Vertices

ADAPTIVE = ("adaptive", "nested")
MOST_POINTS = 2000
"""Of a fixed rule. Its nodes and their check take memory and time that grow with the square and the cube: 1.5 s for Gauss-Legendre."""

TARGET_HELP = {
    "self": "own embedding (encoders)",
    "similar:TEXT": "similarity to another text (encoders)",
    "query:TEXT, document:TEXT": "the same, the other text read as a query or as a document",
    "label": "the predicted label (classifiers)",
    "label:NAME": "one label (classifiers)",
    "labels": "all labels at once (classifiers)",
    "next": "the most likely next token (language models)",
    "next:RANK": "the next token of another rank, 0 is the most likely (language models)",
    'token:" word"': "a given next token, or its id (language models)",
    'contrast:" word"~" foil"': "a next token against another (language models)",
    "choice:A,B,C": "the preferred one of several answers; choice:A,B,C=B asks for B (language models)",
    "choices:A,B,C": "the same, with a row per answer (language models)",
    'continuation:" some words"': "a given continuation (language models)",
    "word:WORD, word:WORD=LABEL": "the label of one word (token classifiers)",
    "entities": "all words with a label other than O (token classifiers)",
    "answer, answer:start, answer:end, answer:both": "the answer to a question (question answering)",
    "zero-shot:LABEL": "whether a label fits (classifiers of inference)",
    "fill, fill:WORD": "what stands behind each mask (masked language models)",
}

TOKEN_EXAMPLE = """token:" word", contrast:" word"~" foil" or continuation:" some words", with the space that belongs to a word"""


def check_rule(rule: str) -> str:
    """Return `rule` when it can be built; OptionError says what there is."""
    schedule(rule, 0.01, 1000, (0.0, 0.5, 1.0))
    return rule


def schedule(rule: str, tol: float, max_evaluations: int, breaks: tuple[float, ...], pooled: bool = False) -> Schedule:
    """Return a fresh schedule from "adaptive", "nested", "NAME:POINTS" (a fixed rule, per straight piece of the path), or one of "left",
    "right" and "trapezoid" alone (one point per vertex of a path with kinks, as published for Discretized IG).

    pooled: the outputs are the components of one vector per token; see `lineal.quadrature.Adaptive`.
    """
    if rule == "adaptive":
        return Adaptive(tol=tol, max_evaluations=max_evaluations, breaks=breaks, pooled=pooled)
    if rule == "nested":
        return Nested(tol=tol, max_evaluations=max_evaluations, breaks=breaks, pooled=pooled)
    if rule in SIDES:
        return Vertices(rule, tol=tol, breaks=breaks)
    name, _, points = rule.partition(":")
    if name not in RULES:
        raise OptionError(
            f"unknown rule {rule!r}; choose adaptive, nested, or one of {listing(RULES)} with a number of points, as gauss:50"
        )
    if not points.isdecimal():
        raise OptionError(f"the rule {rule!r} needs a number of points, as {name}:50")
    if len(points) > 9 or int(points) > MOST_POINTS:
        raise OptionError(f"the rule {rule[:40]} has too many points; give at most {MOST_POINTS}, or the adaptive rule with a smaller tol")
    return Fixed(RULES[name](int(points)), tol=tol, breaks=breaks, pooled=pooled)


def target(spec: str | None, unit: str | None = None, text: str | None = None) -> targets.Target | None:
    """Return a target from its spelling (see TARGET_HELP); None means the model's default.

    unit: of label and token targets; "cosine" and "dot" are those of embedding targets. text: the second text of a similarity.
    """
    name, _, rest = (spec or "").partition(":")
    similarity: str | None = None
    if unit in get_args(SimilarityName):
        similarity, unit = unit, None
    if spec is None and text is None and unit is None and similarity is None:
        return None
    kind = {} if similarity is None else {"similarity": similarity}
    in_unit: dict[str, Any] = {} if unit is None else {"unit": unit}
    if name == "similar" or (spec is None and text is not None):
        other = rest or text
        if not other:
            raise OptionError("a similarity needs another text: give it as the second text or as similar:TEXT")
        return targets.Similar(other, **kind)
    if name in ("query", "document") and (rest or text):
        return targets.Similar(rest or text, **kind, route=name)
    if name == "self" or (spec is None and similarity is not None):
        return targets.OwnEmbedding(**kind)
    if name == "label" or (spec is None and unit is not None):
        return targets.Label(_label(rest) if rest else None, **in_unit)
    if name == "labels":
        return targets.Labels([_label(part) for part in rest.split(",")] if rest else None, **in_unit)
    if name == "next":
        if rest and not rest.isdigit():
            raise OptionError(f"the rank in {spec!r} is no number; give next, next:1, … (0 is the most likely token)")
        return targets.NextToken(rank=int(rest or 0), **in_unit)
    if name == "token":
        return targets.NextToken(_token(rest, spec), **in_unit)
    if name == "contrast":
        token, _, foil = rest.partition("~")
        return targets.Contrast(_token(token, spec), _token(foil, spec), **in_unit)
    if name in ("choice", "choices"):
        options = tuple(next(csv.reader([rest]), ()))
        if len(options) < 2:
            raise OptionError(f'{spec!r} names {listing(options) or "no options"}; give two or more, as choice:A,B or choice:" yes"," no"')
        options, pick = _picked(options)
        return targets.Choice(options, pick, per_option=name == "choices", **in_unit)
    if name == "continuation":
        return targets.Continuation(str(_token(rest, spec, number=False)), **in_unit)
    if name == "word" and rest:
        word, _, wanted = rest.partition("=")
        return targets.WordLabel(word, _label(wanted) if wanted else None, **in_unit)
    if name == "entities":
        return targets.Entities(**in_unit)
    if name == "answer":
        return targets.AnswerSpan(rest or "span")  # type: ignore[arg-type]
    if name == "zero-shot" and rest:
        return targets.ZeroShot(rest, **in_unit)
    if name == "fill":
        return targets.Fill(_number(rest) if rest else None, **in_unit)
    raise OptionError(f"unknown target {spec!r}; choose one of {listing(TARGET_HELP)}")


def _picked(options: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """Return the options and the one to explain: A,B,C=B picks B. An equals sign that no option follows belongs to the option."""
    last, _, pick = options[-1].rpartition("=")
    named = (*options[:-1], last)
    return (named, pick) if last and pick in named else (options, None)


def _token(text: str, spec: str | None, number: bool = True) -> str | int:
    """Return a token from its spelling: quoted text as it stands, a bare number as an id."""
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    if not text.strip('"'):
        raise OptionError(f"{spec!r} lacks a token; write {TOKEN_EXAMPLE}")
    return text[1:-1] if quoted else _number(text) if number else text


def _label(text: str) -> str | int:
    return int(text[1:]) if text[:1] == "#" and text[1:].isdecimal() else text


def _number(text: str) -> str | int:
    return int(text) if text.isdecimal() else text
