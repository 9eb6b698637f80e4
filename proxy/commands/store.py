"""`store`: copies a store to another."""

import asyncio
from pathlib import Path

import click

from proxy.commands.options import config_of, config_option, or_exit
from proxy.commands.progress import progress
from proxy.runtime.plural import counted


@click.group()
def store() -> None:
    """The store, which keeps everything that survives a restart."""


@store.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@config_option
def copy_all(source: str, target: str, path: Path | None) -> None:
    """Copy everything from one store.url to an empty one; no proxy may run on either."""
    from proxy.store import Store, file_of, open_store
    from proxy.store.copy import Copied, copy

    file, secret = file_of(source), config_of(path).store.secret
    if file and not file.exists():
        raise click.ClickException(f"{file} does not exist: name the store to copy")

    async def copied() -> Copied:
        stores: list[Store] = []
        try:
            for url in (source, target):
                stores.append(open_store(url, secret))
            return await copy(stores[0], stores[1], progress)
        finally:
            progress("")
            for one in stores:
                await one.close()

    done = or_exit(lambda: asyncio.run(copied()))
    orders, pending = counted(done.orders, "order"), counted(done.owed, "pending operation")
    click.echo(f"copied {orders}, {pending}, {counted(done.ledger, 'ledger line')}")
