"""Do scores stay when the input hardly changes, and go when the model is no longer the model?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from lineal.methods import Case
from lineal.models.base import TextModel

Floats = NDArray[np.float64]


def max_sensitivity(explain: Callable[[Case], Floats], case: Case, radius: float = 0.02, samples: int = 10, seed: int = 0) -> float:
    """Return max over ‖y − x‖_∞ ≤ radius of ‖scores(y) − scores(x)‖ / ‖scores(x)‖ (Yeh et al., NeurIPS 2019), over random y.

    explain: a case → (k, t) scores. Only moving tokens are disturbed. Lower is better; it is a lower bound of the true maximum.
    Cost: samples + 1 explanations.
    """
    rng = np.random.default_rng(seed)
    scores = explain(case)
    moving = torch.tensor(case.moving, device=case.end.device)[:, None]
    worst = 0.0
    for _ in range(samples):
        noise = torch.as_tensor(rng.uniform(-radius, radius, tuple(case.end.shape)), device=case.end.device).to(case.end)
        changed = explain(replace(case, end=torch.where(moving, case.end + noise, case.end)))
        worst = max(worst, float(np.linalg.norm(changed - scores)))
    size = float(np.linalg.norm(scores))
    return worst / size if size > 0 else float("nan")


def randomised(model: TextModel, seed: int = 0) -> TextModel:
    """Return a copy of the model whose weights are drawn anew, normal with each tensor's own mean and deviation (Adebayo et al. 2018).

    The word embeddings stay, as they are the input of an explanation; so do normalisation weights and biases (vectors). The model itself
    is not touched. Cost: one copy of the model in memory.
    """
    changed = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in changed.module.parameters():
            if parameter.dim() < 2 or parameter.shape[0] == model.vocabulary or not parameter.is_floating_point():
                continue
            drawn = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(drawn.to(parameter) * parameter.std() + parameter.mean())
    return changed
