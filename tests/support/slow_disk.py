"""Starts the proxy on a slow disk: `python -m tests.support.slow_disk SECONDS COMMAND...`.

Each write that the disk has to confirm takes that long, half of it before and half after it can be
read: a kill in the second half leaves what nobody was told to be written. SQLite waits for commits
with synchronous=FULL and twice for a checkpoint, PostgreSQL for commits that do not turn it off.
"""

import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any


class SlowConnection(sqlite3.Connection):
    seconds = 0.0
    _is_durable = False

    def execute(self, sql: str, *values: Any) -> Any:
        if "synchronous" in sql:
            self._is_durable = "full" in sql
        is_commit = sql == "commit" and self._is_durable
        syncs = 2 if "wal_checkpoint" in sql else int(is_commit)
        return slowly(self.seconds * syncs, partial(super().execute, sql, *values))


def slowly(seconds: float, work: Callable[[], Any]) -> Any:
    time.sleep(seconds / 2)
    try:
        return work()
    finally:
        time.sleep(seconds / 2)


def slow_down(seconds: float) -> None:
    """Every store that this process opens from now on."""
    from proxy.store.postgres.store import PostgresStore

    SlowConnection.seconds = seconds
    sqlite3.connect = partial(sqlite3.connect, factory=SlowConnection)
    committed = PostgresStore._committed

    def slow(self: PostgresStore, batch: Sequence[Any]) -> list[Any]:
        is_durable = any(write.durable for write in batch)
        return slowly(seconds * is_durable, partial(committed, self, batch))

    PostgresStore._committed = slow  # type: ignore[method-assign]


def main() -> None:
    from proxy.commands.main import main as run

    slow_down(float(sys.argv[1]))
    run(sys.argv[2:], prog_name="virtualsms-proxy")


if __name__ == "__main__":
    main()
