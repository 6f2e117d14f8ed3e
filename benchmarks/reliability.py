"""How often does an adaptive integral say more than it knows? Thousands of closed forms, family by family: stated errors against true ones.

    PYTHONPATH=OLDER/src python benchmarks/reliability.py --outcomes older.npz
    python benchmarks/reliability.py --outcomes now.npz --earlier older.npz --figure docs/figures/reliability.png

The integrands are those of `tests/integrands.py`; no model is asked. `--outcomes` keeps every outcome; draws that are in the file already
are not integrated again. `--earlier` adds columns for the same draws under another version of Lineal. "True > stated" counts all draws,
"true > tol" those that say they converged.
"""

from __future__ import annotations

import argparse
import os
import sys
from itertools import product
from pathlib import Path

import numpy as np

from lineal.quadrature import Adaptive

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.integrands import FAMILIES, Floats, draw, outcome

TOLERANCES = (1e-2, 1e-3)
Outcomes = dict[tuple[str, float], Floats]
"""(draws, 4) for each family and tolerance: true and stated error relative to the mass, whether it converged, gradients."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000, help="per family and tolerance")
    parser.add_argument("--outcomes", type=Path, default=Path("reliability.npz"), help="outcomes, read and added to")
    parser.add_argument("--earlier", type=Path, help="outcomes of the same draws under another version")
    parser.add_argument("--figure", type=Path, help="where to draw stated against true errors")
    options = parser.parse_args()
    outcomes = read(options.outcomes) if options.outcomes.exists() else {}
    for family, tol in product(FAMILIES, TOLERANCES):
        known = outcomes.get((family, tol), np.empty((0, 4)))
        if len(known) < options.draws:
            outcomes[family, tol] = np.concatenate([known, measured(family, tol, range(len(known), options.draws))])
            write(options.outcomes, outcomes)
    outcomes = {key: rows[: options.draws] for key, rows in outcomes.items()}
    earlier = {key: rows[: options.draws] for key, rows in read(options.earlier).items()} if options.earlier else {}
    print(table(outcomes, earlier))
    if options.figure:
        figure(outcomes, options.figure)


def measured(family: str, tol: float, numbers: range) -> Floats:
    """Integrate some draws."""
    found = [outcome(draw(family, number), Adaptive(tol)) for number in numbers]
    return np.array([(o.true, o.stated, o.converged, o.evaluations) for o in found], dtype=float)


def read(path: Path) -> Outcomes:
    """Return what `write` wrote."""
    with np.load(path) as file:
        names = {key: key.rsplit("/", 1) for key in file.files}
        return {(family, float(tol)): file[key] for key, (family, tol) in names.items()}


def write(path: Path, outcomes: Outcomes) -> None:
    """Keep all outcomes, leaving the old file whole until the new one is."""
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **{f"{family}/{tol:g}": rows for (family, tol), rows in outcomes.items()})
    os.replace(partial, path)


COLUMNS = ("converged", "true > stated", "true > tol", "worst true / stated", "worst true / tol", "stated / true", "gradients")


def table(outcomes: Outcomes, earlier: Outcomes) -> str:
    """Return Markdown, with the earlier shares and gradients behind."""
    heads = ["family", "tol", "draws", *COLUMNS, *([f"{name}, earlier" for name in np.array(COLUMNS)[[0, 1, 2, 6]]] if earlier else [])]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for (family, tol), rows in outcomes.items():
        cells = [family, f"{tol:g}", f"{len(rows)}", *summary(rows, tol)]
        if earlier:
            cells += np.array(summary(earlier[family, tol], tol))[[0, 1, 2, 6]].tolist()
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(rows: Floats, tol: float) -> list[str]:
    """Return the cells named by COLUMNS."""
    true, stated, converged, gradients = rows.T
    ended, sure = converged.astype(bool), np.maximum(stated, 1e-300)
    return [
        f"{ended.mean():.1%}",
        f"{(true > stated).mean():.1%}",
        f"{(true[ended] > tol).mean():.1%}" if ended.any() else "",
        f"{(true / sure).max():.2g}",
        f"{true[ended].max() / tol:.2g}" if ended.any() else "",
        f"{np.median(stated / np.maximum(true, 1e-300)):.1f}",
        f"{gradients.mean():.0f} ({gradients.max():.0f})",
    ]


def figure(outcomes: Outcomes, path: Path) -> None:
    """Draw one panel per family: true against stated error, both over the tolerance."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams.update({"font.size": 8})
    from matplotlib import pyplot as plt

    drawn, axes = plt.subplots(3, 5, figsize=(11, 7), sharex=True, sharey=True, layout="constrained")
    families = list(dict.fromkeys(family for family, _ in outcomes))
    for axis, family in zip(axes.flat, families, strict=True):
        true, stated, passed, count = [], [], 0, 0
        for tol, colour in zip(TOLERANCES, ("tab:blue", "tab:orange"), strict=True):
            rows = outcomes[family, tol]
            true, stated = rows[:, 0] / tol, rows[:, 1] / tol
            axis.plot(np.clip(stated, 1e-4, 1e2), np.clip(true, 1e-4, 1e2), ".", ms=3, mew=0, alpha=0.6, color=colour, label=f"tol {tol:g}")
            passed, count = passed + int((true > stated).sum()), count + len(rows)
        axis.plot([1e-4, 1e2], [1e-4, 1e2], "k-", lw=0.7)
        axis.axhline(1, color="0.5", lw=0.7, ls=":")
        axis.set(title=f"{family}: {passed / count:.2%} above", xscale="log", yscale="log", xlim=(1e-4, 1e2), ylim=(1e-4, 1e2))
    drawn.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, markerscale=5)
    drawn.supxlabel("stated error / tolerance")
    drawn.supylabel("true error / tolerance (above the line: more than stated)")
    drawn.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
