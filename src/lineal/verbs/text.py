"""One text, or many: which of its words made the model say that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Unpack, get_args

from lineal import prompts
from lineal.errors import InputError, OptionError, listing
from lineal.models import load
from lineal.records.attribution import Attribution
from lineal.records.failure import Failure
from lineal.verbs.options import Keywords, Options, lists_options, options_from
from lineal.verbs.session import OnError, Session


@lists_options(Options)
def explain(
    model: Any,
    text: Any = None,
    target: Any = None,
    *,
    messages: Sequence[Mapping[str, str]] | None = None,
    baseline: Any = None,
    **options: Unpack[Keywords],
) -> Attribution:
    """Return how much each token of a text contributes to what the model says, with the error of the answer.

        result = lineal.explain("sentiment", "A tepid, glorious mess.")
        result.scores, result.error, result.stop

    Integrated Gradients (Sundararajan, Taly & Yan 2017, eq. 1) of the target along a path from the baseline to the text:
    A[c, i] = ∫₀¹ ⟨∂F_c/∂x_i, γ_i′⟩ dα, so that Σ_i A[c, i] = F_c(text) − F_c(baseline).

    model: anything `lineal.load` takes. text: one text, a pair (text, text) for models that read pairs, or a value of `lineal.prompts`.
    messages: a chat in place of a text, see `lineal.prompts.Chat`.
    target: a value of `lineal.targets` or its spelling ("self", "label:POSITIVE", "next", …); None is the model's default.
    baseline: a value of `lineal.baselines` or its name; None is the model's default. options: see `Options`.
    Cost: one forward and k reverse passes per path point (from 16 outputs on t tangent passes, where those are cheaper); about 25 points
    for encoders, 60 to 300 for decoders at tol=0.01.

    Raises InputError, TooLongError, OptionError, ModelError, FidelityError. Not converging is no error: see `Attribution.stop`, and do
    not trust scores smaller than `Attribution.error`.
    """
    if (text is None) == (messages is None):
        raise InputError(f"give a text or messages, one of the two{'' if text else '; ' + prompts.MISSING.format(text)}")
    text = prompts.Chat(messages) if messages is not None else text
    prompts.check(text)
    if isinstance(text, list):
        raise InputError(
            f"text is a {type(text).__name__}; explain takes one string, or a tuple of two for a pair; many texts: explain_many"
        )
    return Session(load(model), target, baseline, options_from(options)).explain(text)


@lists_options(Options)
def explain_many(
    model: Any,
    texts: Iterable[Any],
    target: Any = None,
    *,
    baseline: Any = None,
    progress: bool | Callable[[int], None] = False,
    on_error: OnError = "raise",
    **options: Unpack[Keywords],
) -> Iterator[Any]:
    """Yield the explanation of each text, in order; path points of up to 64 texts share batches.

    texts: any iterable, read lazily, up to 64 ahead, and fewer where their derivatives, (n, k, t) numbers each, would take more than
    512 MiB together. progress: True shows a bar on standard error; a function is called with the number of gradients of each batch.
    on_error: what becomes of a text that cannot be read, does not fit into memory, or that the model fails on. "raise": all texts
    before it are given out first, then the error is raised with its place in `texts`, from 0. "return": a `Failure` takes its place, and
    all others are explained. Wrong options, a model that is not what it seems (FidelityError) and errors of `texts` itself are raised in
    either case. Rows of a data set are no texts: pass row["text"], or the column. The rest is as in `explain`.
    """
    prompts.check_list(texts, "explain_many", "explain")
    if on_error not in get_args(OnError):
        raise OptionError(f"unknown on_error {on_error!r}; choose one of {listing(get_args(OnError))}")
    session = Session(load(model), target, baseline, options_from(options))
    if progress is True:
        return _with_bar(session, list(texts), on_error)
    return session.attempt(texts, None if progress is False else progress, on_error)


def _with_bar(session: Session, texts: Sequence[Any], on_error: OnError) -> Iterator[Attribution | Failure]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[gradients]} gradients"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("texts", total=len(texts), gradients=0)
        gradients = 0

        def on_points(count: int) -> None:
            nonlocal gradients
            gradients += count
            bar.update(task, gradients=gradients)

        for record in session.attempt(texts, on_points, on_error):
            bar.advance(task)
            yield record
