"""Reads small files of the configuration, whatever somebody has put at their path."""

import errno
import os
from pathlib import Path

LONGEST = 1024 * 1024
"""Bytes of a table or of the configuration; the longest shipped table has 70 KB."""


def read_plain(path: Path, longest: int = LONGEST) -> bytes:
    """The bytes of a file or a pipe. Raises OSError, also for a file that is longer."""
    with path.open("rb") as file:
        raw = file.read(longest + 1)
    if len(raw) > longest:
        raise OSError(errno.EFBIG, f"it is longer than {longest} bytes", os.fspath(path))
    return raw
