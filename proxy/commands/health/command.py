"""`health`: prints the answer of /readyz."""

import asyncio
from pathlib import Path

import click

from proxy.commands.options import config_of, config_option, failed


@click.command()
@config_option
def health(path: Path | None) -> None:
    """Ask the running proxy whether it can answer; for a container's health check."""
    from proxy.commands.health.probe import address, ask
    from proxy.model.errors import HealthError
    from proxy.runtime.printable import visible

    listen = config_of(path).listen
    try:
        answer = asyncio.run(ask(listen))
    except HealthError as error:
        raise failed(error) from error
    says = visible(", ".join(answer.lines))
    if not answer.is_good:
        raise click.ClickException(f"{address(listen)}: HTTP {answer.status} {says}")
    click.echo(says)
