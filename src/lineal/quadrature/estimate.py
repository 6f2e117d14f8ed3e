"""How far a mesh's integral may be from the truth: what the cells' own answers say. Knows nothing of nodes and schedules.

Three kinds of evidence, each of which the others lack:

- the *difference* of two orders, a vector over tokens. Where the integrand is smooth it overstates the error of the higher order; where it
  jumps, it is a fixed share of the jump whatever the place of the jump in its cell: too small, by a factor of up to eleven in that cell.
- the *residual* of a cell, known exactly, since F is known at both ends. It is the sum of the tokens' errors, so it knows how large they
  are, but a part of it cancels between tokens.
  Where F is rounded, as in half precision, what rounding explains is no residual; the differences then count for more, and for themselves.
- the *alignment* of the tokens' differences, |Σ_i difference_i| / Σ_i |difference_i|, says how much of a sum cancels. Residuals divided by
  it are errors over all tokens: F calibrates what the differences have measured in kind. Where it is small there is little to go by.

Shapes: c cells, r outputs, t tokens; g groups: one per output, or a single one where outputs are pooled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lineal.quadrature.contract import Bools, Floats

# Tuned on closed forms and on one half of the recorded fields; see docs/quadrature.md.
DIFFERENCES = 0.8  # on the root of the summed squares of the cells' differences
BLIND = 12.0  # times that where F is rounded so coarsely that residuals say little: what a jump's difference is too small by
LONE, SPOT = 20.0, 2.6  # on top of it in doubt, where differences sit in one spot: 2.6 cells, as around a lone jump that F does not show
ONE_SIDED = 4.0  # the first and last cell of a piece see the integrand from one side only, and two orders agree there too easily
RESIDUALS = 1.2  # on the root of the summed squares of the cells' residuals
WINDOW = 6  # cells whose residuals are summed: the errors that polynomials make beside a rough place cancel within it
CALIBRATED = 4.5  # on the root of the summed squares of the windows' residuals, divided by the alignment
FEW = 1.0  # added in doubt: once that factor for one spot, half of it for two …, since few residuals say little
ALIGNED = 0.4  # above, residuals are trusted; below half of it they are in full doubt
LEAST_ALIGNMENT = 0.01  # times 1/√t, which is what unrelated signs give
UNSEEN, MOST_UNSEEN = 4.0, 2.0  # a residual beyond four differences was seen by no node: it counts more, up to 2√t fold
TOTAL = 1.5  # on the residual of the whole: tokens that cancel hide a part of their error from it
TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Estimate:
    """What a mesh of c cells says about r outputs.

    value: (r, t). errors, shares: (c, g) error and L1 mass of each cell. scale: (g,) the largest |F| seen. mass, error: (g,) of the
    whole. order_error: (g,) the part of the error by which two orders differ. dead: (c, g) how many ends of the cell, 0 to 2, have a
    derivative or an F that is not finite.
    """

    value: Floats
    errors: Floats
    shares: Floats
    scale: Floats
    mass: Floats
    error: Floats
    order_error: Floats
    dead: np.ndarray


@dataclass(frozen=True)
class Sizes:
    """How vectors are measured: each output by itself, or all outputs as the components of one vector per token."""

    pooled: bool

    def tokens(self, rows: Floats) -> Floats:
        """(…, r, t) → (…, g): Σ over tokens of |x|, of the Euclidean norm over outputs where these are pooled."""
        if not self.pooled:
            return np.asarray(np.abs(rows).sum(axis=-1))
        return np.asarray(np.sqrt((rows**2).sum(axis=-2)).sum(axis=-1, keepdims=True))

    def outputs(self, rows: Floats) -> Floats:
        """(…, r) → (…, g): |x|, or the Euclidean norm over outputs."""
        return np.abs(rows) if not self.pooled else np.asarray(np.sqrt((rows**2).sum(axis=-1, keepdims=True)))


def root(errors: Floats) -> Floats:
    """Return (g,): the error of the sum of cells (c, g) whose errors have unrelated signs."""
    return np.asarray(np.sqrt((errors**2).sum(axis=0)))


def judge(high: Floats, low: Floats, steps: Floats, edges: Bools, sizes: Sizes, spread: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the errors of the cells (c, g), the error of the whole (g,) and its part by which two orders differ (g,).

    high, low: (c, r, t) integrals of two orders. steps: (c, r) change of F over each cell. edges: (c,) true for the cells at an end of a
    piece. spread: (r,) how far a change of F is known; a residual, of a cell, of cells in a row or of the whole, is what lies beyond. The
    cells' errors are scaled so that the root of their summed squares is the error of the whole, or close above it; an F that is not a
    number makes the errors infinite.
    """
    residuals, apart = high.sum(axis=-1) - steps, high - low  # (c, r), (c, r, t)
    sums, total = _beyond(_windows(residuals), spread), _beyond(residuals.sum(axis=0), spread)
    residuals = _beyond(residuals, spread)
    gaps, seen = sizes.outputs(residuals), sizes.tokens(apart)  # (c, g)
    spots, alignment = _spots(seen), _alignment(sizes.outputs(apart.sum(axis=-1)), seen, high.shape[-1])
    doubt = np.clip(2.0 * (1.0 - alignment / ALIGNED), 0.0, 1.0)
    differences = np.where(edges[:, None], ONE_SIDED, 1.0) * seen
    rough = DIFFERENCES * np.maximum(np.where(sizes.outputs(spread) > 0, BLIND, 1.0), doubt * LONE / spots**1.5) * differences
    rough = np.maximum(rough, CALIBRATED * _unseen(gaps, seen, high.shape[-1]))
    windows = root(sizes.outputs(sums)) / np.sqrt(WINDOW)
    calibrated = CALIBRATED * (1.0 + FEW * doubt / spots) * windows / alignment
    shares = np.maximum(gaps / alignment, seen)
    errors = np.maximum.reduce([rough, RESIDUALS * gaps, shares * calibrated / np.maximum(root(shares), TINY)])
    signed = sizes.tokens(apart.sum(axis=0))
    whole = np.maximum.reduce([root(rough), RESIDUALS * root(gaps), calibrated, TOTAL * sizes.outputs(total), signed])
    return _known(errors), _known(whole), root(differences)


