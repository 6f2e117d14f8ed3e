"""Integrated Gradients: the straight line, from one baseline or from several."""

from __future__ import annotations

from dataclasses import dataclass

from lineal.methods.contract import Case, Floats, Method, Outcome, Plan
from lineal.quadrature.contract import Integral

COMPLETE = "The scores add up to F(text) − F(baseline); the residual says how closely."


@dataclass(frozen=True)
class IG(Method):
    """Integrated Gradients (Sundararajan, Taly & Yan, ICML 2017, eq. 1), averaged when there are several baselines.

    Complete: Σ_i scores = F(text) − F(baseline), with the mean of F over the baselines when there are several. With baselines drawn from
    a distribution this is Expected Gradients (Erion et al. 2021) with every integral computed to `tol`, and the spread over the baselines
    says how much the choice of one matters. Where the baseline does not say how many are drawn, as many are as `tol` needs for
    quadrature and sampling together, within `max_evaluations` gradients for all of them. Cost: one integral per baseline.
    """

    name: str = "ig"
    adds_up: bool = True
    uses_baseline: bool = True
    completeness: str = COMPLETE

    def plan(self, case: Case) -> Plan:
        """Return one straight integral per baseline, or one over all that are drawn."""

        def outcome(integral: Integral, spread: Floats | None) -> Outcome:
            notes = () if integral.lines == 1 else (f"Scores are the mean over {integral.lines} baselines.",)
            return Outcome(integral, "straight", spread, notes)

        return case.expected(outcome)
