"""`check`: checks the configuration and the tables."""

import json
import os
import time
from pathlib import Path

import click

from proxy.commands.options import config_of, config_option, json_option, or_exit


@click.command()
@config_option
@json_option
def check(path: Path | None, as_json: bool) -> None:
    """Validate the config and the mapping tables."""
    from proxy.app.address import listening_note
    from proxy.app.build import codes_of, programs_of
    from proxy.app.server import tls_context
    from proxy.commands.health.probe import address
    from proxy.config.sms_words import load_sms_words
    from proxy.forwarding.targets import load_targets
    from proxy.runtime.plural import counted
    from proxy.runtime.printable import visible
    from proxy.runtime.urls import shown_url
    from proxy.store import check_store
    from proxy.webhooks.subscriptions import given_secrets

    config = config_of(path)
    or_exit(lambda: tls_context(config.listen.tls_cert, config.listen.tls_key))
    or_exit(lambda: check_store(config.store.url, config.store.secret))
    codes = or_exit(lambda: codes_of(config))
    or_exit(lambda: load_sms_words(config.own_tables))
    programs = or_exit(lambda: programs_of(config, codes))
    targets = or_exit(lambda: load_targets(config, os.environ, programs, codes, time.time))
    or_exit(lambda: given_secrets(config, os.environ))
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
