"""Requests at random: `python -m tests.fuzz --requests 20000 --seed 1`.

Half are HTTP with odd contents, half are broken somewhere. Each whole one gets a legal answer, none
makes a traceback, and another client is answered meanwhile. Loopback only.
"""

import json
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_from_bytes

import click

from proxy.endpoint.actions import ACTIONS
from proxy.legacy.dialects import DIALECTS
from proxy.legacy.dialects.dialect import Word
from tests.support.judge import FIELDS, WORDS
from tests.support.server import ENDPOINT, Server, a_server

PATHS = [
    *(ENDPOINT, "/handler_api.php", f"/{ENDPOINT}/", f"/daisysms{ENDPOINT}", f"/herosms{ENDPOINT}"),
    *("/", "/livez", "/readyz", "/metrics", "/console", "/console/api/v1/try", "/nothing"),
    *("/console/api/v1/stream", "/console/api/v1/activations/1", "/webhooks/virtualsms"),
    *("/sandbox", "/sandbox/switches", "/sandbox/sms", "/sandbox/faults", "/sandbox/orders"),
    *("/api/v1/customer/purchase", "/api/v1/customer/orders", "/api/v1/customer/order/1"),
]
# What goes on for ever, or would make the sandbox fail as it was told to.
STEERS = ("/console/api/v1/stream", "/sandbox/switches", "/sandbox/faults")
NAMES = (
    *("api_key", "action", "id", "status", "service", "country", "maxPrice", "minPrice", "orderId"),
    *("text", "start", "end", "offset", "limit", "operator", "x", "forward", "activationType"),
)
VALUES = (
    *(b"k", b"wa", b"tg", b"16", b"187", b"8", b"-1", b"0.5", b"1e309", b"nan", b"0x10", b"", b"%"),
    *(b"\x00", b"\xff\xfe", "١٦".encode(), "💥".encode(), b"9" * 400, b"a" * 5000, b"a\r\nb: c"),
)
HEADERS = (
    *(b"Content-Type: multipart/form-data; boundary=x", b"Content-Type: application/json"),
    *(b"Content-Type: " + b";" * 2000, b'Cookie: a="' + b"\\" * 2000, b"Origin: http://["),
    *(b"Authorization: ApiKey k", b"Authorization: Bearer x", b"Host: hero-sms.com", b"Host: [::"),
    *(
        b"Upgrade: h2c\r\nConnection: upgrade",
        b"Expect: 100-continue",
        b"X: \xff\xfe",
        b"X-Console: 1",
    ),
    *(b"Sec-Fetch-Site: cross-site", b"Content-Encoding: gzip", b"Accept-Encoding: *", b"Range: a"),
)
BODIES = (
    *(b"", b"{", b"[" * 20_000, b"{}", b"null", b'{"a":' * 5000, b"--x\r\n" * 5000, b"\x00" * 100),
    *(b"--x\r\nContent-Disposition: form-data; name=" + b'"' * 20_000, b"a=&" * 15_000),
    *(b'{"seconds":1e308}', b'{"parameters":{"action":"getBalance"}}', b'{"text":"\\ud800"}'),
)
TOKEN = "a-token-of-the-console"
STATUSES = {200, 204, 400, 401, 403, 404, 405, 408, 413, 415, 422}
LONGEST = 10.0
"""Seconds from the last byte to the answer on the busiest machine; two on an idle one."""


@dataclass(slots=True)
class Found:
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    illegal: list[str] = field(default_factory=list)
    slowest: float = 0.0
    grown: int = 0
    log: str = ""

    @property
    def wrong(self) -> list[str]:
        found = list(self.illegal)
        if "Traceback" in self.log:
            found.append(self.log[self.log.index("Traceback") :][:2000])
        return found

    def __str__(self) -> str:
        counts = ", ".join(f"{status}: {n}" for status, n in sorted(self.statuses.items()))
        return (
            f"{self.requests} requests; answers {counts}\n"
            f"slowest {self.slowest * 1000:.0f} ms; memory +{self.grown / 2**20:.1f} MiB; "
            f"{len(self.log.splitlines())} lines in the log\n"
            f"{self.log.count('Traceback')} tracebacks, {len(self.illegal)} illegal answers"
        )


def fuzz(requests: int, seed: int, folder: Path, kind: str = "fast") -> Found:
    draw, found = random.Random(seed), Found()
    # Broken requests leave halves behind, and a purchase may have to wait for its turn.
    limits = {"head_seconds": 2.0, "body_seconds": 2.0}
    environ = {"PROXY_UPSTREAM_REQUESTS_PER_MINUTE": "1000000", "PROXY_CONSOLE_TOKEN": TOKEN}
    with a_server(kind, folder, timeout=1.5, environ=environ, **limits) as server:
        server.steer("switches", {"requests_per_minute": 0})
        server.ask("action=getBalance")
        before = server.rss
        for _ in range(requests):
            found.requests += 1
            if draw.random() < 0.5:
                _whole(draw, server, found)
            else:
                _broken(draw, server)
        found.grown, found.log = server.rss - before, server.log
        if server.ask("action=getBalance")[:14] != "ACCESS_BALANCE":
            found.illegal.append("it answers no more")
    return found


def _whole(draw: random.Random, server: Server, found: Found) -> None:
    path, request = _request(draw)
    begun = time.monotonic()
    status, kind, body = _asked(server, request)
    found.slowest = max(found.slowest, time.monotonic() - begun)
    found.statuses[status] += 1
    if not _is_legal(path, status, kind, body):
        found.illegal.append(f"{status} {kind} {body[:200]!r} to {request[:300]!r}")


