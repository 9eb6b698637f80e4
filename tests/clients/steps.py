"""The steps that every client goes, and what each client makes of them.

A client is wrapped in a `Client`: it answers in the words of the protocol, whether its library
returns a word, an enum or raises. Where a library shows something else, by its own fault, a row of
`FAULTS` says what, and quotes the line of its source that does it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from tests.clients.stage import Sandbox, eventually

UNKNOWN = "4"


class Client(Protocol):
    """It may have `wait(id)` too, which returns the code when it has come."""

    def balance(self) -> Any: ...

    def buy(self, service: str) -> tuple[Any, Any]:
        """The id and the phone of a number in the United Kingdom."""

    def status(self, id: Any) -> tuple[str, str | None]:
        """The word, and the code."""

    def set(self, id: Any, status: int) -> Any:
        """The word of setStatus, or what stands for it."""


class Connect(Protocol):
    def __call__(self, url: str, key: str) -> Client: ...


class Refused(Exception):
    """What a library makes of a refusal: its word, else the kind of error."""


@dataclass(frozen=True)
class Fault:
    client: str
    dialects: tuple[str, ...]
    step: str
    shown: Any
    """What the client shows in this step, with every server of this dialect."""
    file: str
    """A file of its package as installed."""
    line: str
    """The line that does it."""


def told(ask: Any, *arguments: Any) -> Any:
    """The answer of a client, or its refusal."""
    try:
        return ask(*arguments)
    except Refused as refused:
        return str(refused)


def walk(
    connect: Connect, sandbox: Sandbox, dialect: str, key: str, faults: dict[str, Any]
) -> None:
    """All steps; `faults` has what is shown in a step instead of what is expected.

    The sandbox sends no SMS by itself, so that every client is sure to see its number waiting.
    """
    url, seen = sandbox.at(dialect), {}
    client = connect(url, key)

    def see(step: str, shown: Any, expected: Any) -> None:
        if shown != expected:
            seen[step] = shown

    def code_is(step: str, code: str) -> None:
        sandbox.steer("sms", phone=f"+{phone}", text=f"Your code is {code}.")
        see(step, received(client, id), code)

    see("balance", client.balance(), 100.0)
    id, phone = client.buy("tg")
    see("number", str(phone)[:2], "44")
    see("waiting", client.status(id), ("STATUS_WAIT_CODE", None))
    code_is("code", "41733")
    see("another code", client.set(id, 3), "ACCESS_RETRY_GET")
    see("waiting for another code", client.status(id), ("STATUS_WAIT_RETRY", "41733"))
    code_is("second code", "90125")
    see("finish", client.set(id, 6), "ACCESS_ACTIVATION")
    see("finished", client.status(id), ("STATUS_CANCEL", None))
    see("early cancel", told(client.set, client.buy("vk")[0], 8), "EARLY_CANCEL_DENIED")
    see("unknown id", told(client.status, UNKNOWN), "NO_ACTIVATION")
    see("bad key", told(connect(url, f"bad-{key}").balance), "BAD_KEY")
    assert seen == faults, seen


def received(client: Client, id: Any) -> str | None:
    if wait := getattr(client, "wait", None):
        return wait(id)
    return eventually(lambda: client.status(id), lambda seen: seen[0] == "STATUS_OK")[1]
