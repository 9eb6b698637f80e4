"""`reload`: has the running proxy read its configuration anew."""

import os
import re
import signal
from pathlib import Path

import click

from proxy.commands.options import config_of, config_option, failed, or_exit

OTHERWISE = "give its process with --pid, or send it SIGHUP"


@click.command()
@config_option
@click.option("--pid", type=click.IntRange(1), help="The process, else the one that has the store.")
def reload(path: Path | None, pid: int | None) -> None:
    """Have the running proxy read its configuration and tables anew, as SIGHUP does."""
    pid = pid or _pid_of(path)
    if not _takes_hangups(pid):
        raise failed(f"process {pid} does not wait for SIGHUP, so it is no proxy: {OTHERWISE}")
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError as error:
        raise failed(f"there is no process {pid}: {OTHERWISE}") from error
    except PermissionError as error:
        fix = "run this as its user or as root"
        raise failed(f"process {pid} is another user's: {fix}") from error
    click.echo(f"process {pid} was told to reload; its log says what has changed")


def _takes_hangups(pid: int) -> bool:
    """Whether it has a handler for SIGHUP, as far as Linux tells."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return caught is None or bool(int(caught[1], 16) >> (signal.SIGHUP - 1) & 1)


def _pid_of(path: Path | None) -> int:
    from proxy.store import file_of, lock_holder

    url = config_of(path).store.url
    file = or_exit(lambda: file_of(url))
    if file is None:
        raise failed(f"the store is no SQLite file, so the proxy cannot be found: {OTHERWISE}")
    pid = lock_holder(file)
    if pid is None:
        raise failed(f"no process is seen to have {file}: start the proxy, or {OTHERWISE}")
    return pid
