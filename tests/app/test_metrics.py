"""The page of metrics: what is on it from the start, and what is measured."""

import pytest

from tests.support.world import BUY, a_world

pytestmark = pytest.mark.anyio


async def values(world) -> dict[str, float]:
    text = (await world.client.get("/metrics")).text
    rows = [line.rpartition(" ") for line in text.splitlines() if line[0] != "#"]
    return {name.removeprefix("virtualsms_proxy_"): float(value) for name, _, value in rows}


async def test_what_has_not_happened_yet_is_zero_so_that_the_first_time_is_an_increase(clock):
    async with a_world(clock) as world:
        before = await values(world)
        await world.ask(BUY)
        after = await values(world)
    for name in (
        'purchases_total{outcome="told"}',
        'purchases_total{outcome="unknown"}',
        'promised_cancels_total{outcome="too_late"}',
        'forward_attempts_total{outcome="dead"}',
        'webhook_events_total{kind="unsigned"}',
        'frames_total{kind="sms"}',
    ):
        assert before[name] == 0
    assert after['purchases_total{outcome="told"}'] == 1
    assert after['purchases_total{outcome="unknown"}'] == 0


async def test_answers_are_timed_by_action_and_not_when_they_are_repeated_from_memory(clock):
    async with a_world(clock) as world:
        id = (await world.ask(BUY)).split(":")[1]
        for _ in range(3):
            await world.ask(f"action=getStatus&id={id}")
        await world.ask("action=somethingElse")
        found = await values(world)
    for action in ("getNumber", "getStatus", "other"):
        assert found[f'answer_seconds_count{{action="{action}"}}'] == 1
        assert 0 < found[f'answer_seconds_sum{{action="{action}"}}'] < 12
    assert (
        found['answers_total{action="getStatus",dialect="sms-activate",word="STATUS_WAIT_CODE"}']
        == 3
    )


async def test_every_commit_to_the_store_is_timed(clock):
    async with a_world(clock) as world:
        before = (await values(world))["store_commit_seconds_count"]
        await world.ask(BUY)
        found = await values(world)
    # The intent, and the order.
    assert found["store_commit_seconds_count"] >= before + 2
    assert found["store_commit_seconds_sum"] > 0


async def test_a_histogram_counts_a_value_at_a_bound_in_its_bucket(clock):
    async with a_world(clock) as world:
        for seconds in (0.5, 0.6, 1000):
            world.app.state.services.counters.read_after(seconds)
        found = await values(world)
    assert found['sms_delay_seconds_bucket{le="0.5"}'] == 1
    assert found['sms_delay_seconds_bucket{le="1.0"}'] == 2
    assert found['sms_delay_seconds_bucket{le="300.0"}'] == 2
    assert found['sms_delay_seconds_bucket{le="+Inf"}'] == found["sms_delay_seconds_count"] == 3
    assert found["sms_delay_seconds_sum"] == 1001.1
