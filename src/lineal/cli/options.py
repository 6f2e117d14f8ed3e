"""Every option that several commands share, declared once: a command takes a group as one parameter, a user sees its options one by one."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.models import OptionInfo

from lineal.cli.console import NOT_CONVERGED, working
from lineal.quadrature.contract import MAX_EVALUATIONS, TOLERANCE

By = Literal["token", "word", "sentence", "region"]

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="Alias (see `lineal models`), folder, GGUF file, or Hugging Face hub id.")]
TargetSpec = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="SPEC",
        help="What to explain: self, label:NAME, next, …; all spellings: lineal explain --help.",
        show_default="by model",
    ),
]
Unit = Annotated[
    str | None, typer.Option("--unit", metavar="UNIT", help="logit, log_odds, log_prob, prob; or cosine, dot.", show_default="by target")
]
BaselineName = Annotated[
    list[str] | None,
    typer.Option(
        "--baseline",
        metavar="NAME",
        help="mask, pad, unk, eos, bos, mean, zero, text:SOME WORDS, counterfactual:TEXT, word:WORD, random:8 or "
        "alternatives:8. Several are averaged: give it again.",
        show_default="by model",
    ),
]
MethodName = Annotated[
    str, typer.Option("--method", metavar="NAME", help="ig, dig-greedy, dig-maxcount, occlusion, …; settings as in dig-greedy:steps=10.")
]
Tol = Annotated[float, typer.Option("--tol", help="Wanted error, relative to the sum of |scores|.")]
Rule = Annotated[str, typer.Option("--rule", metavar="RULE", help="adaptive, nested, or a fixed rule as gauss:50, left:50, trapezoid:50.")]
MaxEvaluations = Annotated[int, typer.Option("--max-evaluations", help="Gradient budget per text.")]
Hold = Annotated[str | None, typer.Option("--hold", metavar="REGEX", help="Hold what matches: its score is exactly 0.", show_default=False)]
Attribute = Annotated[
    str | None,
    typer.Option(
        "--attribute",
        metavar="REGEX",
        help="Attribute only to what matches (or to a region or role by name); the rest is held.",
        show_default=False,
    ),
]
AnchorName = Annotated[
    str | None,
    typer.Option(
        "--anchor",
        metavar="WHICH",
        help="First position of a decoder: first (held), bos (put one in front), none.",
        show_default="first for decoders",
    ),
]
Messages = Annotated[
    Path | None, typer.Option("--messages", metavar="FILE.json", help='A chat: [{"role": "user", "content": "…"}, …].', show_default=False)
]
DeviceMap = Annotated[
    str | None, typer.Option("--device-map", metavar="NAME", help="auto spreads a large model over devices.", show_default=False)
]
FourBit = Annotated[bool, typer.Option("--load-in-4bit", help="Load weights as 4-bit NF4 (extra quant).")]
EightBit = Annotated[bool, typer.Option("--load-in-8bit", help="Load weights as 8-bit integers (extra quant).")]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing-weights", help="Go on when weights are in no file; they are drawn at random.", show_default=False)
]
LayerName = Annotated[
    str | None,
    typer.Option(
        "--layer",
        metavar="WHICH",
        help="Enter the model at a layer: embeddings, a block's number from 0 (−1: the last), or a module's name.",
        show_default="at the word embeddings",
    ),
]
Truncate = Annotated[bool, typer.Option("--truncate", help="Cut a text that is too long instead of stopping.")]
Level = Annotated[By, typer.Option("--by", help="Sum scores by token, word, sentence, or region of a prompt.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="FILE.html a page, .json the record (.jsonl several), .png, .svg or .pdf a figure, .md, .csv or .txt.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the record as JSON instead of a picture.")]
Strict = Annotated[bool, typer.Option("--strict", help=f"Exit with {NOT_CONVERGED} when a result did not converge.")]
Trust = Annotated[bool, typer.Option("--trust", help="Examine the explanation: six checks (five of a pair), in words, below the result.")]
Device = Annotated[str | None, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps.", show_default="the best there is")]
Dtype = Annotated[str | None, typer.Option("--dtype", metavar="NAME", help="float32, float64, bfloat16, float16.", show_default="float32")]
SimilarityName = Annotated[Literal["cosine", "dot"], typer.Option("--similarity", help="How two embeddings are compared.")]
ModeName = Annotated[
    Literal["auto", "forward", "reverse", "central", "mixed"],
    typer.Option("--mode", help="How derivatives are computed; auto takes the cheapest."),
]
DecompositionName = Annotated[
    Literal["projected", "four"],
    typer.Option(
        "--decomposition",
        help="Four parts: nothing is taken out of the matrix, and row terms, column terms and a bias stand beside it.",
    ),
]
HoldSpecial = Annotated[bool, typer.Option("--hold-special/--move-special", help="Keep CLS, SEP, BOS … at their own embedding.")]


WHAT = "What"
"""The panel of a command's own options in its help; those of a group have the group's."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    """How exactly an integral is computed, and with how many gradients."""

    tol: Tol = TOLERANCE
    rule: Rule = "adaptive"
    max_evaluations: MaxEvaluations = MAX_EVALUATIONS


@dataclass(frozen=True, kw_only=True)
class Framing:
    """What of a text is read, and whether what frames it moves."""

    hold_special: HoldSpecial = True
    truncate: Truncate = False


@dataclass(frozen=True, kw_only=True)
class Holding(Framing):
    """The same, and which other tokens keep their own embedding."""

    attribute: Attribute = None
    hold: Hold = None
    anchor: AnchorName = None
    layer: LayerName = None


@dataclass(frozen=True, kw_only=True)
class Reading(Holding):
    """The same, and what a sentence encoder reads with a text."""

    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="Text that a sentence encoder reads before the text; it is held.")
    ] = None
    prompt_name: Annotated[str | None, typer.Option("--prompt-name", metavar="NAME", help="One of the encoder's own prompts.")] = None
    route: Annotated[str | None, typer.Option("--route", metavar="WHICH", help="Read the text as a query or as a document.")] = None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Where a result goes, drawn at which level."""

    by: Level = "word"
    out: Out = None
    as_json: AsJson = False
    strict: Strict = False


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How a model is brought into memory."""

    device: Device = None
    dtype: Dtype = None
    device_map: DeviceMap = None
    load_in_4bit: FourBit = False
    load_in_8bit: EightBit = False
    allow_missing: AllowMissing = False

    def load(self, model: str, **how: Any) -> Any:
        """Return the model, and say what a language model's explanation will take. how: further arguments of `lineal.load`."""
        from lineal.models import load

        with working(f"Loading {model} …"):
            loaded = load(model, **settings(self), **how)
        _announce_memory(loaded)
        return loaded


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What of a row is read, and as what."""

    text: Annotated[str | None, typer.Option("--text", metavar="COLUMN", help="The text.", show_default="text, or the only one")] = None
    second: Annotated[str | None, typer.Option("--second", metavar="COLUMN", help="The second text of a pair.")] = None
    messages: Annotated[str | None, typer.Option("--messages", metavar="COLUMN", help="A chat, as a list or as JSON.")] = None
    id: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="What the row is called.", show_default="file:row")] = None
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep", metavar="COLUMN", help="Keep this column (NEW=COLUMN renames it); again for more.", show_default="all others"
        ),
    ] = None
    format: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="csv, tsv, jsonl, parquet or lines.", show_default="by the file's name")
    ] = None
    names: Annotated[
        list[str] | None, typer.Option("--names", metavar="A,B,…", help="The columns, where no file has a header.", show_default=False)
    ] = None
    quotes: Annotated[
        bool | None, typer.Option("--quotes/--no-quotes", help="Whether quotation marks frame cells.", show_default="in CSV")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Running:
    """Who does the work, in which pieces."""

    on_error: Annotated[
        Literal["row", "stop"], typer.Option("--on-error", help="A text that fails is a row with the reason, or the end.")
    ] = "row"
    shard: Annotated[int, typer.Option("--shard", help="Rows of a file of results: what is lost at most when something dies.")] = 256
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes, each with the model.", show_default="as many as pay on this machine")
    ] = None
    engine: Annotated[Literal["local", "ray"], typer.Option("--engine", help="Who runs the processes.")] = "local"


def settings(group: Any) -> dict[str, Any]:
    """Return the options of a group by name, as the verbs take them: a layer's number is a number."""
    found = {field.name: getattr(group, field.name) for field in fields(group)}
    if (layer := found.get("layer")) is not None and layer.removeprefix("-").isdecimal() and len(layer) < 10:
        found["layer"] = int(layer)
    return found


