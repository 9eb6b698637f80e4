"""The pressure: keep-alive requests as fast as a server answers, by wrk or by plain sockets."""

import asyncio
import itertools
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

CONNECTIONS = 16
HOST = "bench.example"

# wrk asks for each path in turn; the requests are made before the clock runs.
LUA = """
local requests, at = {}, 0
init = function()
  for line in io.lines("%s") do requests[#requests + 1] = wrk.format("GET", line) end
end
request = function()
  at = at %% #requests + 1
  return requests[at]
end
"""


class Wire:
    """One keep-alive connection. Little work for the client, which shares the server's cores."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def ask(self, request: bytes) -> bytes:
        """The body. AssertionError where the status is not 200."""
        self.writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"(?i)content-length: (\d+)", head)
        body = await self._reader.readexactly(int(found[1]) if found else 0)
        assert head.startswith(b"HTTP/1.1 200 "), head + body
        return body


@asynccontextmanager
async def a_wire(url: str) -> AsyncIterator[Wire]:
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def answer(url: str, path: str) -> str:
    async def asked() -> bytes:
        async with a_wire(url) as wire:
            return await wire.ask(get(path))

    return asyncio.run(asked()).decode()


def press(url: str, paths: Sequence[str], seconds: float) -> int:
    """How many requests were answered in that time, on 16 connections."""
    # It knows whole seconds only.
    if seconds >= 1 and shutil.which("wrk"):
        return _by_wrk(url, paths, seconds)
    return asyncio.run(_by_sockets(url, paths, seconds))


def _by_wrk(url: str, paths: Sequence[str], seconds: float) -> int:
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{round(seconds)}s", "-H", f"Host: {HOST}"]
    with tempfile.TemporaryDirectory() as folder:
        if len(paths) > 1:
            lines, script = Path(folder, "paths"), Path(folder, "paths.lua")
            lines.write_text("\n".join(paths))
            script.write_text(LUA % lines)
            options += ["-s", str(script)]
        said = subprocess.run(
            ["wrk", *options, f"{url}{paths[0]}"], capture_output=True, text=True, check=True
        ).stdout
    found = re.search(r"(\d+) requests in", said)
    assert found and "Non-2xx" not in said and "Socket errors" not in said, said
    return int(found[1])


async def _by_sockets(url: str, paths: Sequence[str], seconds: float) -> int:
    turns = itertools.cycle([get(path) for path in paths])
    end = time.monotonic() + seconds

    async def run() -> int:
        count = 0
        async with a_wire(url) as wire:
            while time.monotonic() < end:
                await wire.ask(next(turns))
                count += 1
        return count

    return sum(await asyncio.gather(*(run() for _ in range(CONNECTIONS))))
