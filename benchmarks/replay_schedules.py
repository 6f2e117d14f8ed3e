"""Replay quadrature schedules on recorded fields: no model in the loop, a second per schedule.

    python benchmarks/replay_schedules.py --fields fields.npz --figure docs/figures/quadrature.svg

A recording holds, for each case, `<case>_P` (2^m + 1, tokens), the token derivatives at even α, and `<case>_V` (2^m + 1,), F there.
Schedules that bisect ask for recorded points down to a depth of m; any other α is interpolated, the derivatives by the cubic through
four neighbours, F by the cubic that has the recorded values and slopes. The truth is Simpson's rule on the whole recording.

Cases alternate between two halves. On the first half the panel schedules get their safety factor: the smallest of a few with which at
most 1 % of the true errors exceed two thirds of the stated ones, over three tolerances. The tables are about the other half. `adaptive` is
Lineal's default as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lineal.quadrature import Adaptive, Fixed, Nested, Schedule, rule
from lineal.quadrature.contract import Floats

FAMILIES = {"bert": "reviews", "review": "reviews", "pair": "headlines", "llm": "short prompts", "liar": "choice prompts"}
TOLERANCES = (0.03, 0.01, 0.003, 0.001)
SAFETIES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
BUDGET = 700


@dataclass(frozen=True)
class Field:
    """One recording, its truth and its attribution mass."""

    family: str
    derivatives: Floats
    values: Floats

    @property
    def truth(self) -> Floats:
        """Integrate the whole recording by Simpson's rule: (t,)."""
        weights = np.ones(len(self.values))
        weights[1:-1:2], weights[2:-1:2] = 4, 2
        return weights @ self.derivatives / (3 * (len(weights) - 1))

    def at(self, alphas: Floats) -> tuple[Floats, Floats]:
        """Return F (m,) and the derivatives (m, t)."""
        last = len(self.values) - 1
        place = alphas * last
        low = np.clip(np.floor(place).astype(int), 0, last - 1)
        x = place - low
        slopes = self.derivatives.sum(axis=1) / last
        f0, f1, d0, d1 = self.values[low], self.values[low + 1], slopes[low], slopes[low + 1]
        f = f0 + x * (d0 + x * (3 * (f1 - f0) - 2 * d0 - d1 + x * (2 * (f0 - f1) + d0 + d1)))
        first = np.clip(low - 1, 0, last - 3)
        y = place - first
        others = [[j for j in range(4) if j != i] for i in range(4)]
        weights = [np.prod([(y - j) / (i - j) for j in row], axis=0) for i, row in enumerate(others)]
        return f, sum(w[:, None] * self.derivatives[first + i] for i, w in enumerate(weights))


@dataclass(frozen=True)
class Outcome:
    """What one replay cost and how well it knew itself; errors relative to the attribution mass."""

    family: str
    evaluations: int
    rounds: int
    stated: float
    true: float


Replay = Callable[[Field, float, float], Outcome]  # field, tol, safety


def outcome(field: Field, value: Floats, error: float, evaluations: int, rounds: int) -> Outcome:
    mass = np.abs(field.truth).sum()
    return Outcome(field.family, evaluations, rounds, error / mass, float(np.abs(value - field.truth).sum() / mass))


def converse(field: Field, make: Callable[[float], Schedule], tol: float) -> Outcome:
    schedule, rounds = make(tol), 0
    while (ask := schedule.ask()) is not None:
        f, derivatives = field.at(ask.alphas)
        schedule.tell(f[:, None], derivatives[:, None], field.at(ask.ends)[0][:, None])
        rounds += 1
    integral = schedule.integral()
    return outcome(field, integral.value[0], float(integral.error[0]), integral.evaluations, rounds)


def plain(make: Callable[[float], Schedule], field: Field, tol: float, safety: float) -> Outcome:
    return converse(field, make, tol)


@dataclass(frozen=True)
class Pair:
    """A rule on one panel with its poorer partner, for bisection: nodes in [0, 1], and the share of |high − low| counted as error."""

    nodes: Floats
    high: Floats
    low: Floats
    share: float


