"""`lineal explain MODEL TEXT [TEXT2]`, or `--file FILE`: which tokens did that?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lineal.cli import console, deliver, files, options
from lineal.errors import OptionError
from lineal.records.attribution import Attribution
from lineal.records.failure import Failure


@options.takes_groups
def explain(
    model: options.ModelName,
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
    target: options.TargetSpec = None,
    unit: options.Unit = None,
    baseline: options.BaselineName = None,
    instead: Annotated[
        list[str] | None,
        typer.Option(
            "--instead",
            metavar="TEXT",
            help="Compare with this text: which of the words that differ made the difference? Twice for a pair.",
            show_default=False,
        ),
    ] = None,
    method: options.MethodName = "ig",
    *,
    precision: options.Precision,
    messages: options.Messages = None,
    reading: options.Reading,
    delivery: options.Delivery,
    trust: options.Trust = False,
    loading: options.Loading,
) -> None:
    """Explain a text, or every line of a file: what each token adds to what the model says, and how sure the numbers are.

    A line of a file that cannot be explained is named on standard error, and all others are explained; the exit code is then 2.

    Targets: self, similar:TEXT (encoders); label, label:NAME, labels (classifiers); next, token:" word" (language models); word:WORD,
    entities (token classifiers); answer (question answering: TEXT the question, TEXT2 the text); zero-shot:LABEL; fill (masked models).
    """
    from lineal.evaluation.trust import examine
    from lineal.verbs.options import Options
    from lineal.verbs.session import Session

    deliver.check_out(delivery.out, Attribution, several=file is not None)
    deliver.check_trust(trust, reading.layer)
    start = _start(baseline, instead)
    how = options.settings(precision) | options.settings(reading) | {"method": method}
    asked_for = Options(**how)
    texts = _texts(text, text2, file, messages)
    loaded = loading.load(model)
    pair = messages is None and file is None and len(texts[0]) > 1 and loaded.card.kind == "encoder"
    wanted = _target(target, unit, loaded, texts[0][1] if pair else None)
    texts = [text[:1] for text in texts] if pair else texts
    asked = texts if messages is not None else list(dict.fromkeys(texts))
    session = Session(loaded, wanted, start, asked_for)
    running = session.run(asked) if len(asked) == 1 else session.attempt(asked)
    with deliver.kept(delivery.out, len(asked)) as keep:
        with console.counting("Following the path from baseline to text", len(asked)) as count:
            found = [keep(count(one)) for one in running]
        done = [one for one in found if not isinstance(one, Failure)]
        failed = [one for one in found if isinstance(one, Failure)]
        if failed:  # the others are not lost for it
            lost = [asked[one.row] for one in failed]
            asked, texts = [text for text in asked if text not in lost], [text for text in texts if text not in lost]
            for one in failed:
                console.say(f"lineal: not explained: {one.text[:60]!r}: {one.message}", err=True)
            if not done:
                raise typer.Exit(console.FAILED)
        order, panels = [asked.index(text) for text in texts], []
        if trust:
            checks = deliver.examined(
                list(zip(asked, done, strict=True)),
                lambda one: examine(loaded, one[0], wanted, baseline=start, record=one[1], **how)[1],
                quiet=delivery.as_json,
            )
            panels = [checks[i] for i in order]
        delivered = [done[i] for i in order]
        deliver.deliver(delivered if file is not None else delivered[0], delivery, panels)
    if failed:
        raise typer.Exit(console.FAILED)


def _texts(text: str | None, text2: str | None, file: Path | None, messages: Path | None) -> list[Any]:
    """Return what is explained: one text, the lines of a file, or a chat."""
    from lineal.prompts import Chat

    if messages is None:
        return [*files.read_texts(text, text2, file)]
    if text is not None or file is not None:
        raise OptionError("give a TEXT, --file or --messages, one of them")
    return [Chat(files.read_messages(messages))]


def _start(baseline: list[str] | None, instead: list[str] | None) -> Any:
    """Return the baseline: the names that were given, or the text that could have stood there instead."""
    from lineal import baselines

    if instead is None:
        return baseline
    if baseline is not None:
        raise OptionError("--instead names the baseline, a text, and so does --baseline; give one of the two")
    return baselines.counterfactual(instead[0] if len(instead) == 1 else tuple(instead))


def _target(target: str | None, unit: str | None, loaded: Any, similar_to: str | None) -> Any:
    """Return the target; a unit alone is that of the model's usual one."""
    from lineal import targets
    from lineal.targets import spelling as specs

    return specs.target(target, unit, text=similar_to, usual=targets.default(loaded))
