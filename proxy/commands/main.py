"""The command line. A wrong config or table: one line and exit code 1 before the port is opened."""

from pathlib import Path

import click

from proxy import __version__
from proxy.commands.check import check
from proxy.commands.doctor.command import doctor
from proxy.commands.explain.command import explain
from proxy.commands.health.command import health
from proxy.commands.keys import keys
from proxy.commands.ledger.command import ledger
from proxy.commands.lookup.command import lookup
from proxy.commands.options import config_of, config_option, opened_socket, or_exit
from proxy.commands.repoint.command import repoint
from proxy.commands.sandbox import sandbox
from proxy.commands.store import store
from proxy.commands.webhooks import webhooks


class _DefaultsToServe(click.Group):
    """Without a command, the options are those of `serve`."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version", *self.commands}
        if not args or args[0] not in own:
            args = ["serve", *args] if not args or args[0].startswith("-") else args
        return super().parse_args(context, args)


@click.group(
    cls=_DefaultsToServe,
    commands=[
        check,
        doctor,
        explain,
        health,
        keys,
        ledger,
        lookup,
        repoint,
        sandbox,
        store,
        webhooks,
    ],
    context_settings={"help_option_names": ["--help", "-h"]},
)
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Answer the sms-activate and DaisySMS protocols with VirtualSMS's customer API."""


@main.command()
@config_option
@click.option("--host", help="The address to listen on, instead of listen.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port, instead of listen.port.")
def serve(path: Path | None, host: str | None, port: int | None) -> None:
    """Serve (the default command). No config is needed."""
    from proxy.app import server
    from proxy.app.address import listening_note
    from proxy.app.build import create_app
    from proxy.runtime import logs

    config = config_of(path).listening(host, port)
    secrets = logs.Secrets()
    logs.set_up(config.log.level, config.log.format, secrets)
    app = or_exit(lambda: create_app(config, secrets=secrets))
    tls = or_exit(lambda: server.tls_context(config.listen.tls_cert, config.listen.tls_key))
    opened = opened_socket(config.listen.host, config.listen.port)
    url = server.url(opened, tls)
    click.echo(f"listening on {url}{listening_note(opened.getsockname()[0])}")
    if console := app.state.console:
        click.echo(f"the console: {url}{console.path}{console.note}")
    server.run(app, opened, tls, stopping=console and console.streams.stop)
