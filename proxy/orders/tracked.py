"""An activation with the times of its requests, reads and hints.

Times are on the monotonic clock, if no other clock is named. A restart forgets them.
"""

from dataclasses import dataclass

from proxy.legacy.activation import Activation
from proxy.legacy.status import Phase
from proxy.model import Sms

LATE_SECONDS = 60.0
"""Seconds after the end of an order in which its last SMS may be read."""


@dataclass(slots=True)
class TrackedActivation(Activation):
    """The state of an activation that is not saved."""

    changed_at: float = 0.0
    """Time of the last swap: a read that began before has the old number."""
    seen_at: float = float("-inf")
    """Start of the last read that showed the order's state."""
    tried_at: float = float("-inf")
    """End of the last read of the order itself, or of its last pushed SMS."""
    asked_for_at: float = float("-inf")
    """Time of the last request for it."""
    open_at: float = float("inf")
    """Since when its socket is open; infinite if it is not."""
    hinted_at: float = float("-inf")
    """Time of the last hint by a socket or an event that something has come."""
    is_polled: bool = True
    """The last read was for a client, not for the targets of `forward`."""
    failures: int = 0
    """Failed reads of the order itself in a row."""
    offered: Sms | None = None
    """An SMS of a socket or an event that only a read of the order can show to be new."""
    asked_since: float | None = None
    """When its client asked for another SMS, upstream's clock; None also after a restart."""
    was_asked: bool = False
    """A client has asked for its status."""
    was_read: bool = False
    """A client has received a code of it."""

    def is_pushed_since(self, when: float) -> bool:
        """Whether its socket is open since before that time and gave no hint after it."""
        return self.open_at < when and self.hinted_at < when

    def accepts_push(self, text: str, received_at: float | None) -> bool:
        """Whether the SMS of a socket or an event may be added: the first SMS, or, while the order
        cannot be read, another one that its client waits for and that is certainly new.
        """
        if self.is_without_sms:
            return True
        if not self.failures or self.phase is not Phase.RETRYING:
            return False
        times = [sms.received_at for sms in self.order.messages if sms.received_at is not None]
        since = max(times, default=None) if self.asked_since is None else self.asked_since
        if since is None or received_at is None:
            # By the code, as the texts of sockets may differ.
            return self.code_of(Sms(text)) not in map(self.code_of, self.order.messages)
        return received_at > since

    @property
    def is_hinted(self) -> bool:
        """A hint has come since the last read of the order."""
        return self.hinted_at > self.tried_at

    def may_get_sms(self, now: float) -> bool:
        """Whether a read may show a new SMS, at `now` on the upstream's clock."""
        if self.finished or self.cancelling or (self.order.expires_at or now) + LATE_SECONDS < now:
            return False
        return not self.is_settled or self.is_only_pushed or self.is_hinted
