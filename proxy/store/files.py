"""The file of a SQLite store: where it is, and that it is no link."""

import errno
import os
from pathlib import Path

from proxy.model.errors import StoreError

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite writes beside the file of a database."""


def file_of(url: str) -> Path | None:
    """With all links on the way followed, but not in the last place. None for a store in memory, or
    on a server.
    """
    if not url.startswith("sqlite:///"):
        return None
    path = Path(url.removeprefix("sqlite:///"))
    return path.parent.resolve() / path.name


def refuse_links(path: Path) -> None:
    """StoreError where the file or one beside it is a symbolic link: who may write in the folder
    could otherwise have another file of this user overwritten, or its rights changed.
    """
    if path.is_symlink():
        raise StoreError(f"{path}: it is a symbolic link: set store.url to the file itself")
    for suffix in BESIDE:
        if (beside := path.with_name(path.name + suffix)).is_symlink():
            raise StoreError(
                f"{beside}: it is a symbolic link: stop the proxy, and remove the link"
            )


def opened(path: str, flags: int) -> int:
    """A descriptor of the file itself. OSError; where it has become a link, one that says so."""
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "it is a symbolic link", path) from error
        raise
