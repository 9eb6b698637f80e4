"""Copies a store into an empty one of any kind. Open activations continue there."""

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from proxy.model.errors import StoreError
from proxy.store.interface import Store
from proxy.store.rows import ActivationRow

BATCH = 500


class Copied(NamedTuple):
    orders: int
    owed: int
    ledger: int


async def copy(
    source: Store, target: Store, progress: Callable[[str], None] = lambda text: None
) -> Copied:
    """Copies pending operations last: none is carried out before its order is there. Raises
    StoreError if the target is not empty, or a proxy runs on one of the stores. `progress` is told
    how much is copied.
    """
    await _check_idle(source, target)
    if await target.ledger() or await target.owed() or [_ async for _ in target.all_orders()]:
        raise StoreError("the store to copy to is not empty: give it another file or database")
    orders = 0
    async for batch in _batches(source.all_orders()):
        await target.keep(*batch)
        orders += len(batch)
        progress(f"orders: {orders}")
    entries, owed = await source.ledger(), await source.owed()
    for start in range(0, len(entries), BATCH):
        await target.book(*entries[start : start + BATCH])
        progress(f"ledger lines: {min(start + BATCH, len(entries))} of {len(entries)}")
    for answer in await source.answers():
        target.save_answer(answer)
    for start in range(0, len(forwards := await source.all_forwards()), BATCH):
        await target.queue(*forwards[start : start + BATCH])
    for subscription in await source.subscriptions():
        await target.subscribe(subscription)
    for row in owed:
        await target.owe(row)
    return Copied(orders, len(owed), len(entries))


async def _check_idle(*stores: Store) -> None:
    for store in stores:
        if await store.others():
            raise StoreError("a proxy runs on one of the stores: stop it first")


async def _batches(rows: AsyncIterator[ActivationRow]) -> AsyncIterator[list[ActivationRow]]:
    batch: list[ActivationRow] = []
    async for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch
