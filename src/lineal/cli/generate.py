"""`lineal generate MODEL PROMPT`: what made the model say each of its words?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lineal.cli import console, deliver, files, options
from lineal.errors import OptionError
from lineal.records.attribution import Attribution


@options.takes_groups
def generate(
    model: options.ModelName,
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="The prompt; - reads it from standard input.")] = None,
    messages: options.Messages = None,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", help="How many tokens to generate and explain at most.")] = 6,
    continuation: Annotated[
        str | None, typer.Option("--continuation", metavar="TEXT", help="Explain this text instead of what the model generates.")
    ] = None,
    hold_generated: Annotated[bool, typer.Option("--hold-generated", help="Attribute to the prompt only.")] = False,
    unit: Annotated[str, typer.Option("--unit", help="log_prob, logit, log_odds or prob of each token.")] = "log_prob",
    baseline: options.BaselineName = None,
    method: options.MethodName = "ig",
    *,
    precision: options.Precision,
    holding: options.Holding,
    delivery: options.Delivery,
    trust: options.Trust = False,
    loading: options.Loading,
) -> None:
    """Explain every step of a generation: one row of scores per generated token, over the prompt and the tokens before it.

    --out FILE.html writes a page (point at a generated word to see its sources), FILE.png or FILE.svg a heat map, FILE.json the record.
    """
    from lineal.prompts import Chat, Generation
    from lineal.targets import steps
    from lineal.verbs.generation import explain_generation

    deliver.check_out(delivery.out, Attribution)
    deliver.check_trust(trust, holding.layer)
    if (prompt is None) == (messages is None):
        raise OptionError("give a prompt or --messages FILE.json, one of the two")
    given: Any = Chat(files.read_messages(messages)) if messages is not None else files.read_text(prompt or "")
    loaded = loading.load(model)
    integration = options.settings(precision) | options.settings(holding) | {"method": method}
    asked: dict[str, Any] = {"unit": unit, "hold_generated": hold_generated, "baseline": baseline, **integration}
    with console.working("Generating, and following the path to every step …"):
        record = explain_generation(loaded, given, max_new_tokens, continuation, **asked)
    panels = []
    if trust:
        from lineal.evaluation.trust import examine

        same = Generation(given, max_new_tokens, continuation, hold_generated)
        how = {"baseline": baseline, **integration, "record": record}
        panels = deliver.examined([same], lambda one: examine(loaded, one, steps(unit), **how)[1], quiet=delivery.as_json)
    deliver.deliver(record, delivery, panels)
