"""The rate limit: requests of one key in a sliding window of 60 seconds."""

import math
from collections import defaultdict, deque
from collections.abc import Iterable

from proxy.sandbox.state.accounts import Account
from proxy.sandbox.state.switches import Switches
from proxy.sandbox.wire import refusals

MINUTE = 60.0

# The vendor's README has "certain endpoints" at 10 a minute per key, and does not name them.
NARROW_LIMIT = 10


def admit(switches: Switches, account: Account, call: str, now: float) -> None:
    """Counts a request in the account's window of the call, and in that of all calls.

    Raises Refusal if one of them is full; a refused request does not count.
    """
    narrow = NARROW_LIMIT if switches.narrow == call else 0
    windows = (
        (account.requests[call], narrow),
        (account.requests["*"], switches.requests_per_minute),
    )
    for seen, limit in windows:
        _forget(seen, now)
        if limit and len(seen) >= limit:
            wait = math.ceil(round(seen[0] + MINUTE - now, 3))
            raise refusals.rate_limited(switches, limit, wait)
    for seen, _ in windows:
        seen.append(now)


def busiest_minute(requests: Iterable[tuple[str | None, float]]) -> int:
    """Returns the most requests of one account in any 60 seconds.

    `requests` are pairs of account and time, oldest first.
    """
    windows: defaultdict[str | None, deque[float]] = defaultdict(deque)
    busiest = 0
    for account, at in requests:
        seen = windows[account]
        _forget(seen, at)
        seen.append(at)
        busiest = max(busiest, len(seen))
    return busiest


def _forget(seen: deque[float], now: float) -> None:
    """Drops times that are a minute old."""
    while seen and round(now - seen[0], 3) >= MINUTE:
        seen.popleft()
