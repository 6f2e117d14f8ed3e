"""Every step of a generation: which earlier tokens made the model say each of its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Unpack

from lineal.errors import InputError, OptionError, unknown
from lineal.models import load
from lineal.models.generative import generate_options
from lineal.prompts import Chat, Generation
from lineal.records.attribution import Attribution
from lineal.targets import steps
from lineal.verbs.options import GenerationKeywords, Options, lists_options
from lineal.verbs.text import explain


@lists_options(Options)
def explain_generation(
    model: Any,
    prompt: Any = None,
    max_new_tokens: int = Generation.max_new_tokens,
    continuation: str | Sequence[int] | None = None,
    *,
    messages: Sequence[Mapping[str, str]] | None = None,
    unit: str = "log_prob",
    hold_generated: bool = False,
    baseline: Any = None,
    **options: Unpack[GenerationKeywords],
) -> Attribution:
    """Return one row of scores per generated token, over the prompt and the tokens generated before it.

        result = lineal.explain_generation("smollm2", "The man works as a", max_new_tokens=6)
        result.targets, result.scores        # (6,) the words, (6, t) what each rests on

    All steps come from shared forward passes of the whole interpolated sequence: causality makes what stands before a step the same as
    if it stood there alone, so each row equals that of the prompt cut at this step, and scores at or after a step are exactly 0.
    Rows add up to the scores of the whole continuation's log-probability.

    prompt: a text or a value of `lineal.prompts`; or messages, a chat. continuation: what follows, as text or token ids; None lets the
    model generate, greedily unless a `generate` keyword of transformers says otherwise (do_sample=True, num_beams=4, …).
    hold_generated: keep generated tokens at their own embedding and ask only which prompt tokens matter; False lets them move too, and the
    baseline then replaces them as well. unit: log_prob, logit, log_odds or prob of each token. options: see `Options`, or
    keywords of `generate`. Cost: one forward per path point and one reverse pass per step that has not converged yet.

    Raises as `lineal.explain`; InputError for an empty continuation, TooLongError when prompt and continuation exceed the context.
    """
    if (prompt is None) == (messages is None):
        raise InputError("give a prompt or messages, one of the two")
    text = prompt if messages is None else Chat(messages)
    asked, own = generation_from(text, max_new_tokens, continuation, hold_generated, options)
    return explain(load(model), asked, steps(unit), baseline=baseline, **own)


def generation_from(
    prompt: Any, max_new_tokens: int, continuation: str | Sequence[int] | None, hold: bool, options: Mapping[str, Any]
) -> tuple[Generation, dict[str, Any]]:
    """Return a prompt with what follows it, and the options that are the explanation's own: the others are keywords of `generate`."""
    known = {field.name for field in fields(Options)}
    own = {name: value for name, value in options.items() if name in known}
    generate = {name: value for name, value in options.items() if name not in known}
    if strange := [name for name in generate if name not in generate_options()]:
        message = unknown("option", strange[0], [*sorted(known), *sorted(generate_options())])
        raise OptionError(f"{message}; it is no keyword of transformers' generate either")
    if generate and continuation is not None:
        raise OptionError(f"{', '.join(generate)} is for generating, but a continuation is given; drop one of the two")
    return Generation(prompt, max_new_tokens, continuation, hold, generate), own
