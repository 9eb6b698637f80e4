"""The monotonic clock for deadlines, pauses and ages: the event loop's."""

import asyncio


def monotonic() -> float:
    """Seconds since an unknown start; in a test, those of its fake clock."""
    return asyncio.get_running_loop().time()
