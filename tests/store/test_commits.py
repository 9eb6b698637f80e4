"""Writes share commits, keep their order, and are tried again where they must be."""

import asyncio
from collections import deque

import pytest

from proxy.model.errors import (
    CommitUncertainError,
    InvalidRowError,
    OrderTakenError,
    OwnershipLostError,
    StoreError,
    StoreUnavailableError,
)
from proxy.store.group_commit import GroupCommit

pytestmark = pytest.mark.anyio


class Book:
    """A store that takes down what it is told, or says what is wrong with it."""

    def __init__(self):
        self.lines = []
        self.batches = []
        self.wrong = deque()
        """For each of the next batches an error, or None."""
        self.commits = GroupCommit(self._commit)

    async def _commit(self, batch):
        self.batches.append(len(batch))
        await asyncio.sleep(0.1)
        if self.wrong and (error := self.wrong.popleft()):
            raise error
        before = list(self.lines)
        try:
            return [write.run(self.lines) for write in batch]
        except BaseException:
            self.lines[:] = before
            raise

    def write(self, line, **how):
        def write(lines):
            if isinstance(line, Exception):
                raise line
            lines.append(line)

        return self.commits.ask(write, **how)


@pytest.fixture
def book():
    return Book()


async def failure(done):
    with pytest.raises(StoreError) as raised:
        await done
    return raised.value


async def test_what_fails_surely_is_told_and_written_before_what_comes_later(book):
    book.wrong.append(StoreUnavailableError("away"))
    assert isinstance(await failure(book.write("a refund", surely=True)), StoreUnavailableError)
    await book.write("a purchase")
    assert book.lines == ["a refund", "a purchase"]


async def test_what_fails_without_that_is_not_tried_again(book):
    book.wrong.append(StoreUnavailableError("away"))
    await failure(book.write("a promise"))
    await book.write("a purchase")
    assert book.lines == ["a purchase"]


async def test_a_store_that_comes_back_in_the_middle_turns_no_two_writes_round(book):
    # The batch of both fails for the first of them; then each is tried alone.
    book.wrong.extend([StoreError("one of both"), StoreUnavailableError("away"), None])
    earlier = book.write("an order", surely=True)
    later = book.write("it is told", surely=True)
    assert isinstance(await failure(earlier), StoreUnavailableError)
    assert isinstance(await failure(later), StoreUnavailableError)
    await book.write("and more")
    assert book.lines == ["an order", "it is told", "and more"]


async def test_what_can_never_be_written_is_given_up_and_stops_nobody(book, caplog):
    poison = book.write(InvalidRowError("too long"), surely=True)
    good = book.write("a purchase")
    assert isinstance(await failure(poison), InvalidRowError)
    await good
    await book.write("another")
    assert book.lines == ["a purchase", "another"]
    assert "this can never be written: too long" in caplog.text


@pytest.mark.parametrize("error", [OwnershipLostError("another's"), OrderTakenError("another's")])
async def test_what_another_replica_has_is_not_tried_again(book, error):
    assert await failure(book.write(error, surely=True)) is error
    await book.write("a purchase")
    assert book.batches == [1, 1]


async def test_a_commit_of_unknown_end_is_told_to_all_in_it_and_not_split(book):
    book.wrong.append(CommitUncertainError("the wire broke"))
    both = [book.write("one"), book.write("two", surely=True)]
    assert [type(await failure(done)) for done in both] == [CommitUncertainError] * 2
    assert book.batches == [2]


async def test_a_bug_in_a_write_leaves_nobody_waiting(book, caplog):
    order, bug = book.write("a paid order"), book.write(ZeroDivisionError("a bug"))
    assert isinstance(await failure(bug), InvalidRowError)
    await order
    await book.write("and on")
    assert book.lines == ["a paid order", "and on"]
    assert "a bug kept a write from the store" in caplog.text


async def test_at_the_end_it_is_tried_once_more(book):
    book.wrong.append(StoreUnavailableError("away"))
    await failure(book.write("a refund", surely=True))
    await book.commits.close()
    assert book.lines == ["a refund"]


async def test_what_is_lost_at_the_end_is_told(book, caplog):
    book.wrong.extend([StoreUnavailableError("away"), StoreUnavailableError("away")])
    await failure(book.write("a refund", surely=True))
    await book.commits.close()
    assert "the store cannot be written: writes that are lost: 1" in caplog.text


async def test_what_may_wait_shares_the_commit_of_what_may_not(book):
    later = [book.write("it is told", later=True), book.write("it, too", later=True)]
    await book.write("a purchase")
    assert [done.done() for done in later] == [True, True]
    assert book.lines == ["it is told", "it, too", "a purchase"]
    assert book.batches == [3]


async def test_what_may_wait_is_out_within_a_second_though_nothing_else_is_written(book):
    begun = asyncio.get_running_loop().time()
    await book.write("it is told", later=True)
    assert 0.1 < asyncio.get_running_loop().time() - begun < 1.0
    await book.write("it, too", later=True)
    assert book.batches == [1, 1]


async def test_what_may_wait_comes_after_the_commit_that_is_running(book):
    first = book.write("a purchase")
    await asyncio.sleep(0.05)
    later = book.write("it is told", later=True)
    await first
    assert not later.done()
    await later
    assert book.batches == [1, 1]


async def test_what_may_wait_is_written_before_the_end(book):
    book.write("it is told", later=True)
    await book.commits.close()
    assert book.lines == ["it is told"]


async def test_very_many_are_written_in_parts(book):
    await asyncio.gather(*(book.write(n) for n in range(1200)))
    assert book.lines == list(range(1200))
    assert max(book.batches) == 500
