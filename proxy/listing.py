"""What is known of one key's order list: how old it is, and who is about to read it."""

import asyncio
from dataclasses import dataclass, field

from proxy.clock import monotonic
from proxy.legacy.activation import Activation

FASTEST, SLOWEST = 2.0, 5.0
"""Seconds between two reads of a key's order list, as the budget allows."""

POLL = 3.0
"""Seconds that one read of an order serves all who ask."""

PUSHED = 10.0
"""Both of them, while the order has a socket: an open one can be mute; and the first, while the
upstream sends the account's events.
"""

EVENTS_SECONDS = 600.0
"""How long one event shows that others would come."""

CAPS = (50, 200)
"""Rows that the upstream lists at most; sources differ."""

Reading = asyncio.Task[None]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Listing:
    """What is known of one key's order list."""

    tried_at: float = float("-inf")
    read_at: float = float("-inf")
    """When the last read that was answered began."""
    is_cut_off: bool = False
    """It may lack orders that still live."""
    has_unread: bool = False
    """A row of it could not be read."""
    own_at: float = float("-inf")
    """The same, of those that this replica has read itself."""
    heard_at: float = float("-inf")
    """When another replica has read the whole of it: what had changed was told before."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    reading: Reading | None = None
    sharing: Reading | None = None
    pace: float = FASTEST
    """Seconds between two reads, by what the budget leaves."""
    events_until: float = float("-inf")
    """Until when the upstream is believed to tell what happens by events."""

    def interval(self, activation: Activation) -> float:
        """How old what it says of an order may be."""
        is_told = monotonic() < self.events_until and activation.hinted_at < self.read_at
        is_pushed = is_told or activation.is_pushed_since(self.read_at)
        return PUSHED if is_pushed else self.pace

    def seen_at(self, activation: Activation) -> float:
        """When the upstream last said anything of the order, to any replica. What was not bought
        through one of them is known to each by its own reads.
        """
        if activation.told is None or self.heard_at < activation.seen_at:
            return activation.seen_at
        return self.heard_at
