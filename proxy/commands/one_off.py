"""The upstream for a single command, with a store in memory."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy.config.settings import UpstreamConfig
from proxy.runtime.counters import Counters
from proxy.store import open_store
from proxy.upstream.budget import Budget
from proxy.upstream.client import Upstream


@asynccontextmanager
async def temporary_upstream(config: UpstreamConfig) -> AsyncIterator[Upstream]:
    store = open_store("sqlite://")
    budget = Budget(config.requests_per_minute, store, time.time)
    upstream = Upstream(config.url, config.timeout, budget, Counters())
    try:
        yield upstream
    finally:
        await upstream.close()
        await store.close()
