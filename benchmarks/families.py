"""Run every check on every model family and write the table: `python benchmarks/families.py --out docs/families.md` (about a minute)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.families import CHECKS, FAMILIES, Family, Task, refusal

TASK_TITLES = {"encoder": "sentence encoder", "classifier": "classifier", "causal": "language model"}

HEAD = """# Model families

Made by `python benchmarks/families.py --out docs/families.md`. Every row is a tiny, randomly initialised model made from its config class
in transformers {transformers}, run through every check of `tests/families.py`; `tests/test_families.py` runs the same checks on every
change. Sentence encoders are sentence-transformers pipelines with mean pooling.

| column | ✓ means |
|---|---|
{meanings}

"""

NOTES = """
¹ Padded on the left, the model itself answers something else (it reads its first position, or counts positions from the left edge).
Lineal never pads on the left, so its result is that of the text alone.
² Padding on either side is visible to the model; only texts of equal length share a batch.
³ The model itself does not run in bfloat16 on a CPU; the refusal says so.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="file to write; printed otherwise")
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = render()
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text, encoding="utf-8")


def render() -> str:
    """Return the page; every mark in it was earned just now."""
    import transformers

    meanings = "\n".join(f"| {name} | {' '.join((check.__doc__ or '').split(chr(10) * 2)[0].split())} |" for name, check in CHECKS.items())
    rows = ["| family | as | " + " | ".join(CHECKS) + " |", "|---|---|" + "---|" * len(CHECKS)]
    refused = ["", "## Refused", "", "| family | as | what Lineal says |", "|---|---|---|"]
    for family in FAMILIES:
        for task in family.tasks:
            if family.refused and task in family.refused:
                refused.append(f"| {family.name} | {TASK_TITLES[task]} | {refusal(family, task)} |")
            else:
                rows.append(f"| {family.name} | {TASK_TITLES[task]} | " + " | ".join(mark(family, task, name) for name in CHECKS) + " |")
            print(f"{family.name}, {TASK_TITLES[task]}", file=sys.stderr)
    head = HEAD.format(transformers=transformers.__version__, meanings=meanings)
    return head + "\n".join(rows) + "\n" + NOTES + "\n".join(refused) + "\n"


def mark(family: Family, task: Task, name: str) -> str:
    """Run one check and return its mark."""
    try:
        CHECKS[name](family, task)
    except Exception as error:
        return f"✗ {type(error).__name__}"
    if name == "left padding" and task in family.moved:
        return "✓²" if task in family.uniform else "✓¹"
    return "✓³" if name == "bfloat16" and not family.half else "✓"


if __name__ == "__main__":
    main()
