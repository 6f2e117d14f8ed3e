"""Who looks on while this thread integrates: how far it is, and whether it is to end early with what is known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np

from lineal.errors import LinealError
from lineal.quadrature.contract import Integral


class Dropped(LinealError):
    """The work was given up, and nothing of it is kept."""


@dataclass
class Watch:
    """What is seen of some work, from any thread.

    evaluations: gradients so far. curve: (evaluations, error) after every round, the error relative to the mass, of the integral that is
    worst off. ends: seconds of `time.monotonic` when it stops by itself.
    """

    evaluations: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    ends: float = float("inf")
    stopping: bool = False
    dropping: bool = False

    @property
    def stopped(self) -> bool:
        """Whether integrals end with what they know; those that know nothing yet go on to their first answer."""
        return self.stopping or time.monotonic() > self.ends

    def stop(self) -> None:
        """End with what is known."""
        self.stopping = True

    def drop(self) -> None:
        """End with nothing, at the next batch."""
        self.stopping = self.dropping = True

    def took(self, gradients: int) -> None:
        """Count a batch. Raises Dropped where nothing is wanted any more."""
        self.evaluations += gradients
        if self.dropping:
            raise Dropped("the work was given up")

    def saw(self, known: list[Integral | None]) -> None:
        """Note how far the open integrals are."""
        errors = [relative(integral) for integral in known if integral is not None]
        if errors:
            self.curve.append((self.evaluations, max(errors)))


def relative(integral: Integral) -> float:
    """Return the error of the output that is worst off, relative to its mass: of equal errors, as where outputs are one vector, to all."""
    masses = np.abs(integral.value).sum(axis=-1)
    if len(masses) > 1 and np.ptp(integral.error) == 0:
        masses = np.full(len(masses), np.linalg.norm(integral.value, axis=0).sum())
    nothing = np.where(integral.error > 0, np.inf, 0.0)
    shares = np.divide(integral.error, masses, out=nothing, where=masses > 0)
    return float(shares.max(initial=0.0))


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


def watching() -> Watch | None:
    """Return who looks on in this thread, if anybody does."""
    return _watch.get()


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Let somebody look on at all that this thread integrates."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)
