"""Families of integrands with exact antiderivatives, drawn by seed: what schedules are held against in bulk.

Used by test_reliability.py, and by `python benchmarks/reliability.py`. A draw has 1 to 64 tokens and one output, F, the sum of the tokens'
antiderivatives. Its token derivatives are a smooth background plus 1 to 400 features of one family, each with a weight per token; features
weigh unlike each other, tokens have unrelated signs, and in a third of the draws a feature moves only a third of the tokens.

What schedules were tuned on was drawn by other seeds; those of `draw` begin with `SEED`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lineal.quadrature import Schedule

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]
SEED = 20_260  # the first word of every seed
MOST_TOKENS, MOST_FEATURES = 64, 400


@dataclass(frozen=True)
class Integrand:
    """Token derivatives (m,) → (m, t), and their antiderivatives, which are zero at α = 0."""

    derivatives: Curve
    areas: Curve

    @property
    def exact(self) -> Floats:
        """The integral over the path: (t,)."""
        return self.areas(np.array([1.0]))[0]

    def values(self, alphas: Floats) -> Floats:
        """Return F: (m,)."""
        return np.asarray(self.areas(alphas).sum(axis=1))


@dataclass(frozen=True)
class Rounded(Integrand):
    """An integrand whose F is not the sum of its antiderivatives: (m,) → (m,)."""

    f: Curve

    def values(self, alphas: Floats) -> Floats:
        """Return F: (m,)."""
        return self.f(alphas)


Features = tuple[Curve, Curve]
"""n features (m,) → (m, n), and their antiderivatives up to a constant."""


# --- features: each family draws up to n of them ---------------------------------------------------------------------------------------


def jumps(r: Generator, n: int) -> Features:
    """Steps at one α each: what a ReLU unit or a change of the largest does to derivatives."""
    at = r.uniform(0, 1, n)
    return lambda a: (a[:, None] > at).astype(float), lambda a: np.maximum(a[:, None] - at, 0)


def kinks(r: Generator, n: int) -> Features:
    """Bends at one α each."""
    at = r.uniform(0, 1, n)
    return lambda a: 4 * np.maximum(a[:, None] - at, 0), lambda a: 2 * np.maximum(a[:, None] - at, 0) ** 2


def peaks(r: Generator, n: int, narrowest: float = 3e-3, widest: float = 0.3, most: int = 20) -> Features:
    """Lorentz curves of unit area, from 0.003 to 0.3 of the path wide."""
    n = min(n, most)
    at, width = r.uniform(0, 1, n), logarithmic(r, narrowest, widest, n)
    return lambda a: width / np.pi / ((a[:, None] - at) ** 2 + width**2), lambda a: np.arctan((a[:, None] - at) / width) / np.pi


def steps(r: Generator, n: int) -> Features:
    """Logistic curves from a millionth to a tenth of the path wide."""
    at, width = r.uniform(0, 1, n), logarithmic(r, 1e-6, 0.1, n)
    return lambda a: 0.5 + 0.5 * np.tanh((a[:, None] - at) / width / 2), lambda a: width * np.logaddexp(0, (a[:, None] - at) / width)


def waves(r: Generator, n: int) -> Features:
    """Cosines of up to ten periods."""
    n = min(n, 20)
    rate, phase = r.uniform(1, 60, n), r.uniform(0, 2 * np.pi, n)
    return lambda a: np.cos(rate * a[:, None] + phase), lambda a: np.sin(rate * a[:, None] + phase) / rate


def powers(r: Generator, n: int) -> Features:
    """|α − c|^q with q from 0.1 to 3, six in ten of them at the baseline."""
    n = min(n, 8)
    q, at = r.uniform(0.1, 3, n), np.where(r.random(n) < 0.6, 0.0, r.uniform(0, 1, n))

    def area(a: Floats) -> Floats:
        x = a[:, None] - at
        return np.sign(x) * np.abs(x) ** (q + 1) / (q + 1)

    return lambda a: np.abs(a[:, None] - at) ** q, area


def norms(r: Generator, n: int) -> Features:
    """A normalisation layer at its baseline: derivatives of α/√(α² + d²), with d from a thousandth to the whole path."""
    d = logarithmic(r, 1e-3, 1, min(n, 20))
    return lambda a: d**2 / (a[:, None] ** 2 + d**2) ** 1.5, lambda a: a[:, None] / np.sqrt(a[:, None] ** 2 + d**2)


def smooth(r: Generator, n: int) -> Features:
    """Nothing but the background."""
    return lambda a: np.zeros((len(a), n)), lambda a: np.zeros((len(a), n))


needles = partial(peaks, narrowest=1e-5, widest=3e-3, most=4)

FEATURES: dict[str, Callable[[Generator, int], Features]] = {
    "jumps": jumps,
    "kinks": kinks,
    "peaks": peaks,
    "steps": steps,
    "waves": waves,
    "powers": powers,
    "norms": norms,
    "smooth": smooth,
    "needles": needles,
}
MIXED = ("jumps", "kinks", "peaks", "steps", "waves", "powers", "norms")
EQUAL_JUMPS = ((1, 1), (8, 1), (8, 20), (30, 2), (30, 20))  # tokens and jumps of draws whose jumps all weigh alike
FAMILIES = (
    *(name for name in FEATURES if name != "needles"),
    "mixed",
    *(f"{jumps} of {tokens}" for tokens, jumps in EQUAL_JUMPS),
    "needles",
)
"""Names that `draw` knows. "20 of 8" are 20 jumps of equal weight in 8 tokens. Needles are the declared limit of adaptive schedules:
what no point sees and F hardly shows."""


# --- draws -----------------------------------------------------------------------------------------------------------------------------


def draw(family: str, number: int) -> Integrand:
    """Return one integrand of a family, the same for the same number."""
    r = np.random.default_rng([SEED, FAMILIES.index(family), number])
    if family == "mixed":
        return joined(*(weighted(r, FEATURES[name]) for name in r.choice(MIXED, 2, replace=False)))
    if " of " in family:
        count, tokens = (int(word) for word in family.split(" of "))
        return equal(r, tokens, count)
    return weighted(r, FEATURES[family])


def weighted(r: Generator, features: Callable[[Generator, int], Features]) -> Integrand:
    """Return features of unlike weights on a background of a tenth to ten times the size of one of them."""
    tokens, n = int(logarithmic(r, 1, MOST_TOKENS + 1)), int(logarithmic(r, 1, MOST_FEATURES + 1))
    curves, areas = features(r, n)
    n = curves(np.zeros(1)).shape[1]
    weights = r.standard_normal((n, tokens)) * np.exp(r.normal(0, 0.7, (n, 1)))
    if r.random() < 0.3:
        weights *= r.random((n, tokens)) < 0.3
    size = logarithmic(r, 0.1, 10) * (np.sqrt(n) / 2 if n >= 4 else 1.0)
    return joined(
        background(r, tokens, size), Integrand(lambda a: curves(a) @ weights, lambda a: (areas(a) - areas(np.zeros(1))) @ weights)
    )


def equal(r: Generator, tokens: int, count: int) -> Integrand:
    """Return jumps of equal weight on a background of the same size."""
    curves, areas = jumps(r, count)
    weights, (level, swing) = r.standard_normal((count, tokens)), r.standard_normal((2, tokens))
    return Integrand(
        lambda a: level + swing * np.sin(3 * a[:, None]) + curves(a) @ weights,
        lambda a: level * a[:, None] + swing * (1 - np.cos(3 * a[:, None])) / 3 + areas(a) @ weights,
    )


def background(r: Generator, tokens: int, size: float) -> Integrand:
    """Return a constant and two slow waves."""
    (level, sines, cosines), rate = size * r.standard_normal((3, tokens)), r.uniform(0.5, 4)
    return Integrand(
        lambda a: level + sines * np.sin(rate * a[:, None]) + cosines * np.cos(2 * a[:, None]),
        lambda a: level * a[:, None] + sines * (1 - np.cos(rate * a[:, None])) / rate + cosines * np.sin(2 * a[:, None]) / 2,
    )


def joined(one: Integrand, other: Integrand) -> Integrand:
    """Return the sum of two integrands, over as many tokens as both have."""
    t = min(len(one.exact), len(other.exact))
    return Integrand(
        lambda a: one.derivatives(a)[:, :t] + other.derivatives(a)[:, :t],
        lambda a: one.areas(a)[:, :t] + other.areas(a)[:, :t],
    )


def rounded(of: Integrand, epsilon: float, seed: int) -> Rounded:
    """Return an integrand as a model computes it whose numbers are ε apart around 1: noise of F, of one of its digits, and F rounded to
    them; noise of derivatives of 2 ε of their mean L1 norm. The same point is the same again."""
    size, shift = np.abs(of.derivatives(np.linspace(0, 1, 65))).sum(axis=1).mean(), np.abs(of.exact).sum()

    def drawn(alphas: Floats, count: int) -> Floats:
        numbers = [np.random.default_rng([seed, count, zlib.crc32(np.float64(a).tobytes())]).standard_normal(count) for a in alphas]
        return np.array(numbers).reshape(-1, count)

    def values(alphas: Floats) -> Floats:
        exact = of.areas(alphas).sum(axis=1) + shift
        digit = epsilon * 2.0 ** np.floor(np.log2(np.maximum(np.abs(exact), 1e-30)))
        return np.asarray(digit * np.round(exact / digit + drawn(alphas, 1)[:, 0]))

    tokens = len(of.exact)
    return Rounded(lambda a: of.derivatives(a) + drawn(a, tokens) * 2 * epsilon * size / tokens, of.areas, values)


def logarithmic(r: Generator, low: float, high: float, size: int | None = None) -> Floats:
    """Return numbers whose logarithms are even."""
    return np.exp(r.uniform(np.log(low), np.log(high), size))


# --- outcomes --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a schedule said about one integrand and what is true; errors over all tokens, relative to its own attribution mass."""

    true: float
    stated: float
    converged: bool
    evaluations: int


def outcome(integrand: Integrand, schedule: Schedule) -> Outcome:
    """Integrate and compare."""
    while (ask := schedule.ask()) is not None:
        values = [integrand.values(alphas)[:, None] for alphas in (ask.alphas, ask.ends)]
        schedule.tell(values[0], integrand.derivatives(ask.alphas)[:, None], values[1])
    integral = schedule.integral()
    mass = float(np.abs(integral.value).sum())
    true = float(np.abs(integral.value[0] - integrand.exact).sum())
    return Outcome(true / mass, float(integral.error[0]) / mass, integral.stops[0].converged, integral.evaluations)
