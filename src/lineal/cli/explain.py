"""`lineal explain MODEL TEXT [TEXT2]`: which tokens did that?"""

from __future__ import annotations

from typing import Annotated

import typer

from lineal.cli import common


def explain(
    model: common.ModelName,
    text: common.Text,
    text2: Annotated[
        str | None, typer.Argument(metavar="TEXT2", help="The text to be similar to (encoders), or the second of a pair.")
    ] = None,
    target: common.TargetSpec = None,
    unit: common.Unit = None,
    baseline: common.BaselineName = None,
    tol: common.Tol = 0.01,
    rule: common.Rule = "adaptive",
    max_evaluations: common.MaxEvaluations = 1000,
    hold: common.Hold = None,
    hold_special: Annotated[
        bool, typer.Option("--hold-special/--move-special", help="Keep CLS, SEP, BOS … at their own embedding.")
    ] = True,
    anchor: Annotated[
        str | None, typer.Option("--anchor", metavar="WHICH", help="first or none.", show_default="first for decoders")
    ] = None,
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
    device: common.Device = None,
    dtype: common.Dtype = None,
) -> None:
    """Explain one text: what each token adds to what the model says, and how sure the numbers are.

    Targets: self, similar:TEXT (encoders); label, label:NAME, labels (classifiers); next, token:" word" (language models).
    """
    from lineal import specs
    from lineal.models import load
    from lineal.session import Options, Session

    common.check_out(out)
    options = Options(
        tol=tol,
        rule=rule,
        max_evaluations=max_evaluations,
        hold=hold,
        hold_special=hold_special,
        anchor=anchor,  # type: ignore[arg-type]
        truncate=truncate,
        prompt=prompt,
        prompt_name=prompt_name,
        route=route,
    )
    first, second = common.read_text(text), None if text2 is None else common.read_text(text2)
    with common.working(f"Loading {model} …"):
        loaded = load(model, device=device, dtype=dtype)
    pair = second is not None and loaded.card.kind != "encoder"
    wanted = specs.target(target, unit, text=None if pair else second)
    with common.working("Following the path from baseline to text …"):
        session = Session(loaded, wanted, baseline, options)
        record = next(session.run([(first, second) if pair and second is not None else first]))
    common.deliver(record, by=by, out=out, as_json=as_json, strict=strict)
