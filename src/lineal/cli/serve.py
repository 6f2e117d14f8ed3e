"""`lineal serve [MODEL…]`: every question as a page in the browser, and as JSON for other programs."""

from __future__ import annotations

import importlib.util
import secrets
from typing import Annotated

import typer

from lineal.cli import console
from lineal.errors import MissingExtraError, OptionError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="What is offered; none: the short names that are installed.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="NAME", help="Where to listen. Another one than this machine needs a token of yours.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="On which port.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="LINEAL_TOKEN", help="Who knows it may ask; at least 16 characters.", show_default="a new one"),
    ] = None,
    allow_models: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-models", metavar="PATTERN", help="Names that visitors may type, as 'sentence-transformers/*'; repeat for several."
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=16, help="Questions worked on at once.")] = 2,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="After which a question ends with what is known.")] = 300.0,
) -> None:
    """Answer questions in a browser on this machine, and as JSON for other programs. Ctrl-C ends it."""
    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"the page needs {' and '.join(missing)}: pip install 'lineal[web]'")
    if host not in LOOPBACK and token is None:
        raise OptionError(f"--host {host} lets other machines ask; give a --token of at least 16 characters too, which they must know")
    if host in ("0.0.0.0", "::"):
        raise OptionError(f"--host {host} is every address at once; give the name by which others reach this machine")
    if token is not None and (len(token) < 16 or not token.isascii() or not token.replace("-", "").replace("_", "").isalnum()):
        raise OptionError("--token has fewer than 16 characters, or others than letters, digits, - and _; give a longer one, or none")
    from lineal.models import ALIASES
    from lineal.web.app import first_address
    from lineal.web.app import serve as run
    from lineal.web.asking import Limits
    from lineal.web.jobs import Jobs, Models

    names = models or [name for name, alias in ALIASES.items() if alias.installed()]
    if not names:
        raise OptionError("no model is given, and none of the short names is installed; name a folder or a hub id")
    shelf = Models(names, allow_models or ())
    with console.working(f"Loading {names[0]} …"):
        shelf.get(names[0])
    key = token or secrets.token_urlsafe(24)
    console.say(f"Open {first_address(host, port, key)}\nCtrl-C ends it.")
    run(Jobs(shelf, Limits(seconds=seconds), workers=workers), host, port, key)
