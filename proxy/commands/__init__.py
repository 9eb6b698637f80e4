"""The commands that look at things, a file for each; cli.py has those that serve."""

from collections.abc import Sequence

import click

from proxy.commands.check import check
from proxy.commands.doctor import doctor
from proxy.commands.explain import explain
from proxy.commands.health import health
from proxy.commands.lookup import lookup
from proxy.commands.webhooks import webhooks

COMMANDS: Sequence[click.Command] = (check, doctor, explain, health, lookup, webhooks)
