"""The questions for other programs: JSON in, the records that `save` writes out, and the document that says so."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lineal import __version__
from lineal.errors import InputError, LinealError
from lineal.web import questions
from lineal.web.asking import Question
from lineal.web.jobs import BusyError, Job, Jobs


def refused(error: LinealError) -> JSONResponse:
    """Return an error as the API says it."""
    busy = isinstance(error, BusyError)
    said = {"error": type(error).__name__, "message": str(error)}
    return JSONResponse(said, 429 if busy else 400, {"retry-after": "30"} if busy else None)


def missing() -> JSONResponse:
    """Say that nothing is called so."""
    return JSONResponse({"error": "Missing", "message": "there is no such question; old ones are forgotten"}, 404)


async def queued(jobs: Jobs, request: Request, given: Any) -> Job:
    """Queue what a body asks for. Raises InputError for a body of another shape, and as `Jobs.ask`."""
    if not isinstance(given, dict) or set(given) - {"model", "question", "fields", "wait"}:
        raise InputError('give {"model": …, "question": …, "fields": {…}}, and "wait": false not to wait for the answer')
    model, question, fields = given.get("model"), given.get("question"), given.get("fields", {})
    if not isinstance(model, str) or not isinstance(question, str) or not isinstance(fields, dict):
        raise InputError("model and question are texts, fields is an object")
    return await run_in_threadpool(jobs.ask, model, question, fields, request.scope.get("visit", ""))


async def explain(request: Request) -> Response:
    """Answer a question: the record itself, or, where nobody waits, how the work stands."""
    jobs: Jobs = request.app.state.jobs
    try:
        given = json.loads(await request.body())
    except (ValueError, RecursionError):
        return refused(InputError("the body is no JSON"))
    try:
        job = await queued(jobs, request, given)
    except LinealError as error:
        return refused(error)
    if given.get("wait", True) is False:
        return JSONResponse(jobs.status(job), 202)
    while not job.ended:
        await asyncio.sleep(0.02)
        if await request.is_disconnected():
            jobs.cancel(job)
            return Response(status_code=499)
    return record_of(job)


def record_of(job: Job) -> Response:
    """Return the record of a question that has ended, as `save` writes it."""
    if job.record is None:
        return JSONResponse({"error": "NotAnswered", "message": job.error or "the work goes on"}, 400 if job.ended else 409)
    return Response(job.record.to_json(indent=1) + "\n", media_type="application/json")


async def status(request: Request) -> Response:
    """Say how the work on a question stands; or end it."""
    jobs: Jobs = request.app.state.jobs
    job = jobs.get(request.path_params["id"])
    if job is None:
        return missing()
    if request.method == "DELETE":
        jobs.cancel(job)
    return JSONResponse(jobs.status(job))


async def record(request: Request) -> Response:
    """Return the record."""
    job = request.app.state.jobs.get(request.path_params["id"])
    return missing() if job is None else record_of(job)


async def models(request: Request) -> Response:
    """Return what can be asked."""
    jobs: Jobs = request.app.state.jobs
    return JSONResponse({"models": list(jobs.models.names), "allowed": list(jobs.models.allowed), "limits": list(jobs.limits.sentences)})


async def asked(request: Request) -> Response:
    """Return the questions that a model answers, with their fields."""
    try:
        model = await run_in_threadpool(request.app.state.jobs.models.get, request.query_params.get("model", ""))
    except LinealError as error:
        return refused(error)
    return JSONResponse({"questions": [described(question, model) for question in questions.offered(model)]})


def described(question: Question, model: Any) -> dict[str, Any]:
    """Return a question with its fields, as plain values."""
    fields = [
        {
            "name": field.name,
            "kind": field.kind,
            "asks": field.asks,
            "usual": field.usual,
            "needed": field.needed,
            "example": field.example,
            "options": [{"value": option.value, "shown": option.shown, "asks": option.asks} for option in field.options],
        }
        for field in questions.fields(question, model)
    ]
    return {"name": question.name, "title": question.title, "asks": question.asks, "fields": fields}


async def document(request: Request) -> Response:
    """Return the OpenAPI document."""
    return JSONResponse(openapi())


def openapi() -> dict[str, Any]:
    """Return what the API takes and gives, in OpenAPI 3.1."""
    refusal = {
        "type": "object",
        "required": ["error", "message"],
        "properties": {name: {"type": "string"} for name in ("error", "message")},
    }
    state = {
        "type": "object",
        "required": ["id", "state", "position", "evaluations", "curve"],
        "properties": {
            "id": {"type": "string"},
            "state": {"enum": ["waiting", "working", "done", "failed"]},
            "position": {"type": "integer", "minimum": 0, "description": "Questions before this one."},
            "evaluations": {"type": "integer", "description": "Gradients so far."},
            "curve": {"type": "array", "description": "After each round, gradients and the error relative to the sum of |scores|."},
        },
    }
    body = {
        "type": "object",
        "required": ["model", "question"],
        "additionalProperties": False,
        "properties": {
            "model": {"type": "string"},
            "question": {"enum": list(questions.QUESTIONS)},
            "fields": {"type": "object", "description": "By name, as GET /api/questions lists them."},
            "wait": {"type": "boolean", "default": True},
        },
    }
    record = {"type": "object", "description": "A record of Lineal, as `save` writes it and `lineal.load_result` reads it."}

    def gives(**codes: Any) -> dict[str, Any]:
        every = {**codes, "401": refusal, "403": refusal, "408": refusal, "413": refusal, "421": refusal}
        said = {"200": "The answer.", "202": "It is queued.", "400": "It cannot be answered, and why.", "404": "There is no such question."}
        said |= {"409": "The work goes on.", "429": "Too many questions wait.", "401": "The token is missing."}
        return {
            code.strip("_"): {"description": said.get(code.strip("_"), "Refused."), "content": {"application/json": {"schema": schema}}}
            for code, schema in every.items()
        }

    by_id = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    model = [{"name": "model", "in": "query", "required": True, "schema": {"type": "string"}}]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lineal", "version": __version__},
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/api/explain": {
                "post": {
                    "summary": "Ask a question.",
                    "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
                    "responses": gives(_200=record, _202=state, _400=refusal, _429=refusal),
                }
            },
            "/api/models": {"get": {"summary": "The models.", "responses": gives(_200={"type": "object"})}},
            "/api/questions": {
                "get": {"summary": "Its questions.", "parameters": model, "responses": gives(_200={"type": "object"}, _400=refusal)}
            },
            "/api/jobs/{id}": {
                "get": {"summary": "How the work stands.", "parameters": by_id, "responses": gives(_200=state, _404=refusal)},
                "delete": {
                    "summary": "End it: with what is known; when asked again, with nothing.",
                    "parameters": by_id,
                    "responses": gives(_200=state, _404=refusal),
                },
            },
            "/api/jobs/{id}/record": {
                "get": {
                    "summary": "The record.",
                    "parameters": by_id,
                    "responses": gives(_200=record, _400=refusal, _404=refusal, _409=refusal),
                }
            },
        },
    }


ROUTES = [
    Route("/api/explain", explain, methods=["POST"]),
    Route("/api/models", models),
    Route("/api/questions", asked),
    Route("/api/openapi.json", document),
    Route("/api/jobs/{id}", status, methods=["GET", "DELETE"]),
    Route("/api/jobs/{id}/record", record),
]
