"""`lookup`: the command and its options."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from proxy.commands.options import config_of, config_option, failed, json_option, or_exit


@click.command()
@click.argument("text", nargs=-1, required=True)
@config_option
@json_option
def lookup(text: tuple[str, ...], path: Path | None, as_json: bool) -> None:
    """Find a service or a country by TEXT: a name, a code, an id, a dial code."""
    from proxy.commands.columns import columns
    from proxy.config.mappings import load_codes
    from proxy.endpoint.search import HEADS, find
    from proxy.runtime.printable import visible_json

    query, config = " ".join(text), config_of(path)
    rows = find(or_exit(lambda: load_codes(config.own_tables)), query)
    if as_json:
        found = json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False)
        click.echo(visible_json(found))
    elif rows:
        click.echo(columns([HEADS, *(row.cells for row in rows)]))
    if not rows:
        raise failed(f"nothing found for {query}: see the tables in mappings/")
