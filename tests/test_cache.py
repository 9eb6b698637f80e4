"""What is remembered of the upstream's answers."""

import asyncio

import pytest

from proxy.errors import Problem, ProblemError
from proxy.upstream.cache import Cache

pytestmark = pytest.mark.anyio


class Source:
    """Answers 1, 2, 3 …, a second late; or fails."""

    def __init__(self):
        self.reads = 0
        self.problem = None

    async def read(self):
        self.reads += 1
        value = self.reads
        await asyncio.sleep(1)
        if self.problem:
            raise ProblemError(self.problem)
        return value


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def cache():
    return Cache(ttl=60, size=2)


async def test_an_answer_is_fresh_for_its_time(cache, source):
    said = []
    for pause in (0, 30, 29, 1):
        await asyncio.sleep(pause)
        read = await cache.get("k", source.read)
        said.append((read.value, read.how))
    assert said == [(1, "MISS"), (1, "HIT"), (1, "HIT"), (2, "MISS")]


async def test_all_who_ask_at_once_share_one_read(cache, source):
    reads = await asyncio.gather(*(cache.get("k", source.read) for _ in range(50)))
    assert {read.value for read in reads} == {1}
    assert source.reads == 1


async def test_one_who_gives_up_does_not_end_the_read_of_the_others(cache, source):
    hasty = asyncio.create_task(cache.get("k", source.read))
    patient = asyncio.create_task(cache.get("k", source.read))
    await asyncio.sleep(0.5)
    hasty.cancel()
    assert (await patient).value == 1
    assert source.reads == 1


async def test_where_the_upstream_fails_the_old_answer_stands(cache, source):
    await cache.get("k", source.read)
    source.problem = Problem.UNCLEAR
    await asyncio.sleep(61)
    read = await cache.get("k", source.read)
    assert (read.value, read.how) == (1, "STALE")


async def test_where_the_upstream_says_no_that_is_said(cache, source):
    await cache.get("k", source.read)
    source.problem = Problem.BAD_KEY
    await asyncio.sleep(61)
    with pytest.raises(ProblemError):
        await cache.get("k", source.read)


async def test_a_no_to_one_who_asked_is_no_answer_to_the_others(cache, source):
    refused = Source()
    refused.problem = Problem.BAD_KEY
    wrong = asyncio.create_task(cache.get("k", refused.read))
    await asyncio.sleep(0.5)
    assert (await cache.get("k", source.read)).value == 1
    with pytest.raises(ProblemError):
        await wrong


async def test_a_failure_is_not_remembered(cache, source):
    source.problem = Problem.UNCLEAR
    for _ in range(2):
        with pytest.raises(ProblemError):
            await cache.get("k", source.read)
    assert source.reads == 2


async def test_a_read_that_began_before_a_drop_is_not_kept(cache, source):
    before = asyncio.create_task(cache.get("k", source.read))
    await asyncio.sleep(0.5)
    cache.drop("k")
    assert (await before).value == 1
    assert (await cache.get("k", source.read)).value == 2


async def test_it_keeps_so_many_answers_and_no_more(cache, source):
    for key in "abc":
        await cache.get(key, source.read)
    assert len(cache) == 2
    assert cache.peek("a") is None