def _broken(draw: random.Random, server: Server) -> None:
    """Cut off, or with some bytes changed; nobody waits for its answer."""
    _, request = _request(draw)
    raw = bytearray(request)
    for _ in range(draw.randrange(4)):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    if draw.random() < 0.5:
        raw = raw[: draw.randrange(len(raw))]
    with server.wire() as wire, suppress(ConnectionError):
        wire.sendall(raw)
        wire.settimeout(0.005)
        with suppress(TimeoutError):
            wire.recv(100)


def _request(draw: random.Random) -> tuple[str, bytes]:
    path = draw.choice(PATHS)
    method = draw.choice(("GET", "GET", "POST", "POST", "HEAD", "PUT", "OPTIONS", "DELETE"))
    if path.endswith("stream") or (path in STEERS and method != "GET"):
        path = ENDPOINT
    query = _query(draw) if draw.random() < 0.8 else ""
    headers = draw.sample(HEADERS, draw.randrange(4))
    if not any(header.startswith(b"Host") for header in headers):
        headers.append(b"Host: localhost")
    body = draw.choice(BODIES) if draw.random() < 0.5 else _query(draw).encode()
    if method in ("GET", "HEAD"):
        body = draw.choice((b"", b"", body))
    if path.startswith("/console") and draw.random() < 0.99:
        # A stranger waits two seconds for each refusal.
        headers.append(f"Authorization: Bearer {TOKEN}".encode())
    headers.append(b"Content-Length: %d" % len(body))
    head = b"\r\n".join([f"{method} {path}?{query} HTTP/1.1".encode(), *headers, b"", b""])
    return path, head + body


def _query(draw: random.Random) -> str:
    pairs = [
        (draw.choice(NAMES), quote_from_bytes(draw.choice(VALUES)))
        for _ in range(draw.randrange(6))
    ]
    if draw.random() < 0.8:
        pairs += [("api_key", "k"), ("action", draw.choice([*ACTIONS, "nope"]))]
    return "&".join(f"{name}={value}" for name, value in pairs)


def _asked(server: Server, request: bytes) -> tuple[int, str, bytes]:
    """Status, content type and body; status 0 where no answer came."""
    with server.wire() as wire, suppress(ConnectionError, TimeoutError):
        wire.sendall(request)
        wire.settimeout(LONGEST)
        said = b""
        while (answer := _read(said, request.startswith(b"HEAD"))) is None:
            more = wire.recv(65_536)
            if not more:
                break
            said += more
        return answer or (0, "", said)
    return 0, "", b""


def _read(said: bytes, is_head: bool) -> tuple[int, str, bytes] | None:
    """The answer, once it is whole."""
    head, end, body = said.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    if not end:
        return None
    lines = head.lower()
    length = re.search(rb"content-length: (\d+)", lines)
    status = int(head[9:12])
    wanted = int(length[1]) if length and not is_head and status != 204 else 0
    kind = re.search(rb"content-type: ([^;\r]*)", lines)
    return (status, kind[1].decode() if kind else "", body) if len(body) >= wanted else None


def _is_legal(path: str, status: int, kind: str, body: bytes) -> bool:
    if "handler_api" not in path:
        # 503: a stream of the console while too many are open; 502: none of ours.
        return status in STATUSES
    dialect = "herosms" if "herosms" in path else "daisysms" if "daisysms" in path else ""
    return any(is_legal(status, kind, body) for is_legal in _judges(dialect))


def _judges(dialect: str) -> Iterator[Callable[[int, str, bytes], bool]]:
    """Without a path of its own the Host may have picked any."""
    names = [dialect] if dialect else list(DIALECTS)
    for name in names:
        statuses, words = _vocabulary(name)

        def is_legal(
            status: int,
            kind: str,
            body: bytes,
            statuses: frozenset[int] = statuses,
            words: frozenset[str] = words,
        ) -> bool:
            if status == 413 or not body:
                return status in statuses | {413}
            if kind == "application/json":
                return status in statuses and isinstance(json.loads(body), dict | list)
            text = body.decode()
            return status in statuses and (
                text in words or any(re.fullmatch(form, text) for form in FIELDS)
            )

        yield is_legal


def _vocabulary(name: str) -> tuple[frozenset[int], frozenset[str]]:
    dialect = DIALECTS[name]
    said = [
        *dialect.words.values(),
        *(word for words in dialect.words_of.values() for word in words.values()),
        *dialect.refused.values(),
    ]
    texts = {word.text if isinstance(word, Word) else word for word in said}
    statuses = {word.status for word in said if isinstance(word, Word)}
    if statuses:
        # HeroSMS says that as plain text where sms-activate has JSON.
        texts.add("OPERATORS_NOT_FOUND")
    # 204 is herosms' own for a finished activation.
    return frozenset({200, *statuses} | ({204} if statuses else set())), frozenset(texts | WORDS)


@click.command()
@click.option("--requests", default=20_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--kind", type=click.Choice(["fast", "plain"]), default="fast", show_default=True)
def main(requests: int, seed: int, kind: str) -> None:
    """Send requests at random to a proxy of its own; exit 1 where one was answered illegally."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = fuzz(requests, seed, folder, kind)
    click.echo(str(found))
    for wrong in found.wrong[:20]:
        click.echo(wrong)
    if found.wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
