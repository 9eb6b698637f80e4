"""An activation, and when its order was asked for, read and heard of.

All times are on the monotonic clock, where nothing else is said. A restart forgets them.
"""

from dataclasses import dataclass

from proxy.legacy.activation import Activation, code_of
from proxy.legacy.status import Phase
from proxy.model import Sms

LATE_SECONDS = 60.0
"""How long after the end of an order its last SMS may be read."""


@dataclass(slots=True)
class TrackedActivation(Activation):
    """What `orders/` holds of an activation."""

    changed_at: float = 0.0
    """When the number was swapped: an older read knows the old number."""
    seen_at: float = float("-inf")
    """When the upstream last said anything of the order."""
    tried_at: float = float("-inf")
    """When a read of the order itself last ended."""
    asked_for_at: float = float("-inf")
    """When its client last asked for it."""
    open_at: float = float("inf")
    """Since when it has an open socket."""
    hinted_at: float = float("-inf")
    """When its socket last said that something has come."""
    is_polled: bool = True
    """A client asked for it last, and not the look-out for forwards."""
    failures: int = 0
    """Reads of the order itself that failed in a row."""
    offered: Sms | None = None
    """An SMS that a socket or an event told, and that only the order's own list could prove new."""
    asked_since: float | None = None
    """When its client asked for one more SMS: upstream's clock; None after a restart, too."""
    was_asked: bool = False
    """A client has asked what became of it."""
    was_read: bool = False
    """A client has been given a code of it."""

    def is_pushed_since(self, when: float) -> bool:
        """Its socket is open since before that time, and has given no hint after it."""
        return self.open_at < when and self.hinted_at < when

    def accepts_push(self, text: str, received_at: float | None) -> bool:
        """A socket or an event may tell this SMS: the first, or, while the order itself cannot be
        read, one more that its client waits for and that is none of those known.
        """
        if self.is_without_sms:
            return True
        if not self.failures or self.phase is not Phase.RETRYING:
            return False
        times = [sms.received_at for sms in self.order.messages if sms.received_at is not None]
        since = max(times, default=None) if self.asked_since is None else self.asked_since
        if since is None or received_at is None:
            # Not by its text: a socket may word it otherwise.
            return code_of(Sms(text)) not in map(code_of, self.order.messages)
        return received_at > since

    @property
    def is_hinted(self) -> bool:
        """It was told that something has come, and nobody has read what."""
        return self.hinted_at > self.tried_at

    def may_get_sms(self, now: float) -> bool:
        """A read may show an SMS that nobody knows, also a second one that was not asked for."""
        if self.finished or self.cancelling or (self.order.expires_at or now) + LATE_SECONDS < now:
            return False
        return not self.is_settled or self.is_only_pushed or self.is_hinted
