"""`lineal interactions MODEL TEXT [TEXT2]`: which words act together?"""

from __future__ import annotations

from typing import Annotated

import typer

from lineal.cli import common
from lineal.cli.groups import takes_groups
from lineal.cli.shared import Shared
from lineal.records.interactions import Interactions


@takes_groups
def interactions(
    model: common.ModelName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text; - reads it from standard input.")],
    text2: Annotated[str | None, typer.Argument(metavar="TEXT2", help="The second text of a pair.")] = None,
    *,
    target: common.TargetSpec = None,
    unit: common.Unit = None,
    trust: common.Trust = False,
    shared: Shared,
) -> None:
    """Show which words act together: what every two words add beyond what each adds alone (Integrated Hessians).

    One output from one baseline; targets as in `lineal explain`. About three gradients per token and path point.
    """
    from lineal import targets
    from lineal.evaluation.trust import examine
    from lineal.targets import spelling as specs
    from lineal.verbs.interactions import explain_interactions

    loaded = shared.load(model, Interactions)
    given = common.read_text(text)
    asked = (given if text2 is None else (given, text2), specs.target(target, unit, usual=targets.default(loaded)))
    with common.working("Following the path from baseline to text …"):
        found = explain_interactions(loaded, *asked, **shared.settings)
    panels = []
    if trust:  # the row sums are Integrated Gradients, which are examined at the tolerance that was asked for
        panels = common.examined([asked], lambda one: examine(loaded, *one, **shared.settings)[1], quiet=shared.as_json)
    shared.deliver(found, panels)
