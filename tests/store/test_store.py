"""The contract of a store, held by SQLite and PostgreSQL; and what only a file can do."""

import asyncio
import os
import sqlite3
import stat
from dataclasses import replace

import pytest

from proxy.model import CatalogueAnswer, ClientKey, OrderState, Sms
from proxy.model.errors import StoreError
from proxy.store import (
    ActivationRow,
    Entry,
    Forward,
    OperationKind,
    PendingOperation,
    Subscription,
    check_store,
    file_of,
    is_held,
    open_read_only,
    open_store,
)
from proxy.store.copy import copy
from proxy.store.sqlite import open_sqlite
from tests.support.stored import KEPT, ORDER, OWED, SECRET, opened, reopened

pytestmark = pytest.mark.anyio
in_a_file = pytest.mark.parametrize("kind", ["sqlite"])


async def test_what_was_kept_is_there_after_a_restart(address):
    store = opened(address)
    await store.keep(KEPT)
    await store.owe(OWED)
    await store.book(Entry(100.0, "hash", "o-1", "charge", -90, "wa/GB"))
    store = await reopened(store, address)
    assert [row async for row in store.orders("hash")] == [KEPT]
    assert [row async for row in store.orders("other")] == []
    assert await store.owed() == [OWED]
    assert [entry.cents for entry in await store.ledger()] == [-90]
    await store.close()


async def test_a_later_state_is_laid_over_the_earlier_and_unsays_nothing(store):
    await store.keep(KEPT)
    unread = replace(ORDER, messages=(), state=OrderState.CANCELLED)
    await store.keep(
        ActivationRow("hash", 7, unread, "wa", delivered=True, cancelling=True, confirmed=True)
    )
    order = replace(ORDER, state=OrderState.CANCELLED)
    all_said = replace(KEPT, order=order, cancelling=True, confirmed=True)
    assert [row async for row in store.orders("hash")] == [all_said]


async def test_a_wish_for_a_further_sms_is_not_undone_by_who_has_not_heard_of_it(store):
    row = replace(KEPT, order=replace(ORDER, messages=(*ORDER.messages, Sms("Your code is 2222"))))
    await store.keep(replace(row, asked_at=2))
    for asked_at in (1, None):
        await store.keep(replace(row, asked_at=asked_at))
        assert (await store.order("hash", id=7)).asked_at == 2


@in_a_file
async def test_a_bought_order_and_what_is_owed_for_it_are_one_commit(store):
    await store.owe(OWED)
    orphan = PendingOperation(
        "p-1", OperationKind.ORPHAN, ClientKey.of(SECRET), "wa", "GB", 99.0, "o-1"
    )
    await store.commit(orphan, KEPT, Entry(100.0, "hash", "o-1", "charge", -90))
    assert await store.owed() == [orphan]
    assert [row async for row in store.orders("hash")] == [KEPT]


@in_a_file
async def test_a_key_that_is_no_longer_owed_a_call_is_gone_from_the_bytes(store, path):
    def bytes_of_all_files():
        return b"".join(file.read_bytes() for file in path.parent.iterdir())

    for number in range(50):
        owed = PendingOperation(
            f"p-{number}",
            OperationKind.CANCEL,
            ClientKey.of(SECRET),
            "wa",
            "GB",
            1.0,
            order="o-1",
        )
        await store.owe(owed)
    assert SECRET.encode() in bytes_of_all_files()
    for number in range(50):
        await store.settle(f"p-{number}", KEPT)
    await asyncio.sleep(5)
    assert SECRET.encode() not in bytes_of_all_files()
    assert await store.owed() == []
    assert [row async for row in store.orders("hash")] == [KEPT]


@in_a_file
async def test_the_files_are_for_their_owner_alone(store, path):
    await store.owe(OWED)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


async def test_writes_in_flight_share_a_commit(store, monkeypatch):
    # How many commits there were, nothing else tells.
    commits, commit = [], store._commit
    monkeypatch.setattr(store, "_commit", lambda batch: commits.append(batch) or commit(batch))
    owed = [
        PendingOperation(f"p-{n}", OperationKind.PURCHASE, ClientKey.of(SECRET), "wa", "GB", 1.0)
        for n in range(100)
    ]
    await asyncio.gather(*(store.owe(row) for row in owed))
    assert len(await store.owed()) == 100
    assert len(commits) <= 2


