"""The file of a SQLite store: its path, and the check that it is no symbolic link."""

import errno
import os
from pathlib import Path

from proxy.model.errors import StoreError

SUFFIXES = ("-wal", "-shm", "-journal")
"""Suffixes of the files that SQLite writes beside a database."""


def file_of(url: str) -> Path | None:
    """The path of the database; links of folders are resolved, a link of the file is not. None for
    a store in memory or on a server.
    """
    if not url.startswith("sqlite:///"):
        return None
    path = Path(url.removeprefix("sqlite:///"))
    return path.parent.resolve() / path.name


def refuse_links(path: Path) -> None:
    """Raises StoreError if the file or one beside it is a symbolic link. With a link, another user
    who may write in the folder could have a file of this user overwritten, or its mode changed.
    """
    if path.is_symlink():
        raise StoreError(f"{path}: it is a symbolic link: set store.url to the file itself")
    for suffix in SUFFIXES:
        if (beside := path.with_name(path.name + suffix)).is_symlink():
            fix = "stop the proxy, and remove the link"
            raise StoreError(f"{beside}: it is a symbolic link: {fix}")


def open_file(path: str, flags: int) -> int:
    """Opens a file and returns its descriptor. Raises OSError, also for a symbolic link."""
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "it is a symbolic link", path) from error
        raise


def lock_holder(path: Path) -> int | None:
    """The process that has the file locked, as Linux tells; None if none is seen: it may be in
    another container.
    """
    try:
        inode, locks = path.stat().st_ino, Path("/proc/locks").read_text()
    except OSError:
        return None
    for line in locks.splitlines():
        # "1: FLOCK  ADVISORY  WRITE 31401 fe:00:2353012 0 EOF"; "->" are processes that wait.
        kind, _, _, pid, place = line.partition(":")[2].split()[:5]
        is_found = kind == "FLOCK" and place.endswith(f":{inode}")
        # The inode of another file system may have the same number.
        if is_found and int(pid) > 0 and _has_open(int(pid), path):
            return int(pid)
    return None


def _has_open(pid: int, path: Path) -> bool:
    try:
        return any(one.samefile(path) for one in Path(f"/proc/{pid}/fd").iterdir() if one.exists())
    except OSError:
        return False
