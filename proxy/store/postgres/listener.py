"""Listens to what other replicas tell through PostgreSQL, in a thread with a connection of its
own: a listener cannot do anything else.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import psycopg

from proxy.store.postgres.schema import CHANNEL
from proxy.store.rows import Change

log = logging.getLogger(__name__)

LISTEN_SECONDS = 1.0
"""How often it looks whether it is to end."""
PAUSE = 1.0
"""Seconds before a broken connection is opened again."""


class ChangeListener:
    """What `replica` itself has told is left out."""

    def __init__(self, url: str, settings: Mapping[str, Any], replica: str) -> None:
        self._url = url
        self._settings = settings
        self._replica = replica
        self._threads: dict[threading.Thread, threading.Event] = {}
        """Each with what ends it."""

    async def changes(self) -> AsyncGenerator[Change, None]:
        heard: asyncio.Queue[Change] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(change: Change) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(heard.put_nowait, change)

        ending = threading.Event()
        thread = threading.Thread(
            target=self._listen, args=(tell, ending), name="notices", daemon=True
        )
        self._threads[thread] = ending
        thread.start()
        try:
            while True:
                yield await heard.get()
        finally:
            ending.set()

    def close(self) -> None:
        for thread, ending in self._threads.items():
            ending.set()
            thread.join()

    def _listen(self, tell: Callable[[Change], None], ending: threading.Event) -> None:
        while not ending.is_set():
            try:
                self._follow(tell, ending)
            except psycopg.Error as error:
                log.info("the replicas are not heard: %s", " ".join(str(error).split()))
                ending.wait(PAUSE)
            except Exception:
                log.exception("a bug keeps the replicas from being heard; it is tried again")
                ending.wait(PAUSE)

    def _follow(self, tell: Callable[[Change], None], ending: threading.Event) -> None:
        with psycopg.connect(self._url, **self._settings, autocommit=True) as db:
            db.execute(f"listen {CHANNEL}".encode())
            tell(Change("missed"))
            while not ending.is_set():
                for notice in db.notifies(timeout=LISTEN_SECONDS):
                    replica, kind, key, order = (*notice.payload.split(" "), "", "", "")[:4]
                    if replica != self._replica:
                        tell(Change(kind, key, order))
