"""The pages around the answers: forms, progress, two answers side by side. Plain HTML first; one script adds to it."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lineal import views
from lineal.models import TextModel
from lineal.views.media.html import asset
from lineal.visible import visible
from lineal.web import questions
from lineal.web.asking import Question
from lineal.web.jobs import Job, Jobs

WIDE, HIGH = 600, 120
"""The units of the curve."""


def form(
    jobs: Jobs,
    name: str,
    model: TextModel,
    question: Question,
    given: Mapping[str, Any],
    job: Job | None,
    error: str,
    history: list[Job],
) -> str:
    """Return the page of a question, with what became of it."""
    own = {field.name for field in question.own(model)}
    every = questions.fields(question, model)
    return _drawn(
        "serve.html",
        title="Ask a model",
        jobs=jobs,
        name=name,
        model=model,
        question=question,
        offered=questions.offered(model),
        fields=[field for field in every if field.name in own],
        settings=[field for field in every if field.name not in own],
        given=given,
        example=not given and job is None,
        job=job,
        status=None if job is None else jobs.status(job),
        curve="" if job is None else curve(job),
        endings=endings(job),
        error=error,
        history=history,
    )


def both(pair: list[Job]) -> str:
    """Return the page of two answers side by side."""
    return _drawn("both.html", title="Two answers", pair=pair)


def trouble(why: str) -> str:
    """Return a page that says what is wrong."""
    return _drawn("trouble.html", title="Nothing to see", why=why)


def endings(job: Job | None) -> list[str]:
    """Return what an answer can be downloaded as."""
    if job is None or job.record is None:
        return []
    return [ending for ending in (".html", ".json", ".png", ".csv") if ending in views.endings(type(job.record))]


def curve(job: Job) -> str:
    """Return the points of the curve of the error, as an SVG's polyline takes them: from left to right gradients, upwards the logarithm."""
    tol = float(job.given.get("tol") or 0.01)
    known = [(count, error) for count, error in job.watch.curve if 0 < error < math.inf]
    if not known:
        return ""
    most, top = known[-1][0], max(*(math.log(error / tol) for _, error in known), 1.0)
    return " ".join(f"{WIDE * n / most:.1f},{HIGH * (1 - max(math.log(e / tol), -1.0) / top) * 0.8:.1f}" for n, e in known)


def policy() -> str:
    """Return what the browser may do on these pages: run our script, wear our style, frame our answers, and nothing else."""
    return (
        f"default-src 'none'; script-src '{_hash(_script())}'; style-src '{_hash(_style())}'; connect-src 'self'; frame-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


@cache
def _script() -> str:
    return _own("serve.js")


@cache
def _style() -> str:
    return "".join((asset("marks.css"), asset("page.css"), _own("serve.css")))


def _own(name: str) -> str:
    return resources.files("lineal.web").joinpath("assets", name).read_text(encoding="utf-8")


def _drawn(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values, style=Markup(_style()), script=Markup(_script()))


@cache
def _environment() -> Environment:
    loader = PackageLoader("lineal.web", "assets")
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters["visible"] = visible
    return found
