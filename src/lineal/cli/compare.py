"""`lineal compare MODEL TEXT --methods …`: the same question asked in several ways, side by side."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lineal.cli import console, deliver, files, options
from lineal.errors import OptionError
from lineal.records.comparison import Comparison


@options.takes_groups
def compare(
    model: options.ModelName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text; - reads it from standard input.")],
    methods: Annotated[
        str, typer.Option("--methods", metavar="NAMES", help="Separated by commas; settings as in dig-greedy:steps=10.")
    ] = "ig,dig-greedy,dig-maxcount,gradient-x-input,occlusion,random",
    target: options.TargetSpec = None,
    unit: options.Unit = None,
    baseline: options.BaselineName = None,
    generate: Annotated[
        int | None, typer.Option("--generate", metavar="N", help="Language models: explain N generated tokens, one row each.")
    ] = None,
    *,
    precision: options.Precision,
    reading: options.Reading,
    delivery: options.Delivery,
    trust: options.Trust = False,
    loading: options.Loading,
) -> None:
    """Compare methods on one text: scores, sums, rank agreement, gradients, seconds."""
    from lineal import targets
    from lineal.evaluation.trust import examine
    from lineal.prompts import Generation
    from lineal.targets import spelling as specs
    from lineal.targets.language import Steps
    from lineal.verbs.comparison import compare as run

    deliver.check_out(delivery.out, Comparison)
    deliver.check_trust(trust, reading.layer)
    if generate is not None and target is not None:
        raise OptionError(f"--generate explains each generated token, and --target {target} something else; drop one of the two")
    given = files.read_text(text)
    loaded = loading.load(model)
    steps = Steps() if unit is None else Steps(unit)
    wanted = None if generate is not None else specs.target(target, unit, usual=targets.default(loaded))
    names = [name.strip() for name in methods.split(",") if name.strip()]
    read = options.settings(reading)
    if generate is not None:  # a language model's prompt is the text
        of_encoders = [name for name in ("prompt", "prompt_name", "route") if read.pop(name) is not None]
        if of_encoders:
            raise OptionError(
                f"--{of_encoders[0].replace('_', '-')} is for sentence encoders, which generate nothing; drop --generate, or it"
            )
    how: dict[str, Any] = {"baseline": baseline, **options.settings(precision), **read}
    with console.working("explaining"):
        found = run(
            loaded, given, wanted, methods=names, max_new_tokens=generate, **how | ({} if generate is None else {"unit": steps.unit})
        )
    panels = []
    if trust:
        what = (given, wanted) if generate is None else (Generation(given, generate), steps)
        panels = deliver.examined(
            list(zip(names, found, strict=True)),
            lambda one: examine(loaded, *what, method=one[0], record=one[1], **how)[1],
            names=names,
            quiet=delivery.as_json,
        )
    deliver.deliver(found, delivery, panels)
