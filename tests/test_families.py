"""Every family passes every check, or is refused with a reason. The table and the checks: families.py."""

from __future__ import annotations

import pytest
import torch

from tests.families import CHECKS, FAMILIES, Family, Task, refusal

RUN = [(family, task) for family in FAMILIES for task in family.tasks if task not in (family.refused or {})]
REFUSED = [(family, task) for family in FAMILIES for task in family.refused or {}]
QUICK = ("own answer", "completeness")
"""Checks that everyday runs make, too."""
NAMED = (
    "BERT, DistilBERT, RoBERTa, XLM-RoBERTa, ALBERT, MPNet, ELECTRA, DeBERTa-v2, ModernBERT, NomicBERT, T5 encoder, GPT-2, GPT-NeoX, OPT, "
    "BLOOM, Falcon, Llama, Mistral, Qwen2, Qwen3, Gemma 2, Gemma 3, Phi-3, SmolLM3"
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("check", [check if check in QUICK else pytest.param(check, marks=pytest.mark.slow) for check in CHECKS])
@pytest.mark.parametrize(("family", "task"), RUN, ids=lambda v: getattr(v, "name", v))
def test_family(family: Family, task: Task, check: str) -> None:
    CHECKS[check](family, task)


@pytest.mark.parametrize(("family", "task"), REFUSED, ids=lambda v: getattr(v, "name", v))
def test_refused_with_a_reason(family: Family, task: Task) -> None:
    assert family.refused is not None
    assert family.refused[task] in refusal(family, task)


def test_no_family_is_forgotten() -> None:
    assert set(NAMED.split(", ")) <= {family.name for family in FAMILIES}
