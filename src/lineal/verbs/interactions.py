"""Which words act together: token-level Integrated Hessians (Janizek, Sturmfels & Lee, JMLR 2021), one integral over the straight path.

With φ_i(s) = ⟨Δ_i, ∂F/∂x_i⟩ and H_ij(s) = Δ_iᵀ ∂²F/∂x_i∂x_j Δ_j at x' + s Δ, the double integral of the paper collapses to

    Γ_ij = ∫₀¹ (−s ln s) H_ij(s) ds + [i = j] ∫₀¹ (−ln s) φ_i(s) ds,        Σ_j Γ_ij = IG_i,

and Σ_ij of the integrand is the derivative of F − s ln s · Σ_i φ_i. So the same adaptive schedule applies, with its error estimate and its
exact residual per cell. s = u³ takes the logarithm's infinite value at 0 away.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor

from lineal.engine.field import Answer, Problem, Request, forward
from lineal.engine.integrate import Task, attempt
from lineal.errors import OptionError
from lineal.methods import Outcome
from lineal.models import TextModel, load
from lineal.models.attention import Mathematical
from lineal.models.checks import differentiable
from lineal.paths import Straight
from lineal.quadrature.contract import Integral
from lineal.records.interactions import Interactions
from lineal.verbs.answers import answers, asked
from lineal.verbs.options import Options, QuestionKeywords, lists_options, options_from
from lineal.verbs.pack import pack
from lineal.verbs.session import Session

SECOND = 4
"""How many times as much memory a token of a batch takes when second derivatives are taken: 2.7 to 3.5 in live tensors of three models."""


@lists_options(Options)
def explain_interactions(
    model: Any, text: Any, target: Any = None, *, baseline: Any = None, **options: Unpack[QuestionKeywords]
) -> Interactions:
    """Return the token × token interactions of one output, with the error of the answer.

    Arguments as in `lineal.explain`, for method "ig", the adaptive or nested rule, one baseline and one output. Cost: one Hessian-vector
    product, about three gradients, per moving token and path point; 20 to 40 points at tol=0.01. Memory: a batch of a quarter of the
    usual tokens, unless `batch_tokens` is given; batches are made smaller, and layers run again, when memory runs out.

    Raises OptionError for several outputs or baselines, or another method, and as `lineal.explain`. Not to be trusted for models with
    non-smooth activations (ReLU): their second derivatives are zero almost everywhere and the interactions sit in the kinks.
    """
    how = options_from(options)
    if how.method != "ig":
        raise OptionError(f"interactions are those of Integrated Gradients; leave out method={how.method!r}")
    session = Session(load(model), target, baseline, how)
    begun = time.perf_counter()
    case = session.case(text)
    read = time.perf_counter() - begun
    k, outputs = len(case.starts), len(case.objective.names)
    if k != 1 or outputs != 1:
        raise OptionError(f"interactions are of one output from one baseline, these are {outputs} outputs and {k} baselines")
    if len(case.objective.branches) > 1:
        raise OptionError("interactions of a choice among continuations are not available; explain one continuation")
    problem = Problem(case.encoded, Straight(case.starts[0], case.end), case.objective, pairwise=True)
    if how.batch_tokens is None:
        session.budget.tokens = max(1, session.budget.tokens // SECOND)
    tasks = [Task(problem, session.preparation.schedule_for(problem.path))]
    (done,) = attempt(session.model, tasks, session.budget, answers=hessians)
    found = done.integral
    matrix = found.value.reshape(len(case.encoded), len(case.encoded))
    matrix = (matrix + matrix.T) / 2
    rows_only = Integral(matrix.sum(axis=1)[None], found.error, found.f_start, found.f_end, found.evaluations, found.stops)
    outcome = Outcome(rows_only, "straight", notes=("Scores are the row sums of the interactions.",))
    record = pack(session.preparation, session.method, case, outcome, done.seconds + read)
    said = [Task(*task, key=key) for key, task in asked(case, session.model.head).items()]
    ends: dict[Any, Integral] = {one.key: one.integral for one in attempt(session.model, said, session.budget)}
    record = record.model_copy(update={"answers": answers(case, session.model.head, ends)})
    return Interactions(attribution=record, matrix=matrix, error=float(found.error[0]), stop=found.stops[0])


def hessians(model: TextModel, requests: Sequence[Request]) -> list[Answer]:
    """Return G = F − s ln s · dF/ds as values, (m, 1), and the integrand in u as derivatives, (m, 1, t²), at s = u³ for every α = u.

    One forward and one reverse pass for the whole batch, then a reverse pass through these per moving token. Attention is computed
    operation by operation: fused kernels have no second derivative. F is taken in at least float32, all behind the gradients in float64.
    """
    points = [request.problem.path.at([u**3 for u in request.alphas]).detach().requires_grad_() for request in requests]
    second = any(request.outputs is not None for request in requests)
    with Mathematical(), torch.enable_grad():
        values = [differentiable(model, value) for value in forward(model, requests, points)]
        total = torch.stack([value[:, 0].sum() for value in values]).sum()
        grads = torch.autograd.grad(total, points, create_graph=second, materialize_grads=True)
        return [_answer(*one) for one in zip(requests, points, values, grads, strict=True)]


def _answer(request: Request, points: Tensor, values: Tensor, grad: Tensor) -> Answer:
    start, end = (request.problem.path.at((at,))[0].double() for at in (0.0, 1.0))
    delta = end - start  # (t, d)
    phi = (grad.double() * delta).sum(dim=-1)  # (m, t)
    u = np.array(request.alphas, dtype=np.float64)
    s = u**3
    log = np.log(np.where(s > 0, s, 1.0))  # (m,) s ln s is 0 at 0
    own = phi.detach().cpu().numpy()
    g = values.detach().double().cpu().numpy() - (s * log * own.sum(axis=1))[:, None]
    m, t = own.shape
    matrix = np.zeros((m, t, t))
    if request.outputs is not None:
        if phi.requires_grad:  # a linear F has no second derivative at all
            for j in torch.nonzero((delta != 0).any(dim=-1))[:, 0].tolist():
                row = torch.autograd.grad(phi[:, j].sum(), points, retain_graph=True, materialize_grads=True)[0]  # Δ_jᵀ ∂²F/∂x_j∂x
                matrix[:, j] = (row.double() * delta).sum(dim=-1).cpu().numpy() * (-s * log)[:, None]
        matrix[:, range(t), range(t)] += own * -log[:, None]
        matrix *= (3 * u * u)[:, None, None]  # ds/du
    return Answer(g, matrix.reshape(m, 1, t * t))
