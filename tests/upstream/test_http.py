"""Bodies of upstream answers: plain or gzip, up to their limit and no further."""

import gzip
import tracemalloc
import zlib

import httpx
import pytest

from proxy.model.errors import EncodedError, TooLongError
from proxy.upstream.http import Http

pytestmark = pytest.mark.anyio
MOST = 10_000


class Parts(httpx.AsyncByteStream):
    """As a network gives them."""

    def __init__(self, body, size):
        self._parts = [body[at : at + size] for at in range(0, len(body), size)]

    async def __aiter__(self):
        for part in self._parts:
            yield part


async def fetched(body, coding=None, size=1000, **options):
    requests = []

    def serve(request):
        requests.append(request)
        headers = {} if coding is None else {"Content-Encoding": coding}
        return httpx.Response(200, headers=headers, stream=Parts(body, size))

    http = Http("http://a", 5, MOST, transport=httpx.MockTransport(serve), **options)
    try:
        reply = await http.request("GET", "/", {})
    finally:
        await http.close()
    return reply.content, requests[0].headers["Accept-Encoding"]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("coding", [None, "", "identity", "gzip", "GZIP", "x-gzip"])
async def test_plain_and_gzip_are_read(coding, size):
    plain = b"a" * MOST
    body = gzip.compress(plain) if "gzip" in (coding or "").lower() else plain
    assert await fetched(body, coding, size) == (plain, "gzip")


async def test_an_empty_body_may_call_itself_gzip():
    assert (await fetched(b"", "gzip"))[0] == b""


NO_ANSWERS = {
    "too long": (b"a" * (MOST + 1), None, TooLongError),
    "too long when inflated": (gzip.compress(b"a" * (MOST + 1)), "gzip", TooLongError),
    "too long behind its end": (gzip.compress(b"a" * MOST) + b"x" * MOST, "gzip", TooLongError),
    "twice": (gzip.compress(gzip.compress(b"a")), "gzip, gzip", EncodedError),
    "two codings": (gzip.compress(b"a"), "gzip,identity", EncodedError),
    "deflate": (zlib.compress(b"a"), "deflate", EncodedError),
    "br": (b"a", "br", EncodedError),
    "zstd": (b"a", "zstd", EncodedError),
    "not what it says": (b"no gzip", "gzip", EncodedError),
    "cut off": (gzip.compress(b"a" * 100)[:-9], "gzip", EncodedError),
}


@pytest.mark.parametrize("what", NO_ANSWERS)
async def test_what_is_too_long_or_not_what_it_says_is_no_answer(what):
    body, coding, error = NO_ANSWERS[what]
    with pytest.raises(error):
        await fetched(body, coding)


async def test_a_body_that_inflates_without_end_takes_no_memory():
    bomb = gzip.compress(b"\x00" * 100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(TooLongError):
            await fetched(bomb, "gzip", size=100_000)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(bomb) + 10 * MOST
    finally:
        tracemalloc.stop()


async def test_of_an_answer_whose_body_is_of_no_use_nothing_is_inflated():
    bomb = gzip.compress(b"\x00" * 1_000_000)
    assert await fetched(bomb, "gzip", inflates=False) == (bomb, "identity")
