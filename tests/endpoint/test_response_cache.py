"""The answers that are remembered: never more than their bytes, and not for ever."""

import asyncio

import pytest
from prometheus_client import Counter

from proxy.endpoint.response_cache import ENTRY_BYTES, IDLE_SECONDS, MAX_QUERY, ResponseCache
from proxy.legacy.answers import Answer

pytestmark = pytest.mark.anyio
DIALECT = "sms-activate"
COUNTER = Counter("test_entrance", "Asked.")


def asked(query, method="GET"):
    return {"query_string": query, "method": method}


def standing(body=b"ok", stands=lambda: True):
    return Answer(body).valid_while(stands)


async def test_what_stands_is_answered_again_and_what_does_not_is_forgotten():
    repeats, stands = ResponseCache(), [True]
    repeats.put(DIALECT, asked(b"a"), standing(stands=lambda: stands[0]), COUNTER)
    assert repeats.get(DIALECT, asked(b"a")) and not repeats.get(DIALECT, asked(b"b"))
    assert not repeats.get(DIALECT, asked(b"a", "POST"))
    stands[0] = False
    assert not repeats.get(DIALECT, asked(b"a"))
    assert len(repeats) == 0


async def test_dialects_have_answers_of_their_own_in_one_cache():
    repeats = ResponseCache()
    repeats.put(DIALECT, asked(b"a"), standing(b"1"), COUNTER)
    assert not repeats.get("daisysms", asked(b"a"))
    repeats.put("daisysms", asked(b"a"), standing(b"2"), COUNTER)
    assert len(repeats) == 2
    assert repeats.get(DIALECT, asked(b"a")) is not repeats.get("daisysms", asked(b"a"))


@pytest.mark.parametrize(
    ("query", "answer", "method"),
    [
        (b"x" * (MAX_QUERY + 1), standing(), "GET"),
        (b"x", standing(), "POST"),
        (b"x", Answer(b"ok"), "GET"),
        (b"x", standing(b"b" * 100_000), "GET"),
    ],
)
async def test_what_is_long_or_does_not_stand_is_not_remembered(query, answer, method):
    repeats = ResponseCache(max_bytes=100_000)
    repeats.put(DIALECT, asked(query, method), answer, COUNTER)
    assert len(repeats) == 0


async def test_its_bytes_are_bounded_and_what_is_asked_again_outlives_the_rest():
    entry = ENTRY_BYTES + 10 + 100
    repeats = ResponseCache(max_bytes=100 * entry)
    for number in range(1000):
        repeats.put(DIALECT, asked(b"%010d" % number), standing(b"b" * 100), COUNTER)
        assert repeats.get(DIALECT, asked(b"%010d" % 0)), number
        assert len(repeats) <= 100
    assert len(repeats) >= 50


async def test_answers_that_are_replaced_do_not_count_twice():
    repeats = ResponseCache(max_bytes=4 * (ENTRY_BYTES + 2))
    repeats.put(DIALECT, asked(b"a"), standing(b"1"), COUNTER)
    for _ in range(10):
        repeats.put(DIALECT, asked(b"b"), standing(b"1"), COUNTER)
    assert repeats.get(DIALECT, asked(b"a"))


async def test_what_nobody_asks_any_more_leaves_by_itself():
    repeats = ResponseCache()
    repeats.put(DIALECT, asked(b"a"), standing(), COUNTER)
    repeats.put(DIALECT, asked(b"b"), standing(), COUNTER)
    for _ in range(6):
        await asyncio.sleep(IDLE_SECONDS / 2)
        assert repeats.get(DIALECT, asked(b"a"))
    assert len(repeats) == 1
    await asyncio.sleep(2 * IDLE_SECONDS)
    assert len(repeats) == 0
    # No timer goes on for nothing.
    assert not asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
