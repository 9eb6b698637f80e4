"""`Sandbox`: starts the sandbox and controls it. It needs the standard library alone."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from proxy.testing.process import SandboxError, SandboxProcess

__all__ = ["Entry", "Ledger", "Order", "Report", "Sandbox", "SandboxError", "Sms"]

START_SECONDS = 120.0
"""How long a sandbox may take to start, on a machine that starts many."""
CALL_SECONDS = 120.0
POLL_SECONDS = 0.02
NEVER = 1e9

FaultKind = Literal["status", "cdn", "truncated", "wrong_type", "slow", "silence", "broken"]


@dataclass(frozen=True, slots=True)
class Sms:
    sender: str
    text: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a program has bought. `number` has digits only; `country` is an ISO code; `price` is in
    US dollars; `status` is waiting, completed, expired or cancelled.
    """

    id: str
    number: str
    service: str
    country: str
    price: float
    status: str
    refunded: bool
    messages: tuple[Sms, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A movement of money: a deposit, charge, refund or credit. Charges are negative."""

    kind: str
    cents: int
    order: str | None
    about: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The money of all keys, in US cents; `spent` is `charged` without `refunded`."""

    charged: int
    refunded: int
    spent: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """How compatible the programs are: how many of their `requests` were `understood`, how many
    `refused`, `summary` in one line, and a line for each parameter or action without its effect.
    """

    requests: int
    understood: int
    refused: int
    summary: str
    lines: tuple[str, ...]


class Sandbox:
    """A context manager: a sandbox in a process of its own, or with `url` one that runs already,
    such as that of a container.

    `port` 0 is any free one. `sms_after` are the seconds from a purchase to its SMS; with None no
    SMS comes but those of `send_sms`. `switches` are those of docs/sandbox.md, by name. Methods and
    properties raise SandboxError if the sandbox does not start, has ended, or refuses a call.
    """

    api_key = "sandbox"
    """A key that a program may use; any other that does not begin with `bad` will do."""

    def __init__(
        self,
        *,
        url: str | None = None,
        port: int = 0,
        sms_after: float | None = None,
        switches: Mapping[str, object] | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        after = NEVER if sms_after is None else sms_after
        self._arguments = ["--port", str(port), "--sms-after", str(after)]
        for name, value in (switches or {}).items():
            self._arguments += ["--switch", f"{name}={value}"]
        self._start_seconds = start_seconds
        self._given_url = None if url is None else url.rstrip("/")
        self._process: SandboxProcess | None = None
        self._seed = 0
        self._shown: set[tuple[str, str]] = set()
        # Without a proxy that the environment names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    # Its life.

    def start(self) -> None:
        """Starts the process, if there is one to start, and returns when the sandbox answers."""
        if self._given_url is not None:
            self._wait_for_answer()
        elif self._process is None:
            self._process = SandboxProcess(self._arguments, self._start_seconds)

    def stop(self) -> None:
        """Ends the process. Without it the process ends with this one."""
        if self._process is not None:
            process, self._process = self._process, None
            process.stop()

    def __enter__(self) -> "Sandbox":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def reset(self) -> None:
        """Brings everything back to the start: orders, money, faults, switches, report, the proxy
        and its clock. Order ids and numbers are others than before.
        """
        self._seed += 1
        self.control("POST", "reset", {"seed": self._seed, "report": True})
        self._shown.clear()
        if self._process is not None:
            self._process.lines.clear()

    # Where programs find it.

    @property
    def url(self) -> str:
        """Its address, such as http://127.0.0.1:40123."""
        return self._given_url or self._running.url

    @property
    def endpoint(self) -> str:
        """The address of the old protocol, `url` with /stubs/handler_api.php."""
        return f"{self.url}/stubs/handler_api.php"

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def printed(self) -> str:
        """What the process has printed since its start or the last `reset`; "" with `url`."""
        return "".join(list(self._process.lines)) if self._process else ""

    # What a test does.

    def wait_for_number(self, seconds: float = 10.0) -> str:
        """Returns the digits of a number as soon as a program has bought it, each number once and
        the oldest first. Raises SandboxError after that time.
        """
        end = time.monotonic() + seconds
        while True:
            for order in self.orders:
                if (order.id, order.number) not in self._shown:
                    self._shown.add((order.id, order.number))
                    return order.number
            if time.monotonic() > end:
                asked = self.report.summary
                raise SandboxError(f"no program bought a number in {seconds:g} s: {asked}")
            time.sleep(POLL_SECONDS)

    def send_sms(self, number: str, text: str, *, sender: str = "", after: float = 0.0) -> None:
        """Sends an SMS to a bought number, `after` seconds from now on the sandbox's clock.

        Raises SandboxError if nobody has the number, or its order takes no SMS any more.
        """
        body = {"phone": number, "text": text, "sender": sender, "after": after}
        done = self.control("POST", "sms", body)
        if not done["arrived"] and after == 0:
            raise SandboxError(f"{number} takes no SMS: its order is {done['order']['status']}")

    def advance(self, seconds: float) -> None:
        """Lets that time pass in a moment: holds end, orders expire, scheduled cancels happen."""
        self.control("POST", "clock", {"seconds": seconds})

    def fail_next(
        self,
        call: str = "*",
        kind: FaultKind = "status",
        *,
        times: int = 1,
        when: Literal["before", "after"] = "before",
        **details: Any,
    ) -> None:
        """Makes the next calls of the upstream fail, as docs/sandbox.md#faults says.

        `call` is purchase, order, orders, cancel, balance …, or * for any. The fault happens before
        or after the call takes effect. `details` are `status`, `body`, `headers`, `seconds`.
        """
        fault = {"call": call, "kind": kind, "times": times, "when": when, **details}
        self.control("POST", "faults", fault)

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Calls the control API: `path` is what stands behind /sandbox/. Returns its JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/sandbox/{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=CALL_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SandboxError(_refusal(f"{method} /sandbox/{path}", error)) from error
        except (OSError, http.client.HTTPException) as error:
            what = f"the sandbox does not answer at {self.url}: {error}"
            failure = self._process.failure(what) if self._process else SandboxError(what)
            raise failure from error

    # What came of it.

    @property
    def orders(self) -> list[Order]:
        """The orders of all keys, oldest first."""
        return [_order(row) for row in self.control("GET", "orders")["orders"]]

    @property
    def ledger(self) -> Ledger:
        ledger = self.control("GET", "ledger")
        entries = tuple(
            Entry(row["kind"], row["cents"], row["order"], row["about"])
            for row in ledger["entries"]
        )
        return Ledger(**ledger["totals"], entries=entries)

    @property
    def report(self) -> Report:
        found = self.control("GET", "report")
        return Report(
            requests=found["requests"],
            understood=found["understood"],
            refused=found["refused"],
            summary=found["summary"],
            lines=tuple(found["lines"]),
        )

    def _wait_for_answer(self) -> None:
        end = time.monotonic() + self._start_seconds
        while True:
            try:
                self.control("GET", "clock")
                return
            except SandboxError:
                if time.monotonic() > end:
                    raise
            time.sleep(POLL_SECONDS)

    @property
    def _running(self) -> SandboxProcess:
        if self._process is None:
            raise SandboxError("the sandbox does not run: use `with Sandbox() as sandbox`")
        return self._process


def _order(row: dict[str, Any]) -> Order:
    return Order(
        id=row["first_id"],
        number=row["phone_number"],
        service=row["service"],
        country=row["country"],
        price=row["price"],
        status=row["status"],
        refunded=row["refunded"],
        messages=tuple(Sms(sms["sender"], sms["content"]) for sms in row["messages"]),
    )


def _refusal(call: str, error: urllib.error.HTTPError) -> str:
    """What the sandbox said to a wrong call, and what would be right."""
    text = error.read().decode(errors="replace")
    try:
        said = json.loads(text)
        return f"{call}: {said['error']}; known: {json.dumps(said['known'])[:500]}"
    except (ValueError, KeyError, TypeError):
        return f"{call}: {error.code} {text[:500]}"
