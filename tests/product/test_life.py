"""The life of orders under whatever happens, against the laws: a random walk with one judge."""

import asyncio
import re
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.app.build import create_app
from proxy.config.settings import Config, StoreConfig
from proxy.sandbox import Switches, create_sandbox
from tests.conftest import START, FakeTimeLoop
from tests.support.examples import examples
from tests.support.judge import judge
from tests.support.world import NEVER, SERVICES, Wire, World

WHICH = st.integers(0, 4)
FAULTS = st.sampled_from(["cdn", "broken", "truncated", "wrong_type", "status"])
STEPS = st.one_of(
    st.tuples(st.just("buy"), st.sampled_from(["wa", "tg"])),
    st.tuples(st.just("ask"), WHICH),
    st.tuples(st.just("sms"), WHICH),
    st.tuples(st.just("set"), WHICH, st.sampled_from([1, 3, 6, 8])),
    st.tuples(st.just("wait"), st.sampled_from([1, 4, 30, 125, 400])),
    st.tuples(
        st.just("fault"),
        FAULTS,
        st.sampled_from(["purchase", "orders", "order", "cancel", "retry"]),
        st.sampled_from(["before", "after"]),
    ),
    st.tuples(st.sampled_from(["restart", "crash"])),
)


class Life:
    """A client that believes what it is told, and the world around it."""

    def __init__(self, folder):
        self.stack = AsyncExitStack()
        self.url = f"sqlite:///{folder}/store.db"
        begun = asyncio.get_running_loop().time()
        self.clock = lambda: START + asyncio.get_running_loop().time() - begun
        self.sandbox = create_sandbox(
            Switches(requests_per_minute=0), clock=self.clock, sms_after=NEVER, services=SERVICES
        )
        self.told = {}
        self.codes = {}
        self.ended = set()
        self.cancelled = set()
        self.asked = 0
        self.sent = 0

    async def start(self):
        config = Config(store=StoreConfig(url=self.url), early_cancel="defer")
        app = create_app(config, clock=self.clock, transport=Wire(self.sandbox))
        await self.stack.enter_async_context(app.router.lifespan_context(app))
        self.world = World(app, self.sandbox)

    async def restart(self):
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        await self.start()

    async def crash(self):
        """Nothing that was begun comes to its end; the store is all that is left."""
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
        await self.restart()

    async def say(self, action, query=""):
        answer = await self.world.answer(f"action={action}&{query}")
        judge(action, answer)
        return answer.text

    async def buy(self, service):
        self.asked += 1
        word = await self.say("getNumber", f"service={service}&country=16")
        assert await self.world.requests("purchase") <= self.asked, "law 4: one POST for one wish"
        if word.startswith("ACCESS_NUMBER"):
            _, id, phone = word.split(":")
            assert id not in self.told, "two wishes are never merged"
            self.told[id] = phone

    async def ask(self, which):
        id = self.pick(which)
        if id is None:
            return
        word = await self.say("getStatus", f"id={id}")
        assert word != "NO_ACTIVATION", "law 2: an id lives as long as its order"
        if id in self.ended:
            assert word in ("STATUS_CANCEL", "ERROR_SQL")
        elif id in self.codes:
            last, waiting = self.codes[id]
            code = re.sub(r"^STATUS_(OK|WAIT_RETRY):", "", word)
            assert word != "STATUS_WAIT_CODE", "law 8: a code once seen is never unseen"
            if waiting and word.startswith("STATUS_OK"):
                assert int(code) > int(last), "law 8: an old code is not given as a new one"
        if word.startswith("STATUS_OK"):
            self.codes[id] = word.removeprefix("STATUS_OK:"), False

    async def set(self, which, status):
        id = self.pick(which)
        if id is None:
            return
        word = await self.say("setStatus", f"id={id}&status={status}")
        if word == "ACCESS_RETRY_GET" and id in self.codes:
            self.codes[id] = self.codes[id][0], True
        if word in ("ACCESS_ACTIVATION", "ACCESS_CANCEL"):
            self.ended.add(id)
        if word == "ACCESS_CANCEL":
            self.cancelled.add(id)

    async def sms(self, which):
        id = self.pick(which)
        if id is not None:
            self.sent += 1
            text = f"Your code is {100000 + self.sent}"
            await self.world.steer("sms", {"phone": self.told[id], "text": text})

    async def wait(self, seconds):
        await asyncio.sleep(seconds)

    async def fault(self, kind, call, when):
        await self.world.steer("faults", {"kind": kind, "call": call, "when": when})

    def pick(self, which):
        return list(self.told)[which] if which < len(self.told) else None

    async def judge_the_money(self):
        """In the end everything without an SMS is refunded, everything with one is paid."""
        await asyncio.sleep(3000)
        orders = (await self.world.steer("orders"))["orders"]
        entries = (await self.world.steer("ledger"))["entries"]
        moved = sum(e["cents"] for e in entries if e["kind"] in ("charge", "refund"))
        assert -moved == sum(round(o["price"] * 100) for o in orders if o["messages"])
        by_phone = {order["phone_number"]: order for order in orders}
        for id, phone in self.told.items():
            if by_phone[phone]["status"] == "cancelled":
                assert id in self.cancelled, "law 6: what was told is not taken away"


async def live(steps):
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder))
        await life.start()
        for name, *arguments in steps:
            await getattr(life, name)(*arguments)
        await life.judge_the_money()
        await life.stack.aclose()


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, max_size=25))
def test_the_laws_hold_whatever_happens(steps):
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        runner.run(live(steps))
