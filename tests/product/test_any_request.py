"""Whatever a client sends, it gets a legal answer, and no key reaches the log."""

import asyncio
import logging
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.endpoint.actions import ACTIONS
from tests.conftest import START, FakeTimeLoop
from tests.support.examples import examples
from tests.support.judge import WORDS, judge
from tests.support.world import PATH, a_world

NAMES = (
    *("id", "status", "service", "country", "maxPrice", "minPrice", "activationType", "text"),
    *("start", "end", "offset", "limit", "length", "page", "x", "\xff"),
)


values = st.one_of(
    st.text(max_size=30),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["wa", "16", "8", "-1", "0.5", "\x00", "A" * 5000, "%00", "💥", "١٦"]),
)


@pytest.fixture
def loop():
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        yield runner


def test_whatever_a_client_sends_it_gets_a_legal_answer(loop, caplog):
    caplog.set_level(logging.DEBUG)
    stack = AsyncExitStack()
    clock = lambda: START + loop.get_loop().time()  # noqa: E731
    world = loop.run(stack.enter_async_context(a_world(clock)))

    @settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        action=st.sampled_from([*ACTIONS, "", "nope"]),
        parameters=st.dictionaries(st.sampled_from(NAMES), values),
    )
    def ask(action, parameters):
        data = {"api_key": "planted-secret", "action": action, **parameters}
        answer = loop.run(world.client.post(PATH, data=data))
        judge(action, answer)

    ask()
    loop.run(stack.aclose())
    assert "planted-secret" not in caplog.text
    assert "a bug;" not in caplog.text


@pytest.mark.parametrize(
    "query",
    [
        b"\x00\xff\xfe",
        b"%",
        b"%%%=%zz&=&&==",
        b"action=getBalance&api_key=" + b"k" * 60_000,
        b"a=1&" * 10_000,
        b"api_key=k&action=getBalance\xff",
        b"api_key=k&action=" + "getBalance\u0000".encode(),
    ],
)
def test_a_query_of_odd_bytes_gets_a_legal_answer(loop, query):
    async def answered():
        async with a_world(lambda: START) as world:
            sent = []
            scope = {"type": "http", "method": "GET", "path": PATH, "query_string": query,
                     "headers": [], "root_path": ""}  # fmt: skip
            await world.app(scope, never, lambda message: collect(sent, message))
            return sent

    async def never():
        await asyncio.Event().wait()

    async def collect(sent, message):
        sent.append(message)

    start, body = loop.run(answered())
    assert start["status"] == 200
    assert body["body"].decode() in WORDS