@in_a_file
async def test_one_write_that_fails_is_told_and_loses_no_later_one(store):
    # No call of a store breaks it.
    store._db.execute(
        "create trigger no before insert on ledger begin select raise(fail, 'x'); end"
    )
    with pytest.raises(StoreError):
        await store.book(Entry(1.0, "h", "o", "charge", 1))
    await store.keep(KEPT)
    assert [row async for row in store.orders("hash")] == [KEPT]


async def test_old_orders_are_forgotten_but_not_those_that_something_is_owed_for(store):
    await store.keep(KEPT)
    orphan = PendingOperation(
        "p-1", OperationKind.ORPHAN, ClientKey.of(SECRET), "wa", "GB", 99.0, "o-1"
    )
    await store.owe(orphan)
    await store.book(Entry(100.0, "hash", "o-1", "charge", -90))
    await store.forget(before=1000.0)
    assert [row async for row in store.orders("hash")] == [KEPT]
    assert await store.ledger() == []
    await store.settle("p-1")
    await store.forget(before=1000.0)
    assert [row async for row in store.orders("hash")] == []


@in_a_file
async def test_a_file_that_another_process_holds_is_refused(store, path):
    with pytest.raises(StoreError, match="another process has it open"):
        open_store(f"sqlite:///{path}")


async def test_a_file_of_a_newer_version_is_refused(path):
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 99")
    db.close()
    message = (
        rf"{path}: it is of a newer version \(99; this is \d+\): run that version of the proxy"
    )
    with pytest.raises(StoreError, match=f"^{message}$"):
        open_store(f"sqlite:///{path}")


async def test_a_file_that_is_no_store_is_refused(path):
    path.write_bytes(b"this is not a database, but long enough to look at" * 100)
    with pytest.raises(StoreError, match="file is not a database: move it away"):
        open_store(f"sqlite:///{path}")


async def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StoreError, match="No such file or directory: make it writable"):
        open_store(f"sqlite:///{tmp_path}/gone/store.db")


def linked(path, suffix):
    """A link in the place of that file, to one that is there."""
    other = path.with_name("other")
    other.write_bytes(b"")
    other.chmod(0o644)
    path.with_name(path.name + suffix).symlink_to(other)
    return other


def connect_read_only(url):
    with open_read_only(url):
        pass


def checked(url):
    check_store(url, None)


@in_a_file
@pytest.mark.parametrize("way", [opened, connect_read_only, checked])
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
async def test_a_link_in_the_place_of_a_file_is_refused_and_left_alone(path, address, suffix, way):
    if suffix:
        await opened(address).close()
    other = linked(path, suffix)
    with pytest.raises(StoreError) as refused:
        way(address)
    text = str(refused.value)
    assert text.startswith(f"{path}{suffix}: it is a symbolic link: ") and "\n" not in text
    assert (other.read_bytes(), other.stat().st_mode & 0o777) == (b"", 0o644)


async def test_a_link_that_leads_nowhere_makes_no_file(path):
    path.symlink_to(path.with_name("nowhere"))
    with pytest.raises(StoreError, match="it is a symbolic link"):
        opened(f"sqlite:///{path}")
    assert not path.exists()


async def test_a_link_that_is_put_there_at_the_last_moment_is_refused(path):
    """Past the look at it, where the file is opened."""
    other = linked(path, "")
    with pytest.raises(StoreError, match=r"store.db: it is a symbolic link: set store.url to the"):
        open_sqlite(f"sqlite:///{path}")
    with pytest.raises(OSError, match="it is a symbolic link"):
        is_held(path)
    assert other.stat().st_mode & 0o777 == 0o644


async def test_folders_on_the_way_may_be_links(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    url = f"sqlite:///{tmp_path}/link/store.db"
    await opened(url).close()
    assert file_of(url) == (tmp_path / "real").resolve() / "store.db"
    with open_read_only(url) as seen:
        assert seen.ledger(0.0) == []


async def test_a_refused_file_is_not_held(path):
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError):
        open_store(f"sqlite:///{path}")
    os.truncate(path, 0)
    await open_store(f"sqlite:///{path}").close()


async def test_in_memory_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite://")
    await store.keep(KEPT)
    assert [row async for row in store.orders("hash")] == [KEPT]
    await store.close()
    assert list(tmp_path.iterdir()) == []


# What was spent, and answers.


