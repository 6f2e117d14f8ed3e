"""Which words act together: token-level Integrated Hessians (Janizek, Sturmfels & Lee, JMLR 2021), one integral over the straight path.

With φ_i(s) = ⟨Δ_i, ∂F/∂x_i⟩ and H_ij(s) = Δ_iᵀ ∂²F/∂x_i∂x_j Δ_j at x' + s Δ, the double integral of the paper collapses to

    Γ_ij = ∫₀¹ (−s ln s) H_ij(s) ds + [i = j] ∫₀¹ (−ln s) φ_i(s) ds,        Σ_j Γ_ij = IG_i,

and Σ_ij of the integrand is the derivative of F − s ln s · Σ_i φ_i. So the same adaptive schedule applies, with its error estimate and its
exact residual per cell. s = u³ takes the logarithm's infinite value at 0 away.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from lineal.errors import OptionError
from lineal.interaction_matrix import Interactions
from lineal.methods import Case, Outcome
from lineal.models import load
from lineal.models.base import evaluating
from lineal.objectives import branches
from lineal.options import lists_options, options_from
from lineal.paths import Straight
from lineal.quadrature.contract import Integral
from lineal.session import Session

Floats = NDArray[np.float64]


@lists_options
def explain_interactions(model: Any, text: Any, target: Any = None, *, baseline: Any = None, **options: Any) -> Interactions:
    """Return the token × token interactions of one output, with the error of the answer.

    Arguments as in `lineal.explain`, for method "ig", the adaptive or nested rule, one baseline and one output. Cost: one Hessian-vector
    product, about three gradients, per moving token and path point; 20 to 40 points at tol=0.01. Memory: a graph of one point.

    Raises OptionError for several outputs or baselines, or another method, and as `lineal.explain`. Not to be trusted for models with
    non-smooth activations (ReLU): their second derivatives are zero almost everywhere and the interactions sit in the kinks.
    """
    if options.get("method", "ig") != "ig":
        raise OptionError(f"interactions are those of Integrated Gradients; leave out method={options['method']!r}")
    session = Session(load(model), target, baseline, options_from(options))
    case = session.case(text)
    k, outputs = len(case.starts), len(case.objective.names)
    if k != 1 or outputs != 1:
        raise OptionError(f"interactions are of one output from one baseline, these are {outputs} outputs and {k} baselines")
    if len(branches(case.objective)) > 1:
        raise OptionError("interactions of a choice among continuations are not available; explain one continuation")
    clock = time.perf_counter()
    schedule = session.schedule_for(Straight(case.starts[0], case.end))
    while (ask := schedule.ask()) is not None:
        rows = [_at(case, float(u)) for u in ask.alphas]
        ends = [_at(case, float(u), derivatives=False) for u in ask.ends]
        t2 = len(case.encoded) ** 2
        schedule.tell(
            np.array([[row[0]] for row in rows]).reshape(-1, 1),
            np.array([row[1] for row in rows]).reshape(-1, 1, t2),
            np.array([[row[0]] for row in ends]).reshape(-1, 1),
        )
    found = schedule.integral()
    matrix = found.value.reshape(len(case.encoded), len(case.encoded))
    matrix = (matrix + matrix.T) / 2
    rows_only = Integral(matrix.sum(axis=1)[None], found.error, found.f_start, found.f_end, found.evaluations, found.stops)
    record = session.pack(
        case, Outcome(rows_only, "straight", notes=("Scores are the row sums of the interactions.",)), time.perf_counter() - clock
    )
    return Interactions(attribution=record, matrix=matrix, error=float(found.error[0]), stop=found.stops[0])


def _at(case: Case, u: float, derivatives: bool = True) -> tuple[float, Floats]:
    """Return G = F − s ln s · dF/ds, and the (t, t) integrand in u, at s = u³."""
    s, t = u**3, len(case.encoded)
    start, delta = case.starts[0], case.end - case.starts[0]
    x = (case.end if u == 1 else start + s * delta).detach().requires_grad_()
    features = {name: value[None].to(x.device) for name, value in case.encoded.features.items()}
    positions = torch.tensor([list(case.objective.positions)], device=x.device) if case.objective.positions else None
    with evaluating(case.model.module), sdpa_kernel(SDPBackend.MATH), torch.enable_grad():  # fused attention has no second derivative
        answer = case.model.read(case.model.run(features, x[None], positions), case.objective.rows)
        f = case.objective(answer)[0, 0]
        grad = torch.autograd.grad(f, x, create_graph=derivatives)[0]
        phi = (grad * delta).sum(dim=-1)  # (t,)
        log = np.log(s) if s > 0 else 0.0
        g = float(f.detach()) - s * log * float(phi.detach().double().sum())
        if not derivatives:
            return g, np.zeros((t, t))
        slope = 3 * u * u  # ds/du
        matrix = np.zeros((t, t))
        if s > 0:
            moving = np.flatnonzero(np.array(case.moving) & phi.requires_grad)  # a linear F has no second derivative at all
            for j in moving:
                row = torch.autograd.grad(phi[j], x, retain_graph=True, materialize_grads=True)[0]  # Δ_jᵀ ∂²F/∂x_j∂x
                matrix[j] = _products(row, delta) * (-s * log) * slope
            matrix[np.diag_indices(t)] += phi.detach().double().cpu().numpy() * (-log) * slope
    return g, matrix


def _products(row: Tensor, delta: Tensor) -> Floats:
    found: Floats = (row.double() * delta.double()).sum(dim=-1).detach().cpu().numpy()
    return found
