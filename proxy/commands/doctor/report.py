"""`doctor --readings --report FILE`: writes the answers, blanked, for a bug report."""

import os
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from proxy import __version__
from proxy.commands.doctor.answers import Reading, Unread
from proxy.commands.doctor.blanking import Blanker, sentence
from proxy.model.errors import ConfigError
from proxy.sandbox.report import Report
from proxy.upstream.raw import RawAnswer


def report_of(
    found: list[RawAnswer],
    readings: Mapping[str, Reading | Unread],
    trouble: str,
    services: Collection[str],
    countries: Collection[str],
) -> Report:
    """`services` and `countries` are the codes of the tables, which are no secrets."""
    blanker = Blanker(services, countries)
    return Report(
        proxy=__version__,
        trouble=sentence(trouble)[:200],
        readings={name: it for name, it in readings.items() if not isinstance(it, Unread)},
        unread={name: it.why[:200] for name, it in readings.items() if isinstance(it, Unread)},
        answers=[blanker.recorded(answer) for answer in found],
    )


def refuse_path(path: Path, *, may_overwrite: bool) -> None:
    """Raises ConfigError if the report cannot be written there, before anything is asked."""
    if path.is_symlink():
        raise ConfigError(f"--report: {path}: it is a symbolic link: name the file itself")
    if path.exists() and not path.is_file():
        raise ConfigError(f"--report: {path}: it is no plain file: name another")
    if path.exists() and not may_overwrite:
        raise ConfigError(f"--report: {path} exists: name another, or add --overwrite")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"--report: {path.parent} is no folder that can be written: name another")


def write(path: Path, report: Report, *, may_overwrite: bool) -> None:
    """Writes a file of mode 0600, whole or not at all. Raises ConfigError."""
    text = msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
    refuse_path(path, may_overwrite=may_overwrite)
    try:
        descriptor, name = tempfile.mkstemp(prefix=".report-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
            # A link takes the place only if there is nothing, a rename also if there is.
            (os.replace if may_overwrite else os.link)(name, path)
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        why = f"{error.strerror or error}"
        raise ConfigError(f"--report: {path} cannot be written: {why}: name another") from error
