"""Server-sent events for open pages: twice a second, what has changed.

Only changed rows are made: comparing 2,000 activations takes a few milliseconds. Nothing runs
while no page is open.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from proxy.console.rows import Found, Row, RowKey, Rows, RowState, row_id
from proxy.console.summary import Summary
from proxy.runtime.clock import monotonic

EVERY_SECONDS = 0.5
ALIVE_SECONDS = 4.0
"""Something is sent at least this often, as a sign of life: a frozen process keeps its socket, and
the page turns grey when nothing comes.
"""

MAX_PAGES = 16
"""Pages that may be open at the same time."""


class Streams:
    """`now` is this machine's clock, in seconds."""

    def __init__(self, rows: Rows, summary: Summary, now: Callable[[], float]) -> None:
        self._rows = rows
        self._summary = summary
        self._now = now
        self.count = 0
        """Streams that are open now."""
        self._stopped = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return self.count >= MAX_PAGES

    @property
    def has_any(self) -> bool:
        return self.count > 0

    def stop(self) -> None:
        """Ends all streams at once, so that the server does not wait for them."""
        self._stopped.set()

    async def events(self) -> AsyncIterator[bytes]:
        self.count += 1
        try:
            async for event in self._events():
                yield event
        finally:
            self.count -= 1

    async def _events(self) -> AsyncIterator[bytes]:
        seen: dict[RowKey, RowState] = {}
        before, sent_at = b"", monotonic()
        yield b"retry: 1000\n\n"
        while not self._stopped.is_set():
            changed, gone = await self._changes(seen)
            if changed or gone or not before:
                body = {"now": self._now(), "changed": changed, "gone": gone}
                yield _event("activations", msgspec.json.encode(body))
                sent_at = monotonic()
            summary = msgspec.json.encode(await self._summary.row())
            if summary != before:
                # The page sets its clock by the time in each event.
                yield _event("summary", b'{"now":%.3f,%s' % (self._now(), summary[1:]))
                before, sent_at = summary, monotonic()
            elif monotonic() - sent_at >= ALIVE_SECONDS:
                yield _event("alive", b'{"now":%.3f}' % self._now())
                sent_at = monotonic()
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._stopped.wait()
            except TimeoutError:
                continue

    async def _changes(self, seen: dict[RowKey, RowState]) -> tuple[list[Row], list[str]]:
        """Updates `seen`; returns the changed rows, and the ids of the rows that are gone."""
        changed, present = list[Found](), set[RowKey]()
        for found in self._rows.states():
            row_key, _, row_state = found
            present.add(row_key)
            if seen.get(row_key) != row_state:
                seen[row_key] = row_state
                changed.append(found)
        gone = [row_key for row_key in seen if row_key not in present]
        for row_key in gone:
            del seen[row_key]
        return await self._rows.made(changed), [row_id(row_key) for row_key in gone]


def _event(kind: str, data: bytes) -> bytes:
    # This JSON has no line breaks: msgspec writes none between values and escapes them in texts.
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)
