"""The rows for webhooks in a SQL store: forwards to deliver, events that the upstream has sent, and
the secrets of subscriptions.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from proxy.store import schema
from proxy.store.rows import ActivationRow, Forward, Subscription

COUNT = "select target, dead, count(*) from forwards group by target, dead"
NEXT = "select * from forwards where target = ? and dead = 0 order by due, at limit ?"
RETRY = "update forwards set due = ?, tries = tries + 1, dead = ? where target = ? and id = ?"
SURPLUS = """
delete from forwards where target = ? and id in
    (select id from forwards where target = ? order by dead desc, at limit ?)
"""
SUBSCRIBE = """
insert into subscriptions values (?, ?, ?)
on conflict (key) do update set id = excluded.id, secret = excluded.secret
"""


class WebhookRows:
    """The part of a SQL store that only reads and writes whole rows."""

    # Methods of SqlStore.
    _read: Callable[..., Awaitable[list[Any]]]
    _write: Callable[..., Awaitable[Any]]
    _seal: Callable[[str, str], str]
    _unseal: Callable[[str, str], str]

    async def holders(self, order: str) -> list[ActivationRow]:
        rows = await self._read(f"{schema.ORDERS} where order_id = ?", order)
        return [schema.activation_row(row) for row in rows]

    async def forwards(self, target: str, limit: int) -> list[Forward]:
        return [Forward(*row[:-1]) for row in await self._read(NEXT, target, limit)]

    async def all_forwards(self) -> list[Forward]:
        rows = await self._read("select * from forwards where dead = 0 order by at")
        return [Forward(*row[:-1]) for row in rows]

    async def queue(self, *forwards: Forward) -> None:
        def write(db: Any) -> None:
            for forward in forwards:
                schema.queue_forward(db, forward)

        await self._write(write, durable=True)

    async def forward_counts(self) -> dict[tuple[str, bool], int]:
        return {(target, bool(dead)): n for target, dead, n in await self._read(COUNT)}

    async def delivered(self, forward: Forward) -> None:
        sql = "delete from forwards where target = ? and id = ?"
        await self._write(lambda db: db.execute(sql, (forward.target, forward.id)))

    async def retry_forward(self, forward: Forward, due: float | None) -> None:
        row = (due or 0.0, int(due is None), forward.target, forward.id)
        await self._write(lambda db: db.execute(RETRY, row))

    async def drop_forwards(self, target: str, count: int) -> None:
        await self._write(lambda db: db.execute(SURPLUS, (target, target, count)))

    async def has_event(self, id: str) -> bool:
        return bool(await self._read("select 1 from events where id = ?", id))

    async def record_event(self, id: str, at: float, before: float) -> None:
        def write(db: Any) -> None:
            db.execute("delete from events where at < ?", (before,))
            db.execute("insert into events values (?, ?) on conflict do nothing", (id, at))

        await self._write(write)

    async def subscriptions(self) -> list[Subscription]:
        rows = await self._read("select * from subscriptions")
        return [Subscription(key, id, self._unseal(sealed, key)) for key, id, sealed in rows]

    async def subscribe(self, subscription: Subscription) -> None:
        sealed = self._seal(subscription.secret, subscription.key)
        row = (subscription.key, subscription.id, sealed)
        await self._write(lambda db: db.execute(SUBSCRIBE, row), durable=True, erase=True)
