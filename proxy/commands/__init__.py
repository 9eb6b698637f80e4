"""The commands, a file for each, but those that serve: cli.py has these."""

from collections.abc import Sequence

import click

from proxy.commands.check import check
from proxy.commands.doctor import doctor
from proxy.commands.explain import explain
from proxy.commands.health import health
from proxy.commands.keys import keys
from proxy.commands.ledger import ledger
from proxy.commands.lookup import lookup
from proxy.commands.store import store
from proxy.commands.webhooks import webhooks

COMMANDS: Sequence[click.Command] = (
    check, doctor, explain, health, keys, ledger, lookup, store, webhooks,
)  # fmt: skip
