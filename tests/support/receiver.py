"""A target of forwards, which can fail in every way."""

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

WRONG = ("hang", "redirect", "500", "endless", "garbage", "hang-up")
"""What a target can do wrong; `refuse` is a port that nobody listens on."""


@dataclass
class Receiver:
    """Answers a POST by the last word of its path; by 200 once it is `good`."""

    good: bool = False
    slow: float = 0.0
    asked: list = field(default_factory=list)
    """Path, headers and body of each request, and whether it was told 200."""
    ending: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener):
        while not self.ending.is_set():
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(wire,), daemon=True).start()

    def _answer(self, wire):
        with wire, wire.makefile("rb") as lines:
            try:
                while head := lines.readline():
                    path = head.split()[1].decode()
                    headers = self._headers(lines)
                    body = lines.read(length := int(headers["content-length"]))
                    if len(body) < length:
                        return None
                    wrong = "" if self.good else path.rpartition("/")[2]
                    is_good = wrong not in WRONG
                    time.sleep(self.slow)
                    if is_good:
                        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    self.asked.append((path, headers, body, is_good))
                    if not is_good:
                        return self._fail(wire, wrong)
            except OSError:
                return

    def _headers(self, lines):
        found = {}
        while (line := lines.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        return found

    def _fail(self, wire, wrong):
        if wrong == "hang":
            self.ending.wait(30)
        elif wrong == "redirect":
            wire.sendall(b"HTTP/1.1 307 -\r\nLocation: /leak\r\nContent-Length: 0\r\n\r\n")
        elif wrong == "500":
            wire.sendall(b"HTTP/1.1 500 -\r\nContent-Length: 4\r\n\r\noops")
        elif wrong == "garbage":
            wire.sendall(b"this is no HTTP\r\n\r\n")
        elif wrong == "endless":
            wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not self.ending.is_set():
                wire.sendall(b"and on, " * 1000)

    def to(self, path, *, good=False):
        return [one for one in self.asked if one[0] == path and (one[3] or not good)]


@contextmanager
def a_receiver(port=0, **how):
    receiver = Receiver(**how)
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=receiver.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield receiver, listener.getsockname()[1]
        finally:
            receiver.ending.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def a_free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
