"""The crash test: a proxy under load is killed again and again, then its money is counted.

`python -m tests.crash --kills 50` is the long form; tests/product/test_crash.py runs a short one.
"""

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx

from tests.support.pace import slowdown
from tests.support.process import PATIENCE
from tests.support.running import NUMBER, Proxy, Upstream, an_upstream, until

GROUPS = 3
"""Keys in use at a time. A key has 60 requests a minute: each life of the proxy has new ones."""
CLIENTS = 6
HANGS_UP = 0.2
"""How many clients do not wait for their answer."""
LIFE = (0.3, 1.5)
"""Seconds of load before a kill, at least and at most; more where the machine is busy."""
PER_MINUTE = 600
"""Requests of a key, so that what is owed after a load does not wait a minute for its turn."""

# A window in which a kill finds a purchase under way, and outcomes that stay unclear.
FAULTS = (
    {"call": "purchase", "kind": "slow", "when": "after", "seconds": 0.3, "chance": 0.2},
    {"call": "purchase", "kind": "broken", "when": "after", "chance": 0.1},
    {"call": "purchase", "kind": "status", "when": "before", "chance": 0.05},
    {"call": "cancel", "kind": "broken", "when": "after", "chance": 0.1},
)


@dataclass(slots=True)
class Held:
    """A number that a client was answered, and what it knows of it."""

    key: str
    id: str
    phone: str
    plan: str
    """wait, code, finish or cancel."""
    was_texted: bool = False
    was_ended: bool = False
    """A cancel or finish was sent; whether it was heard, the answer tells."""
    last: str = "STATUS_WAIT_CODE"
    """What getStatus must go on saying; from STATUS_WAIT_CODE it may go on to the code."""


@dataclass(slots=True)
class Load:
    """What the clients have seen, all together."""

    proxy: Proxy
    upstream: Upstream
    seed: int
    life: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    held: list[Held] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    """getNumber requests by key."""
    lost: Counter[str] = field(default_factory=Counter)
    """Of those, the ones whose answer was in flight when the proxy was killed."""
    left: Counter[str] = field(default_factory=Counter)
    """Of those, the ones whose client hung up; it may have been too late to be noticed."""
    wrong: set[str] = field(default_factory=set)


class Client(threading.Thread):
    """Buys a number, does something with it, looks at an older one, and so on."""

    def __init__(self, load: Load, number: int) -> None:
        super().__init__(daemon=True)
        self._load = load
        self._number = number
        self._random = random.Random(f"{load.seed}/{number}")
        self._own: list[Held] = []

    def run(self) -> None:
        try:
            while not self._load.stopping.is_set():
                self._buy()
                if self._own:
                    self._go_on(self._random.choice(self._own[-8:]))
                time.sleep(self._random.uniform(0.0, 0.1))
            for held in self._own:
                self._finish(held)
        except Exception as error:
            self._load.wrong.add(f"client {self._number}: {error!r}")

    def _buy(self) -> None:
        key = f"life{self._load.life}-group{self._number % GROUPS}"
        self._load.asked[key] += 1
        try:
            if self._random.random() < HANGS_UP:
                self._load.left[key] += 1
                self._load.proxy.ask_and_go(NUMBER, key)
                return
            said = self._load.proxy.ask(NUMBER, key)
        except (httpx.ConnectError, OSError):
            return
        except httpx.HTTPError:
            self._load.lost[key] += 1
            return
        if said.startswith("ACCESS_NUMBER:"):
            _, id, phone = said.split(":")
            plan = self._random.choice(("wait", "code", "finish", "cancel"))
            self._own.append(Held(key, id, phone, plan))
            self._load.held.append(self._own[-1])
        elif said != "ERROR_SQL":
            self._load.wrong.add(f"getNumber: {said}")

    def _go_on(self, held: Held) -> None:
        """One step of the plan, then a look."""
        if held.plan in ("code", "finish") and not held.was_texted:
            self._load.upstream.steer("sms", {"phone": held.phone, "text": "Your code is 4711"})
            held.was_texted = True
        if held.last == "STATUS_CANCEL":
            pass
        elif held.plan == "cancel":
            self._set(held, 8, "ACCESS_CANCEL")
        elif held.plan == "finish" and held.last == "STATUS_OK:4711":
            self._set(held, 6, "ACCESS_ACTIVATION")
        self._look(held)

    def _set(self, held: Held, status: int, word: str) -> None:
        held.was_ended = True
        said = self._say(held, f"action=setStatus&status={status}&id={held.id}")
        if said == word:
            held.last = "STATUS_CANCEL"
        elif said not in ("", "ERROR_SQL"):
            self._load.wrong.add(f"setStatus={status} of {held}: {said}")

    def _look(self, held: Held) -> None:
        said = self._say(held, f"action=getStatus&id={held.id}")
        if said == "STATUS_OK:4711" and held.was_texted and held.last == "STATUS_WAIT_CODE":
            held.last = said
        elif said == "STATUS_CANCEL" and held.was_ended:
            pass
        elif said not in ("", held.last):
            self._load.wrong.add(f"getStatus of {held}: {said}")

    def _say(self, held: Held, query: str) -> str:
        try:
            return self._load.proxy.ask(query, held.key)
        except httpx.HTTPError:
            return ""

    def _finish(self, held: Held) -> None:
        """The load is over, the proxy lives: a cancel that was begun is said until it is heard."""
        if held.plan == "cancel":
            until(lambda: self._go_on(held) or held.last == "STATUS_CANCEL")
        self._look(held)


