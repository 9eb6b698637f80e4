"""The crash test: a proxy under load is killed again and again, then its money is counted.

Its clients ask for each number that they have received, until that is answered; where an answer was
lost they send the same `orderId` again. `python -m tests.crash --kills 200 --fsync 50` is the long
form, `--replicas` kills one of two on a PostgreSQL. tests/product/test_crash.py and
tests/replicas/test_money.py run short ones.
"""

import itertools
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx

from tests.support import postgres
from tests.support.pace import slowdown
from tests.support.process import PATIENCE
from tests.support.replicas import Pair, a_pair
from tests.support.running import NUMBER, Proxy, Upstream, an_upstream, until

GROUPS = 3
"""Keys in use at a time. A key has 60 requests a minute: each life of the proxy has new ones."""
CLIENTS = 6
HANGS_UP = 0.2
"""How many clients do not wait for their answer."""
NAMES_IT = 0.5
"""How many requests have an `orderId`."""
GETS_SMS = 0.3
"""How many numbers get an SMS while nobody knows whether their clients have them."""
LIFE = (0.3, 1.5)
"""Seconds of load before a kill, at least and at most; more where the machine is busy."""
LIFE_OF_A_REPLICA = (1.0, 14.0)
"""The same with replicas: one that dies is taken over after ten seconds."""
BUSY = 3.0
"""At most so many times longer does a life last on a busy machine."""
REUSE = 3.0
"""Seconds in which what nobody names is kept; more where the machine is busy."""
DOWN_LONG = 20
"""Each so many kills the proxy stays down for longer than that."""
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

    proxy: Proxy | Pair
    upstream: Upstream
    seed: int
    reuse: float = 2.0
    """Seconds that an unclaimed number is kept, and one in doubt that nobody names."""
    life: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    held: list[Held] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    """getNumber requests by key."""
    lost: Counter[str] = field(default_factory=Counter)
    """Of those, the ones whose answer was in flight when the proxy was killed."""
    left: Counter[str] = field(default_factory=Counter)
    """Of those, the ones whose client hung up; it may have been too late to be noticed."""
    texted: set[str] = field(default_factory=set)
    """Phones that got an SMS while they were in doubt."""
    again: int = 0
    """How often an `orderId` whose answer was lost was sent again."""
    wrong: set[str] = field(default_factory=set)


class Client(threading.Thread):
    """Buys a number, does something with it, looks at an older one, and so on."""

    def __init__(self, load: Load, number: int) -> None:
        super().__init__(daemon=True)
        self._load = load
        self._number = number
        self._random = random.Random(f"{load.seed}/{number}")
        self._own: list[Held] = []
        self._unnamed: list[Held] = []
        """Received, and not asked for yet with an answer."""
        self._orders = itertools.count()
        self._lost: tuple[str, str] | None = None
        """Key and `orderId` of a getNumber whose answer was lost."""

    def run(self) -> None:
        try:
            while not self._load.stopping.is_set():
                self._buy()
                self._ask_for_all()
                if self._own:
                    self._go_on(self._random.choice(self._own[-8:]))
                time.sleep(self._random.uniform(0.0, 0.1))
            self._ask_for_all()
            for held in self._own:
                self._finish(held)
        except Exception as error:
            self._load.wrong.add(f"client {self._number}: {error!r}")

    def _buy(self) -> None:
        key, order = self._lost or self._request()
        is_again, self._lost = self._lost is not None, None
        query = f"{NUMBER}&orderId={order}" if order else NUMBER
        self._load.again += is_again
        self._load.asked[key] += not is_again
        try:
            if not order and self._random.random() < HANGS_UP:
                self._load.left[key] += 1
                self._load.proxy.ask_and_go(query, key)
                return
            said = self._load.proxy.ask(query, key)
        except (httpx.ConnectError, OSError):
            self._lost = (key, order) if is_again else None
            return
        except httpx.HTTPError:
            self._load.lost[key] += 1
            self._lost = (key, order) if order else None
            return
        if said.startswith("ACCESS_NUMBER:"):
            _, id, phone = said.split(":")
            plan = self._random.choice(("wait", "code", "finish", "cancel"))
            self._own.append(Held(key, id, phone, plan))
            self._unnamed.append(self._own[-1])
            self._load.held.append(self._own[-1])
        elif said == "ERROR_SQL":
            self._lost = (key, order) if order else None
        elif not (is_again and said == "ORDER_ALREADY_EXISTS"):
            # Its answer was handed to the connection, and was lost in it.
            self._load.wrong.add(f"getNumber: {said}")

    def _request(self) -> tuple[str, str]:
        """A new key and `orderId`, which may be empty."""
        key = f"life{self._load.life}-group{self._number % GROUPS}"
        is_named = self._random.random() < NAMES_IT
        return key, f"order-{self._number}-{next(self._orders)}" if is_named else ""

    def _ask_for_all(self) -> None:
        """Asks for what was received until that is answered: it may be in doubt after a kill."""
        for held in self._unnamed:
            until(lambda held=held: self._look(held) not in ("", "ERROR_SQL"))
        self._unnamed.clear()

    def _go_on(self, held: Held) -> None:
        """One step of the plan, then a look."""
        if held.plan in ("code", "finish") and not held.was_texted:
            self._load.upstream.steer("sms", {"phone": held.phone, "text": "Your code is 4711"})
            held.was_texted = True
        if held.last == "STATUS_CANCEL":
            pass
        elif held.plan == "cancel" and held.phone not in self._load.texted:
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

    def _look(self, held: Held) -> str:
        said = self._say(held, f"action=getStatus&id={held.id}")
        was_texted = held.was_texted or held.phone in self._load.texted
        if said == "STATUS_OK:4711" and was_texted and held.last == "STATUS_WAIT_CODE":
            held.last = said
        elif said == "STATUS_CANCEL" and held.was_ended:
            pass
        elif said not in ("", "ERROR_SQL", held.last):
            self._load.wrong.add(f"getStatus of {held}: {said}")
        return said

    def _say(self, held: Held, query: str) -> str:
        try:
            return self._load.proxy.ask(query, held.key)
        except httpx.HTTPError:
            return ""

    def _finish(self, held: Held) -> None:
        """The load is over, the proxy lives: a cancel that was begun is said until it is heard."""
        if held.plan == "cancel" and held.phone not in self._load.texted:
            until(lambda: self._go_on(held) or held.last == "STATUS_CANCEL")
        self._look(held)


