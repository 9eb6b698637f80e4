"""The connections to the upstream: what a server does on the wire, and what the caller learns."""

import asyncio
import re
import ssl
import subprocess
from contextlib import asynccontextmanager

import httpx
import pytest
import uvloop

from proxy.model.errors import HttpError, NotSentError, TooLongError
from proxy.upstream.http import POOL, Http
from proxy.upstream.http_connection import MOST_BETWEEN

MOST = 100_000
PATIENCE = 30
"""Seconds in which a machine of any load answers."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def in_loop(request):
    """Runs a coroutine in a loop of this kind."""

    def run(main):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(main)

    return run


class Server:
    """Sends `answers` in turn, the last again and again; `None` closes the connection instead."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.connections = 0
        self.open = set()
        self.tasks = set()
        self.news = asyncio.Event()

    async def has(self, count):
        """Waits for so many requests."""
        while len(self.requests) < count:
            self.news.clear()
            await self.news.wait()

    async def talk(self, reader, writer):
        self.connections += 1
        self.open.add(writer)
        self.tasks.add(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.requests.append((head, body))
                self.news.set()
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                for part in answer or ():
                    if part is None:
                        return
                    if isinstance(part, asyncio.Event):
                        await part.wait()
                    else:
                        writer.write(part)
                        await writer.drain()
                if answer is None:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            self.tasks.discard(asyncio.current_task())
            writer.close()


@asynccontextmanager
async def serving(*answers, patience=PATIENCE, **options):
    """A client of a server that answers so, and the server."""
    server = Server(*answers)
    listener = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    http = Http(server.url, patience, MOST, **options)
    try:
        yield http, server
    finally:
        await http.close()
        listener.close()
        for task in list(server.tasks):
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)


async def asked(http, count=1, **content):
    replies = [await http.request("POST", "/buy", {"X-API-Key": "k"}, **content)]
    for _ in range(count - 1):
        replies.append(await http.request("POST", "/buy", {"X-API-Key": "k"}, **content))
    return [(reply.status, reply.content) for reply in replies]


