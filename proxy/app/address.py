"""URLs that people can copy: http://127.0.0.1:8080, http://[::1]:8080. Pure."""

from ipaddress import ip_address


def url(host: str, port: int, *, is_tls: bool) -> str:
    """The URL at which a client on this machine reaches a server that listens on `host`."""
    name = reachable(host)
    name = f"[{name}]" if ":" in name else name
    return f"{'https' if is_tls else 'http'}://{name}:{port}"


def reachable(host: str) -> str:
    """The host to connect to: loopback for 0.0.0.0 and ::, which mean all addresses."""
    if not _is_every(host):
        return host
    return "::1" if ":" in host else "127.0.0.1"


def listening_note(host: str) -> str:
    """A text to print behind the URL of a server that listens on all addresses, else ""."""
    if not _is_every(host):
        return ""
    return f" (listening on all{' IPv6' if ':' in host else ''} addresses)"


def _is_every(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
