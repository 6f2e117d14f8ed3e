"""What a record promises, checked against what is true. |residual| ≤ error alone holds by construction: the error is never below it."""

from __future__ import annotations

import numpy as np

import lineal


def assert_keeps_its_word(record: lineal.Attribution, exact: lineal.Attribution | None = None, rounding: float = 0.0) -> None:
    """The record converged, its error is within its tolerance, and bounds the residual and the distance to `exact`, a dense reference.

    rounding: what sums in the model's dtype may be off by, beyond the integration.
    """
    assert record.converged, record.stop.value
    assert (record.mass > 0).all(), "nothing is explained, so the check would be empty"
    assert (record.error <= record.tol * record.mass * (1 + 1e-9)).all()
    assert (np.abs(record.residual) <= record.error + rounding).all()
    if exact is not None:
        assert (np.abs(exact.residual) <= 0.1 * record.tol * record.mass + rounding).all(), "the reference is not dense enough"
        assert (np.abs(record.scores - exact.scores).sum(axis=1) <= record.error + rounding).all()
