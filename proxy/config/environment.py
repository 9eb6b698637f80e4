"""The settings of the environment: PROXY_NAME has the value, PROXY_NAME_FILE the path of a file."""

import logging
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from proxy.config.plain_file import read_plain
from proxy.model.errors import ConfigError
from proxy.runtime import log_events

log = logging.getLogger(__name__)

PREFIX, FILE = "PROXY_", "_FILE"
LONGEST_VALUE = 65_536
"""Bytes of a file that has the value of one setting."""

Parse = Callable[[str, str], Any]
"""Makes the value of a setting of the text and the name of its variable. Raises ConfigError."""


def environment_name(key: str) -> str:
    return PREFIX + key.upper().replace(".", "_")


def from_environment(
    environ: Mapping[str, str],
    settings: Mapping[str, Parse],
    in_files: Collection[str],
    tables: Mapping[str, Callable[[Path], Any]],
) -> dict[str, Any]:
    """The values by the dotted name of the setting. Those of `in_files` can have their text in a
    file; `tables` read theirs from one. An unknown name is a warning. Raises ConfigError, and what
    `tables` raise.
    """
    names = {environment_name(key): key for key in settings}
    files = {environment_name(key) + FILE: key for key in (*in_files, *tables)}
    _warn_of_unknown(environ, {**names, **files})
    values = {}
    for name, key in names.items():
        if text := environ.get(name):
            values[key] = settings[key](text, name)
    for name, key in files.items():
        if place := environ.get(name):
            plain = name.removesuffix(FILE)
            if environ.get(plain):
                raise ConfigError(f"{plain} and {name} are both set: unset one of them")
            path = Path(place)
            found = tables[key](path) if key in tables else settings[key](_text(path, name), name)
            values[key] = found
    return values


def is_list(type_: Any) -> bool:
    """Whether the variable of a setting of this type has several values, with commas between."""
    return any(get_origin(choice) is tuple for choice in (type_, *get_args(type_)))


def _text(path: Path, name: str) -> str:
    """The text of a file, without the line break at its end."""
    try:
        text = read_plain(path, LONGEST_VALUE).decode().rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"{name}: {path} cannot be read: {why}") from error
    if not text:
        raise ConfigError(f"{name}: {path} is empty")
    return text


def _warn_of_unknown(environ: Mapping[str, str], known: Collection[str]) -> None:
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        listed = ", ".join(f"{name}{_like(name, known)}" for name in unknown)
        log.warning(log_events.NOT_A_SETTING, listed)


def _like(name: str, known: Collection[str]) -> str:
    """The one setting with the same ending (PROXY_PORT) or a similar name, as a question.

    "" for most of the names that Kubernetes sets beside a Service called proxy.
    """
    end = name.removeprefix(PREFIX)
    found = [one for one in known if one.endswith(f"_{end}")]
    if len(found) != 1:
        ends = {one.removeprefix(PREFIX): one for one in known}
        found = [ends[one] for one in get_close_matches(end, ends, n=1, cutoff=0.75)]
    return f" (did you mean {found[0]}?)" if found else ""
