"""Decides over the whole program what each part of an address needs. Pure.

A program may keep the host in one file and the path in another. Where it puts an address together
in its text, the host is patched to host, port and dialect, and `https` beside it. Anything else,
such as a host that a library gets by itself, is left to a person, with the words to write.
"""

from collections.abc import Iterable, Sequence

from proxy.commands.repoint.marks import FileMarks, Kind, Mark
from proxy.commands.repoint.target import Target
from proxy.commands.repoint.usage import words_of
from proxy.endpoint.paths import PATHS
from proxy.legacy.dialects import DIALECTS

LINES = 2
"""Lines from `https://` to the path of an address that is put together."""

SITES = (Kind.ADDRESS, Kind.BASE, Kind.HOST, Kind.PACKAGE)
SETTINGS = (".yml", ".yaml", ".toml", ".ini", ".cfg", ".conf", ".json", ".properties")


def resolve(files: Sequence[FileMarks], target: Target) -> list[FileMarks]:
    """The files with what has to be changed in them, and no others."""
    _drop_shared(files)
    is_composed = _settle_schemes(files)
    for mark in _all(files, Kind.HOST):
        mark.is_patched = is_composed
        mark.write = _host(mark, target, is_composed)
    _settle_paths(files, target, is_composed)
    _settle_usage(files)
    for file in files:
        file.marks = [mark for mark in file.marks if mark.write]
        for mark in file.marks:
            mark.is_patched = mark.is_patched and file.is_text
    return [file for file in files if file.marks]


def _all(files: Iterable[FileMarks], *kinds: Kind) -> list[Mark]:
    return [mark for file in files for mark in file.of(*kinds)]


def _drop_shared(files: Sequence[FileMarks]) -> None:
    """Without handler_api a site with two protocols may be meant for the other one."""
    is_needed = any(file.of(Kind.PATH) and not file.of(Kind.BASE, Kind.HOST) for file in files)
    for file in files:
        if not is_needed and not file.of(Kind.PATH):
            parts = file.of(Kind.BASE, Kind.HOST)
            dropped = [id(mark) for mark in parts if mark.is_shared]
            file.marks = [mark for mark in file.marks if id(mark) not in dropped]


def _settle_schemes(files: Sequence[FileMarks]) -> bool:
    """Patches `https` of addresses that are put together, and says whether there is a host that
    one of them takes.
    """
    hosts = _all(files, Kind.HOST)
    names = {mark.context for mark in hosts if mark.context}
    is_composed = False
    for file in files:
        paths = [mark.line for mark in file.of(Kind.PATH)] if hosts else []
        bare = [m.line for m in file.of(Kind.ADDRESS) if "//" not in m.stands.replace("\\", "")]
        for mark in file.of(Kind.SCHEME):
            has_path = any(0 <= line - mark.line <= LINES for line in paths)
            has_host = any(name in mark.context for name in names)
            has_address = any(0 <= line - mark.line <= LINES for line in bare)
            is_composed = is_composed or has_path or has_host
            is_ours = has_path or has_host or has_address
            mark.is_patched = is_ours and mark.stands.lower() != mark.write
            mark.write = mark.write if mark.is_patched else ""
    return is_composed


def _host(mark: Mark, target: Target, is_composed: bool) -> str:
    if is_composed:
        return target.place + target.path(mark.dialect)
    path = target.path(mark.dialect, PATHS[0])
    return f"{target.place} with {target.scheme} and the path {path}"


def _settle_paths(files: Sequence[FileMarks], target: Target, is_composed: bool) -> None:
    """A path behind an address that is repointed needs nothing."""
    has_base = bool(_all(files, Kind.BASE)) or any(file.has_own for file in files)
    hosts = _all(files, Kind.HOST)
    for file in files:
        local = file.of(Kind.HOST) if file.of(Kind.HOST, Kind.BASE) or file.has_own else hosts
        is_behind = file.has_own or bool(file.of(Kind.BASE)) or (not local and has_base)
        for mark in file.of(Kind.PATH):
            if is_composed or (is_behind and not local):
                continue
            dialects = sorted({host.dialect for host in local})
            if dialects:
                mark.write = " or ".join(target.path(name, PATHS[0]) for name in dialects)
            else:
                first, *others = DIALECTS
                more = ", ".join(f"/{name}" for name in others)
                mark.write = f"its host is elsewhere: there {target.base(first)}, or {more}"


def _settle_usage(files: Sequence[FileMarks]) -> None:
    """Names the words of refused actions; drops what says nothing without an old site."""
    every = {mark.dialect for mark in _all(files, *SITES)} - {""}
    has_site = bool(_all(files, *SITES, Kind.PATH)) or any(file.has_own for file in files)
    for file in files:
        own = {mark.dialect for mark in file.of(*SITES)} - {""}
        is_evident = bool(file.of(*SITES, Kind.PATH)) or file.has_own
        is_setting = file.name.endswith(SETTINGS) or is_env(file.name)
        for mark in file.of(Kind.ACTION, Kind.CURRENCY):
            is_near = is_evident or (is_setting and mark.kind is Kind.CURRENCY)
            if not has_site or (mark.is_weak and not is_near):
                mark.write = ""
            elif mark.kind is Kind.ACTION:
                mark.write = _refusal(mark.stands, own or every or set(DIALECTS))


def _refusal(action: str, dialects: set[str]) -> str:
    words = {name: word for name, word in words_of(action).items() if name in dialects}
    if len(set(words.values())) == 1:
        return f"refused here: {next(iter(words.values()))}"
    return f"refused here: {', '.join(f'{word} ({name})' for name, word in words.items())}"


def is_env(name: str) -> bool:
    """Whether a file is one of environment variables, which are often secret."""
    base = name.rpartition("/")[2]
    return base.startswith(".env") or base.endswith(".env")
