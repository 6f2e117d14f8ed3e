"""`lineal interactions MODEL TEXT [TEXT2]`: which words act together?"""

from __future__ import annotations

from typing import Annotated

import typer

from lineal.cli import console, deliver, files, options
from lineal.records.interactions import Interactions


@options.takes_groups
def interactions(
    model: options.ModelName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text; - reads it from standard input.")],
    text2: Annotated[str | None, typer.Argument(metavar="TEXT2", help="The second text of a pair.")] = None,
    *,
    target: options.TargetSpec = None,
    unit: options.Unit = None,
    baseline: options.BaselineName = None,
    precision: options.Precision,
    reading: options.Reading,
    delivery: options.Delivery,
    trust: options.Trust = False,
    loading: options.Loading,
) -> None:
    """Show which words act together: what every two words add beyond what each adds alone (Integrated Hessians).

    One output from one baseline; targets as in `lineal explain`. About three gradients per token and path point.
    """
    from lineal import targets
    from lineal.evaluation.trust import examine
    from lineal.targets import spelling as specs
    from lineal.verbs.interactions import explain_interactions

    deliver.check_out(delivery.out, Interactions)
    deliver.check_trust(trust, reading.layer)
    how = {"baseline": baseline, **options.settings(precision), **options.settings(reading)}
    loaded = loading.load(model)
    given = files.read_text(text)
    asked = (given if text2 is None else (given, text2), specs.target(target, unit, usual=targets.default(loaded)))
    with console.working("Following the path from baseline to text …"):
        found = explain_interactions(loaded, *asked, **how)
    panels = []
    if trust:  # the row sums are Integrated Gradients, which are examined at the tolerance that was asked for
        panels = deliver.examined([asked], lambda one: examine(loaded, *one, **how)[1], quiet=delivery.as_json)
    deliver.deliver(found, delivery, panels)
