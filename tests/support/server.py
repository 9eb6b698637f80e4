"""The proxy and the sandbox on real sockets in a process of their own, and bytes sent to them."""

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.process import NOTHING_LEFT, PATIENCE

KINDS = {"fast": [], "plain": ["uvloop"]}
"""Modules that the process does without."""

# The sandbox's command, with limits of a test's own.
SERVER = """
import json, os, resource, sys
said = json.loads(sys.argv[1])
sys.modules.update(dict.fromkeys(said["without"]))
if said["descriptors"]:
    resource.setrlimit(resource.RLIMIT_NOFILE, said["descriptors"])
from proxy.app import server
from proxy.app.build import create_app
from proxy.app.tls import tls_context
from proxy.config.settings import load_config
from proxy.sandbox import create_sandbox
from proxy.sandbox.mount import beside
opened = server.open_socket("127.0.0.1", 0)
url = server.url(opened)
read = lambda: load_config(None, os.environ).for_sandbox(f"{url}/api/v1")
app = create_app(read(), reread=read)
print(url, flush=True)
tls = tls_context(*said["tls"])
reload = app.state.reload
reload.parts.tls = tls
simulated = create_sandbox(sms_after=1e9)
server.run(beside(app, simulated), opened, tls, hangup=reload.ask, **said["settings"])
"""
ROOT = Path(__file__).parents[2]
ENDPOINT = "/stubs/handler_api.php"
HEAD = f"GET {ENDPOINT}?action=getBalance&api_key=k HTTP/1.1\r\nHost: a\r\n".encode()
POST = f"POST {ENDPOINT}?action=getBalance&api_key=k HTTP/1.1\r\nHost: a\r\n".encode()


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen
    log_path: Path

    @property
    def address(self):
        return "127.0.0.1", int(self.url.rsplit(":")[-1])

    @property
    def log(self):
        return self.log_path.read_text()

    @property
    def rss(self):
        """Resident bytes of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def wire(self):
        wire = socket.create_connection(self.address, PATIENCE)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return wire

    def ask(self, query):
        return self.get(f"{ENDPOINT}?api_key=k&{query}").text

    def get(self, path):
        # Without `verify` it would read all certificates of the machine, each time.
        return httpx.get(f"{self.url}{path}", timeout=PATIENCE, verify=False)

    def slow(self, seconds):
        """The next time that somebody's balance is read."""
        self.steer("faults", {"kind": "slow", "call": "balance", "seconds": seconds})

    def steer(self, path, body):
        answer = httpx.post(f"{self.url}/sandbox/{path}", json=body, timeout=PATIENCE, verify=False)
        assert answer.status_code == 200, answer.text


@contextmanager
def a_server(
    kind, folder, *, descriptors=None, tls=(None, None), timeout=12, environ=None, **settings
):
    """`settings` are for server.run, `environ` for the configuration."""
    said = {"without": KINDS[kind], "descriptors": descriptors, "tls": tls, "settings": settings}
    log = folder / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", SERVER, json.dumps(said)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, **NOTHING_LEFT, "PROXY_UPSTREAM_TIMEOUT": str(timeout)}
            | (environ or {}),
        ) as process,
    ):
        try:
            url = process.stdout.readline().strip()
            assert url, log.read_text()
            yield Server(url, process, log)
        finally:
            process.kill()


def heard(wire):
    """All that comes until the end."""
    said = b""
    with suppress(ConnectionResetError):
        while more := wire.recv(65536):
            said += more
    return said


def answer(wire):
    """One answer, whose connection goes on."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = wire.recv(1)
        assert byte, head
        head += byte
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return wire.recv(length, socket.MSG_WAITALL) if length else b""
