"""Two proxy processes on one PostgreSQL, as a client behind a load balancer meets them."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support import postgres
from tests.support.running import Proxy, Upstream, until

SECRET = "the secret of the store"
ENDED = ("ACCESS_CANCEL", "ACCESS_ACTIVATION")


class Pair:
    """Asks one after the other; where nobody listens, the other one."""

    def __init__(
        self,
        folder: Path,
        upstream: Upstream,
        database: str,
        *arguments: str,
        fsync: float = 0.0,
        **settings: str,
    ) -> None:
        self.database = database
        self.proxies = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            proxy = Proxy(
                folder / name,
                upstream.url,
                *arguments,
                fsync=fsync,
                PROXY_STORE_URL=database,
                PROXY_STORE_SECRET=SECRET,
                PROXY_UPSTREAM_WEBSOCKET_URL=f"{upstream.url.replace('http', 'ws', 1)}/ws/orders",
                **settings,
            )
            self.proxies.append(proxy)
        self._turn = itertools.count()
        self.is_sticky = False
        """A key is always sent to the same one: what one hears the other does not, for a while."""

    @property
    def a(self) -> Proxy:
        return self.proxies[0]

    @property
    def b(self) -> Proxy:
        return self.proxies[1]

    def ask(self, query: str, key: str, dialect: str = "") -> str:
        first = self._first(key)
        try:
            said = self.proxies[first % 2].ask(query, key, dialect)
        except httpx.ConnectError:
            said = self.proxies[(first + 1) % 2].ask(query, key, dialect)
        if said in ENDED and not self.is_sticky:
            other = self.proxies[(first + 1) % 2]
            assert until(lambda: has_heard(other, query, key)), "the other has not heard of it"
        return said

    def ask_and_go(self, query: str, key: str) -> None:
        first = self._first(key)
        try:
            self.proxies[first % 2].ask_and_go(query, key)
        except ConnectionRefusedError:
            self.proxies[(first + 1) % 2].ask_and_go(query, key)

    def _first(self, key: str) -> int:
        return sum(key.encode()) if self.is_sticky else next(self._turn)

    def rows(self, sql: str) -> list[Any]:
        return postgres.rows(self.database, sql)


@contextmanager
def a_pair(
    folder: Path,
    upstream: Upstream,
    database: str,
    *arguments: str,
    fsync: float = 0.0,
    **settings: str,
) -> Iterator[Pair]:
    pair = Pair(folder, upstream, database, *arguments, fsync=fsync, **settings)
    started = []
    try:
        for proxy in pair.proxies:
            proxy.start()
            started.append(proxy)
        yield pair
    finally:
        for proxy in started:
            proxy.stop()


def has_heard(proxy: Proxy, query: str, key: str) -> bool:
    """That an activation was ended at the other replica; one that was killed need not."""
    try:
        return status(proxy, query.rpartition("id=")[2], key) == "STATUS_CANCEL"
    except httpx.HTTPError:
        return True


def bought(said: str) -> str:
    """The id of the activation that a getNumber was answered."""
    assert said.startswith("ACCESS_NUMBER:"), said
    return said.split(":")[1]


def status(proxy: Proxy, id: str, key: str = "key") -> str:
    return proxy.ask(f"action=getStatus&id={id}", key)
