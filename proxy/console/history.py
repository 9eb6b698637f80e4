"""The last hour, minute by minute: answers by word, and the least budget that was left."""

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


class History:
    """`words` counts all answers since the start, `left` is the budget; `now` is in seconds."""

    def __init__(
        self,
        words: Callable[[], Counter[str]],
        left: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._words = words
        self._left = left
        self._now = now
        self._before: Counter[str] = Counter()
        self.minutes: deque[Minute] = deque(maxlen=MINUTES)

    async def keep(self) -> None:
        """For ever."""
        while True:
            self.sample()
            await asyncio.sleep(EVERY_SECONDS)

    def sample(self) -> None:
        """Adds what was answered since the last sample to the present minute."""
        at = self._now() // 60 * 60
        left, words = self._left(), self._words()
        if not self.minutes or self.minutes[-1].at < at:
            self.minutes.append(Minute(at, left))
        minute = self.minutes[-1]
        minute.left = min(minute.left, left)
        minute.words += words - self._before
        self._before = words

    def rows(self) -> list[dict[str, object]]:
        """Of the last hour, oldest first; a minute in which the proxy did not run is missing."""
        since = self._now() - MINUTES * 60
        return [
            {"at": minute.at, "left": minute.left, "words": dict(minute.words)}
            for minute in self.minutes
            if minute.at > since
        ]