def moments(nodes: Floats) -> Floats:
    """Weights of the polynomial through all nodes."""
    basis = np.polynomial.legendre.legvander(2 * nodes - 1, len(nodes) - 1)
    return np.linalg.solve(basis.T, np.eye(1, len(nodes))[0])


def kronrod() -> Pair:
    """Return Gauss 7 inside Kronrod 15 (QUADPACK, 1983)."""
    gauss, weights = np.polynomial.legendre.leggauss(7)
    added = np.array([0.991455371120812639, 0.864864423359769073, 0.586087235467691130, 0.207784955007898468])
    nodes = (1 + np.sort(np.concatenate([gauss, added, -added]))) / 2
    low = np.zeros(15)
    low[1::2] = weights / 2
    return Pair(nodes, moments(nodes), low, 1.0)


def boole() -> Pair:
    """Return Simpson on two halves inside Boole's five points."""
    return Pair(np.arange(5) / 4, np.array([7, 32, 12, 32, 7]) / 90, np.array([1, 4, 2, 4, 1]) / 12, 1 / 7)


def bisect(pair: Pair, field: Field, tol: float, safety: float) -> Outcome:
    """Halve panels until Σ max(|residual|, share · ‖high − low‖₁) · safety is within tol; half of the tolerance is left alone."""
    panels, seen, rounds = [(0.0, 1.0)], set(), 0
    while True:
        rounds += 1
        starts, ends = np.array(panels).T
        alphas = starts[:, None] + (ends - starts)[:, None] * pair.nodes
        seen.update(np.round(alphas, 12).ravel())
        derivatives = field.at(alphas.ravel())[1].reshape(*alphas.shape, -1)
        high, low = (np.einsum("p,n,pnt->pt", ends - starts, w, derivatives) for w in (pair.high, pair.low))
        residuals = np.abs(high.sum(axis=1) - (field.at(ends)[0] - field.at(starts)[0]))
        errors = safety * np.maximum(residuals, pair.share * np.abs(high - low).sum(axis=1))
        value = high.sum(axis=0)
        goal = tol * np.abs(value).sum()
        if errors.sum() <= goal or len(seen) > BUDGET or (ends - starts).min() < 2.0**-9:
            return outcome(field, value, float(errors.sum()), len(seen), rounds)
        order = np.argsort(errors)
        worst = set(order[np.cumsum(errors[order]) > goal / 2])
        halves = [[(a, (a + b) / 2), ((a + b) / 2, b)] if i in worst else [(a, b)] for i, (a, b) in enumerate(panels)]
        panels = [panel for pieces in halves for panel in pieces]


ADAPTIVE = partial(Adaptive, max_evaluations=BUDGET)
PANELS = ("boole panels", "kronrod panels")
FIXED = ("left:50", "middle:50", "gauss:16", "gauss:32", "gauss:50", "graded:32")


def schedules() -> dict[str, Replay]:
    """Return every schedule by the name it has in the table."""
    replays: dict[str, Replay] = {
        "adaptive": partial(plain, ADAPTIVE),
        "boole panels": partial(bisect, boole()),
        "kronrod panels": partial(bisect, kronrod()),
    }
    replays["nested"] = partial(plain, lambda tol: Nested(tol, BUDGET))
    for spec in FIXED:
        name, n = spec.split(":")
        replays[spec] = partial(plain, partial(Fixed, rule(name, int(n))))
    return replays


def load(paths: list[Path]) -> list[Field]:
    fields = []
    for path in paths:
        with np.load(path) as stored:
            for case in sorted(key[:-2] for key in stored if key.endswith("_P")):
                family = next(name for prefix, name in FAMILIES.items() if case.startswith(prefix))
                fields.append(Field(family, stored[f"{case}_P"].astype(float), stored[f"{case}_V"].astype(float)))
    return fields


def calibrated(replay: Replay, fields: list[Field]) -> float:
    """Return the smallest safety with which at most 1 % of the true errors exceed two thirds of the stated ones."""
    for safety in SAFETIES:
        outcomes = [replay(field, tol, safety) for tol in TOLERANCES[1:] for field in fields]
        if np.mean([1.5 * o.true > o.stated for o in outcomes]) <= 0.01:
            return safety
    return SAFETIES[-1]


