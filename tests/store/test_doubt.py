"""The delivery of a number and its refund exclude each other in every store."""

from dataclasses import replace

import pytest

from proxy.model import ClientKey, OrderState
from proxy.model.errors import OwnershipLostError
from proxy.store import Delivery, Entry, OperationKind, PendingOperation
from tests.support.stored import KEPT, ORDER, SECRET

pytestmark = pytest.mark.anyio

KEY = ClientKey.of(SECRET).hash
WAITING = replace(ORDER, state=OrderState.WAITING, messages=())
ROW = replace(KEPT, key=KEY, order=WAITING, delivered=False, finished=False, asked_at=None)
DOUBTED = replace(ROW, doubted=True)
NAMED = replace(DOUBTED, delivered=True)
PURCHASE = PendingOperation(
    "p-1", OperationKind.PURCHASE, ClientKey.of(SECRET), "wa", "GB", 99.0
)  # fmt: skip


def operation(kind):
    return replace(PURCHASE, kind=kind, order="o-1")


async def a_number(store, kind, row):
    await store.owe(PURCHASE)
    await store.commit(operation(kind), row, Entry(100.0, KEY, "o-1", "charge", -90))


@pytest.mark.parametrize("kind", [OperationKind.ANSWERING, OperationKind.DOUBT])
@pytest.mark.parametrize("later", [True, False])
async def test_what_is_delivered_is_not_given_back(store, kind, later):
    await a_number(store, kind, DOUBTED)
    assert await store.mark_delivered(NAMED, later=later) == [Delivery.DELIVERED]
    with pytest.raises(OwnershipLostError):
        await store.commit(operation(OperationKind.CANCEL), DOUBTED)
    assert await store.owed() == []
    assert await store.mark_delivered(NAMED) == [Delivery.DELIVERED], "it is already"
    assert [row async for row in store.orders(KEY)] == [NAMED]


async def test_what_is_given_back_is_not_delivered(store):
    await a_number(store, OperationKind.DOUBT, DOUBTED)
    await store.commit(operation(OperationKind.CANCEL), DOUBTED)
    assert await store.mark_delivered(NAMED, unclaimed=True) == [Delivery.WITHHELD]
    await store.settle("p-1", replace(DOUBTED, cancelling=True, confirmed=True))
    assert await store.mark_delivered(NAMED, unclaimed=True) == [Delivery.WITHHELD]
    assert not (await store.order(KEY, order="o-1")).delivered


async def test_what_could_not_be_given_back_can_be_delivered(store):
    await a_number(store, OperationKind.DOUBT, DOUBTED)
    await store.commit(operation(OperationKind.CANCEL), DOUBTED)
    await store.settle("p-1", DOUBTED)
    assert await store.mark_delivered(NAMED) == [Delivery.DELIVERED]


async def test_an_unclaimed_number_is_delivered_only_to_who_names_it(store):
    await a_number(store, OperationKind.ORPHAN, ROW)
    named = replace(ROW, delivered=True)
    assert await store.mark_delivered(named) == [Delivery.WITHHELD]
    assert await store.mark_delivered(named, unclaimed=True) == [Delivery.DELIVERED]


async def test_what_was_not_bought_here_is_not_delivered(store):
    foreign = replace(ROW, finished=True)
    await store.keep(foreign)
    unknown = replace(NAMED, order=replace(WAITING, id="o-2"))
    found = await store.mark_delivered(replace(foreign, delivered=True), unknown)
    assert found == [Delivery.FOREIGN] * 2
    assert [row async for row in store.orders(KEY)] == [foreign]


async def test_a_number_in_doubt_stays_so_for_who_has_not_heard_of_it(store):
    await a_number(store, OperationKind.DOUBT, DOUBTED)
    await store.keep(ROW)
    assert (await store.order(KEY, order="o-1")).doubted
