"""Finds the addresses of the old sites in a text, whole or in parts. Pure.

Every pattern looks at a bounded piece of the text around a word that has to be there, so that the
time is linear in the length of the text, however long its lines are.
"""

import re
from collections.abc import Iterator

from proxy.commands.repoint.marks import Kind, Mark
from proxy.commands.repoint.target import Target, dialect_of
from proxy.config.clients import Clients
from proxy.legacy.dialects import DIALECTS

MAX_PIECE = 300
"""Characters before and after the word that are read as one address."""

# Patterns of a text in lower case begin with letters: that makes them several times as fast.
_HANDLER = re.compile(r"handler_api(\.php)?(?![\w-])", re.ASCII)
_END = re.compile(r"handler_api(?:\.php)?\\?/?$", re.ASCII | re.IGNORECASE)
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")
_ADDRESS = frozenset("_~%:\\/") | _NAME
# A slash may be written as \/, in JSON and in patterns.
_SLASHES = re.compile(r"(?:(https?):)?(?:\\?/){2}$", re.ASCII | re.IGNORECASE)
_AFTER = re.compile(r"(:[0-9]{1,5}(?![\w.]))?((?:\\?/[\w.~%-]*)*)", re.ASCII)
_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+)(:[0-9]{1,5})?(?=\\?/)", re.ASCII)
_FOLDER = re.compile(r"(?:\\?/)?(?:stubs|api)\\?/$|\\?/$", re.ASCII | re.IGNORECASE)
_DIALECT = re.compile(rf"/(?:{'|'.join(DIALECTS)})$")
_OWN = re.compile(rf"://([\w.\[\]:-]{{1,253}})(?:/[\w.~-]+)*?/(?:{'|'.join(DIALECTS)})\b", re.ASCII)
# What follows "https://" where the rest of an address is put in.
_SPLIT = re.compile(r"""https?(?=:(?:\\?/){2}(?:["'`]|\$[\w{(]|\$?\{|#\{|%[sv@(]))""", re.ASCII)
_COMPARED = re.compile(r"(?:with|indexof|prefix|contains|includes)\(?[\"'`]$", re.IGNORECASE)
_GIVEN_TO = re.compile(r"([A-Za-z_]\w*)[\"']?\]?\s*(?:=>|:=|[:=])\s*[\"'`]?$", re.ASCII)
_BASES = ("", "/stubs", "/api")


