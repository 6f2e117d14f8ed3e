"""Whether a model is what an explanation takes it for: the same from embeddings as from ids, and differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from lineal.errors import FidelityError, ModelError
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.models.forward import last_positions, running
from lineal.models.lease import lease

FIDELITY = {torch.float64: 1e-9, torch.float32: 2e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}
"""Largest accepted |embeddings run − ids run|, relative to the largest |answer|: a few hundred roundings of each dtype."""


def check_fidelity(model: TextModel, encoded: Encoded) -> bool:
    """Raise FidelityError unless running from embeddings equals running from ids, for this text; return whether padding is invisible.

    Catches what makes an attribution explain another model than the one that runs: positions or segment ids lost, embedding scales
    applied twice or never, pooling that looks at ids; and, where the adapter does not simply call the module, an answer that is not the
    module's own. Another forward pass, with one padded position, tells whether texts of different lengths may share a batch. Three
    forward passes, or four.
    """
    features = {name: value[None].to(model.device) for name, value in encoded.features.items()}
    positions = last_positions(model, encoded)
    where = torch.tensor([list(positions)], device=model.device) if positions else None
    padded = {name: torch.nn.functional.pad(value, (0, 1)) for name, value in features.items()}
    with lease(model.module), torch.no_grad():
        with running(model, "token ids"):
            plain = model.read(model.run(features, None, where), None)
            own = model.own(features)
        embeds = model.embed(features["input_ids"])
        with running(model, "input embeddings"):
            embedded = model.read(model.run(features, embeds, where), None)
            stretched = _stretched(model, padded, torch.nn.functional.pad(embeds, (0, 0, 0, 1)), where)
    if not torch.isfinite(plain).all():
        raise ModelError(f"{model.card.name} answers with NaN or infinity for the plain text {encoded.texts[0][:60]!r}")
    scale = max(1.0, float(plain.double().abs().max()))
    limit = FIDELITY.get(plain.dtype, 1e-3) * scale
    if own is not None and not (own.shape == plain.shape and (own.double() - plain.double()).abs().max() <= limit):
        raise FidelityError(
            f"{model.card.name} ({model.card.architecture}) answers otherwise than its own plain forward from token ids: shapes "
            f"{tuple(plain.shape)} and {tuple(own.shape)}, largest values {float(plain.abs().max()):.4g} and {float(own.abs().max()):.4g}. "
            "An attribution would explain another quantity than the model's answer, so nothing was computed; please report this model."
        )
    gap = float((plain.double() - embedded.double()).abs().max())
    if not gap <= limit:
        raise FidelityError(
            f"{model.card.name} ({model.card.architecture}) answers differently from input embeddings than from token ids: "
            f"the largest difference is {gap:.3g}, rounding allows {limit:.3g}. An attribution would explain another model than the one "
            "that runs, so nothing was computed. The model probably uses the token ids beyond their embeddings."
        )
    return stretched is not None and bool((plain.double() - stretched.double()).abs().max() <= limit)


def _stretched(model: TextModel, features: dict[str, Tensor], embeds: Tensor, positions: Tensor | None) -> Tensor | None:
    """Return the answer with one more, padded position; None where the model has no room for it: the text is as long as it reads."""
    try:
        return model.read(model.run(features, embeds, positions), None)
    except (RuntimeError, IndexError):
        return None


def differentiable(model: TextModel, output: Tensor) -> Tensor:
    """Return the output, through which a gradient is to be taken; ModelError when the model's forward pass has cut it off."""
    if output.requires_grad:
        return output
    raise ModelError(
        f"{model.card.name} ({model.card.architecture}) answers without a gradient: its forward pass runs under torch.no_grad() or "
        "torch.inference_mode(), or detaches what it returns, so there is nothing to integrate. Take that out of its forward pass, or use "
        'a method that needs no gradient, as method="occlusion"'
    )


def check_differentiable(model: TextModel) -> None:
    """Raise ModelError where PyTorch keeps no gradients: inside `torch.inference_mode()`, or for weights that were made there."""
    if torch.is_inference_mode_enabled():
        raise ModelError("this was called inside torch.inference_mode(), where no gradient can be computed; call it outside")
    if any(parameter.is_inference() for parameter in model.module.parameters()):
        raise ModelError(f"the weights of {model.card.name} were made inside torch.inference_mode(); load the model outside of it")
