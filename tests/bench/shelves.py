"""Stores that are full before a proxy starts on them."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from proxy.legacy.activation import candidates
from proxy.model import ClientKey, Order, OrderState, Sms
from proxy.store import ActivationRow, open_store
from tests.bench.load import KEY

CODE = "654321"


def fill(folder: Path, count: int, *, texted: bool = False) -> list[int]:
    """The ids of that many activations of the one key, each with a code where they are `texted`."""
    rows = list(_rows(count, texted))
    asyncio.run(_keep(folder / "store.db", rows))
    return [row.id for row in rows]


async def _keep(path: Path, rows: list[ActivationRow]) -> None:
    store = open_store(f"sqlite:///{path}")
    await store.keep(*rows)
    await store.close()


def _rows(count: int, texted: bool) -> Iterator[ActivationRow]:
    draw, now, taken = Random(1), time.time(), set()
    key = ClientKey.of(KEY).hash
    messages = (Sms(f"Your code is {CODE}", now),) if texted else ()
    state = OrderState.COMPLETED if texted else OrderState.WAITING
    times = {"created_at": now, "expires_at": now + 1200, "cancel_at": now + 120}
    for index in range(count):
        order_id = str(uuid.UUID(int=draw.getrandbits(128), version=4))
        id = next(id for id in candidates(order_id) if id not in taken)
        taken.add(id)
        order = Order(order_id, f"4474{index:08}", "wa", "GB", state, cents=90, **times)
        yield ActivationRow(key, id, replace(order, messages=messages), "wa", delivered=True)
