"""Do scores stay when the input hardly changes, and go when the model is no longer the model?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from lineal.errors import OptionError
from lineal.methods import Case
from lineal.models.base import TextModel
from lineal.models.lease import turn

Floats = NDArray[np.float64]


RADIUS = 0.02
SAMPLES = 5


def max_sensitivity(
    explain: Callable[[Sequence[Case]], Sequence[Floats]], case: Case, radius: float = RADIUS, samples: int = SAMPLES, seed: int = 0
) -> float:
    """Return max over ‖y − x‖_∞ ≤ radius of ‖scores(y) − scores(x)‖ / ‖scores(x)‖ (Yeh et al., NeurIPS 2019), over random y.

    explain: cases → the (k, t) scores of each, as `Session.scores`. Only moving tokens are disturbed, in every number of their
    embedding. Lower is better; it is a lower bound of the true maximum. For a linear F, Integrated Gradients and a fixed baseline it is
    max ‖(w·ε_i)_i‖ / ‖(w·Δ_i)_i‖. Not to be trusted below the tolerance of the explanations, whose own error moves scores as well; and
    the radius is no share of anything: 0.02 is half of a typical entry of BERT's embeddings. Cost: samples + 1 explanations.
    """
    rng = np.random.default_rng(seed)
    moving = torch.tensor(case.moving, device=case.end.device)[:, None]
    noise = [torch.as_tensor(rng.uniform(-radius, radius, tuple(case.end.shape)), device=case.end.device) for _ in range(samples)]
    near = [replace(case, end=torch.where(moving, case.end + one.to(case.end), case.end)) for one in noise]
    scores, *changed = explain([case, *near])
    size = float(np.linalg.norm(scores))
    return max(float(np.linalg.norm(row - scores)) for row in changed) / size if size > 0 else float("nan")


def randomised(model: TextModel, seed: int = 0) -> TextModel:
    """Return a copy of the model whose weights are drawn anew, normal with each tensor's own mean and deviation (Adebayo et al. 2018).

    The head of a probe is drawn anew too. The word embeddings stay: they are the input of an explanation, and scores that rest on them
    alone (on their lengths, say) are what the check is to find. Normalisation weights and biases (vectors) stay too. The model itself is
    not touched. Raises OptionError for weights that are stored as integers (4-bit, 8-bit). Cost: one copy of the model in memory.
    """
    for name, parameter in model.module.named_parameters():
        if parameter.dim() > 1 and not parameter.is_floating_point():
            raise OptionError(
                f"{name} of {model.card.name} is stored as {parameter.dtype}, which cannot be drawn anew; load the model unquantised"
            )
    with turn(model.module):  # not in the middle of somebody's batch, whose flags and hooks would be copied too
        changed = copy.deepcopy(model)
    tables = (layer for layer in changed.module.modules() if isinstance(layer, torch.nn.Embedding))
    words = {id(layer.weight) for layer in tables if layer.num_embeddings == model.vocabulary}
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        parts = (changed.module, *changed.layers)
        for parameter in (parameter for part in parts for parameter in part.parameters()):
            if parameter.dim() < 2 or parameter.numel() < 2 or id(parameter) in words:
                continue
            drawn = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(drawn.to(parameter) * parameter.std() + parameter.mean())
    return changed
