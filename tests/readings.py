"""The main job of a legacy client, through the proxy, on a sandbox with any set of readings.

`python -m tests.readings --seeds 200` is the long form of tests/product/test_any_reading.py.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import click
import httpx
import msgspec
from starlette.applications import Starlette

from proxy.config.settings import Config, StoreConfig, UpstreamConfig, WebhooksConfig
from proxy.sandbox import Switches, create_sandbox
from proxy.sandbox.state.switches import drawn, known_switches, switched
from tests.conftest import START, FakeTimeLoop
from tests.support.judge import judge
from tests.support.sockets import sockets_to
from tests.support.world import Wire, World, a_life, post_to

OPENING, PRICE = 100_00, 90
"""Cents: of a new account, and of WhatsApp in Great Britain."""
BUY, NEVER_SMS = "service=wa&country=16", "service=vk&country=16"
SERVICES = {code: code for code in ("wa", "tg", "vk", "ok")}
"""On sale in the sandbox: few, as all 719 take most of the time."""
CODE_SECONDS = 90
"""How long a code may take: the slowest way reads single orders every 20 seconds."""
POLL_SECONDS = 3

# What a reading makes impossible, and what a client is told then.
NO_COUNT = {("stock_field", "neither")}
"""No stock is shown anywhere, so the count of a price is 0."""
ONE_SMS = {("further_sms", "refused")}
"""The order takes no second SMS: its client goes on waiting …"""
WAITING_AGAIN = {("retry", "waiting")}
"""… unless a retry puts the order back to waiting."""
LAST_SMS_ONLY = {("messages", "sms_text")}


class Job:
    """One client, which does everything once, and checks each answer."""

    def __init__(self, world: World, switches: Switches) -> None:
        self.world = world
        self.readings = set(msgspec.structs.asdict(switches).items())
        self.balance = OPENING

    async def run(self) -> None:
        await self.look()
        await self.be_refused()
        id, code = await self.receive()
        await self.receive_again(id, code)
        await self.cancel()
        await self.expire()
        await self.compare_ledgers()

    async def look(self) -> None:
        await self.expect_balance()
        prices = await self.say("action=getPrices&service=wa&country=16")
        row = prices["16"]["wa"]
        equal(round(float(row["cost"]) * 100), PRICE, "the price")
        equal(row["count"] > 0, not self.has(NO_COUNT), "whether there is stock")
        services = await self.say("action=getServicesList")
        known = {service["code"] for service in services["services"]}
        equal({"wa", "tg", "vk"} <= known, True, "the services are known")
        equal("16" in await self.say("action=getCountries"), True, "the countries are known")
        await self.expect("action=getStatus&id=4", "NO_ACTIVATION", "ERROR_SQL")

    async def be_refused(self) -> None:
        """A bad key, no stock, no funds: nothing is bought."""
        await self.expect("api_key=bad&action=getBalance", "BAD_KEY")
        await self.expect(f"api_key=bad2&action=getNumber&{BUY}", "BAD_KEY")
        await self.expect("action=getNumber&service=ok&country=16", "NO_NUMBERS")
        await self.expect("action=getNumber&service=ok&country=16&maxPrice=9", "NO_NUMBERS")
        await self.world.steer("balance", {"key": "key", "balance": 0.1})
        await self.expect(f"action=getNumber&{BUY}", "NO_BALANCE")
        await self.world.steer("balance", {"key": "key", "balance": OPENING / 100})
        await asyncio.sleep(10)  # the balance is remembered for 5 s
        await self.expect_balance()

    async def receive(self) -> tuple[str, str]:
        """A number, an early cancel, a code. Returns the activation id and the code."""
        id, order = await self.buy(BUY, PRICE)
        await self.expect(f"action=getStatus&id={id}", "STATUS_WAIT_CODE")
        await self.expect(f"action=setStatus&status=8&id={id}", "EARLY_CANCEL_DENIED")
        await self.sms(order, "Kode WhatsApp Business: 359-241")
        await self.expect_soon(f"action=getStatus&id={id}", "STATUS_OK:359241")
        await self.expect(f"action=setStatus&status=8&id={id}", "BAD_STATUS")
        return id, "359241"

    async def receive_again(self, id: str, code: str) -> None:
        await self.expect(f"action=setStatus&status=3&id={id}", "ACCESS_RETRY_GET")
        await self.expect(f"action=getStatus&id={id}", f"STATUS_WAIT_RETRY:{code}")
        order = await self.world.newest_order()
        await asyncio.sleep(5)
        await self.sms(order, "G-778899 is your code")
        if self.has(ONE_SMS) and not self.has(WAITING_AGAIN):
            await asyncio.sleep(CODE_SECONDS)
            await self.expect(f"action=getStatus&id={id}", f"STATUS_WAIT_RETRY:{code}")
        else:
            await self.expect_soon(f"action=getStatus&id={id}", "STATUS_OK:778899")
        await self.expect(f"action=setStatus&status=6&id={id}", "ACCESS_ACTIVATION")

    async def cancel(self) -> None:
        """Denied within the hold, granted after it, with a refund."""
        cents = await self.price_of("vk")
        id, _ = await self.buy(NEVER_SMS, cents)
        await self.expect(f"action=setStatus&status=8&id={id}", "EARLY_CANCEL_DENIED")
        await asyncio.sleep(121)
        await self.expect(f"action=getStatus&id={id}", "STATUS_WAIT_CODE")
        await self.expect(f"action=setStatus&status=8&id={id}", "ACCESS_CANCEL")
        await self.expect(f"action=getStatus&id={id}", "STATUS_CANCEL")
        self.balance += cents
        await self.expect_balance()

    async def expire(self) -> None:
        """Nobody asks until the order has expired: it is refunded by itself."""
        cents = await self.price_of("vk")
        id, _ = await self.buy(NEVER_SMS, cents)
        await asyncio.sleep(1500)
        await self.expect_soon(f"action=getStatus&id={id}", "STATUS_CANCEL")
        self.balance += cents
        await asyncio.sleep(10)
        await self.expect_balance()

    async def compare_ledgers(self) -> None:
        """The sandbox took what one number cost, and the proxy wrote down the same."""
        book = await self.world.steer("ledger?key=key")
        equal(book["totals"]["spent"], PRICE, "what was spent")
        own = await self.world.app.state.services.store.ledger()
        moved = {kind: sum(e.cents for e in own if e.kind == kind) for kind in ("charge", "refund")}
        equal(-moved["charge"], book["totals"]["charged"], "charges in the proxy's ledger")
        equal(moved["refund"], book["totals"]["refunded"], "refunds in the proxy's ledger")

    # What the client says, and what the world does.

    async def buy(self, query: str, cents: int) -> tuple[str, str]:
        """Returns the activation id and the order id."""
        word = await self.say(f"action=getNumber&{query}")
        equal(word.split(":")[0], "ACCESS_NUMBER", "the answer to a purchase")
        _, id, phone = word.split(":")
        row = (await self.world.steer("orders"))["orders"][-1]
        equal(phone, row["phone_number"], "the number")
        self.balance -= cents
        await self.expect_balance()
        return id, str(row["order_id"])

    async def price_of(self, service: str) -> int:
        body = {"service": service, "country": "GB"}
        return round((await self.world.steer("offer", body))["offers"]["GB"]["charge"])

    async def sms(self, order: str, text: str) -> None:
        await self.world.steer("sms", {"order_id": order, "text": text})

    async def say(self, query: str) -> Any:
        answer = await self.world.answer(query)
        action = httpx.QueryParams(query)["action"]
        return judge(action, answer)

    async def expect_balance(self) -> None:
        await self.expect("action=getBalance", f"ACCESS_BALANCE:{self.balance / 100:.2f}")

    async def expect(self, query: str, *words: str) -> None:
        equal((word := await self.say(query)) in words, True, f"{query}: {word}, not {words}")

    async def expect_soon(self, query: str, word: str) -> None:
        for _ in range(CODE_SECONDS // POLL_SECONDS):
            if (said := await self.say(query)) == word:
                return
            await asyncio.sleep(POLL_SECONDS)
        equal(said, word, f"{query}, {CODE_SECONDS} s later")

    def has(self, readings: set[tuple[str, Any]]) -> bool:
        return bool(readings & self.readings)


def equal(found: Any, wanted: Any, about: str) -> None:
    """Not an `assert`: pytest does not rewrite those of this file."""
    if found != wanted:
        raise AssertionError(f"{about}: {found!r} instead of {wanted!r}")


@asynccontextmanager
async def a_world_of(switches: Switches, *, push: bool, events: bool) -> Any:
    """The proxy on a sandbox with these switches, with sockets, and with signed events."""
    begun = asyncio.get_running_loop().time()
    clock = lambda: START + asyncio.get_running_loop().time() - begun  # noqa: E731
    apps: list[Starlette] = []
    sandbox = create_sandbox(
        switches, clock=clock, sms_after=1e8, services=SERVICES, post=post_to(apps)
    )
    config = Config(
        store=StoreConfig(url="sqlite://"),
        upstream=UpstreamConfig(push=push, api_key="key" if events else None),
        webhooks=WebhooksConfig(public_url="https://proxy.example.com" if events else None),
    )
    network = {"transport": Wire(sandbox), "connect": sockets_to(sandbox)}
    async with (
        sandbox.router.lifespan_context(sandbox),
        a_life(clock, sandbox, config, **network) as world,
    ):
        apps.append(world.app)
        yield world


async def main_job(changes: Mapping[str, Any], *, push: bool, events: bool) -> None:
    """Raises AssertionError if an answer or the money is wrong under these readings."""
    switches = switched(Switches(), changes)
    async with a_world_of(switches, push=push, events=events) as world:
        await Job(world, switches).run()


def run_job(changes: Mapping[str, Any], *, push: bool, events: bool) -> None:
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        runner.run(main_job(changes, push=push, events=events))


def single_readings() -> Iterator[tuple[str, Any]]:
    """Every reading that is not the default."""
    for name, readings in known_switches().items():
        for reading in readings[1:] if isinstance(readings, list) else ():
            yield name, reading


def ways_of(seed: int) -> dict[str, bool]:
    """Whether the proxy has sockets and events; half of the seeds do without each."""
    rng = Random(f"ways {seed}")
    return {"push": rng.random() < 0.5, "events": rng.random() < 0.5}


def failure_of(work: Callable[[], None]) -> str:
    try:
        work()
    except Exception as error:  # each is a finding of its seed
        return f"{type(error).__name__}: {error}"
    return ""


@click.command()
@click.option("--seeds", default=200, show_default=True, help="How many sets of readings.")
@click.option("--first", default=1, show_default=True, help="The first seed.")
def main(seeds: int, first: int) -> None:
    begun, failed = time.monotonic(), 0
    for seed in range(first, first + seeds):
        changes, ways = drawn(str(seed)), ways_of(seed)
        if failure := failure_of(lambda: run_job(changes, **ways)):  # noqa: B023
            failed += 1
            click.echo(f"random:{seed} {ways}: {failure}")
    seconds = time.monotonic() - begun
    click.echo(f"{seeds} sets of readings, {failed} failures, {seconds:.0f} s")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
