"""`lineal explain MODEL TEXT [TEXT2]`, or `--file FILE`: which tokens did that?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lineal.cli import common
from lineal.errors import OptionError


def explain(
    model: common.ModelName,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The text; - reads it from standard input.")] = None,
    text2: Annotated[
        str | None, typer.Argument(metavar="TEXT2", help="The text to be similar to (encoders), or the second of a pair.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", metavar="FILE", help="Explain every line of FILE, equal lines once; a tab parts a pair.", show_default=False
        ),
    ] = None,
    target: common.TargetSpec = None,
    unit: common.Unit = None,
    baseline: common.BaselineName = None,
    method: common.MethodName = "ig",
    tol: common.Tol = 0.01,
    rule: common.Rule = "adaptive",
    max_evaluations: common.MaxEvaluations = 1000,
    messages: common.Messages = None,
    attribute: common.Attribute = None,
    hold: common.Hold = None,
    hold_special: Annotated[
        bool, typer.Option("--hold-special/--move-special", help="Keep CLS, SEP, BOS … at their own embedding.")
    ] = True,
    anchor: common.AnchorName = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="Text that a sentence encoder reads before the text; it is held.")
    ] = None,
    prompt_name: Annotated[str | None, typer.Option("--prompt-name", metavar="NAME", help="One of the encoder's own prompts.")] = None,
    route: Annotated[str | None, typer.Option("--route", metavar="WHICH", help="Read the text as a query or as a document.")] = None,
    truncate: common.Truncate = False,
    by: common.Level = "word",
    out: common.Out = None,
    as_json: common.AsJson = False,
    strict: common.Strict = False,
    trust: Annotated[bool, typer.Option("--trust", help="Examine the explanation: five checks, in words, below the result.")] = False,
    device: common.Device = None,
    dtype: common.Dtype = None,
    device_map: common.DeviceMap = None,
    load_in_4bit: common.FourBit = False,
    load_in_8bit: common.EightBit = False,
) -> None:
    """Explain a text, or every line of a file: what each token adds to what the model says, and how sure the numbers are.

    Targets: self, similar:TEXT (encoders); label, label:NAME, labels (classifiers); next, token:" word" (language models); word:WORD,
    entities (token classifiers); answer (question answering: TEXT the question, TEXT2 the text); zero-shot:LABEL; fill (masked models).
    """
    from lineal import specs
    from lineal.models import load
    from lineal.models.base import GENERATIVE
    from lineal.prompts import Chat
    from lineal.session import Options, Session

    common.check_out(out, several=file is not None)
    options = Options(
        method=method,
        tol=tol,
        rule=rule,
        max_evaluations=max_evaluations,
        attribute=attribute,
        hold=hold,
        hold_special=hold_special,
        anchor=anchor,  # type: ignore[arg-type]
        truncate=truncate,
        prompt=prompt,
        prompt_name=prompt_name,
        route=route,
    )
    if messages is not None and (text is not None or file is not None):
        raise OptionError("give a TEXT, --file or --messages, one of them")
    texts: list[Any] = [Chat(common.read_messages(messages))] if messages is not None else [*common.read_texts(text, text2, file)]
    with common.working(f"Loading {model} …"):
        loaded = load(model, device=device, dtype=dtype, device_map=device_map, load_in_4bit=load_in_4bit, load_in_8bit=load_in_8bit)
    common.announce_memory(loaded)
    pair = messages is None and file is None and len(texts[0]) > 1 and loaded.card.kind == "encoder"
    asked_for = "next" if target is None and unit is not None and loaded.card.kind in GENERATIVE else target
    wanted = specs.target(asked_for, unit, text=texts[0][1] if pair else None)
    with common.working("Following the path from baseline to text …"):
        session = Session(loaded, wanted, baseline, options)
        texts = [text[:1] for text in texts] if pair else texts
        asked = texts if messages is not None else list(dict.fromkeys(texts))
        done = list(session.run(asked))
    records = [done[asked.index(text)] for text in texts]
    panels = []
    if trust:
        from lineal.trust import examine
        from lineal.views import trust_panel, trust_text

        with common.working("Examining the explanation …"):
            kept = {name: getattr(options, name) for name in type(options).__dataclass_fields__}
            checks = [examine(loaded, one, wanted, baseline=baseline, **kept)[1] for one in texts]
        panels = [trust_panel(found) for found in checks]
        for found in checks:
            typer.echo(trust_text(found), err=as_json)
    common.deliver(records, by=by, out=out, as_json=as_json, strict=strict, panels=panels)