@dataclass(frozen=True, slots=True)
class Account:
    """What came out, in cents; `wrong` is empty where every law was kept."""

    kills: int
    asked: int
    again: int
    held: int
    in_flight: int
    cancelled: int
    orphans: int
    doubted: int
    """Numbers that were in doubt at some time."""
    charged: int
    refunded: int
    told: int
    in_doubt: int
    """Of numbers that got an SMS and that nobody named."""
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.asked} getNumber, {self.held} numbers answered, "
            f"{self.in_flight} answers in flight at a kill, {self.again} orderId sent again, "
            f"{self.cancelled} cancelled by clients, {self.doubted} were in doubt, "
            f"{self.orphans} that nobody has refunded; charged {self.charged / 100:.2f} "
            f"- refunded {self.refunded / 100:.2f} = told {self.told / 100:.2f} "
            f"+ in doubt with an SMS {self.in_doubt / 100:.2f} USD"
        )


def crash(kills: int, seed: int, folder: Path, fsync: float = 0.0) -> Account:
    """Runs the load, kills the proxy `kills` times under it, and counts. Each `fsync` takes that
    many seconds.
    """
    reuse = REUSE * slowdown()
    with an_upstream(folder, hold=1, per_minute=PER_MINUTE) as upstream:
        proxy = Proxy(folder, upstream.url, fsync=fsync, **settings(reuse))
        proxy.start()
        try:
            load = Load(proxy, upstream, seed, reuse)
            return _counted(load, kills, LIFE, lambda _: proxy)
        finally:
            proxy.stop()


def crash_replicas(kills: int, seed: int, folder: Path, fsync: float = 0.0) -> Account:
    """The same with two replicas on a PostgreSQL, of which one is killed each time."""
    reuse = REUSE * slowdown()
    with (
        postgres.a_server() as server,
        postgres.a_database(server.url()) as database,
        an_upstream(folder, hold=1, per_minute=PER_MINUTE) as upstream,
        a_pair(folder, upstream, database, fsync=fsync, **settings(reuse)) as pair,
    ):
        load = Load(pair, upstream, seed, reuse)
        return _counted(
            load, kills, LIFE_OF_A_REPLICA, lambda moments: moments.choice(pair.proxies)
        )


def settings(reuse: float) -> dict[str, str]:
    return {
        "PROXY_UPSTREAM_REQUESTS_PER_MINUTE": str(PER_MINUTE),
        "PROXY_UPSTREAM_TIMEOUT": "12",
        "PROXY_ORPHAN_REUSE_SECONDS": str(reuse),
        "PROXY_EARLY_CANCEL": "defer",
    }


def _counted(
    load: Load, kills: int, life: tuple[float, float], victim: Callable[[random.Random], Proxy]
) -> Account:
    for fault in FAULTS:
        load.upstream.steer("faults", {**fault, "times": None})
    moments = random.Random(load.seed)
    with clients(load):
        for number in range(1, kills + 1):
            time.sleep(moments.uniform(*life) * min(slowdown(), BUSY))
            _kill(load, victim(moments), load.reuse * 1.5 if number % DOWN_LONG == 0 else 0.0)
            _text(load, moments)
        until(lambda: len(load.held) > kills and any(it.plan == "cancel" for it in load.held))
    load.upstream.no_more_faults()
    until(lambda: is_settled(load))
    return account_of(load, kills)


