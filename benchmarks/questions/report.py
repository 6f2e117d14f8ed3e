"""Tables and figures of what `run` wrote: how often the source is on top, correlation with real effects, mass on the source, cost.

    python -m benchmarks.questions.report /tmp/questions.jsonl --page docs/questions.md --figures docs/figures

The page's tables stand between `<!-- NAME -->` and `<!-- end -->` and are replaced. Intervals: 95 %, bootstrap over prompts.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineal.metrics.agreement import pearson, spearman
from lineal.metrics.bootstrap import Interval, difference, interval

Floats = NDArray[np.float64]
MEASURES = ("top", "precision", "share", "pearson model", "pearson class", "spearman model", "spearman class")
HEADS = {
    "top": "source on top",
    "precision": "precision at k",
    "share": "mass on source",
    "pearson model": "Pearson, effect by model",
    "pearson class": "Pearson, effect by class",
    "spearman model": "Spearman, by model",
    "spearman class": "Spearman, by class",
}


@dataclass(frozen=True)
class Row:
    """A way on the prompts of a study. of: per measure one number per prompt, NaN where there is none; cost: means per prompt."""

    of: dict[str, Floats]
    cost: dict[str, float]


@dataclass(frozen=True)
class Results:
    """A study. constructions: (n,) of each prompt. rows: by way; a prompt that a way was not run on is NaN everywhere."""

    constructions: list[str]
    shares: dict[str, dict[str, float]]
    rows: dict[str, Row]


def results(lines: Iterable[dict[str, Any]], study: str) -> Results | None:
    """Return the measures of every way of a study, None where there is no such study."""
    mine = [line for line in lines if line["study"] == study]
    heads = {line["construction"]: line for line in mine if "prompts" in line}
    if not heads:
        return None
    places = [(name, i) for name, head in heads.items() for i in range(len(head["prompts"]))]
    runs: dict[str, dict[tuple[str, int], Floats]] = {}
    costs: dict[str, list[dict[str, Any]]] = {}
    for line in mine:
        if "way" in line:
            costs.setdefault(line["way"], []).append(line)
            at = runs.setdefault(line["way"], {})
            at.update({(line["construction"], line["first"] + i): np.array(row) for i, row in enumerate(line["scores"])})
    truths = {by: _mean(runs, [f"truth, {by}, first", f"truth, {by}, second"]) for by in ("model", "class")}
    rows = {}
    for way, found in runs.items():
        each = [
            measured(found[place], heads[place[0]]["prompts"][place[1]]["sources"], {by: truths[by].get(place) for by in truths}, moving)
            if place in found and (moving := _moving(runs, place)) is not None
            else dict.fromkeys(MEASURES, np.nan)
            for place in places
        ]
        rows[way] = Row({name: np.array([one[name] for one in each]) for name in MEASURES}, _cost(costs[way]))
    for by in truths:
        halves = [runs.get(f"truth, {by}, {half}", {}) for half in ("first", "second")]
        if halves[0]:
            pairs = [(halves[0].get(place), halves[1].get(place), _moving(runs, place)) for place in places]
            same = [pearson(a[m], b[m]) if a is not None and b is not None and m is not None else np.nan for a, b, m in pairs]
            rows[f"truth, {by}, halves"] = Row({f"pearson {by}": np.array(same)}, {})
            each = [
                measured(t, heads[p[0]]["prompts"][p[1]]["sources"], {}, _moving(runs, p))
                for p in places
                if (t := truths[by].get(p)) is not None
            ]
            rows[f"truth, {by}"] = Row({name: np.array([one[name] for one in each]) for name in ("top", "precision", "share")}, {})
    return Results([name for name, _ in places], {name: head["shares"] for name, head in heads.items()}, rows)


def measured(scores: Floats, sources: Sequence[int], truths: dict[str, Floats | None], moving: Floats | None) -> dict[str, float]:
    """Return the measures of one explanation. moving: (t,) which tokens may have a score; the others count for nothing."""
    found = dict.fromkeys(MEASURES, float("nan"))
    moving = np.ones(len(scores), dtype=bool) if moving is None else moving.astype(bool)
    known = [i for i in sources if moving[i]]
    if known:
        order = sorted(np.flatnonzero(moving), key=lambda i: -scores[i])
        found["top"] = float(order[0] in known)
        found["precision"] = len(set(order[: len(known)]) & set(known)) / len(known)
        mass = np.abs(scores).sum()
        found["share"] = float(np.abs(scores[known]).sum() / mass) if mass > 0 else float("nan")
    for by, truth in truths.items():
        if truth is not None:
            found[f"pearson {by}"], found[f"spearman {by}"] = (
                pearson(scores[moving], truth[moving]),
                spearman(scores[moving], truth[moving]),
            )
    return found


def _moving(runs: dict[str, Any], place: tuple[str, int]) -> Floats | None:
    """Return which tokens are not held: those that a random score is given to."""
    row = runs.get("random", {}).get(place)
    return None if row is None else row != 0


def _mean(runs: dict[str, Any], ways: Sequence[str]) -> dict[tuple[str, int], Floats]:
    first, second = (runs.get(way, {}) for way in ways)
    return {place: (first[place] + second[place]) / 2 for place in first if place in second}


def _cost(lines: Sequence[dict[str, Any]]) -> dict[str, float]:
    n = sum(len(line["scores"]) for line in lines)
    total = {name: sum(line[name] for line in lines) / n for name in ("seconds", "forwards")}
    return total | {
        "n": n,
        "gradients": sum(sum(line["gradients"]) for line in lines) / n,
        "converged": sum(sum(line["converged"]) for line in lines) / n,
        "sampling": float(np.mean([x for line in lines for x in line.get("sampling", [0.0])])),
        "f_baseline": float(np.mean([f for line in lines for f in line["f_baseline"]])),
        "f_input": float(np.mean([f for line in lines for f in line["f_input"]])),
    }


def shown(found: Interval) -> str:
    """Return mean [interval]."""
    return "–" if found.n == 0 else f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def quality(found: Results, measures: Sequence[str]) -> str:
    """Return a table of ways × measures."""
    lines = [f"| method | n | {' | '.join(HEADS[name] for name in measures)} |", "|---|---|" + "---|" * len(measures)]
    for way, row in found.rows.items():
        if "first" in way or "second" in way:
            continue
        cells = [shown(interval(row.of[name])) if name in row.of else "–" for name in measures]
        n = max((int(np.isfinite(values).sum()) for values in row.of.values()), default=0)
        if n == 0:
            continue
        lines.append(f"| {NAMES.get(way, way)} | {n} | {' | '.join(cells)} |")
    return "\n".join(lines)


NAMES = {
    "truth, model": "*effect by model itself*",
    "truth, class": "*effect by class itself*",
    "truth, model, halves": "*half of the draws against the other half*",
    "truth, class, halves": "*half of the draws against the other half*",
}


def cost(found: Results) -> str:
    """Return a table of what each way costs per prompt."""
    drawn = any(row.cost.get("sampling") for row in found.rows.values())
    heads = [
        "method",
        "gradients",
        "forward passes",
        "seconds of one core",
        "converged",
        "F(baseline)",
        *["sampling error, of the mass"] * drawn,
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for way, row in found.rows.items():
        if row.cost:
            c = row.cost
            cells = [
                f"{c['gradients']:.0f}",
                f"{c['forwards']:.0f}",
                f"{c['seconds']:.2f}",
                f"{100 * c['converged']:.0f} %",
                f"{c['f_baseline']:.2f}",
                *[f"{100 * c['sampling']:.0f} %" if c["sampling"] else "–"] * drawn,
            ]
            lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def gains(found: Results, control: str) -> str:
    """Return a table of paired differences to a control, over prompts that both were run on."""
    measures = [name for name in ("top", "pearson model", "pearson class") if np.isfinite(found.rows[control].of[name]).any()]
    lines = [f"| method − {control} | {' | '.join(HEADS[name] for name in measures)} |", "|---|" + "---|" * len(measures)]
    for way, row in found.rows.items():
        if not way.startswith("truth") and way != control:
            cells = [difference(row.of[name], found.rows[control].of[name]) for name in measures]
            lines.append(f"| {way} | " + " | ".join(f"{c.mean:+.2f} [{c.low:+.2f}, {c.high:+.2f}]" for c in cells) + " |")
    return "\n".join(lines)


def by_construction(found: Results, measure: str) -> str:
    """Return a table of the mean of a measure per construction."""
    kinds = list(dict.fromkeys(found.constructions))
    lines = [f"| {HEADS[measure]} | {' | '.join(kinds)} |", "|---|" + "---|" * len(kinds)]
    for way, row in found.rows.items():
        values = row.of.get(measure)
        if values is None or "first" in way or "second" in way or len(values) != len(found.constructions):
            continue
        parts = [values[[kind == one for one in found.constructions]] for kind in kinds]
        lines.append(f"| {NAMES.get(way, way)} | {' | '.join(f'{np.nanmean(p):.2f}' if np.isfinite(p).any() else '–' for p in parts)} |")
    return "\n".join(lines)


def right(studies: dict[str, Results]) -> str:
    """Return a table of how often a model is right, and for the reason."""
    lines = ["| model | construction | right | weaker said otherwise | reversed said otherwise |", "|---|---|---|---|---|"]
    for study, found in studies.items():
        if study.startswith("smollm2, to") or study.endswith("next token"):
            continue  # the same prompts again
        for kind, shares in found.shares.items():
            if shares:
                numbers = [f"{100 * shares[name]:.0f} %" if name in shares else "–" for name in ("right", "weaker", "reversed")]
                lines.append(f"| {study} | {kind} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def tables(studies: dict[str, Results]) -> dict[str, str]:
    """Return every table by its name."""
    decoders = [name for name in studies if name.startswith(("small", "smollm2"))]
    made = {"right": right(studies)}
    for name, found in studies.items():
        both = name in decoders
        known = any(np.isfinite(row.of.get("top", np.array([np.nan]))).any() for row in found.rows.values())
        chosen = [m for m in MEASURES if (both or "model" not in m) and (known or m not in ("top", "precision", "share"))]
        made[name] = quality(found, chosen)
        made[f"{name}: cost"] = cost(found)
        usual = "ig, mean" if both else "ig, mask"
        if usual in found.rows:
            made[f"{name}: gains"] = gains(found, usual)
        if known:
            made[f"{name}: constructions"] = by_construction(found, "top")
    return made


def written(page: str, made: dict[str, str]) -> str:
    """Return the page with its tables replaced; KeyError names a table that was not made."""

    def table(match: re.Match[str]) -> str:
        return f"<!-- {match[1]} -->\n\n{made[match[1]]}\n\n<!-- end -->"

    return re.sub(r"<!-- ([^>]+?) -->\n.*?<!-- end -->", table, page, flags=re.DOTALL)


COLOURS = ("#1f5fa8", "#d9730d")


def dots(studies: dict[str, Results], measures: Sequence[str], names: Sequence[str], labels: Sequence[str]) -> Any:
    """Return a figure with a panel per measure, a line per way, and a dot with its interval per study."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    ways = [way for way in studies[names[0]].rows if not way.startswith("truth")]
    drawn = Figure(figsize=(3.1 * len(measures) + 2.2, 0.27 * len(ways) + 1.3), layout="constrained")
    axes = drawn.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axis, measure in zip(axes, measures, strict=True):
        for shift, name, colour in zip(np.linspace(0.15, -0.15, len(names)), names, COLOURS, strict=False):
            for at, way in enumerate(reversed(ways)):
                row = studies[name].rows.get(way)
                if row is not None and (found := interval(row.of[measure])).n:
                    axis.plot([found.low, found.high], [at + shift] * 2, color=colour, lw=2, solid_capstyle="butt")
                    axis.plot(found.mean, at + shift, "o", color=colour, ms=5)
        for at in range(len(ways)):
            axis.axhline(at, color="0.93", lw=0.8, zorder=0)
        axis.axvline(0, color="0.8", lw=0.8, zorder=0)
        axis.set_title(HEADS[measure], loc="left", fontsize=10)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(ways)), list(reversed(ways)))
    handles = [Line2D([], [], color=colour, marker="o", lw=2) for colour, _ in zip(COLOURS, names, strict=False)]
    drawn.legend(handles, labels, loc="outside lower right", ncols=len(names), frameon=False, fontsize=9)
    return drawn


FIGURES: dict[str, Callable[[dict[str, Results]], Any]] = {
    "questions": lambda s: dots(s, ("top", "pearson model", "pearson class"), ("smollm2", "small"), ("SmolLM2-135M", "small decoder")),
    "shortcut": lambda s: dots(s, ("top", "share"), ("planted", "control"), ("planted: the word decides", "control: it says nothing")),
}


def main() -> None:
    """Print or write the tables, and draw the figures."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("lines", type=Path, nargs="+")
    given.add_argument("--page", type=Path)
    given.add_argument("--figures", type=Path)
    how = given.parse_args()
    lines = [json.loads(line) for path in how.lines for line in path.read_text(encoding="utf-8").splitlines()]
    studies = {name: found for name in dict.fromkeys(line["study"] for line in lines) if (found := results(lines, name)) is not None}
    made = tables(studies)
    if how.page is None:
        print("\n\n".join(f"{name}\n\n{table}" for name, table in made.items()))
    else:
        how.page.write_text(written(how.page.read_text(encoding="utf-8"), made), encoding="utf-8")
    if how.figures is not None:
        for name, draw in FIGURES.items():
            draw(studies).savefig(how.figures / f"{name}.png", dpi=130)


if __name__ == "__main__":
    main()
