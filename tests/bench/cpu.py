"""The CPU bench: what a question costs the server, beside servers that do less, or nothing, for it.

User and system time of the server's process for each keep-alive request, 16 connections, the same
request line and headers for all. The plain translator asks the sandbox each time. The proxy answers
from memory; reading the order list and the balance anew from time to time is part of its figures.
"""

import asyncio
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.load import KEY, bought
from tests.bench.marks import Mark, interleaved, ratio
from tests.bench.pressure import answer, press
from tests.bench.processes import Server, a_bare_server, a_plain_translator, a_proxy, an_nginx
from tests.support import postgres
from tests.support.running import PATH, Upstream, an_upstream, until

BENCH = "cpu"
OURS_TO_STARLETTE = 1.0
OURS_TO_PARSED = 1.35

FIXED, PARSED, STARLETTE = "raw ASGI, fixed text", "raw ASGI, parse_qsl and dict", "bare Starlette"
PLAIN, NGINX = "plain translator, getStatus", "nginx, return 200"
WAITING, CODE = "ours, getStatus, waiting", "ours, getStatus, a code"
BALANCE, PRICES = "ours, getBalance", "ours, getPrices"
ON_POSTGRES = "ours, getStatus, waiting, on PostgreSQL"
OURS = (WAITING, CODE, BALANCE, PRICES)
POSTGRES_TO_SQLITE = 1.1


def per_request(server: Server, paths: list[str], seconds: float, _: int = 0) -> float:
    """CPU seconds of the server."""
    before = server.cpu_seconds
    count = press(server.url, paths, seconds)
    return (server.cpu_seconds - before) / count


def path(query: str, key: str = KEY) -> str:
    return f"{PATH}?api_key={key}&action={query}"


def cpu(seconds: float, rounds: int, folder: Path) -> list[Mark]:
    with ExitStack() as stack:
        asked = _asked(stack, folder)
        contestants = {
            name: partial(per_request, server, [path], seconds)
            for name, (server, path) in asked.items()
        }
        for server, path in asked.values():
            press(server.url, [path], min(seconds, 0.3))
        return _marks(interleaved(contestants, rounds))


def _asked(stack: ExitStack, folder: Path) -> Mapping[str, tuple[Server, str]]:
    """Each contestant: which server is asked for which path."""
    upstream = stack.enter_context(an_upstream(folder, hold=0))
    upstream.steer("switches", {"requests_per_minute": 0})
    ours = stack.enter_context(a_proxy(folder, upstream))
    questions = asked_of(ours, upstream)
    status = questions[WAITING]
    asked = {
        FIXED: (stack.enter_context(a_bare_server(folder, "fixed")), status),
        PARSED: (stack.enter_context(a_bare_server(folder, "parsed")), status),
        STARLETTE: (stack.enter_context(a_bare_server(folder, "starlette")), status),
        **{name: (ours, question) for name, question in questions.items()},
    }
    plain = stack.enter_context(a_plain_translator(folder, upstream))
    (held,) = asyncio.run(bought(plain.url, 1))
    asked[PLAIN] = (plain, path(f"getStatus&id={held.id}"))
    if postgres.programs():
        asked[ON_POSTGRES] = _on_postgres(stack, folder, upstream)
    if shutil.which("nginx"):
        asked[NGINX] = (stack.enter_context(an_nginx(folder)), status)
    return asked


def asked_of(ours: Server, upstream: Upstream, key: str = KEY) -> Mapping[str, str]:
    """What the proxy is asked for: a path for each name in OURS."""
    waiting, texted = asyncio.run(bought(ours.url, 2, key))
    upstream.steer("sms", {"phone": texted.phone, "text": "Your code is 123456"})
    code = path(f"getStatus&id={texted.id}", key)
    assert until(lambda: answer(ours.url, code) == "STATUS_OK:123456")
    return {
        WAITING: path(f"getStatus&id={waiting.id}", key),
        CODE: code,
        BALANCE: path("getBalance", key),
        PRICES: path("getPrices&service=wa", key),
    }


def _on_postgres(stack: ExitStack, folder: Path, upstream: Upstream) -> tuple[Server, str]:
    (folder / "replica").mkdir()
    server = stack.enter_context(postgres.a_server())
    settings = {"STORE_URL": server.url(), "STORE_SECRET": "the secret of the store"}
    ours = stack.enter_context(a_proxy(folder / "replica", upstream, **settings))
    (held,) = asyncio.run(bought(ours.url, 1))
    return ours, path(f"getStatus&id={held.id}")


def _marks(seen: Mapping[str, list[float]]) -> list[Mark]:
    marks = [Mark(BENCH, name, median(costs), "us") for name, costs in seen.items()]
    if ON_POSTGRES in seen:
        to_sqlite = ratio(seen[ON_POSTGRES], seen[WAITING])
        text = f"{ON_POSTGRES} / on SQLite"
        marks.append(Mark(BENCH, text, to_sqlite, "times", most=POSTGRES_TO_SQLITE))
    for name in OURS:
        to_starlette, to_parsed = (
            ratio(seen[name], seen[STARLETTE]),
            ratio(seen[name], seen[PARSED]),
        )
        is_poll = name in (WAITING, CODE)
        marks += [
            Mark(BENCH, f"{name} / {STARLETTE}", to_starlette, "times", most=OURS_TO_STARLETTE),
            Mark(BENCH, f"{name} / {PARSED}", to_parsed, "times", most=OURS_TO_PARSED),
        ]
        if is_poll:
            marks.append(Mark(BENCH, f"{name} / {PLAIN}", ratio(seen[name], seen[PLAIN]), "times"))
    return marks
