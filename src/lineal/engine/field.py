"""The k × t token derivatives ⟨∂F_c/∂x_i, γ_i′⟩ at a batch of path points. Knows no schedule, rule or text.

One shared forward pass for all points of all texts in the batch, then one reverse pass per output, or one tangent pass per token
(`lineal.engine.tangents`): a batch whose texts have up to k outputs and t moving tokens costs k backwards or t tangents, whatever the
number of texts. Products are summed in float64.

An objective with branches gets a row per branch: the same moving prompt with different constant tokens behind it. A problem with a prefix
runs only what follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal.engine.tangents import Mode, along_tokens
from lineal.errors import ModelError
from lineal.models.base import TextModel
from lineal.models.causal import Prefix
from lineal.models.checks import differentiable
from lineal.models.encoded import Encoded
from lineal.objectives.contract import Branches, Objective
from lineal.paths import Path

Floats = NDArray[np.float64]


Measure = Callable[[Tensor, Tensor], Tensor]
"""From the gradient (m, t, d) and the path's velocity (m or 1, t, d), both float64, to one number per token (m, t)."""


def inner(grad: Annotated[Tensor, "m t d"], velocity: Annotated[Tensor, "n t d"]) -> Annotated[Tensor, "m t"]:
    """Return ⟨∂F/∂x_i, γ_i′⟩: what a line integral sums. Exactly 0 for tokens that do not move, even where the gradient is no number."""
    return torch.where((velocity != 0).any(dim=-1), (grad * velocity).sum(dim=-1), 0.0)


@dataclass(frozen=True)
class Problem:
    """One integral to be computed: a text, the path to it, and what is explained.

    measure: what is made of the gradient, in reverse mode. Only `inner` gives derivatives that integrate to a difference of F.
    prefix: keys and values of leading tokens that do not move on the path, shared by the problems that have the same ones.
    mode: how the derivatives are computed; a measure of the gradient itself needs reverse mode.
    pairwise: there is a number per pair of tokens, t × t of them, where there is otherwise one per token (`lineal.verbs.interactions`).
    apart: its points share no batch with those of others that are not: it reads an answer at many positions.
    """

    encoded: Encoded
    path: Path
    objective: Objective
    prefix: Prefix | None = None
    measure: Measure = inner
    mode: Mode = Mode.REVERSE
    pairwise: bool = False
    apart: bool = False

    def __post_init__(self) -> None:
        """Check that the gradient is there when it is measured."""
        assert self.measure is inner or self.mode is Mode.REVERSE, "only reverse mode has the gradient itself"

    @property
    def k(self) -> int:
        """Number of outputs."""
        return len(self.objective.names)

    @property
    def width(self) -> int:
        """How many derivatives an output has at a point: t, or t² if pairwise."""
        return len(self.encoded) ** (2 if self.pairwise else 1)

    @property
    def skipped(self) -> int:
        """Number of leading tokens that are not run."""
        return 0 if self.prefix is None else self.prefix.length


@dataclass(frozen=True)
class Request:
    """Path points of one problem. outputs: (k,) whose derivatives are wanted; None for F alone."""

    problem: Problem
    alphas: Sequence[float]
    outputs: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Answer:
    """values: (m, k) F. derivatives: (m, k, t), zero for outputs that were not wanted."""

    values: Annotated[Floats, "m k"]
    derivatives: Annotated[Floats, "m k t"]


Evaluate = Callable[[TextModel, Sequence[Request]], list[Answer]]
"""What answers the requests of a batch: `evaluate`, or something in its place."""


