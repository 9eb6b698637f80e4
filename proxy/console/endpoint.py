"""The legacy endpoint as the console uses it. app/console.py hands it in: the console does not
import the room of the endpoint.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.types import ASGIApp

from proxy.config.programs import Program
from proxy.model.errors import Problem

Ask = Callable[[Program, Mapping[str, str]], Awaitable[tuple[str, Problem | None]]]
"""What a program reads when a request is made for it, in the default dialect, and the problem."""


Kind = Literal["service", "country"]
Nearest = Callable[[Kind, str, str], str | None]
"""The right code for a kind, a wrong word and a dialect; None if there is
none. It takes up to 50 ms.
"""


Explain = Callable[[Mapping[str, str], str, str], Awaitable[dict[str, Any]]]
"""What a getNumber with these parameters would get, in a dialect, by a program's limits; "" is the
default dialect, and no program. Reads public prices, buys nothing. Raises QuestionError.
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    app: ASGIApp
    actions: Collection[str]
    ask: Ask
    nearest: Nearest
    explain: Explain
