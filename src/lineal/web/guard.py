"""Who may ask at all: host, origin, token, size. One layer around the application; see docs/serve.md for what it keeps out."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Iterator
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 1 << 20
"""Of a request's body. Texts are far shorter; nothing else is taken."""
PATIENCE = 15.0
"""Seconds that a body may take to arrive."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with none at all, forms would come from the origin "null"
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "SAMEORIGIN",
    "cache-control": "no-store",
}
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
"""The policy of an answer that names no other."""


class Guard:
    """Lets through who knows the token, asks for one of the hosts, and posts from this page; counts what is sent."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], token: str) -> None:
        """Take the names and ports that may stand in `Host`, and the token of the first address."""
        self._app, self._hosts, self._token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with a sentence."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        cookie = f"lineal-{(scope.get('server') or ('', 0))[1]}"
        try:
            said = SimpleCookie(headers.get("cookie", "")).get(cookie)
        except CookieError:
            said = None
        token, _, visit = (said.value if said else "").partition(".")
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if sum(name == b"host" for name, _ in scope["headers"]) != 1 or headers["host"].lower() not in self._hosts:
            return await _refuse(send, 421, "This page is served to its own address only.")
        if scope["method"] == "GET" and self._known(query.get("token", "")):
            rest = urlencode([(name, value) for name, value in query.items() if name != "token"])
            crumb = f"{cookie}={self._token}.{secrets.token_urlsafe(9)}; Path=/; HttpOnly; SameSite=Strict"
            return await _refuse(send, 303, "", {"location": scope["path"] + ("?" + rest if rest else ""), "set-cookie": crumb})
        if not self._known(bearer) and not self._known(token):
            return await _refuse(send, 401, "Open the address that `lineal serve` printed: it holds the token.")
        if scope["method"] not in ("GET", "HEAD") and not self._known(bearer):
            origin = headers.get("origin", "")
            if (
                origin.partition("://")[2].lower() != headers["host"].lower()
                or headers.get("sec-fetch-site", "same-origin") != "same-origin"
            ):
                return await _refuse(send, 403, "Questions are taken from this page only.")
        try:
            body = await asyncio.wait_for(_body(headers, receive), PATIENCE)
        except (TimeoutError, ValueError) as error:
            return await _refuse(send, 413 if isinstance(error, ValueError) else 408, str(error) or "The question took too long to arrive.")
        scope["visit"] = visit
        return await self._app(scope, _handing(body, receive), _with_headers(send))

    def _known(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())


async def _body(headers: dict[str, str], receive: Receive) -> bytes:
    """Return the body; ValueError for one that is too large, which is not read to its end."""
    too_large = f"A question has at most {MOST_BYTES} bytes."
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > MOST_BYTES:
        raise ValueError(too_large)
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > MOST_BYTES:
            raise ValueError(too_large)
    return b"".join(parts)


def _handing(body: bytes, receive: Receive) -> Receive:
    given = False

    async def handed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return handed


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_encoded(message["headers"])]
        await send(message)

    return sending


def _encoded(given: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    there = {name.lower() for name, _ in given}
    for name, value in {**HEADERS, "content-security-policy": NOTHING}.items():
        if name.encode() not in there:
            yield name.encode(), value.encode()


async def _refuse(send: Send, status: int, why: str, headers: dict[str, str] | None = None) -> None:
    body = json.dumps({"error": "Refused", "message": why}).encode() if status != 303 else b""
    given = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close", **(headers or {})}
    named = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": [*named, *_encoded(named)]})
    await send({"type": "http.response.body", "body": body})
