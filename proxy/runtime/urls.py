"""Checks URLs of the configuration, shows them without secrets, and finds their secrets. Pure."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

_HOST = r"(?:\[[0-9a-f:.%]+\]|[\w.-]+)(?::[0-9]+)?"
# Another @ than the one after user and password may be part of an unquoted password.
_PLAIN = re.compile(
    rf"(?P<scheme>[a-z]+)://(?:[^@/?#]*@)?(?P<host>(?:{_HOST}(?:,{_HOST})*)?)"
    r"(?P<path>/[^@?#]*)?(?:[?#][^@]*)?",
    re.IGNORECASE,
)


def shown_url(url: str) -> str:
    """The URL without user, password, query and fragment; only the scheme if it is not plain."""
    if url.startswith("sqlite:"):
        return url
    found = _PLAIN.fullmatch(url)
    if found is None:
        return f"{url.partition(':')[0]}://…" if "://" in url else "…"
    return f"{found['scheme']}://{found['host']}{found['path'] or ''}"


def shown_host(url: str) -> str:
    """Only host and port: the path of a webhook URL is often secret."""
    found = _PLAIN.fullmatch(url)
    return found["host"] if found else "…"


def url_fault(url: str) -> str:
    """What is wrong with the URL, and the fix; empty if it is valid."""
    if bad := _misplaced(url):
        return f"the character {bad!a} is not allowed in a URL: take it away"
    is_store = url.startswith(("sqlite:", "postgres"))
    if is_store or _has_host(url):
        return ""
    return f"{shown_url(url)} is no address: write it as {url.partition(':')[0]}://host/path"


def url_secrets(url: str) -> Iterator[str]:
    """Its password, quoted and unquoted, and the values of its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    userinfo = parts.netloc.rpartition("@")[0]
    if password := userinfo.partition(":")[2]:
        yield from (password, unquote(password))
    yield from (value for _, value in parse_qsl(parts.query))


def _misplaced(url: str) -> str:
    """The first character that is not allowed in a URL: urllib drops some of them silently, others
    end a line of HTTP. The name of a SQLite file may have spaces inside.
    """
    allowed = " " if url.startswith("sqlite:") and url == url.strip() else ""
    return next((c for c in url if c not in allowed and (c == " " or not c.isprintable())), "")


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.port != 0 and bool(parts.hostname)
    except ValueError:
        return False
