"""How well LIAR answers are explained: our defaults, for the claim and for the whole prompt, against the published setting.

    python benchmarks/liar.py ../shared/data/liar --limit 20 --whole 20 --published 3

Published setting: 512 left-rule (and Gauss-Legendre) points, zero baseline everywhere, nothing held, the probability of the chosen letter.
Finished results are appended to `--log`; a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lineal
from lineal.tasks import liar

SETTINGS: dict[str, dict[str, Any]] = {
    "claim only": {"attribute": "claim"},
    "whole prompt": {},
    "published, left 512": {"rule": "left:512", "baseline": "zero", "anchor": "none", "unit": "prob"},
    "published, Gauss 512": {"rule": "gauss:512", "baseline": "zero", "anchor": "none", "unit": "prob"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--limit", type=int, default=20, help="statements, claim only")
    parser.add_argument("--whole", type=int, default=6, help="statements, whole prompt")
    parser.add_argument("--published", type=int, default=0, help="statements under the published setting (512 gradients each)")
    parser.add_argument("--max-evaluations", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", type=Path, default=Path("liar.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = lineal.load(options.model)
    statements, _ = liar.read(options.folder)
    counts = dict(zip(SETTINGS, (options.limit, options.whole, options.published, options.published), strict=True))
    done = {(row["setting"], row["id"]) for row in read(options.log)}
    with options.log.open("a", encoding="utf-8") as log:
        for setting, count in counts.items():
            for statement in statements[:count]:
                if (setting, statement.id) in done:
                    continue
                clock = time.perf_counter()
                how = {"max_evaluations": options.max_evaluations} | SETTINGS[setting]
                verdict = next(liar.explain(model, [statement], **how))
                row = verdict.to_dict() | {"setting": setting, "seconds": time.perf_counter() - clock}
                del row["record"]
                log.write(json.dumps(row) + "\n")
                log.flush()
    print(table(read(options.log)))


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def table(rows: list[dict]) -> str:
    lines = [
        "| setting | statements | converged | gradients, median (max) | abs(residual) / mass, median "
        "| abs(residual) / abs(ΔF), median (max) | mass / abs(ΔF), median | passes 10 % | seconds, median |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        own = [row for row in rows if row["setting"] == setting]
        if not own:
            continue
        used = [row["evaluations"] for row in own]
        mass = np.median([abs(row["residual"]) / row["mass"] for row in own])
        delta = [abs(row["residual"] / row["delta"]) for row in own]
        lines.append(
            f"| {setting} | {len(own)} | {np.mean([row['converged'] for row in own]):.0%} | {np.median(used):.0f} ({max(used)}) "
            f"| {mass:.2%} | {np.median(delta):.2%} ({np.max(delta):.2%}) | {np.median([row['cancellation'] for row in own]):.1f} "
            f"| {np.mean([row['passes_published_check'] for row in own]):.0%} | {np.median([row['seconds'] for row in own]):.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
