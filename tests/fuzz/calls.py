"""Python calls: for every verb one that works, with up to two of its arguments replaced by a value of any type."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields
from typing import Any

import torch

import lineal
from lineal import baselines, methods, prompts, targets
from lineal.evaluation import trust
from lineal.evaluation.trust_pair import examine_pair
from lineal.records.base import Record
from lineal.verbs.options import Options
from tests.fuzz import values
from tests.fuzz.cases import Case, dice, insist, shortened
from tests.fuzz.workspace import Workspace

FAST: dict[str, Any] = {"rule": "gauss:4"}
OPTIONS = [field.name for field in fields(Options)]


@dataclass(frozen=True)
class Verb:
    """A function, the kinds of model that it is for, and its other arguments in a call that works. plain: takes no `Options`."""

    call: Callable[..., Any]
    kinds: tuple[str, ...]
    usual: Callable[[], dict[str, Any]]
    also: tuple[str, ...] = ()
    plain: bool = False


def _text() -> dict[str, Any]:
    return {"text": "the film was good", **FAST}


VERBS = {
    "explain": Verb(
        lineal.explain, ("classifier", "encoder", "decoder", "tagger", "masked", "probe"), _text, ("target", "baseline", "messages")
    ),
    "explain_many": Verb(
        lambda model, **how: list(lineal.explain_many(model, **how)),
        ("classifier", "encoder", "decoder"),
        lambda: {"texts": ["the film", "a mess"], **FAST},
        ("target", "baseline"),
    ),
    "explain_pair": Verb(
        lineal.explain_pair,
        ("encoder",),
        lambda: {"a": "the film", "b": "a mess"},
        ("baseline", "model_b", "mode", "similarity", "decomposition"),
    ),
    "explain_matches": Verb(
        lineal.explain_matches,
        ("encoder",),
        lambda: {"query": "the film", "documents": ["a mess", "the film was good"]},
        ("top", "baseline", "mode"),
    ),
    "explain_similarity": Verb(
        lineal.explain_similarity, ("encoder",), lambda: {"a": "the film", "b": "a mess", **FAST}, ("sides", "similarity")
    ),
    "explain_interactions": Verb(lineal.explain_interactions, ("classifier", "encoder", "decoder"), _text, ("target", "baseline")),
    "explain_generation": Verb(
        lineal.explain_generation,
        ("decoder", "seq2seq"),
        lambda: {"prompt": "the man works", "max_new_tokens": 2, **FAST},
        ("continuation", "unit", "hold_generated", "messages", "baseline"),
    ),
    "compare": Verb(
        lineal.compare,
        ("classifier", "decoder"),
        lambda: {**_text(), "methods": ["ig", "random"]},
        ("target", "baseline", "max_new_tokens", "continuation"),
    ),
    "evaluate": Verb(
        lineal.evaluate,
        ("classifier", "probe", "decoder"),
        lambda: {"texts": ["the film was good", "a mess"], "methods": ["ig", "random"], "tol": 0.05},
        ("metrics", "removals", "baselines", "target", "into"),
    ),
    "examine": Verb(
        lambda model, **how: trust.examine(model, **how)[0],
        ("classifier", "decoder", "encoder"),
        _text,
        ("target", "baseline", "seed", "record"),
    ),
    "examine_pair": Verb(
        lambda model, **how: examine_pair(model, **how)[0],
        ("encoder",),
        lambda: {"a": "the film", "b": "a mess"},
        ("baseline", "seed", "record", "mode"),
    ),
    "load": Verb(
        lineal.load,
        ("classifier",),
        dict,
        ("tokenizer", "task", "device", "dtype", "revision", "device_map", "load_in_4bit", "load_in_8bit"),
        plain=True,
    ),
    "load_result": Verb(lambda model, **how: lineal.load_result(**how), ("classifier",), lambda: {"path": "/nowhere.json"}, plain=True),
}

MADE: dict[str, Callable[[Any], dict[str, Any]]] = {
    **{
        f"targets.{name}": lambda odd, make=make: {"target": make(odd)}
        for name, make in {
            "label": lambda odd: targets.label(odd),
            "labels": lambda odd: targets.labels(odd),
            "label_unit": lambda odd: targets.label(None, odd),
            "similar": lambda odd: targets.similar(odd),
            "similar_kind": lambda odd: targets.similar("the film", odd),
            "own_embedding": lambda odd: targets.own_embedding(odd),
            "NextToken": lambda odd: targets.NextToken(odd),
            "NextToken_rank": lambda odd: targets.NextToken(rank=odd),
            "Contrast": lambda odd: targets.Contrast(" the", odd),
            "Choice": lambda odd: targets.Choice(odd),
            "Choice_pick": lambda odd: targets.Choice((" the", " a"), odd),
            "Continuation": lambda odd: targets.Continuation(odd),
            "WordLabel": lambda odd: targets.WordLabel(odd),
            "AnswerSpan": lambda odd: targets.AnswerSpan(odd),
            "ZeroShot": lambda odd: targets.ZeroShot(odd),
            "Fill": lambda odd: targets.Fill(odd),
            "Entities": lambda odd: targets.Entities(odd),
            "Steps": lambda odd: targets.Steps(odd),
        }.items()
    },
    **{
        f"baselines.{name}": lambda odd, make=make: {"baseline": make(odd)}
        for name, make in {
            "another_text": lambda odd: baselines.another_text(odd),
            "word": lambda odd: baselines.word(odd),
            "random_words": lambda odd: baselines.random_words(odd),
            "random_words_seed": lambda odd: baselines.random_words(2, odd),
            "given": lambda odd: baselines.given(odd),
            "some_of": lambda odd: baselines.some_of(odd, 1),
            "some_of_samples": lambda odd: baselines.some_of(["the film", "a"], odd),
        }.items()
    },
    **{
        f"methods.{name}": lambda odd, make=make: {"method": make(odd)}
        for name, make in {
            "DIG": lambda odd: methods.DIG(odd),
            "DIG_steps": lambda odd: methods.DIG("greedy", steps=odd),
            "ExpectedGradients": lambda odd: methods.ExpectedGradients(odd),
            "SmoothGradIG": lambda odd: methods.SmoothGradIG(odd),
            "Occlusion": lambda odd: methods.Occlusion(odd),
            "Random": lambda odd: methods.Random(odd),
        }.items()
    },
    **{
        f"prompts.{name}": lambda odd, make=make: {"text": make(odd)}
        for name, make in {
            "Marked": lambda odd: prompts.Marked(odd, {}),
            "Marked_regions": lambda odd: prompts.Marked("the film was good", odd),
            "Marked_span": lambda odd: prompts.Marked("the film was good", {"a": odd}),
            "Chat": lambda odd: prompts.Chat(odd),
            "Chat_message": lambda odd: prompts.Chat([odd]),
            "Chat_content": lambda odd: prompts.Chat([{"role": "user", "content": odd}]),
            "Chat_role": lambda odd: prompts.Chat([{"role": odd, "content": "the film"}]),
            "Generation": lambda odd: prompts.Generation(odd, 2),
            "Generation_tokens": lambda odd: prompts.Generation("the man", odd),
        }.items()
    },
}
"""Values of the public modules around one odd argument; what is made is then asked of a model."""


def case(seed: int, number: int, workspace: Workspace) -> Case:
    """Return a case of the kind `call`."""
    name = f"call:{number}"
    rng = dice(seed, name)
    if rng.random() < 0.25:
        return _of_a_value(name, rng, workspace)
    verb_name = rng.choices(list(VERBS), [4, 2, 1, 1, 1, 2, 2, 1, 2, 1, 1, 1, 0.5])[0]
    verb = VERBS[verb_name]
    kind = rng.choice(verb.kinds)
    given = verb.usual()
    possible = ["model", *(given if verb_name != "load" else ()), *verb.also, *verb.also, *(() if verb.plain else OPTIONS)]
    for argument in rng.sample(possible, k=rng.choice((1, 1, 1, 2))):
        given[argument] = _odd(rng, argument)
    if not verb.plain and rng.random() < 0.03:
        given["nonsense"] = 1
    state = rng.choice((nullcontext, nullcontext, nullcontext, torch.no_grad, torch.inference_mode))

    def run() -> None:
        arguments = {"model": workspace.model(kind)} | given  # loaded here: a model that is loaded in inference mode keeps no gradients
        model = arguments.pop("model")
        with state():
            result = verb.call(model, **arguments)
        for record in result if isinstance(result, (list, tuple)) else (result,):
            if isinstance(record, Record):
                insist(record)

    shown = ", ".join(f"{key}={shortened(value)}" for key, value in given.items())
    return Case(name, f"{verb_name}({kind}, {shown}){'' if state is nullcontext else f' under torch.{state.__name__}'}", run)


def _of_a_value(name: str, rng: random.Random, workspace: Workspace) -> Case:
    value = rng.choice(list(MADE))
    odd = _odd(rng, value)
    kind = rng.choice(("classifier", "encoder", "decoder", "tagger", "reader", "masked"))

    def run() -> None:
        insist(lineal.explain(workspace.model(kind), **{**_text(), **MADE[value](odd)}))

    return Case(name, f"explain({kind}, …) with {value}({shortened(odd)})", run)


def _odd(rng: random.Random, argument: str) -> Any:
    """Return a value that may or may not fit an argument."""
    if argument in values.POOLS and rng.random() < 0.4:
        return rng.choice(values.POOLS[argument])
    if argument in ("text", "a", "b", "query", "prompt") and rng.random() < 0.4:
        return values.sentence(rng, ugly=0.9)
    return rng.choice(values.ANYTHING)()
