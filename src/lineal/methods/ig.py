"""Integrated Gradients: the straight line, from one baseline or from several."""

from __future__ import annotations

from dataclasses import dataclass

from lineal.methods.contract import Case, Method, Outcome, Plan
from lineal.paths import Straight

COMPLETE = "The scores add up to F(text) − F(baseline); the residual says how closely."


@dataclass(frozen=True)
class IG(Method):
    """Integrated Gradients (Sundararajan, Taly & Yan, ICML 2017, eq. 1), averaged when there are several baselines.

    Complete: Σ_i scores = F(text) − F(baseline), with the mean of F over the baselines when there are several. With baselines drawn from
    a distribution this is Expected Gradients (Erion et al. 2021) with every integral computed to `tol`, and the spread over the baselines
    says how much the choice of one matters. Cost: one integral per baseline.
    """

    name: str = "ig"
    adds_up: bool = True
    uses_baseline: bool = True
    completeness: str = COMPLETE

    def plan(self, case: Case) -> Plan:
        """Return one straight integral per baseline."""
        paths = [Straight(start, case.end) for start in case.starts]
        notes = () if len(paths) == 1 else (f"Scores are the mean over {len(paths)} baselines.",)
        return case.averaged(paths, lambda integral, spread: Outcome(integral, "straight", spread, notes))
