"""`doctor`: prints a line for each check."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.commands.options import config_option, json_option

if TYPE_CHECKING:
    from proxy.commands.doctor import Finding


@click.command()
@config_option
@json_option
def doctor(path: Path | None, as_json: bool) -> None:
    """Check everything that the proxy needs: a line each, ok or what to do."""
    from proxy.commands.doctor import Finding
    from proxy.commands.doctor.checks import examine

    async def look() -> list[Finding]:
        found = []
        async for finding in examine(path, os.environ, _progress):
            found.append(finding)
            if not as_json:
                _progress("")
                click.echo(_line(finding), color=False if os.environ.get("NO_COLOR") else None)
        return found

    found = asyncio.run(look())
    is_good = not any(finding.is_wrong for finding in found)
    _progress("")
    if as_json:
        rows = [
            {"about": finding.about, "ok": not finding.is_wrong, "says": finding.says}
            for finding in found
        ]
        click.echo(json.dumps({"ok": is_good, "findings": rows}, indent=1))
    if not is_good:
        raise SystemExit(1)


def _progress(what: str) -> None:
    """Shows a line on a terminal; the next call replaces it."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{f'... {what}' if what else ''}", nl=False, err=True)


def _line(finding: "Finding") -> str:
    from proxy.runtime.printable import visible

    word, colour = ("wrong", "red") if finding.is_wrong else ("ok", "green")
    return f"{click.style(f'{word:5}', fg=colour)}  {finding.about:8}  {visible(finding.says)}"
