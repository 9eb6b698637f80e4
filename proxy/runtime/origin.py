"""Who sent a request to a local port: the name in its Host, the page in its Origin. Pure.

A web page can send requests to any port of the machine of its reader. Browsers say which page it
was: in Sec-Fetch-Site to local addresses and over https, in Origin with every POST and every
WebSocket (Fetch standard; RFC 6455, 10.2). A name that an attacker points at this machine (DNS
rebinding) makes the page one of the same origin, but then that name stands in Host.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

_HOST = re.compile(
    r"(?:\[([0-9a-f]*:[0-9a-z:.%]*)\]|([\w.-]+))(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)


def host_name(host: str) -> str:
    """The name in a Host, in lower case and without the port; empty for what is no Host."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def is_known_host(headers: Headers, names: Collection[str], *, takes_short: bool = False) -> bool:
    """Whether it was sent to localhost, to an IP address or to one of `names` (in lower case).

    `takes_short` also takes names without a dot, which a container or a CI service has: nobody
    can register one.
    """
    hosts = headers.getlist("host")
    name = host_name(hosts[0]) if len(hosts) == 1 else ""
    if name in names or name == "localhost" or name.endswith(".localhost"):
        return bool(name)
    return _is_address(name) or (takes_short and bool(name) and not {".", ":"} & set(name))


def is_from_browser(headers: Headers) -> bool:
    return "origin" in headers or "sec-fetch-site" in headers


def is_same_origin(headers: Headers) -> bool:
    """Whether a page of this address sent it, or no page at all, as far as its browser says."""
    sites, host = headers.getlist("sec-fetch-site"), headers.get("host", "")
    if not all(site in ("same-origin", "none") for site in sites):
        return False
    return all(_place(origin) == host.lower() for origin in headers.getlist("origin"))


def _place(origin: str) -> str:
    """Host and port of an Origin; empty for what is none, such as null."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """It is no name, so there is none that could be pointed here."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
