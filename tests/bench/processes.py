"""The processes of a bench: each is started, measured and ended by its own handle."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.running import Upstream, until

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    pid: int

    @property
    def cpu_seconds(self) -> float:
        """User and system time since its start."""
        # The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss(self) -> int:
        """Resident memory in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) * 1024


@contextmanager
def a_proxy(
    folder: Path, upstream: Upstream, code: Path = ROOT, **settings: object
) -> Iterator[Server]:
    """The proxy on the store of that folder; a setting is UPSTREAM_PUSH=True, and so on.

    `code` is the checkout that it runs from.
    """
    environ = {
        "STORE_URL": f"sqlite:///{folder / 'store.db'}",
        "UPSTREAM_URL": f"{upstream.url}/api/v1",
        "UPSTREAM_WEBSOCKET_URL": f"{upstream.url.replace('http', 'ws', 1)}/ws/orders",
        **settings,
    }
    named = {f"PROXY_{name}": _written(value) for name, value in environ.items()}
    arguments = ("serve", "--port", "0")
    log = folder / "proxy.log"
    with _started("proxy", *arguments, log=log, code=code, **named) as server:
        yield server


@contextmanager
def a_plain_translator(
    folder: Path, upstream: Upstream, store: Path | None = None
) -> Iterator[Server]:
    """With `store` it writes two rows for each purchase there."""
    arguments = ["--port", "0", "--upstream", upstream.url]
    arguments += ["--store", str(store)] if store else []
    with _started("tests.bench.plain", *arguments, log=folder / "plain.log") as server:
        yield server


@contextmanager
def a_bare_server(folder: Path, kind: str) -> Iterator[Server]:
    with _started("tests.bench.bare", kind, log=folder / "bare.log") as server:
        yield server


NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; default_type text/plain; return 200 STATUS_WAIT_CODE; }}
}}
"""


@contextmanager
def an_nginx(folder: Path) -> Iterator[Server]:
    """One process, with one fixed answer."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    written = folder / "nginx.conf"
    written.write_text(NGINX.format(folder=folder, port=port))
    with subprocess.Popen(["nginx", "-p", folder, "-c", written]) as process:
        try:
            assert until(lambda: is_open(port), STOP_SECONDS), "nginx did not start"
            yield Server(f"http://127.0.0.1:{port}", process.pid)
        finally:
            _end(process)


def is_open(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextmanager
def _started(
    module: str, *arguments: str, log: Path, code: Path = ROOT, **environ: str
) -> Iterator[Server]:
    with (
        log.open("a") as errors,
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=code,
            env={**os.environ, "PYTHONPATH": str(code), **environ},
        ) as process,
    ):
        try:
            found = re.search(r"http://[^/\s]+:\d+", process.stdout.readline())
            assert found, f"{module} did not start: {log.read_text()[-500:]}"
            yield Server(found[0], process.pid)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[Any]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
