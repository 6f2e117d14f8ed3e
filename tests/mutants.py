"""A seeded sample of mutants of the numerical core, run by mutmut: how many the tests kill, and which survive. `make mutants`."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

FOLDER = Path("mutants")
KILLED, UNTESTED = {1, 3, -24, 24, 152, 255, 36}, {5, 33}
"""Exit codes that mutmut keeps: a test failed (or ran for far too long), and no test came by."""


def results() -> dict[str, int | None]:
    """Return what became of every mutant, by name; None for those that have not been run."""
    found: dict[str, int | None] = {}
    for path in sorted(FOLDER.rglob("*.meta")):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def mutmut(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mutmut", *arguments], text=True, capture_output=True, check=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    made = mutmut("run", "no.such.mutant")  # makes all mutants and learns which test comes by which function; runs none
    names = sorted(results())
    if not names:
        sys.exit(made.stdout[-4000:] + made.stderr[-4000:])
    sample = random.Random(chosen.seed).sample(names, min(chosen.sample, len(names)))
    ran = mutmut("run", "--max-children", str(chosen.workers), *sample)
    codes = {name: results()[name] for name in sample}
    if None in codes.values():
        sys.exit(ran.stdout[-4000:] + ran.stderr[-4000:])
    killed = [name for name, code in codes.items() if code in KILLED]
    untested = [name for name, code in codes.items() if code in UNTESTED]
    survived = sorted(set(sample) - set(killed) - set(untested))
    figures = f"{len(killed)} killed, {len(survived)} survived, {len(untested)} that no test came by"
    sys.stdout.write(f"{len(names)} mutants, {len(sample)} sampled: {figures}\n")
    for name in (*survived, *untested):
        shown = [line for line in mutmut("show", name).stdout.splitlines() if line.startswith(("#", "@@", "+", "-"))]
        sys.stdout.write("\n".join([*shown, ""]))


if __name__ == "__main__":
    main()
