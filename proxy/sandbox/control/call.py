"""One call of the control API."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from proxy.sandbox.wire.answers import Json


@dataclass(frozen=True, slots=True)
class Control:
    """`name` is its operationId. `answer` and `body` are types of JSON; `schema` is the type that
    the contract shows instead of `body`. `query` are the names of its parameters. `act` gets the
    body or the query, if there is one.
    """

    method: str
    path: str
    name: str
    act: Callable[..., Json | Awaitable[Json]]
    about: str
    answer: Any
    body: Any = None
    schema: Any = None
    query: tuple[str, ...] = ()