def _beyond(residuals: Floats, spread: Floats) -> Floats:
    """(…, r) residuals less what the spread of F explains; signs stay."""
    return np.asarray(np.sign(residuals) * np.maximum(np.abs(residuals) - spread, 0.0))


def _spots(seen: Floats) -> Floats:
    """(g,) over how many places the differences (c, g) are spread, 1 and more: a participation ratio, in units of what one jump makes."""
    spread = (seen**2).sum(axis=0) ** 2 / np.maximum((seen**4).sum(axis=0), TINY)
    return np.asarray(np.maximum(1.0, spread / SPOT))


def _unseen(gaps: Floats, seen: Floats, tokens: int) -> Floats:
    """(c, g) residuals that no difference explains, raised as if the tokens' errors had unrelated signs; 0 for all others."""
    raised = np.clip(gaps / np.maximum(UNSEEN * seen, TINY), 1.0, MOST_UNSEEN * np.sqrt(tokens))
    return np.where(raised > 1, raised * gaps, 0.0)


def _alignment(sums: Floats, seen: Floats, tokens: int) -> Floats:
    """(g,) which part of the differences is left when tokens are summed, between 0 and 1; 1 where there are no differences."""
    alignment: Floats = root(sums) / np.maximum(root(seen), TINY)
    return np.where(alignment > 0, np.clip(alignment, LEAST_ALIGNMENT / np.sqrt(tokens), 1.0), 1.0)


def _windows(residuals: Floats) -> Floats:
    """(c + WINDOW − 1, r): the sums over WINDOW cells in a row, those that hang over an end included."""
    padded = np.pad(residuals, [(WINDOW, WINDOW - 1), (0, 0)])
    sums = np.cumsum(padded, axis=0)
    return np.asarray(sums[WINDOW:] - sums[:-WINDOW])


def _known(errors: Floats) -> Floats:
    return np.where(np.isnan(errors), np.inf, errors)
