"""Options and errors that several commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    import socket

    from proxy.config.settings import Config

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
config_option = click.option(
    "--config", "path", type=click.Path(path_type=Path), help="The YAML file; see docs."
)
port_option = click.option(
    "--port", type=click.IntRange(0, 65535), help="The port, instead of listen.port."
)
level_option = click.option(
    "--log-level",
    "level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What is logged, instead of log.level.",
)


def config_of(path: Path | None) -> "Config":
    from proxy.config.settings import load_config

    return or_exit(lambda: load_config(path, os.environ))


def failed(error: Exception | str) -> click.ClickException:
    """One line and exit code 1. Control characters are escaped: they may come from a client."""
    from proxy.runtime.printable import visible

    return click.ClickException(visible(str(error)))


def or_exit(build: Callable[[], T]) -> T:
    """Returns what `build` returns; an error ends the command with one line and exit code 1."""
    from proxy.model.errors import ConfigError, ProblemError, StoreError, TlsError, YamlFileError

    try:
        return build()
    except (ConfigError, YamlFileError, StoreError, TlsError, ProblemError) as error:
        raise failed(error) from error


def opened_socket(host: str, port: int) -> "socket.socket":
    """Opens the port; if that fails, one line and exit code 1."""
    from proxy.app import server
    from proxy.commands.health.probe import reason

    try:
        return server.open_socket(host, port)
    except OSError as error:
        text = f"{host}:{port} cannot be opened: {reason(error)}: choose another --port or --host"
        raise click.ClickException(text) from error
