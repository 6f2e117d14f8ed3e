"""A page about many explained choices: how often they were right, what was chosen, which parts of the prompt and which words decided."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from lineal.records.attribution import Attribution
from lineal.views.media import html
from lineal.views.parts.cells import cells, visible
from lineal.views.parts.guide import RECORD, guide, made

TOP_WORDS = 8


@dataclass(frozen=True)
class Push:
    """A word and what it adds to a verdict on average. count: in how many prompts it stood."""

    word: str
    mean: float
    count: int


@dataclass(frozen=True)
class Tally:
    """What the summary page shows. regions: mean signed sum and mean share of the mass. pushes: label → strongest words."""

    rows: Sequence[Mapping[str, Any]]
    labels: Sequence[str]
    accuracy: float
    chosen: Mapping[str, int]
    gold: Mapping[str, int]
    regions: Sequence[tuple[str, float, float]]
    pushes: Mapping[str, Sequence[Push]]
    converged: int
    published: int
    evaluations: float
    residual_share: float
    cancellation: float
    tol: float


def tally(rows: Sequence[Mapping[str, Any]], labels: Sequence[str], region: str = "claim") -> Tally:
    """Return the summary of JSON lines as `lineal.tasks.liar.Verdict.to_dict` makes them. Words are those of `region`."""
    records = [Attribution.from_dict(row["record"]) for row in rows]
    return Tally(
        rows=rows,
        labels=labels,
        accuracy=fmean(row["was_correct"] for row in rows),
        chosen=Counter(row["choice"] for row in rows),
        gold=Counter(row["gold"] for row in rows),
        regions=_regions(records),
        pushes=_pushes(rows, records, region),
        converged=sum(row["converged"] for row in rows),
        published=sum(row["passes_published_check"] for row in rows),
        evaluations=median(row["evaluations"] for row in rows),
        residual_share=median(abs(row["residual"]) / row["mass"] if row["mass"] else 0.0 for row in rows),
        cancellation=median(row["cancellation"] for row in rows),
        tol=records[0].tol,
    )


def verdicts_page(summary: Tally, *, title: str, links: Sequence[str] = (), notes: Sequence[str] = ()) -> str:
    """Return the summary as a page. links: one address per row, for the pages of the single results."""
    return html.drawn(
        "verdicts.html",
        t=summary,
        title=visible(title),
        links=links,
        notes=notes,
        data="{}",
        guide=guide(RECORD),
        made=made(),
        **html.dress(None, "page.css", "verdicts.css"),
        largest=max((abs(value) for _, value, _ in summary.regions), default=0.0) or 1.0,
        most=max((*summary.chosen.values(), *summary.gold.values())),
    )


def read_lines(text: str) -> list[dict[str, Any]]:
    """Return the rows of a JSON-lines file."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _regions(records: Sequence[Attribution]) -> list[tuple[str, float, float]]:
    """Return (name, mean sum, mean share of the mass) per region, in prompt order; examples are counted together."""
    sums: dict[str, list[float]] = defaultdict(list)
    shares: dict[str, list[float]] = defaultdict(list)
    for record in records:
        own, loud = Counter[str](), Counter[str]()
        for i, name in enumerate(record.region_of):
            key = "examples" if name.startswith("example ") else name or "the rest"
            own[key] += float(record.scores[0, i])  # type: ignore[assignment]
            loud[key] += abs(float(record.scores[0, i]))  # type: ignore[assignment]
        for key in own:
            sums[key].append(own[key])
            shares[key].append(loud[key] / (float(record.mass[0]) or 1.0))
    return [(name, fmean(values), fmean(shares[name])) for name, values in sums.items()]


def _pushes(rows: Sequence[Mapping[str, Any]], records: Sequence[Attribution], region: str) -> dict[str, list[Push]]:
    """Return the words of a region that add most to the explained label, per label."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row, record in zip(rows, records, strict=True):
        for cell in cells(record, "word"):
            word = cell.label.strip(".,;:!?\"'“”()").lower()
            if word and record.region_of[cell.tokens.start] == region and cell.role == "content":
                found[row["explained"]][word].append(float(cell.values[0]))
    return {
        label: sorted((Push(word, fmean(values), len(values)) for word, values in words.items()), key=lambda push: -push.mean)[:TOP_WORDS]
        for label, words in found.items()
    }
