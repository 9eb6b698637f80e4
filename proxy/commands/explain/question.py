"""What a person asks `explain` about: words as name=value, or a whole request. Pure."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.app.build import PATHS
from proxy.config.yaml_file import nearest
from proxy.endpoint.actions.numbers import PREFERENCES, UNSUPPORTED
from proxy.legacy.dialects import DIALECTS, Dialect
from proxy.legacy.request import Request, parse
from proxy.model.errors import QuestionError

OWN = ("dialect", "key")
"""Words for `explain` itself: the dialect, and the name of a program in the configuration."""

PARAMETERS = (
    "api_key", "action", "service", "country", "maxPrice", "max_price", "minPrice", "orderId",
    *UNSUPPORTED, *PREFERENCES,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    dialect: Dialect
    request: Request
    program: str = ""
    """The name of a program in the configuration."""
    is_whole: bool = False
    """A whole request: what it lacks, the client does not send."""

    @property
    def unknown(self) -> Iterator[tuple[str, str]]:
        """The parameters that are ignored, each with what it may be meant for."""
        for name in self.request.parameters:
            if name not in PARAMETERS:
                yield name, _like(name, PARAMETERS)


def asked(words: Sequence[str], default: str) -> Question:
    """`default` is the dialect of the plain path. Raises QuestionError."""
    parts = " ".join(words).split()
    if len(parts) > 1 and parts[0] in ("GET", "POST"):
        parts = parts[1:2]
    if len(parts) == 1 and ("/" in parts[0].partition("=")[0] or "&" in parts[0]):
        return _of_url(parts[0], default)
    return _of_words(words if len(words) > 1 else parts, default)


def _of_url(url: str, default: str) -> Question:
    """Of an address, a path with a query, or a query alone."""
    try:
        parts = urlsplit(url if "/" in url.partition("=")[0] else f"?{url.lstrip('?')}")
        host = parts.hostname or ""
    except ValueError as error:
        raise QuestionError("this is no address") from error
    names = (name for name, dialect in DIALECTS.items() if dialect.host in host)
    name, path = next(names, default), parts.path or PATHS[0]
    for prefix in DIALECTS:
        if path.startswith(f"/{prefix}/"):
            name, path = prefix, path.removeprefix(f"/{prefix}")
    if path not in PATHS:
        fix = _like(path, PATHS) or PATHS[0]
        raise QuestionError(f"{path} is no path of the protocol, it gets a 404: write {fix}")
    return Question(DIALECTS[name], parse(parts.query.encode()), is_whole=True)


def _of_words(words: Sequence[str], default: str) -> Question:
    given = {"action": "getNumber"}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise QuestionError("write name=value, as in service=tg country=16, or a request line")
        if name not in (*OWN, *PARAMETERS):
            known = (*OWN, *PARAMETERS)
            fix = _like(name, known) or f"one of {', '.join(known)}"
            raise QuestionError(f"{name} is no parameter: write {fix}")
        given[name] = value.strip()
    name, program = given.pop("dialect", default), given.pop("key", "")
    if name not in DIALECTS:
        raise QuestionError(f"dialect: {name} is none: {nearest(name, DIALECTS)}")
    return Question(DIALECTS[name], Request(given), program)


def _like(name: str, known: Iterable[str]) -> str:
    """The one that a name is most like, whatever its capitals; nothing if it is like none."""
    small = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), small, n=1)
    return small[close[0]] if close else ""
