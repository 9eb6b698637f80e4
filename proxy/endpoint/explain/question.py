"""Reads the arguments of `explain`: words such as name=value, or a whole request. Pure."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.config.yaml_file import nearest
from proxy.endpoint.actions.parameters import BUYS, names_of
from proxy.endpoint.paths import PATHS
from proxy.legacy.dialects import DIALECTS, Dialect
from proxy.legacy.request import Request, parse
from proxy.model.errors import QuestionError

OWN = ("dialect", "key")
"""Words that are not parameters: the dialect, and the name of a program."""

PARAMETERS = ("api_key", "action", *names_of(*BUYS.split()))


@dataclass(frozen=True, slots=True)
class Question:
    dialect: Dialect
    request: Request
    program: str = ""
    """The name of a program in the configuration."""
    is_whole: bool = False
    """It was a whole request: a missing parameter is one that the client does not send."""

    @property
    def unknown(self) -> Iterator[tuple[str, str]]:
        """The unknown parameters, each with a similar known one or ""."""
        for name in self.request.parameters:
            if name not in PARAMETERS:
                yield name, _like(name, PARAMETERS)


def parse_question(words: Sequence[str], default: str) -> Question:
    """`default` is the dialect of the plain paths. Raises QuestionError."""
    parts = " ".join(words).split()
    if len(parts) > 1 and parts[0] in ("GET", "POST"):
        parts = parts[1:2]
    if len(parts) == 1 and ("/" in parts[0].partition("=")[0] or "&" in parts[0]):
        return _of_url(parts[0], default)
    return _of_words(words if len(words) > 1 else parts, default)


def _of_url(url: str, default: str) -> Question:
    """Reads a URL, a path with a query, or a query."""
    try:
        parts = urlsplit(url if "/" in url.partition("=")[0] else f"?{url.lstrip('?')}")
        host = parts.hostname or ""
    except ValueError as error:
        raise QuestionError("this is not a URL") from error
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
    """The most similar of the known names, ignoring case; "" if none is similar."""
    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[close[0]] if close else ""