async def test_each_request_counts_even_of_one_instant(address):
    store = opened(address)
    for at in (3.0, 1.0, 3.0, 2.0, 3.0):
        store.record_request("hash", at)
    store.record_request("other", 9.0)
    store = await reopened(store, address)
    assert await store.requests("hash", since=0.0) == [1.0, 2.0, 3.0, 3.0, 3.0]
    assert await store.requests("hash", since=1.0) == [2.0, 3.0, 3.0, 3.0]
    assert await store.requests("nobody", since=0.0) == []
    await store.close()


async def test_what_was_spent_long_ago_goes_with_the_next_request_of_the_key(store):
    for key, at in (("a", 0.0), ("b", 0.0), ("a", 1.0), ("a", 121.0)):
        store.record_request(key, at)
        await store.keep()
    assert await store.requests("a", since=-1.0) == [1.0, 121.0]
    assert await store.requests("b", since=-1.0) == [0.0]


async def test_what_was_spent_and_answered_goes_when_it_is_old(store):
    for at in (1.0, 1000.0):
        store.record_request("hash", at)
        store.save_answer(CatalogueAnswer(f"answer of {at:.0f}", at, b""))
        await store.keep()
    await store.forget(before=1000.0)
    assert await store.requests("hash", since=0.0) == [1000.0]
    assert [answer.name for answer in await store.answers()] == ["answer of 1000"]


async def test_the_last_answer_of_a_name_is_remembered_with_its_time(address):
    answers = [
        CatalogueAnswer("services", 1.0, b"[1]"),
        CatalogueAnswer("prices/wa", 2.0, b"\x00\xff"),
    ]
    store = opened(address)
    for answer in (*answers, CatalogueAnswer("services", 3.0, b"[2]")):
        store.save_answer(answer)
    store = await reopened(store, address)
    found = sorted(await store.answers(), key=lambda answer: answer.at)
    assert found == [answers[1], CatalogueAnswer("services", 3.0, b"[2]")]
    await store.close()


@in_a_file
async def test_nobody_waits_for_a_note_that_cannot_be_written_but_it_is_told(store, caplog):
    # No call of a store breaks it.
    store._db.executescript("drop table spent; drop table answers;")
    store.record_request("hash", 1.0)
    await asyncio.sleep(1)
    store.save_answer(CatalogueAnswer("services", 1.0, b"[]"))
    await asyncio.sleep(1)
    assert caplog.text.count("not written: no such table") == 2
    with pytest.raises(StoreError):
        await store.requests("hash", 0.0)
    with pytest.raises(StoreError):
        await store.answers()


@in_a_file
async def test_a_note_that_cannot_be_written_takes_no_money_with_it(store):
    # No call of a store breaks it.
    store._db.executescript("drop table spent; drop table answers;")
    store.record_request("hash", 1.0)
    store.save_answer(CatalogueAnswer("services", 1.0, b"[]"))
    await store.owe(OWED)
    assert await store.owed() == [OWED]


async def test_what_must_be_so_in_the_end_is_written_once_the_store_is_back(store, monkeypatch):
    refund = Entry(200.0, "hash", "o-1", "refund", 90)
    bought = replace(OWED, order="o-1")
    await store.owe(bought)

    def away(batch):
        raise StoreError("away")

    # Where every write ends: no call of a store makes all of them fail.
    monkeypatch.setattr(store, "_commit", away)
    for write in (store.settle("p-1", KEPT, surely=True), store.book(refund)):
        with pytest.raises(StoreError, match="away"):
            await write
    with pytest.raises(StoreError, match="away"):
        await store.owe(replace(OWED, id="p-2"))
    monkeypatch.undo()
    assert await store.owed() == [bought]
    await store.keep()
    assert await store.owed() == [], "neither what was done nor what was told to have failed"
    assert [row async for row in store.orders("hash")] == [KEPT]
    assert await store.ledger() == [refund]


@in_a_file
async def test_what_is_committed_has_not_failed_though_its_traces_cannot_be_erased(store, caplog):
    class Full:
        """A file that cannot grow: what is committed stands in the log beside it."""

        def __init__(self, db):
            self._db = db

        def execute(self, sql, *values):
            if "wal_checkpoint" in sql:
                raise sqlite3.OperationalError("disk I/O error")
            return self._db.execute(sql, *values)

        def __getattr__(self, name):
            return getattr(self._db, name)

    # A full disk cannot be made, and what is left to erase is told to nobody.
    db, bought = store._db, replace(OWED, order="o-1")
    await store.owe(bought)
    store._db = Full(db)
    await store.settle("p-1", KEPT)
    assert await store.owed() == []
    await asyncio.sleep(5)
    assert "what was deleted is still in the write-ahead log: disk I/O error" in caplog.text
    store._db = db
    await asyncio.sleep(5)
    assert store._unerased is False


