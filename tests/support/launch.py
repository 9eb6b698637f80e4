"""Starts a server in the background and returns when it answers: `python launch.py COMMAND...`.

Documents show servers that hold their terminal; what follows them is for another. The server before
is ended first: they share a port.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SECONDS = 60.0


def main() -> None:
    place = Path(os.environ["LAUNCHED"])
    address = "127.0.0.1", int(os.environ["PROXY_LISTEN_PORT"])
    end(place, address)
    log = place.with_suffix(".log")
    with log.open("w") as said:
        process = subprocess.Popen(sys.argv[1:], stdout=said, stderr=said, start_new_session=True)
    place.write_text(str(process.pid))
    until(lambda: answers(address) or process.poll() is not None)
    sys.stdout.write(log.read_text())
    sys.exit(process.poll())


def end(place: Path, address: tuple[str, int]) -> None:
    """The last one that was started."""
    if place.exists():
        os.kill(int(place.read_text()), signal.SIGTERM)
        place.unlink()
        until(lambda: not is_open(address))


def answers(address: tuple[str, int]) -> bool:
    """In HTTP: the port is open before all has been printed."""
    try:
        with socket.create_connection(address, 5) as asked:
            asked.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            return asked.recv(5) == b"HTTP/"
    except OSError:
        return False


def is_open(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 5).close()
    except OSError:
        return False
    return True


def until(is_so) -> None:
    tried_until = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < tried_until
        time.sleep(0.02)


if __name__ == "__main__":
    main()