def row(name: str, safety: float | None, outcomes: list[Outcome]) -> str:
    cells = [name, "" if safety is None else f"{safety:g}"]
    for family in dict.fromkeys(FAMILIES.values()):
        mine = [o for o in outcomes if o.family == family]
        cells.append(f"{np.mean([o.evaluations for o in mine]):.1f} ({max(o.evaluations for o in mine)})" if mine else "")
    cells += [f"{np.mean([o.rounds for o in outcomes]):.1f}", f"{100 * np.mean([o.true > o.stated for o in outcomes]):.0f} %"]
    cells += [f"{np.median([o.stated / max(o.true, 1e-12) for o in outcomes]):.1f}", f"{max(o.true for o in outcomes):.1e}"]
    return "| " + " | ".join(cells) + " |"


def draw(results: dict[str, list[list[Outcome]]], path: Path) -> None:
    """Draw gradients against true error for each family, and the stated error of `adaptive` against its true error."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "lineal", "font.size": 9})
    from matplotlib import pyplot as plt

    families = list(dict.fromkeys(FAMILIES.values()))
    figure, axes = plt.subplots(1, len(families) + 1, figsize=(15, 3.4), layout="constrained")
    for axis, family in zip(axes, families, strict=False):
        for name in ("adaptive", "boole panels", "kronrod panels", "nested"):
            lines = [[o for o in outcomes if o.family == family] for outcomes in results[name]]
            axis.plot([np.mean([o.evaluations for o in line]) for line in lines], TOLERANCES, "o-", ms=3, label=name)
        axis.set(title=family, xlabel="gradients, mean", yscale="log", xlim=(0, None))
    axes[0].set_ylabel("tolerance, share of the mass")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=4, frameon=False)
    for family, marker in zip(families, "ox^s", strict=True):
        mine = [o for outcomes in results["adaptive"] for o in outcomes if o.family == family]
        axes[-1].plot([o.stated for o in mine], [o.true for o in mine], marker, ms=3, color="0.3", mfc="none", mew=0.7, label=family)
    axes[-1].plot([1e-5, 0.05], [1e-5, 0.05], "k-", lw=0.7)
    axes[-1].set(title="adaptive: honest below the line", xlabel="stated error", ylabel="true error", xscale="log", yscale="log")
    axes[-1].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fields", type=Path, nargs="+", required=True, help="recordings (.npz)")
    parser.add_argument("--figure", type=Path, help="where to write the figure (.svg)")
    options = parser.parse_args()
    fields = load(options.fields)
    tune, report = fields[::2], fields[1::2]
    counts = {family: sum(f.family == family for f in report) for family in dict.fromkeys(FAMILIES.values())}
    print(f"{len(fields)} cases, {len(tune)} to calibrate; reported: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    replays = schedules()
    tuned = {name: calibrated(replays[name], tune) for name in PANELS}
    head = "| schedule | safety | " + " | ".join(counts) + " | rounds | true > stated | stated / true | largest true error |"
    rules = "|---|---|" + "---|" * (len(counts) + 4)
    results = {name: [[replay(f, tol, tuned.get(name, 1.0)) for f in report] for tol in TOLERANCES] for name, replay in replays.items()}
    for index, tol in enumerate(TOLERANCES):
        print(f"\nTolerance {tol:g}\n\n{head}\n{rules}")
        print("\n".join(row(name, tuned.get(name), results[name][index]) for name in replays if name not in FIXED))
    print(f"\nFixed rules, whatever the tolerance\n\n{head}\n{rules}")
    print("\n".join(row(name, None, results[name][0]) for name in FIXED))
    print(f"\n`adaptive`, both halves\n\n{head.replace('schedule | safety', 'schedule | tol')}\n{rules}")
    for tol in TOLERANCES:
        print(row("adaptive", tol, [converse(f, ADAPTIVE, tol) for f in fields]))
    if options.figure:
        draw(results, options.figure)


if __name__ == "__main__":
    main()
