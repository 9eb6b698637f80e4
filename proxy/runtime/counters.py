"""Counts since the start of the process, and the story of each order. Pure: no IO; metrics.py and
the console show them.
"""

from collections import Counter, defaultdict
from typing import NamedTuple

from proxy.runtime.histogram import Histogram
from proxy.runtime.problems import ProblemGroups

DELAYS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)
ANSWERS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 12.0)
"""Upper bounds of the histograms, in seconds."""

MOST_STORIES, LONGEST_STORY = 5000, 50
"""The number of stories, of which the oldest is dropped first; the number of events of one."""


class StoryEvent(NamedTuple):
    """What happened to an order. `at` is on this machine's clock; `cents` is 0 without money."""

    at: float
    what: str
    cents: int


class Counters:
    """Counts by name and labels; each label has few values. Money is in cents."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.delays = Histogram(DELAYS)
        self.answer_seconds: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(ANSWERS))
        """By action."""
        self.cents: Counter[str] = Counter()
        """The cents of all stories, by what happened."""
        self.problems = ProblemGroups()
        self._stories: dict[str, list[StoryEvent]] = {}

    def count(self, *what: str, by: int = 1) -> None:
        self.counts[what] += by

    def read_after(self, seconds: float) -> None:
        """Counts the first reading of an SMS by its client, so many seconds after it came."""
        self.delays.add(max(seconds, 0.0))

    def of(self, name: str) -> list[tuple[tuple[str, ...], int]]:
        """The label values of a counter, with the count of each."""
        return [(what[1:], n) for what, n in sorted(self.counts.items()) if what[0] == name]

    def words(self) -> Counter[str]:
        """How often each word was an answer."""
        found: Counter[str] = Counter()
        for labels, count in self.of("answers"):
            found[labels[-1]] += count
        return found

    def happened(self, order: str, what: str, at: float, cents: int = 0) -> None:
        """Adds an event to an order's story. `what` is one of few words."""
        story = self._story(order)
        if len(story) < LONGEST_STORY:
            story.append(StoryEvent(at, what, cents))
        if cents:
            self.cents[what] += cents

    def recall(self, order: str, *events: StoryEvent) -> None:
        """Puts events of an earlier run into an order's story, unless it is known already. They
        count for no sum.
        """
        story = self._story(order)
        if not any(event.what == events[0].what for event in story):
            story[:] = sorted({*events, *story})[:LONGEST_STORY]

    def story(self, order: str) -> list[StoryEvent]:
        return self._stories.get(order, [])

    def _story(self, order: str) -> list[StoryEvent]:
        story = self._stories.get(order)
        if story is None:
            if len(self._stories) >= MOST_STORIES:
                del self._stories[next(iter(self._stories))]
            story = self._stories[order] = []
        return story
