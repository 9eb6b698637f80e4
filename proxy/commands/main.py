"""The command line. A wrong config or table: one line and exit code 1 before the port is opened."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy import __version__
from proxy.commands.check import check
from proxy.commands.doctor.command import doctor
from proxy.commands.explain.command import explain
from proxy.commands.health.command import health
from proxy.commands.keys import keys
from proxy.commands.ledger.command import ledger
from proxy.commands.lookup.command import lookup
from proxy.commands.options import (
    config_option,
    level_option,
    opened_socket,
    or_exit,
    port_option,
)
from proxy.commands.reload import reload
from proxy.commands.repoint.command import repoint
from proxy.commands.sandbox import sandbox
from proxy.commands.store import store
from proxy.commands.webhooks import webhooks

if TYPE_CHECKING:
    from proxy.config.settings import Config


class _DefaultsToServe(click.Group):
    """Without a command, the options are those of `serve`."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version", *self.commands}
        # A shell that completes the name of a command.
        is_completed = context.resilient_parsing and not args
        if not is_completed and (not args or args[0] not in own):
            args = ["serve", *args] if not args or args[0].startswith("-") else args
        return super().parse_args(context, args)


@click.group(
    cls=_DefaultsToServe,
    commands=[
        *(check, doctor, explain, health, keys, ledger, lookup),
        *(reload, repoint, sandbox, store, webhooks),
    ],
    context_settings={"help_option_names": ["--help", "-h"]},
)
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Answer the sms-activate and DaisySMS protocols with VirtualSMS's customer API."""


@main.command()
@config_option
@click.option("--host", help="The address to listen on, instead of listen.host.")
@port_option
@level_option
def serve(path: Path | None, host: str | None, port: int | None, level: str | None) -> None:
    """Serve (the default command). No config is needed."""
    from proxy.app import server
    from proxy.app.address import listening_note
    from proxy.app.build import create_app
    from proxy.app.tls import tls_context
    from proxy.config.settings import load_config
    from proxy.runtime import logs

    def read() -> "Config":
        return load_config(path, os.environ).listening(host, port).logging(level)

    hangup = server.Hangup()
    config = or_exit(read)
    secrets = logs.Secrets()
    logs.set_up(config.log.level, config.log.format, secrets)
    app = or_exit(lambda: create_app(config, secrets=secrets, reread=read))
    changes = app.state.reload
    tls = or_exit(lambda: tls_context(config.listen.tls_cert, config.listen.tls_key))
    opened = opened_socket(config.listen.host, config.listen.port)
    url = server.url(opened, tls)
    click.echo(f"listening on {url}{listening_note(opened.getsockname()[0])}")
    if console := app.state.console:
        click.echo(f"the console: {url}{console.path}{console.note}")
    changes.parts.tls = tls
    stopping = console and console.streams.stop
    server.run(app, opened, tls, stopping=stopping, hangup=hangup.to(changes.ask))
