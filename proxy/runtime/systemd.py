"""Tells systemd the state of the process, see sd_notify(3); elsewhere it does nothing."""

import asyncio
import logging
import os
import socket
import time

log = logging.getLogger(__name__)


def notify(*lines: str) -> None:
    """Sends lines such as READY=1 to the socket that NOTIFY_SOCKET names; does not wait."""
    if not (address := os.environ.get("NOTIFY_SOCKET", "")):
        return
    # An abstract socket is written with @ in place of its first byte.
    address = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
            wire.setblocking(False)
            wire.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        log.info("systemd is not told %s: %s", lines[0], error)


def now() -> str:
    """The line that a RELOADING=1 has to have with Type=notify-reload."""
    return f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Sends WATCHDOG=1 from the loop, at half of the time that systemd gives: a frozen loop is
    silent.
    """
    is_ours = os.environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    seconds = int(os.environ.get("WATCHDOG_USEC") or 0) / 2_000_000 if is_ours else 0.0
    if seconds:
        notify("WATCHDOG=1")
        loop.call_later(seconds, watch, loop)
