"""Does the baseline matter more than the path? Faithfulness of methods from two baselines on movie reviews, with the figure of the docs.

    python benchmarks/baseline_or_path.py --limit 200 --out docs/figures/baseline-or-path.png

Reviews of 30 to 120 characters from the shared test file, in its order. About 10 s per review on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from lineal import Evaluation, evaluate
from lineal.views import save_plot
from lineal.views.evaluation.table import evaluation_markdown

SHARED = Path(__file__).parents[2] / "shared"
NAMES = {
    "ig": "IG",
    "dig-greedy:neighbours=100": "DIG, greedy",
    "dig-maxcount:neighbours=100": "DIG, max-count",
    "expected-gradients:samples=4": "expected gradients",
    "gradient-x-input": "gradient × input",
    "occlusion": "leave-one-out",
    "random": "random",
}
COLOURS = {"mask": "#b3631c", "pad": "#3f78c4", None: "0.45"}
PAIRED = (
    ((0, "mask"), (0, "pad")),
    ((0, "mask"), (1, "mask")),
    ((0, "pad"), (1, "pad")),
    ((0, "mask"), (2, "mask")),
    ((0, "pad"), (2, "pad")),
    ((0, "mask"), (5, "mask")),
    ((0, "mask"), (6, None)),
)
"""Pairs of (method, baseline) whose difference is printed."""
LABELS = {"delete": "tokens deleted", "replace:mask": "tokens replaced by the mask token"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--model", default=str(SHARED / "models" / "minilm-movie-sentiment"))
    parser.add_argument("--reviews", type=Path, default=SHARED / "data" / "movie_reviews" / "test.tsv")
    parser.add_argument("--out", type=Path, default=None, help="write the figure here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = options.reviews.read_text(encoding="utf-8").splitlines()[1:]
    texts = [text for line in lines if 30 <= len(text := line.split("\t", 1)[1].strip()) <= 120]
    found = evaluate(options.model, texts[: options.limit], methods=list(NAMES), baselines=["mask", "pad"], removals=list(LABELS), tol=0.02)
    print(evaluation_markdown(found))
    for removal in range(2):
        for a, b in PAIRED:
            print(LABELS[found.removals[removal]], a, "−", b, difference(found, removal, a, b))
    if options.out is not None:
        save_plot(figure(found), options.out, dpi=130)


def difference(found: Evaluation, removal: int, one: tuple[int, str | None], other: tuple[int, str | None]) -> str:
    places = {(list(NAMES).index(c.method), c.baseline): i for i, c in enumerate(found.columns)}
    gap = found.against(places[one], places[other], removal, found.metrics.index("comprehensiveness"))
    return f"comprehensiveness {gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"


def figure(found: Evaluation) -> object:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    drawn = Figure(figsize=(9.2, 4.2), layout="constrained")
    axes, order = drawn.subplots(1, 2, sharey=True), list(NAMES)
    for removal, axis in enumerate(axes):
        for c, column in enumerate(found.columns):
            y = len(order) - 1 - order.index(column.method) + {"mask": 0.14, "pad": -0.14, None: 0}[column.baseline]
            i = found.interval(c, removal, found.metrics.index("comprehensiveness"))
            axis.plot([i.low, i.high], [y, y], color=COLOURS[column.baseline], lw=2, solid_capstyle="butt")
            axis.plot(i.mean, y, "o", color=COLOURS[column.baseline], ms=6)
        axis.set_title(LABELS[found.removals[removal]], loc="left", fontsize=10)
        axis.axvline(0, color="0.85", lw=0.8, zorder=0)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlabel("comprehensiveness (mean fall of p)")
    axes[0].set_yticks(range(len(order)), [NAMES[name] for name in reversed(order)])
    handles = [Line2D([], [], color=colour, marker="o", lw=2) for colour in COLOURS.values()]
    axes[1].legend(handles, ["from the mask token", "from the pad token", "no baseline given"], frameon=False, fontsize=8, loc="upper left")
    return drawn


if __name__ == "__main__":
    main()
