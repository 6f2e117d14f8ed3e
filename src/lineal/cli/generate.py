"""`lineal generate MODEL PROMPT`: what made the model say each of its words?"""

from __future__ import annotations

from typing import Annotated

import typer

from lineal.cli import common
from lineal.errors import OptionError


def generate(
    model: common.ModelName,
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="The prompt; - reads it from standard input.")] = None,
    messages: common.Messages = None,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", help="How many tokens to generate and explain at most.")] = 6,
    continuation: Annotated[
        str | None, typer.Option("--continuation", metavar="TEXT", help="Explain this text instead of what the model generates.")
    ] = None,
    hold_generated: Annotated[bool, typer.Option("--hold-generated", help="Attribute to the prompt only.")] = False,
    unit: Annotated[str, typer.Option("--unit", help="log_prob, logit, log_odds or prob of each token.")] = "log_prob",
    baseline: common.BaselineName = None,
    tol: common.Tol = 0.01,
    rule: common.Rule = "adaptive",
    max_evaluations: common.MaxEvaluations = 1000,
    attribute: common.Attribute = None,
    hold: common.Hold = None,
    anchor: common.AnchorName = None,
    by: common.Level = "word",
    out: common.HeatOut = None,
    as_json: common.AsJson = False,
    strict: common.Strict = False,
    device: common.Device = None,
    dtype: common.Dtype = None,
    device_map: common.DeviceMap = None,
    load_in_4bit: common.FourBit = False,
    load_in_8bit: common.EightBit = False,
) -> None:
    """Explain every step of a generation: one row of scores per generated token, over the prompt and the tokens before it.

    --out FILE.html writes a page (point at a generated word to see its sources), FILE.png or FILE.svg a heat map, FILE.json the record.
    """
    from lineal.generation import explain_generation
    from lineal.models import load

    common.check_out(out, pictures=True)
    if (prompt is None) == (messages is None):
        raise OptionError("give a prompt or --messages FILE.json, one of the two")
    chat = common.read_messages(messages) if messages is not None else None
    with common.working(f"Loading {model} …"):
        loaded = load(model, device=device, dtype=dtype, device_map=device_map, load_in_4bit=load_in_4bit, load_in_8bit=load_in_8bit)
    common.announce_memory(loaded)
    with common.working("Generating, and following the path to every step …"):
        record = explain_generation(
            loaded,
            None if prompt is None else common.read_text(prompt),
            max_new_tokens,
            continuation,
            messages=chat,
            unit=unit,
            hold_generated=hold_generated,
            baseline=baseline,
            tol=tol,
            rule=rule,
            max_evaluations=max_evaluations,
            attribute=attribute,
            hold=hold,
            anchor=anchor,
        )
    common.deliver(record, by=by, out=out, as_json=as_json, strict=strict)
