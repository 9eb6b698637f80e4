"""Which page sent a request to a local port: by its Host and Origin headers. Pure: no IO.

A web page can send requests to any port of the machine of its reader. Browsers say which page it
was: in Sec-Fetch-Site to local addresses and over https, in Origin with every POST and every
WebSocket (Fetch standard; RFC 6455, 10.2). With DNS rebinding the page has the same origin, but
then Host has the attacker's name.
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
    """The name in a Host header, in lower case and without the port; empty if it is not valid."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def is_known_host(headers: Headers, names: Collection[str], *, takes_short: bool = False) -> bool:
    """Whether the request was sent to localhost, to an IP address or to one of `names` (lower
    case). `takes_short` also accepts names without a dot, as containers and CI services have:
    nobody can register one.
    """
    hosts = headers.getlist("host")
    name = host_name(hosts[0]) if len(hosts) == 1 else ""
    if name in names or name == "localhost" or name.endswith(".localhost"):
        return bool(name)
    return _is_address(name) or (takes_short and bool(name) and not {".", ":"} & set(name))


def is_from_browser(headers: Headers) -> bool:
    return "origin" in headers or "sec-fetch-site" in headers


def is_same_origin(headers: Headers) -> bool:
    """Whether the browser says that a page of this address sent it, or no page at all."""
    sites, host = headers.getlist("sec-fetch-site"), headers.get("host", "")
    if not all(site in ("same-origin", "none") for site in sites):
        return False
    return all(_place(origin) == host.lower() for origin in headers.getlist("origin"))


def _place(origin: str) -> str:
    """Host and port of an Origin header; empty if it has none, such as null."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """An IP address is no name that an attacker could point at this machine."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
