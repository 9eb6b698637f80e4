"""`check`: checks the configuration and the tables."""

import json
import os
from pathlib import Path

import click

from proxy.commands.options import config_of, config_option, json_option, or_exit


@click.command()
@config_option
@json_option
def check(path: Path | None, as_json: bool) -> None:
    """Validate the config and the mapping tables."""
    from proxy.app.address import listening_note
    from proxy.app.loaded import load
    from proxy.app.tls import tls_context
    from proxy.commands.health.probe import address
    from proxy.runtime.plural import counted
    from proxy.runtime.printable import visible
    from proxy.runtime.urls import shown_url

    config = config_of(path)
    or_exit(lambda: tls_context(config.listen.tls_cert, config.listen.tls_key))
    loaded = or_exit(lambda: load(config, os.environ))
    codes, programs, targets = loaded.codes, loaded.programs, loaded.targets
    names = [program.name for program in programs]
    found = {
        "countries": len(codes.countries),
        "services": len(codes.services),
        "keys": names,
        "passthrough": programs.passthrough,
        "store": shown_url(config.store.url),
        "listens": address(config.listen) + listening_note(config.listen.host),
        "upstream": shown_url(config.upstream.url),
        "forward": [target.shown for target in targets],
    }
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    keys = f"{len(names)} ({', '.join(names)})" if names else "none"
    through = "; upstream keys are passed through" if programs.passthrough else ""
    countries = counted(len(codes.countries), "country", "countries")
    click.echo(f"ok: {countries}, {counted(len(codes.services), 'service')}")
    click.echo(visible(f"keys: {keys}{through}"))
    for name in ("store", "listens", "upstream"):
        click.echo(visible(f"{name}: {found[name]}"))
    if targets:
        click.echo(f"forward: {', '.join(target.shown for target in targets)}")
