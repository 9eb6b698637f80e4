"""Opening a store in PostgreSQL: what is said of a wrong one, and who makes its tables."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from proxy.model.errors import StoreError
from proxy.store import open_store
from tests.support.postgres import PASSWORD, rows
from tests.support.process import run
from tests.support.stored import KEPT, OWED, SEALED_WITH

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda url: url.replace(PASSWORD, "secret-word"), "password authentication failed"),
        (lambda url: f"{url}_not", "does not exist"),
        (lambda url: url.replace("127.0.0.1:", "127.0.0.1:1"), "port"),
        (lambda url: "postgresql://[::1", "no address of a PostgreSQL server: write it as"),
    ],
)
async def test_what_is_wrong_with_the_address_is_one_line_without_the_password(
    database, wrong, says
):
    if PASSWORD not in database and "secret-word" in wrong(database + PASSWORD):
        says = ""
    done = await asyncio.to_thread(
        run, "serve", "--port", "0", PROXY_STORE_URL=wrong(database), PROXY_STORE_SECRET="s" * 32
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert says in done.stderr
    assert "secret-word" not in done.stderr and PASSWORD not in done.stderr


async def test_without_a_secret_no_key_could_be_sealed(database):
    with pytest.raises(StoreError, match=r"store.secret: PostgreSQL needs it"):
        open_store(database)


async def test_another_secret_is_refused_before_anything_is_written_with_it(database):
    await open_store(database, SEALED_WITH).close()
    with pytest.raises(StoreError, match=r"sealed under another store\.secret"):
        open_store(database, "another")


async def test_a_newer_schema_is_refused(database):
    await open_store(database, SEALED_WITH).close()
    rows(database, "update proxy_version set version = 99")
    with pytest.raises(StoreError, match=r"it is of a newer version \(99; this is \d+\)"):
        open_store(database, SEALED_WITH)


async def test_a_server_that_cannot_be_written_is_refused(database):
    name = database.rpartition("/")[2]
    rows(database, f"alter database {name} set default_transaction_read_only = on")
    with pytest.raises(StoreError, match=r"it is read-only: set store\.url to"):
        open_store(database, SEALED_WITH)


async def test_a_role_that_may_make_no_tables_is_told_so(database):
    role = f"role_{database.rpartition('_')[2]}"
    rows(database, f"create role {role} login password 'x'")
    try:
        address = psycopg.conninfo.make_conninfo(database, user=role, password="x")
        with pytest.raises(StoreError, match="permission denied for schema public"):
            open_store(address, SEALED_WITH)
        await open_store(database, SEALED_WITH).close()
        rows(database, f"grant select, insert, update, delete on all tables in schema public "
                       f"to {role}")  # fmt: skip
        store = open_store(address, SEALED_WITH)
        await store.take_over()
        await store.owe(OWED)
        await store.keep(KEPT)
        await store.close()
    finally:
        rows(database, f"drop owned by {role}; drop role {role}")


async def test_replicas_that_start_at_once_make_the_tables_once(database):
    ready = threading.Barrier(4)

    def start():
        ready.wait()
        return open_store(database, SEALED_WITH)

    with ThreadPoolExecutor(4) as threads:
        stores = [thread.result() for thread in [threads.submit(start) for _ in range(4)]]
    for store in stores:
        await store.close()
    assert len(rows(database, "select * from proxy_version")) == 1


async def test_a_file_is_copied_into_a_database_by_a_command(database, tmp_path):
    source = f"sqlite:///{tmp_path}/store.db"
    held = open_store(source)
    await held.keep(KEPT)
    await held.owe(OWED)
    copying = (run, "store", "copy", source, database)
    done = await asyncio.to_thread(*copying, PROXY_STORE_SECRET=SEALED_WITH)
    assert "another process has it open" in done.stderr
    await held.close()
    done = await asyncio.to_thread(*copying, PROXY_STORE_SECRET=SEALED_WITH)
    copied = "copied 1 order, 1 pending operation, 0 ledger lines\n"
    assert (done.stdout, done.stderr) == (copied, "")
