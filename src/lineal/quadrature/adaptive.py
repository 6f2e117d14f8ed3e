"""The default schedule: halve the cells that carry the error, reuse every point, stop when the error is small enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lineal.errors import OptionError
from lineal.quadrature.contract import MAX_EVALUATIONS, TOLERANCE, Ask, Bools, Floats, Integral, Stop, check_tol, checked_breaks
from lineal.quadrature.estimate import Estimate, root
from lineal.quadrature.mesh import Mesh

FIRST_CELLS = 8  # of the whole path in the first round; a piece between two breaks gets at least two
KEEP = 0.95  # cells whose joint error stays below this share of the tolerance are left alone
ASIDE = 0.06  # the second round cuts cells so far from their middles: a feature in step with even points meets a point out of step
GRADING = 4.0  # a cell more than so many times wider than its neighbour is halved with it, to keep the stencils sane
NARROWEST = 2.0**-30  # no cell below this width is halved
STALE, QUIET, SPREAD = 3, 0.03, 8  # noise: halved three times without gain, below 3 % of its cell or of F, in eight cells and more
MOST_GAIN = 64.0  # halving a cell improves an integral of six points by so much where it is smooth
NOISE_GAIN = 16.0  # white noise moves the integral up to sixteen times as much as the difference of two orders


class Adaptive:
    """Integrate each output to `tol` times its attribution mass Σ_i |A[c, i]|, with as few gradients as possible.

    The first round asks for nine evenly spaced points (three or more per piece, where `breaks` cut the path). Every later round cuts
    all cells that carry the excess error, so that a few rounds suffice; the second cuts a little aside of the middle, and comes even where
    the first seemed to be enough. The value is the integral of the local polynomials through the six nearest points; nothing is ever
    rescaled to make the sum come out right.

    The error bounds the L1 token error and the residual of each row: see `lineal.quadrature.estimate`. It was calibrated, not proved, and
    it cannot know of a feature that hides between the points and changes F at none of them: spikes of several tokens that cancel.

    Outputs share the points and stop one by one; `Ask.outputs` tells which go on. With `pooled`, the outputs are the components of
    one vector per token: mass and error are Σ_tokens of the Euclidean norm over outputs, all end together, and each entry of
    `Integral.error` is that joint error, which also bounds every single row.

    Stops: CONVERGED; BUDGET at `max_evaluations`, never exceeded; ROUNDING when halving gains nothing all along the path; JUMP when F
    changes by more than the tolerance within 2⁻³⁰; NOT_FINITE when a gradient or F is not a number somewhere, however small the gap:
    the value is then finite and lets the nearest finite point stand for the gap, the error counts the gap in full and may be infinite.

    tol: relative. max_evaluations: gradients, of this integration alone. breaks: kinks of the path, from 0 to 1; each side of a kink
    has its own point 2⁻⁴⁰ away from it. Raises OptionError for a tol that is not positive, breaks that do not increase from 0 to 1,
    or a budget below the first round. Memory: the derivatives of all points so far, (n, k, t) in float64, and a few times their size.
    """

    def __init__(
        self, tol: float = TOLERANCE, max_evaluations: int = MAX_EVALUATIONS, breaks: Sequence[float] = (0.0, 1.0), pooled: bool = False
    ) -> None:
        """Check the options and ask for the first round."""
        self._tol, self._limit, self._pooled = check_tol(tol), max_evaluations, pooled
        edges = checked_breaks(breaks)
        self._mesh = Mesh(edges, max(2, FIRST_CELLS // (len(edges) - 1)))
        if len(self._mesh) > max_evaluations:
            raise OptionError(f"max_evaluations is {max_evaluations}; the first round alone takes {len(self._mesh)}")
        self._ask: Ask | None = Ask(self._mesh.alphas, np.empty(0))
        self._splits: NDArray[np.int64] | None = None
        self._points, self._rounds = self._mesh.alphas, 0

    def ask(self) -> Ask | None:
        """Return the next points, or None when every output has stopped."""
        return self._ask

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        """Take the answers to the last ask, in its order; see `Schedule.tell`."""
        if self._splits is None:
            self._mesh.begin(values, derivatives)
            self._prepare()
        else:
            self._mesh.split(self._splits, self._points, values, derivatives)
            self._inherit(self._splits)
        self._rounds += 1
        rows = np.arange(self._mesh.shape[0]) if self._pooled else np.flatnonzero(self._active)
        estimate = self._doubted(self._mesh.estimate(rows, self._pooled))
        self._watch_noise(estimate)
        self._ask = self._next(self._urgency(estimate))

    def within(self, spread: Floats) -> None:
        """Take changes of F as known to ± spread, (k,): what a cell misses one by within that is no evidence of an error, nor stated."""
        self._mesh.spread = np.asarray(spread, np.float64)

    def integral(self) -> Integral:
        """Return value (k, t), error (k,) and stop reasons; valid once `ask` has returned None."""
        assert self._ask is None, "the integration has not ended"
        return self._known()

    def so_far(self) -> Integral | None:
        """Return what the points so far say; None before the first answer."""
        return None if self._rounds == 0 else self._known()

    def _known(self) -> Integral:
        k = self._mesh.shape[0]
        error = np.repeat(self._error, k // len(self._error))
        stops = tuple(self._stops) * (k // len(self._stops))
        return Integral(self._value, error, self._mesh.values[0], self._mesh.values[-1], len(self._mesh), stops)

    def _prepare(self) -> None:
        """Make room for k outputs, known with the first answer, in g groups: one if pooled, else k."""
        groups = 1 if self._pooled else self._mesh.shape[0]
        self._active = np.ones(groups, dtype=bool)
        self._value, self._error = np.zeros(self._mesh.shape), np.zeros(groups)
        self._stops = [Stop.BUDGET] * groups
        self._density = np.full((len(self._mesh.lefts), groups), np.inf)
        self._stale = np.zeros((len(self._mesh.lefts), groups), dtype=np.int64)
        self._fresh = np.ones(len(self._mesh.lefts), dtype=bool)

    def _inherit(self, splits: NDArray[np.int64]) -> None:
        """Give both halves of a cell that was cut what was known of it."""
        times = np.ones(len(self._density), dtype=np.int64)
        times[splits] = 2
        self._fresh = np.repeat(times == 2, times)
        self._density, self._stale = np.repeat(self._density, times, axis=0), np.repeat(self._stale, times, axis=0)

    def _doubted(self, estimate: Estimate) -> Estimate:
        """Let no error at an end of a piece fall by more than MOST_GAIN when its cell is cut: what falls faster agrees by chance.

        Two orders that see the integrand from one side only do so now and then, where it is steep; the next round sees it again.
        """
        least = self._density[:, self._active] * self._mesh.widths[:, None] * (2.0 / MOST_GAIN)
        raised = np.where(
            (self._fresh & self._mesh.outer)[:, None] & np.isfinite(least), np.maximum(estimate.errors, least), estimate.errors
        )
        doubted = root(np.where(raised > estimate.errors, raised, 0.0))
        return replace(estimate, errors=raised, error=np.maximum(estimate.error, doubted))

    def _watch_noise(self, estimate: Estimate) -> None:
        """Count for each cell how often it was halved in a row without its error per width going down by half."""
        density = estimate.errors / self._mesh.widths[:, None]
        counted = np.where(density > self._density[:, self._active] / 2, self._stale[:, self._active] + 1, 0)
        self._stale[:, self._active] = np.where(self._fresh[:, None], counted, self._stale[:, self._active])
        self._density[:, self._active] = density

    def _urgency(self, estimate: Estimate) -> Floats:
        """(c,) how much each cell wants to be halved, 0 for not at all; freezes the outputs that need nothing any more."""
        urgency = np.zeros(len(self._mesh.lefts))
        for column, group in enumerate(np.flatnonzero(self._active)):
            wanted, stop = self._wanted(estimate, column, int(group))
            goal = self._tol * estimate.mass[column]
            if stop is None and len(self._mesh) >= self._limit:
                stop = Stop.NOT_FINITE if estimate.dead[:, column].any() else Stop.BUDGET
            self._note(estimate, column, int(group), stop)
            if stop is not None:
                self._active[group] = False
            else:
                with np.errstate(divide="ignore", invalid="ignore"):
                    urgency = np.maximum(urgency, np.where(wanted, np.maximum(estimate.errors[:, column] / goal, 1e-9), 0.0))
        return urgency

    def _wanted(self, estimate: Estimate, column: int, group: int) -> tuple[Bools, Stop | None]:
        """The cells one output wants halved, or the reason why it is done."""
        errors, dead, goal = estimate.errors[:, column], estimate.dead[:, column].any(), self._tol * estimate.mass[column]
        if estimate.error[column] <= goal:
            if self._rounds == 1 and goal > 0 and not dead and len(self._mesh) < self._limit:
                return np.arange(len(errors)) % 2 == 1, None  # even points alone certify nothing
            return errors > 0, Stop.NOT_FINITE if dead else Stop.CONVERGED
        stuck = self._stuck(estimate, column, group)
        if root(errors[stuck]) > goal or stuck.all():
            jump = root(errors[self._mesh.widths <= NARROWEST]) > goal
            return stuck, Stop.NOT_FINITE if dead else Stop.JUMP if jump else Stop.ROUNDING
        open_errors = np.where(stuck, 0.0, errors)
        order = np.argsort(open_errors)
        wanted = np.zeros_like(stuck)
        wanted[order] = np.sqrt(np.cumsum(open_errors[order] ** 2)) > KEEP * goal
        if not wanted.any():  # the whole is too far off, though no cell is: halve the worst
            wanted = (open_errors > 0) & (open_errors >= open_errors.max() / 2)
        if not wanted.any():
            return wanted, Stop.NOT_FINITE if dead else Stop.ROUNDING
        return wanted, None

    def _stuck(self, estimate: Estimate, column: int, group: int) -> Bools:
        """(c,) cells that halving cannot help: too narrow, without a finite end, or down at the noise.

        Noise is everywhere; a kink or a jump also gains little from halving, but sits in one cell or two. Hence SPREAD.
        """
        quiet = estimate.errors[:, column] <= QUIET * np.maximum(estimate.shares[:, column], estimate.scale[column])
        noisy = quiet & (self._stale[:, group] >= STALE)
        noisy &= noisy.sum() >= max(SPREAD, len(noisy) / 4)
        stuck: Bools = noisy | (estimate.dead[:, column] == 2) | (self._mesh.widths <= NARROWEST)
        return stuck

    def _note(self, estimate: Estimate, column: int, group: int, stop: Stop | None) -> None:
        """Keep what is known of an output. stop: why it ends; None where it goes on."""
        if stop is None:
            stop = Stop.NOT_FINITE if estimate.dead[:, column].any() else Stop.STOPPED
        if self._pooled:
            self._value[:] = estimate.value
        else:
            self._value[group] = estimate.value[column]
        noise = NOISE_GAIN * estimate.order_error[column] if stop is Stop.ROUNDING else 0.0
        self._error[group] = max(estimate.error[column], noise)
        self._stops[group] = stop

    def _next(self, urgency: Floats) -> Ask | None:
        """Ask for points inside the wanted cells and the neighbours they would dwarf, the most urgent first if the budget is short."""
        if not self._active.any():
            return None
        cells = np.flatnonzero(_graded(urgency > 0, self._mesh))
        room = self._limit - len(self._mesh)
        self._splits = np.sort(cells[np.argsort(-urgency[cells], kind="stable")[:room]])
        outputs = None if self._pooled else self._active.copy()
        self._points = self._mesh.between(self._splits, ASIDE if self._rounds == 1 else 0.0)
        return Ask(self._points, np.empty(0), outputs)


def _graded(chosen: Bools, mesh: Mesh) -> Bools:
    """Add the cells that would be more than GRADING times as wide as a neighbour."""
    while True:
        widths = mesh.widths / np.where(chosen, 2, 1)
        wide = np.zeros_like(chosen)
        wide[:-1] |= mesh.touching & (widths[:-1] > GRADING * widths[1:])
        wide[1:] |= mesh.touching & (widths[1:] > GRADING * widths[:-1])
        if not (wide & ~chosen).any():
            return chosen
        chosen = chosen | wide