WHOLE = {
    "a length": ([OK], b"ok"),
    "a length, byte by byte": ([bytes([byte]) for byte in OK], b"ok"),
    "chunks": ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"], b"ok"),
    "chunks with trailers": (
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nA: b\r\n\r\n"],
        b"ok",
    ),
    "no body": ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
    "an empty body": ([HEAD + b"Content-Length: 0\r\n\r\n"], b""),
    "interim answers before": (
        [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", OK],
        b"ok",
    ),
    "a long body": ([HEAD + b"Content-Length: 90000\r\n\r\n", b"a" * 90_000], b"a" * 90_000),
}


@pytest.mark.parametrize("how", WHOLE)
def test_a_whole_answer_is_read_and_its_connection_is_used_again(in_loop, how):
    parts, body = WHOLE[how]

    async def run():
        async with serving(parts) as (http, server):
            replies = await asked(http, 3, json={"service": "tg"})
            return replies, server

    replies, server = in_loop(run())
    assert [content for _, content in replies] == [body] * 3
    assert server.connections == 1
    assert {request[1] for request in server.requests} == {b'{"service":"tg"}'}
    assert b"\r\nx-api-key: k\r\n" in server.requests[0][0].lower()


ENDS = {
    "it says so": [HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"],
    "of HTTP/1.0": [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    "the body ends by it": [HEAD + b"\r\nok", None],
    "more came than was asked for": [OK + OK],
    "garbage came behind": [OK + b"garbage"],
}


@pytest.mark.parametrize("how", ENDS)
def test_a_connection_is_not_used_again_where(in_loop, how):
    async def run():
        async with serving(ENDS[how]) as (http, server):
            return await asked(http, 3), server.connections

    assert in_loop(run()) == ([(200, b"ok")] * 3, 3)


BROKEN = {
    "no answer": [None],
    "half a head": [b"HTTP/1.1 200 OK\r\nContent-Le", None],
    "half a body": [HEAD + b"Content-Length: 10\r\n\r\nhalf", None],
    "half a chunk": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nha", None],
    "chunks without an end": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", None],
    "only an interim answer": [b"HTTP/1.1 100 Continue\r\n\r\n", None],
    "no HTTP": [b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"],
    "two lengths": [HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"],
    "a length and chunks": [
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    ],
    "another protocol": [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    ],
    "an endless head": [HEAD, *[b"A: " + b"b" * 8000 + b"\r\n"] * (MOST_BETWEEN // 8000 * 3)],
    "an endless header": [HEAD + b"A: ", *[b"b" * 8000] * (MOST_BETWEEN // 8000 * 3)],
    "endless interim answers": [b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000],
    "endless trailers": [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        *[b"A: " + b"b" * 8000 + b"\r\n"] * (MOST_BETWEEN // 8000 * 3),
    ],
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_no_whole_answer_is_an_error_of_a_request_that_was_sent(in_loop, how):
    async def run():
        async with serving(BROKEN[how], [OK]) as (http, server):
            with pytest.raises(HttpError) as error:
                await asked(http)
            return error.value, await asked(http), server

    error, later, server = in_loop(run())
    assert not isinstance(error, NotSentError)
    assert len(server.requests) == 2, "it was sent again"
    assert later == [(200, b"ok")]


def test_a_body_without_end_is_not_read_to_its_end(in_loop):
    async def run():
        endless = [HEAD + b"\r\n", *[b"a" * 8000] * 100_000]
        async with serving(endless) as (http, _):
            with pytest.raises(TooLongError):
                await asked(http)

    in_loop(run())


@pytest.mark.parametrize("begin", [b"", HEAD, HEAD + b"Content-Length: 2\r\n\r\no"])
def test_a_server_that_falls_silent_is_given_up_after_the_time_out(in_loop, begin):
    async def run():
        async with serving([begin, asyncio.Event()], patience=0.05) as (http, _):
            with pytest.raises(HttpError, match="ReadTimeout") as error:
                await asked(http)
            return error.value

    assert not isinstance(in_loop(run()), NotSentError)


def test_nothing_is_sent_on_a_connection_that_the_server_has_closed(in_loop):
    async def run():
        async with serving([OK]) as (http, server):
            await asked(http)
            closed = next(iter(server.open))
            closed.close()
            await closed.wait_closed()
            # The end of the connection may not have come through the event loop yet.
            return await asked(http), server.connections

    assert in_loop(run()) == ([(200, b"ok")], 2)


def test_nothing_was_sent_where_nobody_listens(in_loop):
    async def run():
        http = Http("http://127.0.0.1:9", PATIENCE, MOST)
        calls = []
        try:
            with pytest.raises(NotSentError, match="ConnectError"):
                await http.request("POST", "/", {}, sending=lambda: calls.append(1))
        finally:
            await http.close()
        return calls

    assert in_loop(run()) == []


def test_nothing_was_sent_where_the_name_is_unknown(in_loop):
    async def run():
        http = Http("http://nowhere.invalid", PATIENCE, MOST)
        try:
            with pytest.raises(NotSentError, match="ConnectError"):
                await http.request("POST", "/", {})
        finally:
            await http.close()

    in_loop(run())


UNFIT = [{"X-A": "b\r\nX-C: d"}, {"X-A": "b\nc"}, {"X-A": "b\x00"}, {"X\r\nA": "b"}, {"X A": "b"}]


@pytest.mark.parametrize("headers", UNFIT, ids=repr)
def test_a_header_that_could_begin_another_line_is_not_sent(in_loop, headers):
    async def run():
        async with serving([OK]) as (http, server):
            with pytest.raises(NotSentError, match="LocalProtocolError"):
                await http.request("POST", "/", headers)
            return server.requests

    assert in_loop(run()) == []


def test_sending_is_called_before_the_first_byte_goes_out(in_loop):
    async def run():
        async with serving([OK]) as (http, server):
            seen = []
            await http.request("GET", "/", {}, sending=lambda: seen.append(len(server.requests)))
            return seen

    assert in_loop(run()) == [0]


def test_more_requests_than_the_pool_is_large_wait_for_their_turn(in_loop):
    async def run():
        hold = asyncio.Event()
        async with serving([hold, OK]) as (http, server):
            calls = [asyncio.create_task(asked(http)) for _ in range(POOL + 5)]
            await server.has(POOL)
            hold.set()
            return await asyncio.gather(*calls), server.connections

    replies, connections = in_loop(run())
    assert replies == [[(200, b"ok")]] * (POOL + 5)
    assert connections == POOL


def test_a_request_that_finds_no_free_connection_in_time_was_not_sent(in_loop):
    async def run():
        async with serving([asyncio.Event()], patience=0.2, read=PATIENCE) as (http, server):
            calls = [asyncio.create_task(asked(http)) for _ in range(POOL)]
            await server.has(POOL)
            with pytest.raises(NotSentError, match="PoolTimeout"):
                await asked(http)
            for call in calls:
                call.cancel()
            return await asyncio.gather(*calls, return_exceptions=True)

    assert {type(result) for result in in_loop(run())} == {asyncio.CancelledError}


def test_a_cancelled_request_gives_its_place_back_and_its_connection_is_closed(in_loop):
    async def run():
        async with serving(*[[asyncio.Event()]] * POOL, [OK]) as (http, server):
            calls = [asyncio.create_task(asked(http)) for _ in range(POOL)]
            await server.has(POOL)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            return await asked(http, 2), server.connections

    assert in_loop(run()) == ([(200, b"ok")] * 2, POOL + 1)


def test_an_idle_connection_to_one_server_makes_room_for_another(in_loop):
    async def run():
        async with serving([OK]) as (http, first), serving([OK]) as (_, second):
            await asyncio.gather(*(asked(http) for _ in range(POOL)))
            for _ in range(3):
                await http.request("GET", second.url, {})
            return first.connections, second.connections

    assert in_loop(run()) == (POOL, 1)


def certificate(folder):
    """A self-signed certificate for 127.0.0.1, and its key."""
    pair = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=a -addext"
    subprocess.run(
        [*command.split(), "subjectAltName=IP:127.0.0.1", "-out", pair[0], "-keyout", pair[1]],
        check=True,
        capture_output=True,
    )
    return pair


@pytest.mark.parametrize("trusts", [True, False])
def test_a_key_goes_only_to_a_server_whose_certificate_is_trusted(in_loop, tmp_path, trusts):
    cert, key = certificate(tmp_path)
    server = Server([OK])

    async def run():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        listener = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=context)
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        trusted = httpx.create_ssl_context(ssl.create_default_context(cafile=cert))
        http = Http(url, PATIENCE, MOST, verify=trusted if trusts else True)
        try:
            return await asked(http, 2)
        finally:
            await http.close()
            listener.close()

    if trusts:
        assert in_loop(run()) == [(200, b"ok")] * 2
        assert server.connections == 1
    else:
        with pytest.raises(NotSentError, match="CERTIFICATE_VERIFY_FAILED"):
            in_loop(run())
        assert not server.requests
