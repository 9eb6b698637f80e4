"""Where the proxy will be, and its addresses for each dialect. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.endpoint.paths import PATHS
from proxy.legacy.dialects import DIALECTS
from proxy.model.errors import QuestionError
from proxy.runtime.urls import url_fault

LOCAL = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1"})


@dataclass(frozen=True, slots=True)
class Target:
    """`place` is host and port; `prefix` is a path before those of the proxy, or ""."""

    scheme: str
    place: str
    host: str
    prefix: str = ""

    @property
    def address(self) -> str:
        return f"{self.scheme}://{self.place}{self.prefix}"

    def path(self, dialect: str, path: str = "") -> str:
        return f"{self.prefix}/{dialect}{path}"

    def base(self, dialect: str) -> str:
        """The address of a dialect, without handler_api.php."""
        return f"{self.address}/{dialect}"

    def url(self, dialect: str, path: str = PATHS[0]) -> str:
        """The whole address; a path that the proxy does not serve becomes the usual one."""
        return self.base(dialect) + (path if path in PATHS else PATHS[0])

    def is_own(self, host: str) -> bool:
        """Whether a host in lower case is the proxy, or a server of the program's own: on this
        machine, or with a name that only containers and local networks have.
        """
        return host == self.host or host in LOCAL or "." not in host


def parse_target(url: str) -> Target:
    """Raises QuestionError."""
    fault = url_fault(url)
    if fault:
        raise QuestionError(fault)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise QuestionError("write an address that begins with http:// or https://")
    if parts.username is not None or parts.query or parts.fragment:
        raise QuestionError("write the address without user, query and fragment")
    prefix = parts.path.rstrip("/")
    if prefix.endswith(PATHS) or prefix.rpartition("/")[2] in DIALECTS:
        raise QuestionError(
            f"write the address of the proxy alone: {parts.scheme}://{parts.netloc}"
        )
    return Target(parts.scheme, parts.netloc, (parts.hostname or "").lower(), prefix)


def dialect_of(host: str) -> str:
    """The dialect of a host that is in no table: by its name, else the usual one."""
    return next((name for name, d in DIALECTS.items() if d.host in host), next(iter(DIALECTS)))
