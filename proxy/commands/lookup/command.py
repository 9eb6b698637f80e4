"""`lookup`: a service or a country by whatever it is called."""

import json
from pathlib import Path

import click

from proxy.commands.options import built, config_of, config_option, failed, json_option


@click.command()
@click.argument("text", nargs=-1, required=True)
@config_option
@json_option
def lookup(text: tuple[str, ...], path: Path | None, as_json: bool) -> None:
    """Find a service or a country by TEXT: a name, a code, an id, two letters."""
    from proxy.commands.columns import columns
    from proxy.commands.lookup.search import HEADS, find
    from proxy.config.mappings import load_codes
    from proxy.runtime.printable import visible_json

    wanted, config = " ".join(text), config_of(path)
    rows = find(built(lambda: load_codes(config.own_tables)), wanted)
    if as_json:
        found = json.dumps([row.as_json() for row in rows], indent=1, ensure_ascii=False)
        click.echo(visible_json(found))
    elif rows:
        click.echo(columns([HEADS, *(row.cells for row in rows)]))
    if not rows:
        raise failed(f"nothing is like {wanted}: see the tables in mappings/")
