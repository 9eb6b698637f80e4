"""Receives the changes of other replicas through PostgreSQL, on a connection of its own."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import psycopg

from proxy.runtime import log_events
from proxy.store.postgres.schema import CHANNEL
from proxy.store.rows import Change

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds before a broken connection is opened again."""


async def changes(
    url: str, settings: Mapping[str, Any], replica: str
) -> AsyncGenerator[Change, None]:
    """Never ends. Changes that `replica` itself has published are left out."""
    while True:
        try:
            async with aclosing(_followed(url, settings, replica)) as followed:
                async for change in followed:
                    yield change
        except psycopg.Error as error:
            log.info("the replicas are not heard: %s", " ".join(str(error).split()))
        except Exception:
            log.exception(log_events.LISTENER_BUG)
        await asyncio.sleep(PAUSE)


async def _followed(
    url: str, settings: Mapping[str, Any], replica: str
) -> AsyncGenerator[Change, None]:
    """Raises psycopg.Error when the connection breaks."""
    async with await psycopg.AsyncConnection.connect(url, **settings) as db:
        await db.execute(f"listen {CHANNEL}".encode())
        yield Change("missed")
        async for notice in db.notifies():
            sender, kind, key, order = (*notice.payload.split(" "), "", "", "")[:4]
            if sender != replica:
                yield Change(kind, key, order)
