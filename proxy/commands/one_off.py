"""The upstream for one command of a person: nothing is kept."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy.runtime.counters import Counters
from proxy.store import open_store
from proxy.upstream.budget import Budget
from proxy.upstream.client import Upstream


@asynccontextmanager
async def at_hand(url: str, patience: float, per_minute: int) -> AsyncIterator[Upstream]:
    store = open_store("sqlite://")
    upstream = Upstream(url, patience, Budget(per_minute, store, time.time), Counters())
    try:
        yield upstream
    finally:
        await upstream.close()
        await store.close()
