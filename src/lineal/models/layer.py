"""A model entered at a layer: x is that layer's output instead of the word embeddings. Everything else is the model's own.

Nothing is patched: for the time of one forward pass a hook hands the wanted states on in place of the layer's output. The layers below
still run, on the token ids, and their result is dropped.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lineal.errors import FidelityError, OptionError, listing
from lineal.models.base import Around, TextModel
from lineal.models.checks import FIDELITY
from lineal.models.encoded import Encoded
from lineal.models.forward import answer, last_positions
from lineal.models.lease import hooked, lease


class Entered(Around):
    """A `TextModel` whose `run` takes the output of a layer, (n, t, d), where the model itself takes word embeddings.

    layer: "embeddings" (the output of the embedding block, positions and normalisation included), a number (the output of that
    block; −1 is the last), or the name of any module inside whose output is one vector per token. Raises OptionError when there is none.
    """

    def __init__(self, inner: TextModel, layer: str | int) -> None:
        """Find the layer."""
        super().__init__(inner)
        self.layer, self.at = layer, _found(inner.network, inner.module, layer)

    def states(self, encoded: Encoded, embeds: Tensor) -> Tensor:
        """Return the layer's output (t, d) for a text whose word embeddings are `embeds` (t, d). One forward pass."""
        features, positions = _inputs(self.inner, encoded)
        caught: list[Tensor] = []
        with lease(self.inner.module), torch.no_grad(), hooked(self.at, lambda output: caught.append(_tensor(output).detach())):
            self.inner.run(features, embeds[None], positions)
        if len(caught) != 1 or caught[0].dim() != 3 or caught[0].shape[:2] != (1, len(encoded)):
            shapes = ", ".join(str(tuple(found.shape)) for found in caught) or "nothing"
            raise OptionError(f"layer {self.layer!r} does not give one vector per token: for {len(encoded)} tokens it gave {shapes}")
        return caught[0][0]

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return the answer from the layer's states `embeds` (n, t, d), or the plain answer when there are none."""
        if embeds is None:
            return self.inner.run(features, None, positions)
        with hooked(self.at, lambda output: (embeds, *output[1:]) if isinstance(output, tuple) else embeds):
            return self.inner.run(features, None, positions)

    def check(self, encoded: Encoded, states: Tensor) -> None:
        """Raise FidelityError unless entering with the text's own states gives the plain answer: something else must bypass the layer."""
        features, positions = _inputs(self.inner, encoded)
        plain = answer(self.inner, encoded, last_positions(self.inner, encoded))
        with lease(self.inner.module), torch.no_grad():
            found = self.inner.read(self.run(features, torch.zeros_like(states)[None], positions), None)[0]
            own = self.inner.read(self.run(features, states[None], positions), None)[0]
        gap = float((own.double() - plain.double()).abs().max())
        if not gap <= FIDELITY.get(plain.dtype, 1e-3) * max(1.0, float(plain.double().abs().max())):
            raise FidelityError(
                f"entered at layer {self.layer!r}, {self.inner.card.name} answers differently: the largest difference is {gap:.3g}"
            )
        if torch.equal(found, plain):
            raise OptionError(f"what layer {self.layer!r} gives does not reach the answer; choose another layer")


def _inputs(model: TextModel, encoded: Encoded) -> tuple[dict[str, Tensor], Tensor | None]:
    features = {name: value[None].to(model.device) for name, value in encoded.features.items()}
    where = last_positions(model, encoded)
    return features, torch.tensor([list(where)], device=model.device) if where else None


def _found(network: Any, whole: nn.Module, layer: str | int) -> nn.Module:
    base = getattr(network, "base_model", network)
    blocks = next((part for part in base.modules() if isinstance(part, nn.ModuleList) and len(part) == _depth(network)), None)
    if isinstance(layer, int):
        if blocks is None or not -len(blocks) <= layer < len(blocks):
            raise OptionError(f"there is no layer {layer}; {type(network).__name__} has blocks 0 to {len(blocks or ()) - 1}")
        block: nn.Module = blocks[layer]
        return block
    if layer == "embeddings":
        if isinstance(found := getattr(base, "embeddings", None), nn.Module):
            return found
        raise OptionError(f"{type(network).__name__} has no embedding block; its input embeddings are what is explained without layer")
    named = dict(network.named_modules()) | dict(whole.named_modules())
    if layer not in named:
        close = [name for name in named if layer.rpartition(".")[2] in name and name]
        raise OptionError(
            f"there is no layer {layer!r}; choose embeddings, a number, or a module: {listing(close or [n for n in named if n])}"
        )
    module: nn.Module = named[layer]
    return module


def _depth(network: Any) -> int:
    config = getattr(network, "config", None)
    return int(getattr(config, "num_hidden_layers", None) or getattr(config, "n_layer", None) or -1)


def _tensor(output: Any) -> Tensor:
    states = output[0] if isinstance(output, (tuple, list)) else output
    if not isinstance(states, Tensor):
        raise OptionError(f"the layer gives a {type(output).__name__}, not one vector per token")
    return states
