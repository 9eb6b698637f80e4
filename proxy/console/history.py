"""The last hour by minutes: answers by their first word, and the lowest request budget."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

MINUTES = 60
EVERY_SECONDS = 5.0


@dataclass(slots=True)
class Minute:
    at: float
    left: float
    words: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class History:
    """`words` counts all answers since the start, `left` is the budget; `now` is in seconds."""

    words: Callable[[], Counter[str]]
    left: Callable[[], float]
    now: Callable[[], float]
    _before: Counter[str] = field(default_factory=Counter)
    _minutes: deque[Minute] = field(default_factory=lambda: deque(maxlen=MINUTES))

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(EVERY_SECONDS)

    def sample(self) -> None:
        """Adds the answers since the last sample to the current minute."""
        at = self.now() // 60 * 60
        left, words = self.left(), self.words()
        if not self._minutes or self._minutes[-1].at < at:
            self._minutes.append(Minute(at, left))
        minute = self._minutes[-1]
        minute.left = min(minute.left, left)
        minute.words += words - self._before
        self._before = words

    def rows(self) -> list[dict[str, object]]:
        """Returns the last hour, oldest first, without the minutes in which the proxy was down."""
        since = self.now() - MINUTES * 60
        return [
            {"at": minute.at, "left": minute.left, "words": dict(minute.words)}
            for minute in self._minutes
            if minute.at > since
        ]