@in_a_file
async def test_a_key_is_not_among_what_was_spent(store, path):
    store.record_request(ClientKey.of(SECRET).hash, 1.0)
    await store.keep()
    files = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert ClientKey.of(SECRET).hash.encode() in files
    assert SECRET.encode() not in files


# Another store.


async def test_all_goes_to_another_store_and_is_owed_there(address, tmp_path):
    answer, entry = CatalogueAnswer("services", 1.0, b"[]"), Entry(1.0, "hash", "o-1", "quote", 90)
    source, target = opened(f"sqlite:///{tmp_path}/source.db"), opened(address)
    others = [replace(KEPT, key=f"other {n}") for n in range(3)]
    await source.keep(KEPT, *others)
    await source.owe(OWED)
    await source.book(entry)
    source.save_answer(answer)
    forward = Forward("f-1", "http://target", b"{}", at=1.0, due=2.0, tries=3)
    subscription = Subscription("hash", "w-1", "whsec")
    await source.queue(forward)
    await source.subscribe(subscription)
    said = []
    assert await copy(source, target, said.append) == (4, 1, 1)
    assert said == ["orders: 4", "ledger lines: 1 of 1"]
    await source.close()
    target = await reopened(target, address)
    assert [row async for row in target.all_orders()] == [KEPT, *others]
    (owed,) = await target.take_over()
    assert (owed, owed.key.upstream) == (OWED, OWED.key.upstream)
    assert await target.ledger() == [entry]
    assert await target.answers() == [answer]
    assert await target.all_forwards() == [forward]
    assert await target.subscriptions() == [subscription]
    await target.close()


async def test_what_is_there_already_is_not_mixed_with_a_copy(store, tmp_path):
    source = opened(f"sqlite:///{tmp_path}/source.db")
    await store.keep(KEPT)
    with pytest.raises(StoreError, match="not empty: give it another file or database"):
        await copy(source, store)
    await source.close()


async def test_the_newest_orders_of_all_keys_are_found_by_their_age(store):
    rows = [
        replace(KEPT, key=f"hash-{n % 2}", order=replace(ORDER, id=f"o-{n}", created_at=100.0 + n))
        for n in range(5)
    ]
    await store.keep(*rows)
    assert await store.newest_orders(101.0, 10) == [rows[4], rows[3], rows[2], rows[1]]
    assert await store.newest_orders(0.0, 2) == [rows[4], rows[3]]
    assert await store.newest_orders(200.0, 10) == []
    assert await store.newest_orders(101.0, 10, 103.0) == [rows[2], rows[1]]


async def test_an_order_is_found_by_the_fingerprint_of_its_key(store):
    a, b = "0" * 8 + "f" * 56, "0" * 7 + "1" + "0" * 56
    rows = [replace(KEPT, key=key, order=replace(ORDER, id=key[:8])) for key in (a, b)]
    await store.keep(*rows)
    assert await store.found_by(a[:8], KEPT.id) == [rows[0]]
    assert await store.found_by(b[:8], KEPT.id) == [rows[1]]
    assert await store.found_by("00000002", KEPT.id) == await store.found_by(a[:8], 4711) == []


async def test_the_entries_of_one_order_come_in_their_order(store):
    charge, refund = (
        Entry(at, "hash", "o-1", kind, 90) for at, kind in ((1, "charge"), (2, "refund"))
    )
    await store.book(refund, charge, Entry(1.0, "hash", "o-2", "charge", 90))
    assert await store.entries("o-1") == [charge, refund]


async def test_the_holders_of_an_order_are_those_that_it_is_kept_for(store):
    await store.keep(KEPT, replace(KEPT, key="other", order=replace(ORDER, id="o-2")))
    assert await store.holders("o-1") == [KEPT]
    assert await store.holders("o-3") == []


async def test_a_write_after_the_end_fails_and_hangs_nobody():
    store = open_store("sqlite://")
    await store.close()
    with pytest.raises(StoreError):
        await store.book(Entry(0.0, "key", "order", "refund", 1, "cancelled"))
    async with asyncio.timeout(10):
        await asyncio.sleep(9)