class AddressFinder:
    def __init__(self, clients: Clients, target: Target) -> None:
        self._clients = clients
        self._target = target
        hosts = [host for site in clients.sites.values() for host in site.hosts]
        # Not the begin of a longer name. A search for each is faster than one for all.
        self._sites = [re.compile(rf"{re.escape(h)}(?![\w-])(?!\.\w)", re.ASCII) for h in hosts]

    def marks(self, text: str, lower: str) -> Iterator[Mark]:
        """Addresses, parts of addresses, and whole addresses of unknown sites; without lines.
        `lower` is the text with its ASCII letters in lower case.
        """
        found = sorted(
            (m for pattern in (*self._sites, _HANDLER) for m in pattern.finditer(lower)),
            key=lambda match: match.start(),
        )
        end = 0
        for match in found:
            if match.start() < end:
                continue
            # Nothing is looked at twice: no address begins before the end of the one before it.
            is_path = match.re is _HANDLER
            mark = self._path(text, match, end) if is_path else self._site(text, match)
            end = mark.end if mark else match.end()
            if mark:
                yield mark
        for match in _SPLIT.finditer(lower):
            if not _COMPARED.search(text, max(match.start() - 12, 0), match.start()):
                end = text.find("\n", match.end(), match.end() + 80)
                rest = text[match.end() : end if end >= 0 else match.end() + 80]
                scheme = self._target.scheme
                stands = text[match.start() : match.end()]
                yield Mark(*match.span(), 0, Kind.SCHEME, stands, write=scheme, context=rest)

    def has_own(self, text: str) -> bool:
        """Whether an address of the proxy is in it, with a dialect."""
        found = (match[1] for match in _OWN.finditer(text))
        return any(self._target.is_own(_host_of(place)) for place in found)

    def _site(self, text: str, match: re.Match[str]) -> Mark | None:
        start, end = _name_start(text, match.start()), match.end()
        before = text[start - 1 : start]
        if text[max(start - 3, 0) : start].lower() == "%2f":
            write = f"{self._target.address}, percent-encoded"
            return Mark(start, end, 0, Kind.OTHER, text[start:end], write=write)
        if start == match.start() and _is_word(before):
            return None
        if before == "@":
            return None
        site = self._clients.site_of(text[start:end].lower())
        after = _AFTER.match(text, end, end + MAX_PIECE)
        if site is None or after is None:
            return None
        path = after[2].rstrip(".")
        end += len((after[1] or "") + path)
        slashes = _SLASHES.search(text, max(start - 12, 0), start)
        start = slashes.start() if slashes else start
        mark = Mark(start, end, 0, Kind.ADDRESS, text[start:end], site.dialect)
        mark.is_shared = site.is_shared
        if slashes is None and before == "/":
            return None
        return self._classified(mark, path, text, slashes is None, site.others)

    def _classified(
        self, mark: Mark, path: str, text: str, is_bare: bool, others: tuple[str, ...]
    ) -> Mark | None:
        following = text[mark.end : mark.end + 1]
        plain = path.replace("\\", "")
        if _END.search(path):
            mark.write = self._target.url(mark.dialect, plain.rstrip("/"))
            mark.write = mark.write.partition("://")[2] if is_bare else mark.write
            mark.write = _like(mark.stands, mark.write + "/" * plain.endswith("/"))
            mark.is_patched = True
        elif plain.startswith(others):
            mark.kind = Kind.OTHER
            mark.write = "not the protocol of handler_api.php: the proxy has no such path"
        elif plain.rstrip("/") not in _BASES or (following and following in "?#"):
            return None
        elif is_bare:
            if plain:
                return None
            mark.kind, mark.write = Kind.HOST, self._target.place
            given = _GIVEN_TO.search(text, max(mark.start - 60, 0), mark.start)
            mark.context = given[1] if given else ""
        else:
            mark.kind = Kind.BASE
            mark.write = _like(mark.stands, self._target.base(mark.dialect) + plain)
            mark.is_patched = True
        return mark

    def _path(self, text: str, match: re.Match[str], after: int) -> Mark | None:
        left = start = match.start()
        if _is_word(text[start - 1 : start]):
            return None
        while left > max(after, start - MAX_PIECE) and text[left - 1] in _ADDRESS:
            left -= 1
        piece = text[left:start].replace("\\", "")
        slashes = piece.rfind("://")
        host = _HOST.match(piece, slashes + 3) if slashes >= 0 else None
        if host:
            begin = left + text[left:start].lower().rfind("http")
            stands = text[begin : match.end()]
            is_http = stands[:4].lower() == "http"
            return self._unknown_site(stands, begin, host) if is_http else None
        folder = _FOLDER.search(text, max(start - 9, 0), start)
        begin = folder.start() if folder else start
        if not folder and not match[1]:
            return None
        if _DIALECT.search(text[max(begin - 20, 0) : begin].replace("\\", "")):
            return None
        return Mark(begin, match.end(), 0, Kind.PATH, text[begin : match.end()])

    def _unknown_site(self, stands: str, start: int, host: re.Match[str]) -> Mark | None:
        name = _host_of(host[0])
        if self._target.is_own(name):
            return None
        path = stands.replace("\\", "").partition("://")[2].partition("/")[2]
        dialect = dialect_of(name)
        write = _like(stands, self._target.url(dialect, f"/{path}"))
        end = start + len(stands)
        return Mark(start, end, 0, Kind.ADDRESS, stands, dialect, write, is_patched=True)


def _like(stands: str, write: str) -> str:
    return write.replace("/", r"\/") if r"\/" in stands else write


def _name_start(text: str, start: int) -> int:
    """Where a host begins whose end is a known one: with its subdomains."""
    first = max(0, start - 100)
    if start > first and text[start - 1] == ".":
        while start > first and text[start - 1] in _NAME:
            start -= 1
    return start


def _is_word(char: str) -> bool:
    return char.isalnum() or char in ("_", "-")


def _host_of(place: str) -> str:
    """The host of host and port, in lower case."""
    return re.sub(r":[0-9]*$", "", place).strip("[]").lower()
