"""Server-sent events: what has changed since the last look, twice a second.

Only those rows are made whose activation has changed: a look at two thousand costs a few
milliseconds, and nothing is done while no page is open.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from proxy.console.rows import Place, Rows, RowState, name
from proxy.console.summary import Summary
from proxy.runtime.clock import monotonic

EVERY_SECONDS = 0.5
ALIVE_SECONDS = 15.0
"""So often something is sent: a proxy in between would close a silent connection."""

MOST = 16
"""Pages that may be open at once."""


class Streams:
    def __init__(self, rows: Rows, summary: Summary, now: Callable[[], float]) -> None:
        self._rows = rows
        self._summary = summary
        self._now = now
        self._open = 0
        self._stopped = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return self._open >= MOST

    @property
    def has_any(self) -> bool:
        return self._open > 0

    def stop(self) -> None:
        """They end at once, so that the server need not wait for them."""
        self._stopped.set()

    async def events(self) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            async for event in self._events():
                yield event
        finally:
            self._open -= 1

    async def _events(self) -> AsyncIterator[bytes]:
        seen: dict[Place, RowState] = {}
        before, sent_at = b"", monotonic()
        yield b"retry: 1000\n\n"
        while not self._stopped.is_set():
            changed, gone = self._look(seen)
            if changed or gone or not before:
                body = {"now": self._now(), "changed": changed, "gone": gone}
                yield _event("activations", msgspec.json.encode(body))
                sent_at = monotonic()
            summary = msgspec.json.encode(await self._summary.row())
            if summary != before or monotonic() - sent_at > ALIVE_SECONDS:
                # With the time, so that the page's clock is right.
                yield _event("summary", b'{"now":%.3f,%s' % (self._now(), summary[1:]))
                before, sent_at = summary, monotonic()
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._stopped.wait()
            except TimeoutError:
                continue

    def _look(self, seen: dict[Place, RowState]) -> tuple[list[dict[str, object]], list[str]]:
        """The rows that have changed, and the names of those that are gone."""
        changed, present = [], set()
        for place, activation, sight in self._rows.sights():
            present.add(place)
            if seen.get(place) != sight:
                seen[place] = sight
                changed.append(self._rows.row(place, activation, sight))
        gone = [place for place in seen if place not in present]
        for place in gone:
            del seen[place]
        return changed, [name(place) for place in gone]


def _event(kind: str, data: bytes) -> bytes:
    # JSON has no line break outside of its texts, and none unescaped in them.
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)