def takes_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Write the fields of every parameter that is a group into the command's signature, in the parameter's place."""
    own = inspect.signature(command, eval_str=True)
    kinds = {name: parameter.annotation for name, parameter in own.parameters.items()}
    groups: dict[str, Any] = {name: kind for name, kind in kinds.items() if is_dataclass(kind)}
    shown: list[inspect.Parameter] = []
    for name, parameter in own.parameters.items():
        parts = inspect.signature(groups[name], eval_str=True).parameters.values() if name in groups else [parameter]
        panel = PANELS[groups[name]] if name in groups else PANEL_OF.get(name, WHAT)
        shown += [part.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=_in_panel(part.annotation, panel)) for part in parts]

    @wraps(command)
    def run(**given: Any) -> None:
        made = {name: group(**{field.name: given.pop(field.name) for field in fields(group)}) for name, group in groups.items()}
        command(**given, **made)

    run.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
    return run


PANELS = {
    Precision: "How exact",
    Framing: "Prompt",
    Holding: "Prompt",
    Reading: "Prompt",
    Delivery: "Output",
    Loading: "Model",
    Columns: "Rows",
    Running: "Run",
}
"""Where the options of a group stand in the help."""
PANEL_OF = {"messages": "Prompt", "trust": "Output", "out": "Output", "as_json": "Output", "strict": "Output"}
"""Where options of no group stand, if not among what is asked."""


def _in_panel(annotation: Any, panel: str) -> Any:
    """Return the annotation of an option with the panel that it stands in; of an argument, as it is."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *told = get_args(annotation)
    placed = []
    for one in told:
        if isinstance(one, OptionInfo):
            one = copy.copy(one)  # several commands share it
            one.rich_help_panel = panel
        placed.append(one)
    return Annotated[(kind, *placed)]


def _announce_memory(model: Any) -> None:
    """Say on standard error how much memory a language model's explanation will take."""
    from lineal.engine.memory import measure
    from lineal.models.base import GENERATIVE
    from lineal.verbs.prepare import BATCH_TOKENS

    if model.card.kind not in GENERATIVE:
        return
    needed = measure(model)
    tokens = needed.fitting(BATCH_TOKENS.get(model.device.type, 1024))
    there = "" if needed.free is None else f", {needed.free / 1e9:.1f} GB are free"
    typer.echo(f"memory: {needed.weights / 1e9:.2f} GB of weights, about {needed.batch(tokens) / 1e9:.2f} GB per batch{there}", err=True)
