"""`keys`: makes a key for a program."""

import json

import click


@click.group()
def keys() -> None:
    """Client keys: one for each program, with its own limits."""


@keys.command("new")
@click.argument("name")
def new_key(name: str) -> None:
    """Print a new key, once, and its lines for the configuration."""
    from secrets import token_hex

    from proxy.config.programs import sha256

    key = token_hex(16)
    click.echo(f"{key}\n\nkeys:\n  sha256:{sha256(key)}:")
    click.echo(f"    name: {json.dumps(name)}\n    upstream_key: env:VIRTUALSMS_KEY")
