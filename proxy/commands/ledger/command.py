"""`ledger`: the command and its options."""

import asyncio
import time
from pathlib import Path

import click

from proxy.commands.options import config_of, config_option, or_exit


@click.command()
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
@click.option("--days", type=click.IntRange(1), default=30, show_default=True, help="How far back.")
@click.option("--account", is_flag=True, help="The upstream's own account, by upstream.api_key.")
@click.option("--by", type=click.Choice(["key"]), help="Totals of each key, and what is left.")
def ledger(path: Path | None, form: str, days: int, account: bool, by: str | None) -> None:
    """Print what was charged and refunded, also while the proxy runs."""
    from proxy.app.loaded import codes_of, programs_of
    from proxy.commands.ledger.report import FORMS, by_key, of_account
    from proxy.model import Limits
    from proxy.store import read_ledger

    if by and form != "table":
        raise click.UsageError("--by prints a table only: leave out --format")
    config, since = config_of(path), time.time() - days * 86_400
    if by:
        since = min(since, Limits().since(time.time())[1])
    if account:
        entries = or_exit(lambda: asyncio.run(of_account(config.upstream, since)))
    else:
        entries = or_exit(lambda: read_ledger(config.store.url, since))
    if by:
        programs = or_exit(lambda: programs_of(config, codes_of(config)))
        click.echo(by_key(entries, programs, time.time()))
        return
    click.echo(FORMS[form](entries))
