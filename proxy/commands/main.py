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
from proxy.commands.options import config_option, or_exit
from proxy.commands.reload import reload
from proxy.commands.repoint.command import repoint
from proxy.commands.store import store
from proxy.commands.webhooks import webhooks

if TYPE_CHECKING:
    import socket

    from proxy.config.settings import Config
    from proxy.sandbox import Switches
    from proxy.sandbox.wire.replay import Replay


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
        *(reload, repoint, store, webhooks),
    ],
    context_settings={"help_option_names": ["--help", "-h"]},
)
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Answer the sms-activate and DaisySMS protocols with VirtualSMS's customer API."""


_port_option = click.option(
    "--port", type=click.IntRange(0, 65535), help="The port, instead of listen.port."
)
_level_option = click.option(
    "--log-level",
    "level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What is logged, instead of log.level.",
)


@main.command()
@config_option
@click.option("--host", help="The address to listen on, instead of listen.host.")
@_port_option
@_level_option
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
    opened = _open(config.listen.host, config.listen.port)
    url = server.url(opened, tls)
    click.echo(f"listening on {url}{listening_note(opened.getsockname()[0])}")
    if console := app.state.console:
        click.echo(f"the console: {url}{console.path}")
    changes.parts.tls = tls
    stopping = console and console.streams.stop
    server.run(app, opened, tls, stopping=stopping, hangup=hangup.to(changes.ask))


@main.command()
@_port_option
@_level_option
@click.option(
    "--sms-after",
    type=click.FloatRange(0),
    default=3.0,
    show_default=True,
    help="Seconds from a purchase to its SMS.",
)
@click.option("--upstream-only", is_flag=True, help="Only the simulated upstream, no proxy.")
@click.option(
    "--switch",
    "changes",
    metavar="NAME=VALUE|random:SEED",
    multiple=True,
    help="Another behaviour of the upstream, or one drawn for each switch; may be repeated. "
    "See docs/sandbox.md.",
)
@click.option(
    "--replay",
    "replayed",
    type=click.Path(path_type=Path),
    help="Answer in the forms of a report of `doctor --readings --report`.",
)
@click.option(
    "--report",
    "path",
    type=click.Path(path_type=Path),
    help="At the end, write to this file how compatible the programs were, as JSON.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 if a program was refused something.")
def sandbox(
    port: int | None,
    level: str | None,
    sms_after: float,
    upstream_only: bool,
    changes: tuple[str, ...],
    replayed: Path | None,
    path: Path | None,
    strict: bool,
) -> None:
    """Serve with a simulated upstream: no key, no money."""
    from proxy.app import server
    from proxy.app.build import create_app
    from proxy.commands.ending import Ending
    from proxy.config.settings import load_config
    from proxy.runtime import logs
    from proxy.sandbox import create_sandbox
    from proxy.sandbox.mount import beside, drawn_lines, lines_to_copy, upstream_lines

    def read() -> "Config":
        return load_config(None, os.environ).listening(None, port).logging(level)

    hangup = server.Hangup()
    config = or_exit(read)
    secrets = logs.Secrets()
    logs.set_up(config.log.level, config.log.format, secrets)
    initial, replay = _replay(replayed) if replayed else (None, None)
    switches, draw = _switches(changes, initial)
    ending = Ending(path, strict, secrets, upstream_only)
    report = None if upstream_only else ending.report
    simulated = or_exit(
        lambda: create_sandbox(
            switches,
            sms_after=sms_after,
            hosts=config.hosts,
            replay=replay,
            report=report,
        )
    )
    opened = _open(config.listen.host, config.listen.port)
    url = server.url(opened)
    if draw:
        click.echo(drawn_lines(draw, switches))
    if upstream_only:
        click.echo(upstream_lines(url))
        server.run(simulated, opened, websockets=True)
        return

    def reread() -> "Config":
        return read().for_sandbox(f"{url}/api/v1")

    app = or_exit(
        lambda: create_app(
            config.for_sandbox(f"{url}/api/v1"),
            secrets=secrets,
            sandbox=True,
            compatibility=ending.compatibility,
            reread=reread,
        )
    )
    ending.counters = app.state.services.counters
    console = app.state.console
    click.echo(lines_to_copy(url, sms_after, console.path if console else None))
    stopping = console and console.streams.stop
    with ending:
        server.run(
            beside(app, simulated),
            opened,
            websockets=True,
            stopping=stopping,
            hangup=hangup.to(app.state.reload.ask),
        )


def _replay(path: Path) -> "tuple[Switches, Replay]":
    """The switches as a report names them, and the shapes of its answers."""
    import msgspec

    from proxy.commands.options import failed
    from proxy.sandbox.report import ReportError, read_report
    from proxy.sandbox.state.switches import Switches, switched
    from proxy.sandbox.wire.replay import Replay

    try:
        report = read_report(path)
        return switched(Switches(), report.readings), Replay(report)
    except ReportError as error:
        raise failed(error) from error
    except msgspec.ValidationError as error:
        fix = "use the proxy that wrote it"
        raise failed(f"{path}: its readings are not those of this proxy: {fix}") from error


def _switches(
    changes: tuple[str, ...], initial: "Switches | None" = None
) -> "tuple[Switches, str]":
    """Returns the switches, and `random:SEED` if readings were drawn: NAME=VALUE wins over it."""
    from proxy.sandbox.state.switches import Switches, UnknownSwitchError, drawn, switched

    draws = [change for change in changes if change.startswith("random:")]
    settings = [change for change in changes if change not in draws]
    draw = draws[-1] if draws else ""
    if draw == "random:":
        raise click.UsageError("--switch: random: needs a seed; write random:1")
    try:
        wanted = drawn(draw.removeprefix("random:")) if draw else {}
        return switched(initial or Switches(), wanted | dict(map(_setting, settings))), draw
    except UnknownSwitchError as error:
        known = ", ".join(f"{name}={values}" for name, values in error.known.items())
        raise click.UsageError(f"--switch: {error}; known, nearest first: {known}") from error


def _setting(change: str) -> tuple[str, str]:
    name, _, value = change.partition("=")
    return name, value


def _open(host: str, port: int) -> "socket.socket":
    from proxy.app import server
    from proxy.commands.health.probe import reason

    try:
        return server.open_socket(host, port)
    except OSError as error:
        text = f"{host}:{port} cannot be opened: {reason(error)}: choose another --port or --host"
        raise click.ClickException(text) from error
