"""Who waits, who works, what was answered: a bounded queue in front of a few threads. Knows no HTTP."""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from lineal.engine.watch import Dropped, Watch, watched
from lineal.errors import LinealError, OptionError, unknown
from lineal.models import TextModel, load
from lineal.records.base import Record
from lineal.web import questions
from lineal.web.asking import LIMITS, Given, Limits

State = Literal["waiting", "working", "done", "failed"]
TYPED = 2
"""Models that visitors named themselves and that are kept at a time."""


class BusyError(LinealError):
    """The queue is full."""


class Models:
    """What can be asked: models by name, each loaded when it is first asked for. allowed: patterns of names that visitors may type."""

    def __init__(self, names: Sequence[str], allowed: Sequence[str] = (), made: Callable[[str], TextModel] = load) -> None:
        """Load nothing yet. made: from a name to a model."""
        self.names, self.allowed, self._made = tuple(names), tuple(allowed), made
        self._loaded: OrderedDict[str, TextModel] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> TextModel:
        """Return a model, loaded once. OptionError for a name that is not served, ModelError for one that cannot be loaded."""
        if name not in self.names and not any(fnmatchcase(name, pattern) for pattern in self.allowed):
            raise OptionError(unknown("model", name, (*self.names, *self.allowed)))
        with self._lock:
            if name not in self._loaded:
                typed = [one for one in self._loaded if one not in self.names]
                if name not in self.names and len(typed) >= TYPED:
                    del self._loaded[typed[0]]
                self._loaded[name] = self._made(name)
            return self._loaded[name]


@dataclass
class Job:
    """One question on its way. id: what its visitor knows it by, and nobody can guess. given: as it was asked."""

    id: str
    visit: str
    model: str
    question: str
    given: dict[str, Any]
    key: str
    state: State = "waiting"
    watch: Watch = field(default_factory=Watch)
    record: Record | None = None
    error: str = ""
    seconds: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed")

    @property
    def title(self) -> str:
        """What a list of questions calls it."""
        texts = [text for name, text in self.given.items() if isinstance(text, str) and name in ("text", "a", "query", "user")]
        return f"{questions.QUESTIONS[self.question].title}: {texts[0][:60] if texts else ''}"


class Jobs:
    """The queue, the threads that work on it, and the answers. Each thread holds a model for one batch at a time, so visitors interleave.

    workers: questions worked on at once. most: questions that may wait; BusyError beyond. kept: finished questions that are remembered, and
    whose answers serve whoever asks the same of the same model.
    """

    def __init__(self, models: Models, limits: Limits = LIMITS, *, workers: int = 2, most: int = 32, kept: int = 200) -> None:
        """Start the threads."""
        self.models, self.limits, self.most, self.kept = models, limits, most, kept
        self._waiting: deque[tuple[Job, dict[str, Any]]] = deque()
        self._all: OrderedDict[str, Job] = OrderedDict()
        self._answers: OrderedDict[str, Job] = OrderedDict()
        self._there, self._closed = threading.Condition(), False
        for _ in range(workers):
            threading.Thread(target=self._work, daemon=True).start()

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return len(self._waiting)

    def ask(self, model: str, question: str, given: Given, visit: str = "") -> Job:
        """Queue a question, or return it answered where the same was answered before. Raises as `questions.read`, and BusyError."""
        loaded = self.models.get(model)
        asked = questions.read(questions.named(question), loaded, given, self.limits)
        key = json.dumps([model, question, sorted(asked.items())])
        usual = {field.name: field.usual for field in questions.fields(questions.named(question), loaded)}
        said = {name: value for name, value in given.items() if value not in ("", [], usual[name])}
        job = Job(secrets.token_urlsafe(16), visit, model, question, said, key)
        with self._there:
            if (known := self._answers.get(key)) is not None:
                self._answers.move_to_end(key)
                job.state, job.record, job.watch, job.seconds = "done", known.record, known.watch, known.seconds
            elif len(self._waiting) >= self.most:
                raise BusyError(f"{self.most} questions are waiting already; ask again in a minute")
            else:
                self._waiting.append((job, asked))
                self._there.notify()
            self._all[job.id] = job
            for old in [one for one in self._all.values() if one.ended][: max(0, len(self._all) - self.kept)]:
                del self._all[old.id]
        return job

    def get(self, name: str) -> Job | None:
        """Return a question by its id."""
        return self._all.get(name)

    def of(self, visit: str) -> list[Job]:
        """Return what was asked in a visit, the newest first."""
        return [job for job in reversed(list(self._all.values())) if job.visit == visit]

    def position(self, job: Job) -> int:
        """Return how many questions are before this one; 0 where it is worked on, or done."""
        with self._there:
            return next((i + 1 for i, (one, _) in enumerate(self._waiting) if one is job), 0)

    def status(self, job: Job) -> dict[str, Any]:
        """Return what is known of a question, as plain values."""
        curve = [[count, error if math.isfinite(error) else None] for count, error in job.watch.curve[-200:]]
        tol = float(job.given.get("tol") or 0.01)
        found: dict[str, Any] = {"id": job.id, "state": job.state, "position": self.position(job), "tolerance": tol}
        found |= {"evaluations": job.watch.evaluations, "curve": curve, "seconds": round(job.seconds, 3), "error": job.error}
        return found | {"stopped": job.watch.stopping, "converged": getattr(job.record, "converged", None)}

    def cancel(self, job: Job) -> None:
        """End a question: at once where it waits; else with what is known, and when asked again, with nothing."""
        with self._there:
            waits = next((one for one in self._waiting if one[0] is job), None)
            if waits is not None:
                self._waiting.remove(waits)
                job.state, job.error = "failed", "It was cancelled before it began."
            elif not job.ended:
                (job.watch.drop if job.watch.stopping else job.watch.stop)()

    def close(self) -> None:
        """Let the threads end; what is worked on is given up."""
        with self._there:
            self._closed = True
            for job in self._all.values():
                if not job.ended:
                    job.watch.drop()
            self._there.notify_all()

    def _work(self) -> None:
        while True:
            with self._there:
                self._there.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job, asked = self._waiting.popleft()
                job.state = "working"
            begun = time.monotonic()
            job.watch.ends = begun + self.limits.seconds
            try:
                with watched(job.watch):
                    record = questions.QUESTIONS[job.question].ask(self.models.get(job.model), asked)
            except Dropped:
                self._end(job, None, "It was cancelled, and nothing of it is kept.", begun)
            except LinealError as error:
                self._end(job, None, str(error), begun)
            except Exception as error:  # whatever a model does, the next question is answered
                self._end(job, None, f"The model failed: {type(error).__name__}: {str(error)[:300]}", begun)
            else:
                self._end(job, record, "", begun)

    def _end(self, job: Job, record: Record | None, error: str, begun: float) -> None:
        with self._there:
            job.record, job.error, job.seconds = record, error, time.monotonic() - begun
            if record is not None and not job.watch.stopped:
                self._answers[job.key] = job
                while len(self._answers) > self.kept:
                    self._answers.popitem(last=False)
            job.state = "failed" if record is None else "done"


__all__ = ["BusyError", "Job", "Jobs", "Models"]
