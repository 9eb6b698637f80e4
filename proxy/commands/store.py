"""`store`: from one store to another."""

import asyncio
from pathlib import Path

import click

from proxy.commands.options import built, config_of, config_option
from proxy.commands.plural import counted


@click.group()
def store() -> None:
    """What survives a restart, and where it is kept."""


@store.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@config_option
def copy_all(source: str, target: str, path: Path | None) -> None:
    """Copy everything from one store.url to another that is empty; no proxy may run on either."""
    from proxy.store import Store, file_of, open_store
    from proxy.store.copy import Copied, copy

    file, secret = file_of(source), config_of(path).store.secret
    if file and not file.exists():
        raise click.ClickException(f"{file} is not there: name the store that is to be copied")

    async def copied() -> Copied:
        stores: list[Store] = []
        try:
            for url in (source, target):
                stores.append(open_store(url, secret))
            return await copy(*stores)
        finally:
            for one in stores:
                await one.close()

    done = built(lambda: asyncio.run(copied()))
    orders, owed = counted(done.orders, "order"), counted(done.owed, "owed call")
    click.echo(f"copied {orders}, {owed}, {counted(done.ledger, 'ledger line')}")
