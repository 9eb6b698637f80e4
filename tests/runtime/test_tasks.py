"""Tasks are created in one place, and none dies in silence or outlives its owner."""

import ast
import asyncio
from contextvars import ContextVar
from itertools import pairwise
from pathlib import Path

import pytest

from proxy.config.settings import ConsoleConfig, ForwardConfig, UpstreamConfig, WebhooksConfig
from proxy.runtime.tasks import LONGEST_PAUSE, BackgroundTasks, child_task
from tests.support.world import BUY, a_world

pytestmark = pytest.mark.anyio

PROXY = Path(__file__).parents[2] / "proxy"
CREATORS = {"create_task", "ensure_future", "Task", "TaskGroup", "create_task_group"}

LASTING = (
    "list of key",
    "scheduled cancel of order",
    "unclear purchases of",
    "price sweep",
    "retention",
    "lookout",
    "forwards to",
    "subscription of",
    "history of the console",
    "webhook of the sandbox",
)

REQUEST = ContextVar("request", default="")


@pytest.fixture
async def tasks():
    tasks = BackgroundTasks()
    yield tasks
    await tasks.aclose()


def now():
    return asyncio.get_running_loop().time()


async def fails():
    raise KeyError("planted")


def test_only_one_file_creates_tasks():
    found = set()
    for path in PROXY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                found |= {str(path.relative_to(PROXY))} if name in CREATORS else set()
    assert found == {"runtime/tasks.py"}


async def test_a_task_that_fails_leaves_a_line_with_its_name(tasks, caplog):
    task = tasks.start(fails(), "count of sheep")
    await asyncio.wait({task})
    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("ERROR", "task failed: count of sheep")
    assert "planted" in caplog.text


async def test_an_expected_failure_is_no_error(caplog):
    caplog.set_level("INFO")
    task = BackgroundTasks(KeyError).start(fails(), "count of sheep")
    await asyncio.wait({task})
    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("INFO", "count of sheep: 'planted'")


async def test_a_cancelled_task_leaves_no_line(tasks, caplog):
    caplog.set_level("INFO")
    task = tasks.start(asyncio.Event().wait(), "waiter")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert caplog.text == ""


async def test_a_loop_that_fails_is_started_again_after_growing_pauses(tasks, caplog):
    begun = []

    async def work():
        begun.append(now())
        if len(begun) < 5:
            raise KeyError("planted")

    loop = tasks.loop(work, "count of sheep")
    await loop
    assert begun == [0, 1, 3, 7, 15]
    assert [line.getMessage() for line in caplog.records] == [
        f"task failed, it starts again in {pause} s: count of sheep" for pause in (1, 2, 4, 8)
    ]


async def test_a_loop_that_ran_long_begins_with_the_first_pause(tasks):
    begun, lasts = [], [0, 0, LONGEST_PAUSE + 1]

    async def work():
        begun.append(now())
        if lasts:
            await asyncio.sleep(lasts.pop(0))
            raise KeyError("planted")

    await tasks.loop(work, "count of sheep")
    pauses = [after - before for before, after in pairwise(begun)]
    assert pauses == [1, 2, LONGEST_PAUSE + 1 + 1]


async def test_the_context_of_a_request_stays_only_with_what_belongs_to_it(tasks):
    async def seen():
        return REQUEST.get()

    async def loop():
        found.append(REQUEST.get())

    found = []
    REQUEST.set("r1")
    assert await tasks.start(seen(), "a") == ""
    await tasks.loop(loop, "b")
    assert found == [""]
    assert await tasks.start(seen(), "c", of_request=True) == "r1"
    assert await tasks.finish(seen(), "d") == "r1"


async def test_work_is_finished_however_often_its_caller_is_cancelled(tasks):
    go = asyncio.Event()

    async def work():
        await go.wait()
        return "told"

    caller = asyncio.create_task(tasks.finish(work(), "telling"))
    for _ in range(3):
        await asyncio.sleep(0)
        caller.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await caller == "told"


async def test_the_failure_of_what_is_finished_is_its_callers_and_no_line_of_the_log(tasks, caplog):
    with pytest.raises(KeyError):
        await tasks.finish(fails(), "telling")
    assert caplog.text == ""


async def test_a_deadline_passes_over_what_is_finished(tasks):
    async with asyncio.timeout(1):
        assert await tasks.finish(asyncio.sleep(5, "told"), "telling") == "told"
    assert now() == 5


async def test_closing_waits_for_the_end_of_each_task(tasks):
    ended = []

    async def work(seconds):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(seconds)
            ended.append(seconds)

    for seconds in (3, 1):
        tasks.start(work(seconds), "work")
    await asyncio.sleep(0)
    await tasks.aclose()
    assert (ended, now()) == ([1, 3], 3)


async def test_closing_gives_grace_also_to_what_is_started_in_it(tasks):
    done = []

    async def work(seconds):
        await asyncio.sleep(seconds)
        if seconds > 1:
            tasks.start(work(1), "short")
        done.append(seconds)

    tasks.start(work(2), "long")
    tasks.start(asyncio.sleep(100), "too long")
    await tasks.aclose(grace=8)
    assert (done, now()) == ([2, 1], 8)


async def test_a_loop_that_used_up_the_first_cancel_is_cancelled_again(tasks):
    async def writes():
        while True:
            await tasks.finish(asyncio.sleep(3), "write")

    loop = tasks.loop(writes, "writes")
    await asyncio.sleep(1)
    await tasks.aclose()
    assert loop.cancelled()


async def test_what_is_started_after_the_end_does_not_run(tasks):
    ran = []

    async def work():
        ran.append(1)

    await tasks.aclose()
    task = tasks.start(work(), "late")
    await asyncio.wait({task})
    assert (task.cancelled(), ran) == (True, [])


async def test_a_child_task_ends_with_its_block():
    async with child_task(asyncio.Event().wait(), "child") as child:
        await asyncio.sleep(0)
    assert child.cancelled()


async def test_no_task_of_the_proxy_outlives_it(clock):
    before = asyncio.all_tasks()
    config = {
        "console": ConsoleConfig(enabled=True),
        "early_cancel": "defer",
        "forward": (ForwardConfig(url="http://target/"),),
        "upstream": UpstreamConfig(api_key="key"),
        "webhooks": WebhooksConfig(public_url="https://proxy.example.com"),
    }
    async with a_world(clock, **config) as world:
        id = (await world.ask(BUY)).split(":")[1]
        await world.ask("action=getPrices")
        await world.ask(f"action=setStatus&status=8&id={id}")
        await world.steer("faults", {"kind": "cdn", "call": "purchase", "when": "after"})
        await world.steer("faults", {"kind": "slow", "call": "orders", "seconds": 5, "times": None})
        await world.ask(BUY)
        reading = asyncio.create_task(world.ask("action=getActiveActivations"))
        await asyncio.sleep(0.1)
        names = " ".join(task.get_name() for task in asyncio.all_tasks() - before)
        for name in LASTING:
            assert name in names
    assert await reading == "ERROR_SQL"
    assert {task.get_name() for task in asyncio.all_tasks() - before} == set()
