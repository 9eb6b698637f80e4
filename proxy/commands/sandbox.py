"""`sandbox`: the proxy on a simulated upstream."""

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.commands.options import level_option, opened_socket, or_exit, port_option

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from starlette.applications import Starlette

    from proxy.app.build import App
    from proxy.app.server import Hangup
    from proxy.commands.ending import Ending
    from proxy.config.codes import Codes
    from proxy.config.settings import Config
    from proxy.runtime.clock import AdvanceableClock
    from proxy.runtime.logs import Secrets
    from proxy.sandbox import Switches
    from proxy.sandbox.restart import RestartableProxy
    from proxy.sandbox.wire.replay import Replay


@click.command()
@port_option
@level_option
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
@click.option(
    "--end-with-stdin",
    "with_stdin",
    is_flag=True,
    help="End when the standard input ends: give it a pipe of the program that starts the sandbox.",
)
def sandbox(
    port: int | None,
    level: str | None,
    sms_after: float,
    upstream_only: bool,
    changes: tuple[str, ...],
    replayed: Path | None,
    path: Path | None,
    strict: bool,
    with_stdin: bool,
) -> None:
    """Serve with a simulated upstream: no key, no money."""
    from proxy.app import server
    from proxy.app.loaded import codes_of
    from proxy.commands.ending import Ending
    from proxy.config.settings import load_config
    from proxy.runtime import logs
    from proxy.runtime.clock import AdvanceableClock
    from proxy.sandbox import create_sandbox
    from proxy.sandbox.mount import drawn_lines, upstream_lines
    from proxy.sandbox.restart import RestartableProxy

    if with_stdin:
        _end_with_stdin()

    def read() -> "Config":
        return load_config(None, os.environ).listening(None, port).logging(level)

    hangup = server.Hangup()
    config = or_exit(read)
    secrets = logs.Secrets()
    logs.set_up(config.log.level, config.log.format, secrets)
    initial, replay = _replay(replayed) if replayed else (None, None)
    switches, draw = _switches(changes, initial)
    ending, clock = Ending(path, strict, secrets, upstream_only), AdvanceableClock()
    proxy = RestartableProxy(clock, ending.report, ending.clear_report)
    codes = or_exit(lambda: codes_of(config))
    simulated = or_exit(
        lambda: create_sandbox(
            switches,
            # What is on sale does not depend on tables of one's own.
            services=None if config.own_tables else codes.services,
            clock=clock.wall,
            sms_after=sms_after,
            hosts=config.hosts,
            replay=replay,
            beside=None if upstream_only else proxy,
        )
    )
    opened = opened_socket(config.listen.host, config.listen.port)
    url = server.url(opened)
    if draw:
        click.echo(drawn_lines(draw, switches))
    if upstream_only:
        click.echo(upstream_lines(url))
        server.run(simulated, opened, websockets=True)
        return

    def reread() -> "Config":
        return read().for_sandbox(f"{url}/api/v1")

    build = _builder(config.for_sandbox(f"{url}/api/v1"), reread, clock, secrets, ending, codes)
    or_exit(lambda: proxy.begin_with(build))
    with ending:
        _serve(proxy, simulated, opened, clock, sms_after, hangup)


def _builder(
    config: "Config",
    reread: "Callable[[], Config]",
    clock: "AdvanceableClock",
    secrets: "Secrets",
    ending: "Ending",
    codes: "Codes",
) -> "Callable[[], App]":
    """What makes the proxy, at the start and at each reset."""
    from proxy.app.build import create_app

    def build() -> "App":
        app = create_app(
            config,
            clock=clock.wall,
            secrets=secrets,
            sandbox=True,
            compatibility=ending.compatibility,
            codes=codes,
            reread=reread,
        )
        ending.continue_with(app.state.services.counters)
        return app

    return build


def _serve(
    proxy: "RestartableProxy",
    simulated: "Starlette",
    opened: "socket.socket",
    clock: "AdvanceableClock",
    sms_after: float,
    hangup: "Hangup",
) -> None:
    """Prints the lines to copy, and serves both until a signal."""
    from proxy.app import server
    from proxy.sandbox.mount import beside, lines_to_copy

    def stop_streams() -> None:
        if console := proxy.proxy.state.console:
            console.streams.stop()

    def reload() -> None:
        proxy.proxy.state.reload.ask()

    console = proxy.proxy.state.console
    click.echo(lines_to_copy(server.url(opened), sms_after, console.path if console else None))
    server.run(
        beside(proxy, simulated),
        opened,
        websockets=True,
        stopping=stop_streams,
        hangup=hangup.to(reload),
        new_loop=clock.new_loop,
    )


def _end_with_stdin() -> None:
    """Ends this process as SIGTERM does when its standard input ends."""

    def wait_for_the_end() -> None:
        # Not sys.stdin: its lock, held here, would be fatal at the end of the interpreter.
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait_for_the_end, name="standard input", daemon=True).start()


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
