"""Options that several commands share, declared once: a command takes a group as one parameter, a user sees its options one by one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any

import typer

from lineal.cli import common
from lineal.quadrature.contract import MAX_EVALUATIONS, TOLERANCE


@dataclass(frozen=True, kw_only=True)
class Precision:
    """How exactly an integral is computed, and with how many gradients."""

    tol: common.Tol = TOLERANCE
    rule: common.Rule = "adaptive"
    max_evaluations: common.MaxEvaluations = MAX_EVALUATIONS


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Which tokens keep their own embedding."""

    attribute: common.Attribute = None
    hold: common.Hold = None
    anchor: common.AnchorName = None


@dataclass(frozen=True, kw_only=True)
class Reading(Holding):
    """The same, and how a text is read."""

    hold_special: Annotated[bool, typer.Option("--hold-special/--move-special", help="Keep CLS, SEP, BOS … at their own embedding.")] = True
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="Text that a sentence encoder reads before the text; it is held.")
    ] = None
    prompt_name: Annotated[str | None, typer.Option("--prompt-name", metavar="NAME", help="One of the encoder's own prompts.")] = None
    route: Annotated[str | None, typer.Option("--route", metavar="WHICH", help="Read the text as a query or as a document.")] = None
    truncate: common.Truncate = False


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Where a result goes, drawn at which level."""

    by: common.Level = "word"
    out: common.Out = None
    as_json: common.AsJson = False
    strict: common.Strict = False


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How a model is brought into memory."""

    device: common.Device = None
    dtype: common.Dtype = None
    device_map: common.DeviceMap = None
    load_in_4bit: common.FourBit = False
    load_in_8bit: common.EightBit = False
    allow_missing: common.AllowMissing = False

    def load(self, model: str) -> Any:
        """Return the model, and say what a language model's explanation will take."""
        from lineal.models import load

        with common.working(f"Loading {model} …"):
            loaded = load(model, **settings(self))
        common.announce_memory(loaded)
        return loaded


def settings(group: Any) -> dict[str, Any]:
    """Return the options of a group by name."""
    return {field.name: getattr(group, field.name) for field in fields(group)}


def takes_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Write the fields of every parameter that is a group into the command's signature, in the parameter's place."""
    own = inspect.signature(command, eval_str=True)
    kinds = {name: parameter.annotation for name, parameter in own.parameters.items()}
    groups: dict[str, Any] = {name: kind for name, kind in kinds.items() if is_dataclass(kind)}
    shown: list[inspect.Parameter] = []
    for name, parameter in own.parameters.items():
        parts = inspect.signature(groups[name], eval_str=True).parameters.values() if name in groups else [parameter]
        shown += [part.replace(kind=inspect.Parameter.KEYWORD_ONLY) for part in parts]

    @wraps(command)
    def run(**given: Any) -> None:
        made = {name: group(**{field.name: given.pop(field.name) for field in fields(group)}) for name, group in groups.items()}
        command(**given, **made)

    run.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
    return run
