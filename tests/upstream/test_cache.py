"""What is remembered of the upstream's answers."""

import asyncio

import pytest

from proxy.model.errors import Problem, ProblemError
from proxy.upstream.cache import STALE_AFTER, Cache

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


# Who could have the old answer does not wait long for a new one.


async def aged(cache, source):
    """An old answer, and a source that is slow or fails from now on."""
    await cache.get("k", source.read)
    await asyncio.sleep(61)


def slowly(source, seconds):
    async def read():
        await asyncio.sleep(seconds - 1)
        return await source.read()

    return read


def now():
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("seconds", "said", "after"),
    [(1, (2, "MISS"), 1), (1.5, (2, "MISS"), 1.5), (3, (1, "STALE"), 2), (600, (1, "STALE"), 2)],
)
async def test_where_the_upstream_is_slow_the_old_answer_is_served(
    cache, source, seconds, said, after
):
    assert STALE_AFTER == 2
    await aged(cache, source)
    begun = now()
    read = await cache.get("k", slowly(source, seconds))
    assert (read.value, read.how) == said
    assert now() - begun == after


async def test_a_slow_read_goes_on_and_is_shared_and_kept(cache, source):
    await aged(cache, source)
    said = []
    for pause in (0, 0, 0, 10):
        await asyncio.sleep(pause)
        read = await cache.get("k", slowly(source, 7))
        said.append((read.value, read.how))
    # 0 to 2, 2 to 4, 4 to 6, and it is there at 7.
    assert said == [(1, "STALE")] * 3 + [(2, "HIT")]
    assert source.reads == 2


async def test_a_slow_read_that_fails_in_the_end_harms_nobody(cache, source):
    await aged(cache, source)
    source.problem = Problem.BAD_KEY
    assert (await cache.get("k", slowly(source, 7))).how == "STALE"
    await asyncio.sleep(10)
    source.problem = None
    assert (await cache.get("k", source.read)).how == "MISS"


async def test_who_has_no_use_for_an_old_answer_waits_for_the_new_one(cache, source):
    await aged(cache, source)
    read = await cache.get("k", slowly(source, 10), stale=False)
    assert (read.value, read.how) == (2, "MISS")
    source.problem = Problem.UNCLEAR
    await asyncio.sleep(61)
    with pytest.raises(ProblemError):
        await cache.get("k", source.read, stale=False)


@pytest.mark.parametrize("problem", [p for p in Problem if p.is_doubt])
async def test_every_doubt_is_answered_by_what_is_known(cache, source, problem):
    await aged(cache, source)
    source.problem = problem
    for _ in range(2):
        assert (await cache.get("k", source.read)).how == "STALE"


@pytest.mark.parametrize(
    ("age", "how", "fresh"), [(0, "HIT", True), (59, "HIT", True), (60, "MISS", False)]
)
async def test_an_answer_that_was_put_there_is_as_old_as_it_says(cache, source, age, how, fresh):
    await asyncio.sleep(5)
    cache.put("k", 0, age)
    assert cache.is_fresh("k") == fresh
    assert cache.read_at("k") == 5 - age
    assert (await cache.get("k", source.read)).how == how


async def test_of_what_is_not_there_nothing_is_known(cache):
    assert not cache.is_fresh("k")
    assert cache.peek("k") is None
    assert cache.read_at("k") == float("-inf")


async def test_a_read_that_was_dropped_ends_when_the_cache_is_closed(cache, source):
    ended = asyncio.Event()

    async def read():
        try:
            return await source.read()
        finally:
            ended.set()

    waiter = asyncio.create_task(cache.get("k", read))
    await asyncio.sleep(0.5)
    cache.drop("k")
    await cache.close()
    assert ended.is_set()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert source.reads == 1
    assert now() == 0.5


async def test_a_read_that_fails_when_nobody_waits_leaves_a_line(cache, caplog):
    async def read():
        await asyncio.sleep(1)
        raise KeyError("planted")

    waiter = asyncio.create_task(cache.get("k", read))
    await asyncio.sleep(0.5)
    waiter.cancel()
    await asyncio.sleep(1)
    assert [line.getMessage() for line in caplog.records] == ["task failed: read of a value"]