def evaluate(model: TextModel, requests: Sequence[Request]) -> list[Answer]:
    """Evaluate all points of all requests in one padded batch; the model must be frozen and in evaluation mode.

    All requests have the same mode, and the same prefix or none. What is not finite is passed on: an F for `checked`, a gradient for the
    schedule to deal with. Raises ModelError for a model that gives no gradient.
    """
    prefix, mode = requests[0].problem.prefix, requests[0].problem.mode
    asked, rows = requests, [list(range(len(request.alphas))) for request in requests]
    if mode is Mode.REVERSE:  # otherwise every point goes with its own velocity
        requests, rows = _distinct(requests)
    points = [request.problem.path.at(request.alphas)[:, request.problem.skipped :].detach() for request in requests]

    def outputs(at: Sequence[Tensor]) -> list[Tensor]:
        return forward(model, requests, at, prefix)

    derivatives: Sequence[Tensor | None] = [None] * len(requests)
    if all(request.outputs is None for request in requests):
        with torch.no_grad():
            values: Sequence[Tensor] = outputs(points)
    elif mode is Mode.REVERSE:
        with torch.enable_grad():
            values = [differentiable(model, value) for value in outputs([own.requires_grad_(True) for own in points])]
            grads = _reverse(points, requests, values)
        derivatives = [_products(request, i, grads, rows[i]) for i, request in enumerate(asked)]
    else:
        velocities = [_velocity(request, own) for request, own in zip(requests, points, strict=True)]
        values, derivatives = along_tokens(outputs, points, velocities, mode)
    return [_answer(request, value[own], found) for request, value, own, found in zip(asked, values, rows, derivatives, strict=True)]


def forward(model: TextModel, requests: Sequence[Request], points: Sequence[Tensor], prefix: Prefix | None = None) -> list[Tensor]:
    """Return each request's (m, k) outputs at its points, (m, t, d), in at least float32: one padded forward pass."""
    embeds, features, positions = _batch(model, requests, points)
    states = model.run(features, embeds, positions) if prefix is None else prefix.run(features, embeds, positions)
    return _objectives(model, requests, states)


def checked(request: Request, answer: Answer) -> Answer:
    """Return the answer to a request; ModelError, naming the text and α, when F itself is not finite."""
    finite = np.isfinite(answer.values).all(axis=1)
    if finite.all():
        return answer
    worst, text = request.alphas[int(np.argmin(finite))], request.problem.encoded.texts[0]
    raise ModelError(f"the model answers with NaN or infinity at α = {worst:g} on the path of the text {text[:60]!r}")


def size(request: Request) -> tuple[int, int]:
    """Return (rows, tokens) of a request: what it takes in a batch."""
    following = request.problem.objective.branches
    tokens = len(request.problem.encoded) - request.problem.skipped + max(map(len, following))
    return len(request.alphas) * len(following), tokens


def _distinct(requests: Sequence[Request]) -> tuple[list[Request], list[list[int]]]:
    """Return requests without repeated points, and for every α the row of its point: the two sides of a kink are one point."""
    reduced, rows = [], []
    for request in requests:
        own = list(range(len(request.alphas)))
        if len(request.problem.path.breaks) > 2:
            points = request.problem.path.at(request.alphas)
            own = [0]
            for i in range(1, len(points)):
                own.append(own[-1] + (not torch.equal(points[i], points[i - 1])))
        firsts = [i for i, row in enumerate(own) if i == 0 or row != own[i - 1]]
        reduced.append(replace(request, alphas=tuple(request.alphas[i] for i in firsts)))
        rows.append(own)
    return reduced, rows


def _rows(requests: Sequence[Request], i: int) -> slice:
    first = sum(size(request)[0] for request in requests[:i])
    return slice(first, first + size(requests[i])[0])


def _batch(model: TextModel, requests: Sequence[Request], points: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor], Tensor | None]:
    """Return (n, longest, d) embeddings with points and branches in them, features (n, longest), and read positions."""
    longest = max(size(request)[1] for request in requests)
    embeds, rows = [], []
    for request, own in zip(requests, points, strict=True):
        following = request.problem.objective.branches
        embeds.append(_branched(model, own, following, longest))
        features = {name: value[request.problem.skipped :] for name, value in request.problem.encoded.features.items()}
        rows.append({name: _feature(value, name, following, longest).repeat(len(request.alphas), 1) for name, value in features.items()})
    batch = {name: torch.cat([row[name] for row in rows]).to(model.device) for name in rows[0]}  # (n, longest)
    return torch.cat(embeds), batch, _positions(model, requests)


