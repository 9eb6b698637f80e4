"""What several commands have in common: options, and one line for what is wrong."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from proxy.config.settings import Config

T = TypeVar("T")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
config_option = click.option(
    "--config", "path", type=click.Path(path_type=Path), help="The YAML file; see docs."
)


def config_of(path: Path | None) -> "Config":
    from proxy.config.settings import load_config

    return built(lambda: load_config(path, os.environ))


def failed(error: Exception | str) -> click.ClickException:
    """One line and exit code 1; the text may be the upstream's or a client's."""
    from proxy.runtime.printable import visible

    return click.ClickException(visible(str(error)))


def built(build: Callable[[], T]) -> T:
    """What was built, or one line and exit code 1."""
    from proxy.model.errors import ConfigError, StoreError, TlsError, YamlFileError

    try:
        return build()
    except (ConfigError, YamlFileError, StoreError, TlsError) as error:
        raise failed(error) from error
