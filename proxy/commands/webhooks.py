"""`webhooks`: manages the upstream's webhook subscriptions."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from proxy.commands.options import config_of, config_option, json_option, or_exit

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
    """The account, and the form of the output."""

    def __init__(self, path: Path | None, name: str | None, as_json: bool) -> None:
        self._path = path
        self._name = name
        self._as_json = as_json

    def ask(self, act: Act[T]) -> T:
        """Returns the upstream's answer; an error ends the command with one line, exit code 1."""
        from proxy.commands.one_off import temporary_upstream

        config = config_of(self._path)
        key = or_exit(lambda: _key(config, self._name))

        async def run() -> T:
            async with temporary_upstream(config.upstream) as upstream:
                return await act(upstream, key)

        return or_exit(lambda: asyncio.run(run()))

    def show(self, what: Any, rows: Sequence[Sequence[Any]]) -> None:
        """Prints `what` as JSON, or `rows` as a table."""
        import msgspec

        from proxy.commands.columns import columns
        from proxy.runtime.printable import visible_json

        if self._as_json:
            text = msgspec.json.format(msgspec.json.encode(what), indent=1).decode()
            click.echo(visible_json(text))
        else:
            texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
            click.echo(columns(texts))


def _key(config: "Config", name: str | None) -> "ClientKey":
    from proxy.app.loaded import codes_of, programs_of
    from proxy.model import ClientKey
    from proxy.model.errors import ConfigError

    if name is None:
        if not config.upstream.api_key:
            raise ConfigError("no account: set upstream.api_key, or give --key NAME of `keys`")
        return ClientKey.of(config.upstream.api_key)
    for program in programs_of(config, codes_of(config)):
        if program.name == name:
            return program.key.account
    raise ConfigError(f"--key {name}: no entry of `keys` has this name")


def _with_context(act: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of its CommandContext, which is its first argument."""

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


_events = click.option("--event", "events", multiple=True, help="Such as sms.received; repeatable.")
_threshold = click.option("--threshold", type=float, help="Dollars, for balance.low.")
_description = click.option("--description")


@webhooks.command("list")
@_with_context
def list_all(context: CommandContext) -> None:
    """List the subscriptions of the account."""
    rows = context.ask(lambda api, key: api.webhooks(key))
    cells = [
        (r.id, _state(r), r.failure_count_consecutive, ",".join(r.events), r.url) for r in rows
    ]
    context.show(rows, [HEADS, *cells])


@webhooks.command()
@click.argument("url")
@_events
@_threshold
@_description
@_with_context
def create(context: CommandContext, url: str, **fields: Any) -> None:
    """Create a subscription, and print its secret, once."""
    from proxy.upstream.webhooks import EVENTS

    fields["events"] = fields["events"] or EVENTS[0]
    made = context.ask(lambda api, key: api.create_webhook(key, url=url, **_given(fields)))
    context.show(made, _fields(made))
    click.echo("Put the secret into webhooks.secrets: it is not shown again.", err=True)


@webhooks.command()
@click.argument("id")
@_with_context
def show(context: CommandContext, id: str) -> None:
    """Show a subscription."""
    row = context.ask(lambda api, key: api.webhook(key, id))
    context.show(row, _fields(row))


@webhooks.command()
@click.argument("id")
@click.option("--url")
@_events
@_threshold
@_description
@click.option("--active/--inactive", default=None)
@click.option("--pause/--go-on", "paused", default=None)
@_with_context
def update(context: CommandContext, id: str, **fields: Any) -> None:
    """Change the given fields of a subscription."""
    wanted = _given(fields)
    if not wanted:
        raise click.UsageError("nothing to change: give --url, --event, --go-on, ...")
    row = context.ask(lambda api, key: api.change_webhook(key, id, **wanted))
    context.show(row, _fields(row))


@webhooks.command()
@click.argument("id")
@_with_context
def delete(context: CommandContext, id: str) -> None:
    """Delete a subscription."""
    context.ask(lambda api, key: api.delete_webhook(key, id))
    context.show({"id": id}, [("deleted", id)])


@webhooks.command()
@click.argument("id")
@_with_context
def test(context: CommandContext, id: str) -> None:
    """Ask the upstream to send a test event."""
    sent = context.ask(lambda api, key: api.test_webhook(key, id))
    context.show(sent, [("queued", sent.event_type, sent.event_id)])


@webhooks.command()
@click.argument("id")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0)
@_with_context
def deliveries(context: CommandContext, id: str, limit: int, offset: int) -> None:
    """List the deliveries of a subscription, newest first, without their contents."""
    rows = context.ask(lambda api, key: api.deliveries(key, id, limit, offset))
    heads = (*DELIVERY_HEADS, "error_message")
    context.show(rows, [heads, *([getattr(row, head) for head in heads] for row in rows)])


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
