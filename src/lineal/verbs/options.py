"""What varies between explanations: every option of the verbs, declared and checked once. Knows no model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar, get_args, get_type_hints

from lineal import methods
from lineal.errors import OptionError, unknown
from lineal.objectives.embedding import check_similarity
from lineal.prompts import regions
from lineal.quadrature.contract import MAX_EVALUATIONS, TOLERANCE
from lineal.quadrature.spelling import check_rule
from lineal.records.pair import Decomposition
from lineal.typed import check_fields

P = ParamSpec("P")
T = TypeVar("T")
Anchor = Literal["first", "bos", "none"]
Way = Literal["auto", "forward", "reverse", "central", "mixed"]


MOST_TOKENS = 1 << 40
"""Of one batch: more than any machine holds."""


class CommonKeywords(TypedDict, total=False):
    """The fields of `CommonOptions`, for verbs that take them by name."""

    tol: float
    rule: str
    max_evaluations: int
    hold_special: bool
    truncate: bool
    batch_tokens: int | None


class TokenKeywords(CommonKeywords, total=False):
    """The fields of `Options` that say which tokens move, and where the model is entered."""

    attribute: regions.Select
    hold: regions.Select
    anchor: Anchor | None
    share_prefix: bool
    layer: str | int | None
    recompute: bool


class QuestionKeywords(TokenKeywords, total=False):
    """The fields of `Options`, less the method, for verbs that compare methods or have one of their own."""

    prompt: str | None
    prompt_name: str | None
    route: str | None


class Keywords(QuestionKeywords, total=False):
    """The fields of `Options`, for verbs that take them by name."""

    method: Any


class GenerateKeywords(TypedDict, total=False):
    """The usual keywords of transformers' `generate`; `lineal.prompts.Generation` takes all of them, as a mapping."""

    do_sample: bool
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    num_beams: int
    length_penalty: float
    early_stopping: bool | str
    repetition_penalty: float
    no_repeat_ngram_size: int
    min_new_tokens: int
    bad_words_ids: list[list[int]]
    suppress_tokens: list[int]
    eos_token_id: int | list[int]


class GenerationKeywords(TokenKeywords, GenerateKeywords, total=False):
    """What `lineal.explain_generation` takes by name besides its own parameters; the prompts of sentence encoders are none of it."""

    method: Any