def _branched(model: TextModel, points: Tensor, following: Branches, longest: int) -> Tensor:
    """Return (m·B, longest, d): each point once per branch, the branch's own embeddings behind it, zeros behind those."""
    m, t, d = points.shape
    with torch.no_grad():
        ends = [model.embed(torch.tensor(list(branch), dtype=torch.long, device=points.device)).to(points) for branch in following]
    stretched = [torch.nn.functional.pad(end.reshape(-1, d), (0, 0, 0, longest - t - len(end))) for end in ends]
    constant = torch.stack(stretched).expand(m, -1, -1, -1)  # (m, B, longest − t, d)
    moving = points[:, None].expand(-1, len(following), -1, -1)
    return torch.cat([moving, constant], dim=2).flatten(0, 1)


def _feature(value: Tensor, name: str, following: Branches, longest: int) -> Tensor:
    """Return a feature (t,) as (B, longest): token ids continue with the branch, others with their last value, then zeros."""
    ends = [torch.tensor(list(b), dtype=value.dtype) if name == "input_ids" else value[-1:].cpu().expand(len(b)) for b in following]
    return torch.stack([torch.nn.functional.pad(torch.cat([value.cpu(), end]), (0, longest - len(value) - len(end))) for end in ends])


def _positions(model: TextModel, requests: Sequence[Request]) -> Tensor | None:
    """Return (n, p) read positions; shorter lists repeat their last entry."""
    lists = [[at - request.problem.skipped for at in request.problem.objective.positions] for request in requests]
    most = max(map(len, lists))
    if most == 0:
        return None
    padded = [[*where, *[where[-1]] * (most - len(where))] for where, r in zip(lists, requests, strict=True) for _ in range(size(r)[0])]
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
        read = read if read.dtype == torch.float64 else read.float()
        if len(objective.branches) > 1:
            read = read.reshape(len(request.alphas), -1, read.shape[-1])  # (m, B·p, V)
        outputs.append(objective(read))
    return outputs


def _reverse(points: Sequence[Tensor], requests: Sequence[Request], outputs: Sequence[Tensor]) -> list[Sequence[Tensor] | None]:
    """Return per output index c the gradients (m, t, d) of each text's c-th output; None where nobody wants it."""
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
        None if total is None else torch.autograd.grad(total, points, retain_graph=c < last, materialize_grads=True)
        for c, total in enumerate(passes)
    ]


def _products(request: Request, i: int, grads: Sequence[Sequence[Tensor] | None], own: list[int]) -> Tensor | None:
    """Return the i-th request's measure per token that is run, (m, k, t − skipped); zero for outputs that nobody wanted.

    own: (m,) which row of the gradients belongs to each α.
    """
    if request.outputs is None:
        return None
    velocity = request.problem.path.velocity(request.alphas)[:, request.problem.skipped :].double()  # (1 or m, t − skipped, d)
    rows = []
    for grad, wanted in zip(grads, request.outputs, strict=False):
        products = torch.zeros(len(request.alphas), velocity.shape[1], dtype=torch.float64, device=velocity.device)
        if wanted:
            assert grad is not None, "a wanted output was differentiated"
            products = request.problem.measure(grad[i][own].double(), velocity)
        rows.append(products)
    return torch.stack(rows, dim=1)


def _velocity(request: Request, points: Tensor) -> Tensor:
    """Return γ′ at the request's points, (m, t − skipped, d); zero when no derivative is wanted."""
    if request.outputs is None:
        return torch.zeros_like(points)
    return request.problem.path.velocity(request.alphas)[:, request.problem.skipped :].to(points).expand_as(points)


def _answer(request: Request, output: Tensor, found: Tensor | None) -> Answer:
    values = output.detach().double().cpu().numpy()
    derivatives = np.zeros((len(request.alphas), request.problem.k, len(request.problem.encoded)))
    if found is not None and request.outputs is not None:
        derivatives[:, request.outputs, request.problem.skipped :] = found.cpu().numpy()[:, request.outputs]
    return Answer(values, derivatives)
