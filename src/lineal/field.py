"""The k × t token derivatives ⟨∂F_c/∂x_i, γ_i′⟩ at a batch of path points. Knows no schedule, rule or text.

One shared forward pass for all points of all texts in the batch, then one reverse pass per output: a batch whose texts have up to k
outputs costs one forward and k backwards, whatever the number of texts. Products are summed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal.errors import ModelError
from lineal.models.base import Encoded, TextModel
from lineal.objectives import Objective
from lineal.paths import Path

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """One integral to be computed: a text, the path to it, and what is explained."""

    encoded: Encoded
    path: Path
    objective: Objective

    @property
    def k(self) -> int:
        """Number of outputs."""
        return len(self.objective.names)


@dataclass(frozen=True)
class Request:
    """Path points of one problem. outputs: (k,) whose derivatives are wanted; None for F alone."""

    problem: Problem
    alphas: Sequence[float]
    outputs: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Answer:
    """values: (m, k) F. derivatives: (m, k, t), zero for outputs that were not wanted."""

    values: Floats
    derivatives: Floats


def evaluate(model: TextModel, requests: Sequence[Request]) -> list[Answer]:
    """Evaluate all points of all requests in one padded batch; the model must be frozen and in evaluation mode.

    Raises ModelError when F itself is not finite (naming the text and α); a gradient that is not finite is passed on, for the
    schedule to deal with.
    """
    wanted = any(request.outputs is not None for request in requests)
    points, features, positions = _batch(model, requests)
    with torch.set_grad_enabled(wanted):
        points.requires_grad_(wanted)
        states = model.run(features, points, positions)
        outputs = _objectives(model, requests, states)
        grads = _reverse(points, requests, outputs) if wanted else None
    return [_answer(i, request, outputs, grads, _rows(requests, i)) for i, request in enumerate(requests)]


def size(request: Request) -> tuple[int, int]:
    """Return (points, tokens) of a request: what it takes in a batch."""
    return len(request.alphas), len(request.problem.encoded)


def _rows(requests: Sequence[Request], i: int) -> slice:
    first = sum(len(request.alphas) for request in requests[:i])
    return slice(first, first + len(requests[i].alphas))


def _batch(model: TextModel, requests: Sequence[Request]) -> tuple[Tensor, dict[str, Tensor], Tensor | None]:
    longest = max(len(request.problem.encoded) for request in requests)
    points, rows = [], []
    for request in requests:
        missing = longest - len(request.problem.encoded)
        points.append(torch.nn.functional.pad(request.problem.path.at(request.alphas), (0, 0, 0, missing)))
        features = request.problem.encoded.features
        rows.append({name: torch.nn.functional.pad(v, (0, missing)).expand(len(request.alphas), -1) for name, v in features.items()})
    batch = {name: torch.cat([row[name] for row in rows]).to(model.device) for name in rows[0]}  # (n, longest)
    return torch.cat(points).detach(), batch, _positions(model, requests)


def _positions(model: TextModel, requests: Sequence[Request]) -> Tensor | None:
    """Return (n, p) read positions; shorter lists repeat their last entry."""
    lists = [request.problem.objective.positions for request in requests]
    most = max(map(len, lists))
    if most == 0:
        return None
    padded = [[*where, *[where[-1]] * (most - len(where))] for where, r in zip(lists, requests, strict=True) for _ in r.alphas]
    return torch.tensor(padded, device=model.device)


def _objectives(model: TextModel, requests: Sequence[Request], states: Tensor) -> list[Tensor]:
    """Return each request's (m, k) outputs, in at least float32."""
    outputs = []
    for i, request in enumerate(requests):
        objective = request.problem.objective
        own = states[_rows(requests, i)]
        if objective.positions:
            own = own[:, : len(objective.positions)]
        read = model.read(own, objective.rows)
        outputs.append(objective(read if read.dtype == torch.float64 else read.float()))
    return outputs


def _reverse(points: Tensor, requests: Sequence[Request], outputs: Sequence[Tensor]) -> list[Tensor | None]:
    """Return per output index c the (n, t, d) gradient of every text's c-th output; None where nobody wants it."""
    passes = []
    for c in range(max(output.shape[1] for output in outputs)):
        terms = [
            output[:, c].sum()
            for output, request in zip(outputs, requests, strict=True)
            if request.outputs is not None and c < len(request.outputs) and request.outputs[c]
        ]
        passes.append(torch.stack(terms).sum() if terms else None)
    last = max(c for c, total in enumerate(passes) if total is not None)
    return [
        None if total is None else torch.autograd.grad(total, points, retain_graph=c < last, materialize_grads=True)[0]
        for c, total in enumerate(passes)
    ]


def _answer(i: int, request: Request, outputs: Sequence[Tensor], grads: Sequence[Tensor | None] | None, rows: slice) -> Answer:
    values = outputs[i].detach().double().cpu().numpy()
    if not np.isfinite(values).all():
        worst = request.alphas[int(np.argmin(np.isfinite(values).all(axis=1)))]
        text = request.problem.encoded.texts[0]
        raise ModelError(f"the model answers with NaN or infinity at α = {worst:g} on the path of the text {text[:60]!r}")
    t = len(request.problem.encoded)
    derivatives = np.zeros((len(request.alphas), request.problem.k, t))
    if grads is None or request.outputs is None:
        return Answer(values, derivatives)
    velocity = request.problem.path.velocity(request.alphas).double()  # (1 or m, t, d)
    moving = (velocity != 0).any(dim=-1)  # (1 or m, t)
    for c in np.flatnonzero(request.outputs).tolist():
        grad = grads[c]
        assert grad is not None, "a wanted output was differentiated"
        products = (grad[rows, :t].double() * velocity).sum(dim=-1)  # (m, t)
        derivatives[:, c] = torch.where(moving, products, 0.0).cpu().numpy()
    return Answer(values, derivatives)
