"""The application: pages and API behind the guard, and the server that runs it."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from lineal import views
from lineal.errors import LinealError
from lineal.web import api, pages, questions
from lineal.web.guard import Guard
from lineal.web.jobs import BusyError, Job, Jobs

KINDS = {".json": "application/json", ".csv": "text/csv; charset=utf-8", ".png": "image/png"}
CONNECTIONS = 128
"""Connections at a time; the next ones are refused, so that slow readers cannot take the rest."""


def application(jobs: Jobs, hosts: frozenset[str], token: str) -> Guard:
    """Return the whole, for any ASGI server. hosts: what may stand in `Host`, name and port."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        jobs.close()

    routes = [
        Route("/", form),
        Route("/ask", ask, methods=["POST"]),
        Route("/job/{id}", shown),
        Route("/job/{id}/cancel", cancel, methods=["POST"]),
        Route("/job/{id}/events", events),
        Route("/answer/{name}", answered),
        Route("/both", both),
        *api.ROUTES,
    ]
    made = Starlette(routes=routes, lifespan=lifespan, exception_handlers={500: _failed, 404: _nothing})
    made.state.jobs = jobs
    return Guard(made, hosts, token)


def serve(jobs: Jobs, host: str, port: int, token: str) -> None:
    """Serve until Ctrl-C. Raises nothing of its own; uvicorn says where a port is taken."""
    names = {host, *(("localhost", "127.0.0.1", "[::1]") if host in ("127.0.0.1", "localhost", "::1") else ())}
    hosts = frozenset(f"{f'[{name}]' if ':' in name and '[' not in name else name}:{port}".lower() for name in names)
    how = {"log_level": "warning", "access_log": False, "server_header": False, "limit_concurrency": CONNECTIONS}
    uvicorn.run(application(jobs, hosts, token), host=host, port=port, timeout_graceful_shutdown=2, timeout_keep_alive=5, **how)  # type: ignore[arg-type]


def _page(text: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(text, status, {"content-security-policy": pages.policy()})


async def _failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "Failed", "message": "something went wrong here; the terminal says what"}, 500)


async def _nothing(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "Missing", "message": "there is nothing under this address"}, 404)


async def _form(request: Request, given: Mapping[str, Any], job: Job | None = None, error: str = "", status: int = 200) -> Response:
    jobs: Jobs = request.app.state.jobs
    name = given.get("model") or jobs.models.names[0]
    try:
        model = await run_in_threadpool(jobs.models.get, name)
        offered = questions.offered(model)
        question = next((one for one in offered if one.name == given.get("question")), offered[0])
    except LinealError as wrong:
        return _page(pages.trouble(str(wrong)), 400)
    asked = {**given.get("fields", {})}
    return _page(pages.form(jobs, name, model, question, asked, job, error, jobs.of(request.scope.get("visit", ""))), status)


async def form(request: Request) -> Response:
    """Show a question's form."""
    return await _form(request, request.query_params)


async def ask(request: Request) -> Response:
    """Take a form, and lead to where its answer will be."""
    jobs: Jobs = request.app.state.jobs
    try:
        sent = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return _page(pages.trouble("This is no form."), 400)
    given: dict[str, Any] = dict(sent)
    given |= {name: [value for key, value in sent if key == name] for name in given if name == "methods"}
    model, question = given.pop("model", ""), given.pop("question", "")
    try:
        job = await run_in_threadpool(jobs.ask, model, question, given, request.scope.get("visit", ""))
    except LinealError as error:
        status = 429 if isinstance(error, BusyError) else 400
        return await _form(request, {"model": model, "question": question, "fields": given}, None, str(error), status)
    return RedirectResponse(f"/job/{job.id}", 303)


async def shown(request: Request) -> Response:
    """Show a question with what became of it."""
    job = request.app.state.jobs.get(request.path_params["id"])
    if job is None:
        return _page(pages.trouble("This question is forgotten, or never was. Old answers make room for new ones."), 404)
    return await _form(request, {"model": job.model, "question": job.question, "fields": job.given}, job)


async def cancel(request: Request) -> Response:
    """End a question and show what is known."""
    jobs: Jobs = request.app.state.jobs
    if (job := jobs.get(request.path_params["id"])) is not None:
        jobs.cancel(job)
    return RedirectResponse(f"/job/{request.path_params['id']}", 303)


async def events(request: Request) -> Response:
    """Tell how the work stands, whenever that has changed, until it has ended."""
    jobs: Jobs = request.app.state.jobs
    job = jobs.get(request.path_params["id"])
    if job is None:
        return api.missing()

    async def told() -> AsyncIterator[str]:
        last = ""
        while True:
            ended, now = job.ended, json.dumps(jobs.status(job))
            if now != last:
                last = now
                yield f"data: {now}\n\n"
            if ended:
                return
            await asyncio.sleep(0.2)

    return StreamingResponse(told(), media_type="text/event-stream")


async def answered(request: Request) -> Response:
    """Return an answer as a page for the frame, or as a file."""
    name, dot, kind = request.path_params["name"].rpartition(".")
    job, ending = request.app.state.jobs.get(name), dot + kind
    if job is None or job.record is None or ending not in (".html", *KINDS):
        return api.missing()
    try:
        content = await run_in_threadpool(_written, job, ending)
    except LinealError as error:
        return api.refused(error)
    headers = {"content-disposition": f'attachment; filename="lineal-{job.question}{ending}"'}
    if ending != ".html":
        return Response(content, media_type=KINDS[ending], headers=headers)
    script = re.search(rb"'sha256-[\w+/=]+'", content[:4000])  # the page's own policy, before anything that others wrote
    rules = "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src " + (
        script[0].decode() if script else "'none'"
    )
    own = {"content-security-policy": f"{rules}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"}
    return HTMLResponse(content, headers=own | (headers if "download" in request.query_params else {}))


def _written(job: Job, ending: str) -> bytes:
    """Return what `save` writes."""
    assert job.record is not None
    with tempfile.TemporaryDirectory() as folder:
        return Path(views.save(job.record, Path(folder) / f"answer{ending}")).read_bytes()


async def both(request: Request) -> Response:
    """Show two answers side by side."""
    jobs: Jobs = request.app.state.jobs
    pair = [jobs.get(request.query_params.get(name, "")) for name in ("a", "b")]
    if not all(pair):
        return _page(pages.trouble("Choose two answers of this visit to see them side by side."), 400)
    return _page(pages.both([job for job in pair if job is not None]))


def first_address(host: str, port: int, token: str) -> str:
    """Return the address that a visitor opens first."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/?{urlencode({'token': token})}"