@dataclass(frozen=True, slots=True)
class Account:
    """What came out, in cents; `wrong` is empty where every law was kept."""

    kills: int
    asked: int
    held: int
    in_flight: int
    cancelled: int
    orphans: int
    charged: int
    refunded: int
    told: int
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.asked} getNumber, {self.held} numbers answered, "
            f"{self.in_flight} answers in flight at a kill, {self.cancelled} cancelled by clients, "
            f"{self.orphans} that nobody was told about refunded; charged {self.charged / 100:.2f} "
            f"- refunded {self.refunded / 100:.2f} = told {self.told / 100:.2f} USD"
        )


def crash(kills: int, seed: int, folder: Path) -> Account:
    """Runs the load, kills the proxy `kills` times under it, and counts."""
    with an_upstream(folder, hold=1, per_minute=PER_MINUTE) as upstream:
        proxy = Proxy(
            folder,
            upstream.url,
            PROXY_UPSTREAM_REQUESTS_PER_MINUTE=str(PER_MINUTE),
            PROXY_UPSTREAM_TIMEOUT="12",
            PROXY_ORPHAN_REUSE_SECONDS="2",
            PROXY_EARLY_CANCEL="defer",
        )
        load = Load(proxy, upstream, seed)
        for fault in FAULTS:
            upstream.steer("faults", {**fault, "times": None})
        proxy.start()
        try:
            _run(load, kills)
            upstream.no_more_faults()
            until(lambda: is_settled(load))
            return account_of(load, kills)
        finally:
            proxy.stop()


def _run(load: Load, kills: int) -> None:
    moments = random.Random(load.seed)
    clients = [Client(load, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for _ in range(kills):
        time.sleep(moments.uniform(*LIFE) * slowdown())
        load.proxy.kill()
        load.life += 1
        load.proxy.start()
    until(lambda: len(load.held) > kills and any(held.plan == "cancel" for held in load.held))
    load.stopping.set()
    for client in clients:
        client.join(2 * PATIENCE)


def _told(load: Load) -> dict[str, int]:
    """The price of each order that the store says a client was told and did not cancel."""
    prices = {order["order_id"]: round(order["price"] * 100) for order in load.upstream.orders()}
    rows = load.proxy.rows("select order_id from orders where told = 1 and cancelling = 0")
    cancelled = _orders_of(load, [held for held in load.held if held.last == "STATUS_CANCEL"
                                  and held.plan == "cancel"])  # fmt: skip
    return {id: prices[id] for (id,) in rows if id not in cancelled}


def _orders_of(load: Load, held: list[Held]) -> set[str]:
    by_phone = {order["phone_number"]: order["order_id"] for order in load.upstream.orders()}
    return {by_phone[one.phone] for one in held}


def is_settled(load: Load) -> bool:
    owed = load.proxy.rows("select * from owed where kind != 'purchase'")
    return not owed and load.upstream.spent() == sum(_told(load).values())


def account_of(load: Load, kills: int) -> Account:
    charges, refunds = load.upstream.entries("charge"), load.upstream.entries("refund")
    cancelled = [held for held in load.held if held.plan == "cancel"]
    given_up = _orders_of(load, cancelled)
    refunded = Counter(entry["order"] for entry in refunds)
    told = _told(load)
    spent = sum(told.values())
    return Account(
        kills=kills,
        asked=load.asked.total(),
        held=len(load.held),
        in_flight=load.lost.total(),
        cancelled=len(cancelled),
        orphans=len(refunded.keys() - given_up),
        charged=-sum(entry["cents"] for entry in charges),
        refunded=sum(entry["cents"] for entry in refunds),
        told=spent,
        wrong=(*sorted(load.wrong), *_broken_laws(load, told, given_up, refunded)),
    )


def _broken_laws(
    load: Load, told: dict[str, int], given_up: set[str], refunded: Counter[str]
) -> Iterator[str]:
    received = _orders_of(load, load.held)
    if load.upstream.spent() != sum(told.values()):
        yield f"spent {load.upstream.spent()}, told {sum(told.values())}"
    if len(received) != len(load.held):
        yield "one number was answered twice"
    if unkept := received - given_up - told.keys():
        yield f"answered and not in the store: {unkept}"
    if taken := (received - given_up) & refunded.keys():
        yield f"refunded under their client: {taken}"
    if forgotten := given_up - refunded.keys():
        yield f"cancelled and not refunded: {forgotten}"
    if twice := [order for order, times in refunded.items() if times > 1]:
        yield f"refunded more than once: {twice}"
    yield from _unexplained(load, told.keys() - received)


def _unexplained(load: Load, unheard: set[str]) -> Iterator[str]:
    """Told and unheard, without an answer on its way; more purchases than getNumber."""
    for key, asked in load.asked.items():
        orders = {order["order_id"] for order in load.upstream.orders(key)}
        if len(orders & unheard) > load.lost[key] + load.left[key]:
            yield f"{key}: {len(orders & unheard)} told, and no client could have heard it"
        sent = len(load.upstream.requests("purchase", key))
        if sent > asked:
            yield f"{key}: {sent} purchases for {asked} getNumber"


@click.command()
@click.option("--kills", type=click.IntRange(1), default=50, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses the moments.")
def main(kills: int, seed: int) -> None:
    """Kill a proxy under load, again and again; exit 1 where money or a number was lost."""
    with tempfile.TemporaryDirectory() as folder:
        account = crash(kills, seed, Path(folder))
    click.echo(account)
    for wrong in account.wrong:
        click.echo(wrong, err=True)
    sys.exit(bool(account.wrong))


if __name__ == "__main__":
    main()
