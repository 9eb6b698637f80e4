"""A proxy and an upstream that run as processes of their own, and what can be asked of them."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.process import COMMAND, PATIENCE, a_process

ROOT = Path(__file__).parents[2]
PATH = "/stubs/handler_api.php"
NUMBER = "action=getNumber&service=wa&country=16"
PAIR = {"service": "wa", "country": "GB"}
NEVER = "1e9"
SLOW_DISK = [sys.executable, "-m", "tests.support.slow_disk"]


class Proxy:
    """A proxy process with a store file, on the same port in each of its lives. Each `fsync` takes
    that many seconds.
    """

    def __init__(
        self,
        folder: Path,
        upstream: str,
        *arguments: str,
        port: int = 0,
        fsync: float = 0.0,
        **environ: str,
    ) -> None:
        self._command = [*SLOW_DISK, str(fsync)] if fsync else COMMAND
        self.store = folder / "store.db"
        self._log = folder / "proxy.log"
        self._port = str(port)
        self._arguments = arguments
        self._environ = {
            "PROXY_STORE_URL": f"sqlite:///{self.store}",
            "PROXY_UPSTREAM_URL": f"{upstream}/api/v1",
            **environ,
        }

    def start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._command, "serve", "--port", self._port, *self._arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **self._environ},
                cwd=ROOT,
            )
        line = self._process.stdout.readline()
        found = re.search(r"http://[^/\s]+:(\d+)", line)
        assert found, f"the proxy did not start; see {self._log}"
        self.url, self._port = found[0], found[1]

    def kill(self) -> None:
        self._process.kill()
        self._end()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._end()

    def _end(self) -> None:
        self._process.wait(PATIENCE)
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ask(self, query: str, key: str, dialect: str = "") -> str:
        """The answer of a client that waits for it."""
        url = f"{self.url}{dialect}{PATH}?api_key={key}&{query}"
        # Certificates are not read: that takes 20 ms of CPU.
        return httpx.get(url, timeout=PATIENCE, trust_env=False, verify=False).text

    def ask_and_go(self, query: str, key: str) -> None:
        """A client that closes its socket in the middle of its request."""
        with socket.create_connection(("127.0.0.1", int(self._port)), PATIENCE) as wire:
            line = f"GET {PATH}?api_key={key}&{query} HTTP/1.1"
            wire.sendall(f"{line}\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def rows(self, sql: str) -> list[Any]:
        """Reads the store beside the process that writes it."""
        db = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=PATIENCE)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()


class Upstream:
    """The control of a sandbox that runs as a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/sandbox/", timeout=PATIENCE, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def steer(self, path: str, body: Any = None) -> Any:
        method = "GET" if body is None else "POST"
        response = self._http.request(method, path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def no_more_faults(self) -> None:
        assert self._http.delete("faults").status_code == 200

    def orders(self, key: str = "") -> list[dict[str, Any]]:
        return self.steer(f"orders?key={key}" if key else "orders")["orders"]

    def entries(self, kind: str, key: str = "") -> list[dict[str, Any]]:
        ledger = self.steer(f"ledger?key={key}" if key else "ledger")
        return [entry for entry in ledger["entries"] if entry["kind"] == kind]

    def spent(self, key: str = "") -> int:
        """Charged less refunded, in cents."""
        return int(self.steer(f"ledger?key={key}" if key else "ledger")["totals"]["spent"])

    def requests(self, call: str, key: str) -> list[dict[str, Any]]:
        return self.steer(f"requests?call={call}&key={key}")["requests"]


@contextmanager
def an_upstream(folder: Path, hold: float, per_minute: int = 60) -> Iterator[Upstream]:
    """No SMS comes by itself in it, and there is stock for all."""
    switches = (f"hold={hold}", f"requests_per_minute={per_minute}")
    arguments = ("sandbox", "--upstream-only", "--port", "0", "--sms-after", NEVER)
    named = [word for switch in switches for word in ("--switch", switch)]
    with a_process(*arguments, *named, log=folder / "upstream.log") as url:
        upstream = Upstream(url)
        for country in ("GB", "US"):
            upstream.steer("offer", {**PAIR, "country": country, "stock": 100_000})
        try:
            yield upstream
        finally:
            upstream.close()


def until(is_so: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether it came to be so in that time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