class ComparisonKeywords(QuestionKeywords, GenerateKeywords, total=False):
    """What `lineal.compare` takes by name besides its own parameters; the last two for generations."""

    unit: str
    hold_generated: bool


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What varies between explanations of all kinds.

    tol: wanted error relative to the attribution mass Σ|A| of each output. rule: "adaptive" (default), "nested", or a fixed rule as
    "gauss:50". max_evaluations: gradient budget per integral; there is one per text and baseline.
    hold_special: keep special tokens (CLS, SEP, BOS …) at their own embedding. truncate: cut texts that are too long instead of raising.
    batch_tokens: points × length per batch; None picks one for the device.
    """

    tol: float = TOLERANCE
    rule: str = "adaptive"
    max_evaluations: int = MAX_EVALUATIONS
    hold_special: bool = True
    truncate: bool = False
    batch_tokens: int | None = None

    def __post_init__(self) -> None:
        """Check everything that can be checked without a model; OptionError says what fits."""
        check_fields(self)
        if not 0 < self.tol < 1:
            raise OptionError(f"tol is {self.tol}, but it is a fraction of the attribution mass: give a number between 0 and 1, as 0.01")
        if self.max_evaluations < 16:
            raise OptionError(f"max_evaluations is {self.max_evaluations}; give at least 16")
        if self.batch_tokens is not None and not 1 <= self.batch_tokens <= MOST_TOKENS:
            raise OptionError(f"batch_tokens is {self.batch_tokens}; give a positive number, at most {MOST_TOKENS}")
        check_rule(self.rule)


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """What varies between explanations, apart from model, text, target and baseline; `CommonOptions`, and these.

    method: a name in `lineal.methods.METHODS` or a value of `lineal.methods`.
    attribute: what is explained; everything else is held. hold: what else keeps its own embedding. Both are regular expressions, names of
    regions or roles of a chat ("question", "user"), character spans (start, end) of the first text, or token ids.
    anchor: what is done about the first position of a decoder, where its attention sink forms (docs/anchor.md): "first" holds it, "bos"
    puts the tokenizer's beginning-of-text token in front where it adds none, and holds that, "none" lets the first token move; None means
    "first". share_prefix: run leading tokens that are held once, and let all path points read their keys and values.
    layer: enter the model at this layer instead of at the word embeddings ("embeddings", a block's number, a module's name; see
    `lineal.models.layer`). The path is then straight between the layer's outputs for baseline and text, and special tokens move
    too, since they hold what they have read.
    recompute: run layers again in the reverse pass instead of keeping what happened in them (gradient checkpointing), which takes less
    memory and more time; switched on by itself when not even one path point fits into memory.
    prompt, prompt_name: as in sentence-transformers' `encode`, a text (or the name of one) put before every text; it is held and shown.
    route: query or document, as in its `encode_query` and `encode_document`.
    """

    method: Any = "ig"
    attribute: regions.Select = None
    hold: regions.Select = None
    anchor: Anchor | None = None
    share_prefix: bool = True
    layer: str | int | None = None
    recompute: bool = False
    prompt: str | None = None
    prompt_name: str | None = None
    route: str | None = None

    def __post_init__(self) -> None:
        """Check everything that can be checked without a model; OptionError says what fits."""
        super().__post_init__()
        methods.resolve(self.method)
        for name in ("attribute", "hold"):
            regions.check(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class PairOptions(CommonOptions):
    """What varies between explanations of pairs, apart from model, texts and baselines; `CommonOptions`, and these.

    The tolerance is that of all terms together, relative to `PairAttribution.scale`, and the budget is per text.
    similarity: "cosine" or "dot". decomposition: "projected" takes the directions of both baselines out, so that the matrix sums to the
    similarity less what both texts share with empty texts; "four" leaves them in, with row terms, column terms and a bias.
    mode: how derivatives are computed. "forward": a tangent pass per token of both texts. "reverse": a reverse pass per dimension of the
    embedding. "central": differences. "mixed": the shorter text's token vectors first, then reverse passes of the longer text on those.
    "auto" counts passes (`engine.costs`) and takes the cheapest, the same one every time. All give the same terms, to rounding at equal
    points; `scale` and `error` of "mixed" are estimated, see `PairAttribution`.
    """

    similarity: str = "cosine"
    decomposition: Decomposition = "projected"
    mode: Way = "auto"

    def __post_init__(self) -> None:
        """Check what can be checked without a model; OptionError says what fits."""
        super().__post_init__()
        check_similarity(self.similarity)

    def for_texts(self) -> Options:
        """Return the options that hold for each text by itself."""
        return Options(**{field.name: getattr(self, field.name) for field in fields(CommonOptions)})


class PairKeywords(CommonKeywords, total=False):
    """The fields of `PairOptions`, for verbs that take them by name."""

    similarity: str
    decomposition: Decomposition
    mode: Way


def lists_options(kind: type[CommonOptions]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Write the keywords of a verb's **options into its signature, with the defaults of their kind of options, for `help`."""

    def written(verb: Callable[P, T]) -> Callable[P, T]:
        own = inspect.signature(verb)
        (keywords,) = get_args(get_type_hints(verb)["options"])
        usual = {field.name: field.default for field in fields(kind)}
        named = [parameter for parameter in own.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        options = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=usual.get(name), annotation=annotation)
            for name, annotation in get_type_hints(keywords).items()
            if name not in own.parameters
        ]
        verb.__signature__ = own.replace(parameters=[*named, *options])  # type: ignore[attr-defined]
        return verb

    return written


def options_from(given: Mapping[str, Any], beside: Sequence[str] = ("target", "baseline")) -> Options:
    """Return the options of a verb; OptionError names the nearest when one is unknown. beside: what else the verb takes by name."""
    check_known(given, Options, beside)
    return Options(**given)


def pair_options_from(given: Mapping[str, Any]) -> PairOptions:
    """Return the options of a verb for pairs; OptionError names the nearest when one is unknown."""
    check_known(given, PairOptions, ("model_b", "baseline", "baseline_b"))
    return PairOptions(**given)


def check_known(given: Iterable[str], kind: Any, beside: Sequence[str]) -> None:
    """Raise OptionError for the first name that is no field of a dataclass of options."""
    known = [field.name for field in fields(kind)]
    for name in given:
        if name not in known:
            raise OptionError(unknown("option", name, [*beside, *known]))
