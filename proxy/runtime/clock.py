"""The clock that deadlines, pauses and ages are reckoned on: the event loop's, never set back."""

import asyncio


def monotonic() -> float:
    """Seconds since some moment; in a test, those of its fake clock."""
    return asyncio.get_running_loop().time()
