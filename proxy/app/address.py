"""Addresses as people copy them: http://127.0.0.1:8080, http://[::1]:8080. Pure."""

from ipaddress import ip_address


def url(host: str, port: int, *, is_tls: bool) -> str:
    """Where a client on this machine reaches what listens at `host`."""
    name = reachable(host)
    name = f"[{name}]" if ":" in name else name
    return f"{'https' if is_tls else 'http'}://{name}:{port}"


def reachable(host: str) -> str:
    """Loopback for 0.0.0.0 and ::, which are every address of a machine and none to connect to."""
    if not _is_every(host):
        return host
    return "::1" if ":" in host else "127.0.0.1"


def noted(host: str) -> str:
    """What to put behind a url, so that it is not taken for the only one."""
    if not _is_every(host):
        return ""
    return f" (listening on all{' IPv6' if ':' in host else ''} addresses)"


def _is_every(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