@contextmanager
def clients(load: Load) -> Iterator[None]:
    """Clients that ask and buy inside the block, and end what they have begun after it."""
    threads = [Client(load, number) for number in range(CLIENTS)]
    for client in threads:
        client.start()
    yield
    load.stopping.set()
    for client in threads:
        client.join(2 * PATIENCE)


def _kill(load: Load, proxy: Proxy, down: float) -> None:
    """Kills it, and starts it again after so many seconds."""
    proxy.kill()
    load.life += 1
    time.sleep(down)
    proxy.start()


def _text(load: Load, moments: random.Random) -> None:
    """Some numbers get an SMS of which nobody knows whether their clients have them."""
    rows = load.proxy.rows("select order_id from owed where kind in ('answering', 'doubt')")
    phones = {order["order_id"]: order["phone_number"] for order in load.upstream.orders()}
    for (id,) in rows:
        if moments.random() < GETS_SMS and id in phones:
            load.texted.add(phones[id])
            with suppress(AssertionError):  # It was cancelled in this moment.
                load.upstream.steer("sms", {"order_id": id, "text": "Your code is 4711"})


def _told(load: Load) -> dict[str, int]:
    """The price of each order that the store says a client was told and did not cancel."""
    rows = load.proxy.rows("select order_id from orders where told = 1 and cancelling = 0")
    cancelled = _orders_of(load, [held for held in load.held if held.last == "STATUS_CANCEL"
                                  and held.plan == "cancel"])  # fmt: skip
    prices = _prices(load)
    return {id: prices[id] for (id,) in rows if id not in cancelled}


def _in_doubt(load: Load) -> dict[str, int]:
    """The price of each order that is in doubt and got an SMS."""
    sql = "select order_id from orders where told = 0 and doubted = 1 and cancelling = 0"
    texted = {o["order_id"] for o in load.upstream.orders() if o["phone_number"] in load.texted}
    prices = _prices(load)
    return {id: prices[id] for (id,) in load.proxy.rows(sql) if id in texted}


def _prices(load: Load) -> dict[str, int]:
    return {order["order_id"]: round(order["price"] * 100) for order in load.upstream.orders()}


def _orders_of(load: Load, held: list[Held]) -> set[str]:
    by_phone = {order["phone_number"]: order["order_id"] for order in load.upstream.orders()}
    return {by_phone[one.phone] for one in held}


def is_settled(load: Load) -> bool:
    owed = load.proxy.rows("select * from owed where kind != 'purchase'")
    kept = sum(_told(load).values()) + sum(_in_doubt(load).values())
    return not owed and load.upstream.spent() == kept


def account_of(load: Load, kills: int) -> Account:
    charges, refunds = load.upstream.entries("charge"), load.upstream.entries("refund")
    cancelled = [held for held in load.held if held.plan == "cancel" and held.was_ended]
    given_up = _orders_of(load, cancelled)
    refunded = Counter(entry["order"] for entry in refunds)
    told, doubted = _told(load), load.proxy.rows("select count(*) from orders where doubted = 1")
    return Account(
        kills=kills,
        asked=load.asked.total(),
        again=load.again,
        held=len(load.held),
        in_flight=load.lost.total(),
        cancelled=len(cancelled),
        orphans=len(refunded.keys() - given_up),
        doubted=int(doubted[0][0]),
        charged=-sum(entry["cents"] for entry in charges),
        refunded=sum(entry["cents"] for entry in refunds),
        told=sum(told.values()),
        in_doubt=sum(_in_doubt(load).values()),
        wrong=(*sorted(load.wrong), *_broken_laws(load, told, given_up, refunded)),
    )


def _broken_laws(
    load: Load, told: dict[str, int], given_up: set[str], refunded: Counter[str]
) -> Iterator[str]:
    received = _orders_of(load, load.held)
    kept = sum(told.values()) + sum(_in_doubt(load).values())
    if load.upstream.spent() != kept:
        yield f"spent {load.upstream.spent()}, told or in doubt with an SMS {kept}"
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
@click.option("--fsync", type=float, default=0.0, help="Milliseconds of each fsync.")
@click.option("--replicas", is_flag=True, help="Two, on a PostgreSQL; one is killed each time.")
def main(kills: int, seed: int, fsync: float, replicas: bool) -> None:
    """Kill a proxy under load, again and again; exit 1 where money or a number was lost."""
    run = crash_replicas if replicas else crash
    with tempfile.TemporaryDirectory() as folder:
        account = run(kills, seed, Path(folder), fsync / 1000)
    click.echo(account)
    for wrong in account.wrong:
        click.echo(wrong, err=True)
    sys.exit(bool(account.wrong))


if __name__ == "__main__":
    main()
