"""The socket of one order, /ws/orders. The only file that imports the websockets library, and only
at the first socket, because it is large.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from urllib.parse import urlencode, urlsplit

from proxy.model import ClientKey, Frame
from proxy.model.errors import SocketError
from proxy.upstream import wire
from proxy.upstream.http import is_here

Connect = Callable[[str], AbstractAsyncContextManager[AsyncIterable[str | bytes]]]
"""Opens the socket of a URL, and gives its frames."""

OPEN_SECONDS = 10.0
PING_SECONDS = 20.0
"""A connection that does not answer a ping for so long is closed."""
MAX_FRAME = 65_536


class SocketClient:
    """`connect` replaces the network in tests."""

    def __init__(self, url: str, connect: Connect | None = None) -> None:
        self._url = url
        self._connect = connect or _connection

    async def frames(self, key: ClientKey, order: str) -> AsyncGenerator[Frame | None, None]:
        """The frames of one connection until it is closed; first a None when it is open. Raises
        SocketError if it cannot be opened, or breaks.
        """
        async with aclosing(self.raw_frames(key, order)) as raw_frames:
            async for raw in raw_frames:
                if raw is None:
                    yield None
                elif frame := wire.frame(raw):
                    yield frame

    async def raw_frames(
        self, key: ClientKey, order: str
    ) -> AsyncGenerator[str | bytes | None, None]:
        """As `frames`, but unread."""
        from websockets.exceptions import InvalidStatus, WebSocketException

        query = urlencode({"order_id": order, "api_key": key.upstream.secret})
        try:
            async with self._connect(f"{self._url}?{query}") as socket:
                yield None
                async for raw in socket:
                    yield raw
        except InvalidStatus as error:
            raise SocketError(type(error).__name__, error.response.status_code) from None
        except (OSError, WebSocketException) as error:
            raise SocketError(type(error).__name__) from None


def _connection(uri: str) -> AbstractAsyncContextManager[AsyncIterable[str | bytes]]:
    from websockets.asyncio.client import connect

    return connect(
        uri,
        # Its log lines have the URL, which has the key.
        logger=logging.Logger("mute", logging.CRITICAL + 1),
        # With compression each connection takes 250 KB.
        compression=None,
        open_timeout=OPEN_SECONDS,
        ping_interval=PING_SECONDS,
        ping_timeout=PING_SECONDS,
        close_timeout=1,
        max_size=MAX_FRAME,
        max_queue=4,
        user_agent_header="virtualsms-proxy",
        proxy=None if is_here(urlsplit(uri).hostname) else True,
    )
