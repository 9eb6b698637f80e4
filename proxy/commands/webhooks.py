"""`virtualsms-proxy webhooks`: the upstream's subscriptions, for a person."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from proxy.commands.options import built, config_of, config_option, failed, json_option

if TYPE_CHECKING:
    from proxy.config.settings import Config
    from proxy.model import ClientKey
    from proxy.upstream.client import Upstream
    from proxy.upstream.webhooks import Webhook

T = TypeVar("T")
Act = Callable[["Upstream", "ClientKey"], Awaitable[T]]

HEADS = ("id", "state", "failures", "events", "url")
DELIVERY_HEADS = ("created_at", "event_type", "attempt", "status", "response_status", "event_id")


class CommandContext:
    """What all the commands begin with: whose subscriptions, and in which form they are shown."""

    def __init__(self, path: Path | None, name: str | None, as_json: bool) -> None:
        self._path = path
        self._name = name
        self._as_json = as_json

    def ask(self, act: Act[T]) -> T:
        """What the upstream answers, or one line and exit code 1."""
        from proxy.model.errors import ProblemError

        config = config_of(self._path)
        key = built(lambda: _key(config, self._name))
        try:
            return asyncio.run(_asked(config, key, act))
        except ProblemError as error:
            raise failed(error) from error

    def show(self, what: Any, rows: Sequence[Sequence[Any]]) -> None:
        """The thing as JSON, or its rows as a table."""
        import msgspec

        from proxy.commands.columns import columns
        from proxy.runtime.printable import visible_json

        if self._as_json:
            text = msgspec.json.format(msgspec.json.encode(what), indent=1).decode()
            click.echo(visible_json(text))
        else:
            texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
            click.echo(columns(texts))


async def _asked(config: "Config", key: "ClientKey", act: Act[T]) -> T:
    from proxy.commands.one_off import at_hand

    wanted = config.upstream
    async with at_hand(wanted.url, wanted.timeout, wanted.requests_per_minute) as upstream:
        return await act(upstream, key)


def _key(config: "Config", name: str | None) -> "ClientKey":
    from proxy.app.build import codes_of, programs_of
    from proxy.model import ClientKey
    from proxy.model.errors import ConfigError

    if name is None:
        if not config.upstream.api_key:
            raise ConfigError("whose? set upstream.api_key, or give --key NAME of `keys`")
        return ClientKey.of(config.upstream.api_key)
    for program in programs_of(config, codes_of(config)):
        if program.name == name:
            return program.key.account
    raise ConfigError(f"--key {name}: none of `keys` is called so")


def _at_desk(act: Callable[..., None]) -> Callable[..., None]:
    """A command whose first argument is the desk, with the options that lead to it."""

    @config_option
    @click.option("--key", "name", help="The name of an entry of `keys`; else upstream.api_key.")
    @json_option
    @wraps(act)
    def command(path: Path | None, name: str | None, as_json: bool, **given: Any) -> None:
        act(CommandContext(path, name, as_json), **given)

    return command


@click.group()
def webhooks() -> None:
    """The upstream's webhooks: list, create, show, update, delete, test, deliveries."""


_events = click.option("--event", "events", multiple=True, help="Such as sms.received; often.")
_threshold = click.option("--threshold", type=float, help="Dollars, for balance.low.")
_description = click.option("--description")


@webhooks.command("list")
@_at_desk
def list_all(desk: CommandContext) -> None:
    """All of the account."""
    rows = desk.ask(lambda upstream, key: upstream.webhooks(key))
    cells = [
        (r.id, _state(r), r.failure_count_consecutive, ",".join(r.events), r.url) for r in rows
    ]
    desk.show(rows, [HEADS, *cells])


@webhooks.command()
@click.argument("url")
@_events
@_threshold
@_description
@_at_desk
def create(desk: CommandContext, url: str, **fields: Any) -> None:
    """Make one, and print its secret: it is told only now."""
    from proxy.upstream.webhooks import EVENTS

    fields["events"] = fields["events"] or EVENTS[0]
    made = desk.ask(lambda upstream, key: upstream.create_webhook(key, url=url, **_given(fields)))
    desk.show(made, _fields(made))
    click.echo("Put the secret into webhooks.secrets: nobody tells it again.", err=True)


@webhooks.command()
@click.argument("id")
@_at_desk
def show(desk: CommandContext, id: str) -> None:
    """All that is known of one."""
    row = desk.ask(lambda upstream, key: upstream.webhook(key, id))
    desk.show(row, _fields(row))


@webhooks.command()
@click.argument("id")
@click.option("--url")
@_events
@_threshold
@_description
@click.option("--active/--inactive", default=None)
@click.option("--pause/--go-on", "paused", default=None)
@_at_desk
def update(desk: CommandContext, id: str, **fields: Any) -> None:
    """Change what is given, and leave the rest."""
    wanted = _given(fields)
    if not wanted:
        raise click.UsageError("nothing to change: give --url, --event, --go-on, ...")
    row = desk.ask(lambda upstream, key: upstream.change_webhook(key, id, **wanted))
    desk.show(row, _fields(row))


@webhooks.command()
@click.argument("id")
@_at_desk
def delete(desk: CommandContext, id: str) -> None:
    """Delete one."""
    desk.ask(lambda upstream, key: upstream.delete_webhook(key, id))
    desk.show({"id": id}, [("deleted", id)])


@webhooks.command()
@click.argument("id")
@_at_desk
def test(desk: CommandContext, id: str) -> None:
    """Have a test event sent."""
    sent = desk.ask(lambda upstream, key: upstream.test_webhook(key, id))
    desk.show(sent, [("queued", sent.event_type, sent.event_id)])


@webhooks.command()
@click.argument("id")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0)
@_at_desk
def deliveries(desk: CommandContext, id: str, limit: int, offset: int) -> None:
    """What was sent to one, newest first; without its contents."""
    rows = desk.ask(lambda upstream, key: upstream.deliveries(key, id, limit, offset))
    heads = (*DELIVERY_HEADS, "error_message")
    desk.show(rows, [heads, *([getattr(row, head) for head in heads] for row in rows)])


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if value is not None and value != ()
    }


def _state(row: "Webhook") -> str:
    return "paused" if row.paused else "active" if row.active else "inactive"


def _fields(row: "Webhook") -> list[tuple[str, Any]]:
    import msgspec

    known = msgspec.structs.asdict(row) | {"events": ",".join(row.events)}
    return [(name, value) for name, value in known.items() if value is not None]
