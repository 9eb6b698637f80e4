"""Forwards, events and subscriptions in a store."""

from dataclasses import replace

import pytest

from proxy.model.errors import StoreError
from proxy.store import (
    Forward,
    Subscription,
    open_store,
)
from tests.support.stored import KEPT, opened, reopened

pytestmark = pytest.mark.anyio
HOOK = "http://target/hook"
FORWARD = Forward("f-1", HOOK, b'{"activationId":7}', at=100.0, due=100.0)


def with_forwards(*forwards):
    return replace(KEPT, forwards=forwards)


async def test_a_forward_is_queued_in_the_transaction_that_keeps_its_sms(path):
    store = open_store(f"sqlite:///{path}")
    await store.keep(with_forwards(FORWARD))
    store = await reopened(store, f"sqlite:///{path}")
    assert await store.forwards(HOOK, 10) == [FORWARD]
    assert [row async for row in store.orders("hash")] == [KEPT]
    # No call of a store breaks it.
    store._db.execute(
        "create trigger no before insert on forwards begin select raise(fail, 'x'); end"
    )
    with pytest.raises(StoreError):
        await store.keep(with_forwards(replace(FORWARD, id="f-2")), replace(KEPT, key="other"))
    assert [row async for row in store.orders("other")] == []
    await store.close()


async def test_a_forward_that_is_queued_is_not_queued_again(store):
    await store.keep(with_forwards(FORWARD))
    await store.retry_forward(FORWARD, 105.0)
    await store.keep(with_forwards(FORWARD, replace(FORWARD, target="http://other")))
    assert await store.forwards(HOOK, 10) == [replace(FORWARD, due=105.0, tries=1)]
    assert [forward.target for forward in await store.forwards("http://other", 10)] == [
        "http://other"
    ]


async def test_the_earliest_due_comes_first_and_a_dead_one_never(store):
    rows = [replace(FORWARD, id=f"f-{n}", due=due) for n, due in enumerate((3.0, 1.0, 2.0, 0.0))]
    await store.keep(with_forwards(*rows))
    await store.retry_forward(rows[3], None)
    assert [forward.id for forward in await store.forwards(HOOK, 2)] == ["f-1", "f-2"]
    await store.delivered(rows[1])
    assert [forward.id for forward in await store.forwards(HOOK, 10)] == ["f-2", "f-0"]
    assert await store.forward_counts() == {(HOOK, False): 2, (HOOK, True): 1}


async def test_the_oldest_dead_forwards_are_dropped_first(store):
    rows = [replace(FORWARD, id=f"f-{n}", at=float(n)) for n in range(6)]
    await store.keep(with_forwards(*rows))
    for n in (4, 2):
        await store.retry_forward(rows[n], None)
    await store.drop_forwards(HOOK, 1)
    assert await store.forward_counts() == {(HOOK, False): 4, (HOOK, True): 1}
    await store.drop_forwards(HOOK, 2)
    assert [forward.id for forward in await store.forwards(HOOK, 10)] == ["f-1", "f-3", "f-5"]


async def test_dead_forwards_are_forgotten_when_they_are_old_and_living_ones_are_not(store):
    rows = [replace(FORWARD, id=f"f-{n}", at=at) for n, at in enumerate((1.0, 1.0, 1000.0))]
    await store.keep(with_forwards(*rows))
    await store.retry_forward(rows[1], None)
    await store.retry_forward(rows[2], None)
    await store.forget(before=1000.0)
    assert await store.forward_counts() == {(HOOK, False): 1, (HOOK, True): 1}
    await store.forget(before=1.0 + 86_400)
    assert await store.forward_counts() == {(HOOK, False): 1}
    await store.forget(before=2.0 + 86_400)
    assert await store.forward_counts() == {}


async def test_an_event_is_known_until_it_is_old(address):
    store = opened(address)
    assert not await store.has_event("evt_1")
    for _ in range(2):
        await store.record_event("evt_1", 100.0, before=0.0)
    await store.record_event("evt_2", 200.0, before=100.0)
    store = await reopened(store, address)
    assert await store.has_event("evt_1")
    await store.record_event("evt_3", 201.0, before=101.0)
    assert [await store.has_event(f"evt_{n}") for n in (1, 2, 3)] == [False, True, True]
    await store.close()


async def test_a_key_has_one_subscription_and_an_old_secret_is_gone_from_the_bytes(path):
    store = open_store(f"sqlite:///{path}")
    for secret in ("whsec_first", "whsec_second"):
        await store.subscribe(Subscription("hash", "w-1", secret))
    store = await reopened(store, f"sqlite:///{path}")
    assert await store.subscriptions() == [Subscription("hash", "w-1", "whsec_second")]
    assert b"whsec_first" not in b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert "whsec_second" not in repr(await store.subscriptions())
    await store.close()
