"""What the tests of the store keep in it."""

from proxy.model import ClientKey, Order, OrderState, Sms
from proxy.store import (
    ActivationRow,
    OperationKind,
    PendingOperation,
    open_store,
)

SECRET = "vsms_planted_secret"
SEALED_WITH = "the secret of the store"
ORDER = Order(
    id="o-1",
    phone="447700900001",
    service="wa",
    country="GB",
    state=OrderState.COMPLETED,
    cents=90,
    created_at=100.0,
    expires_at=1300.0,
    messages=(Sms("Your code is 1111", 105.5, "WhatsApp"),),
)
KEPT = ActivationRow("hash", 7, ORDER, "wa", delivered=True, finished=True, asked_at=1)
OWED = PendingOperation("p-1", OperationKind.PURCHASE, ClientKey.of(SECRET), "wa", "GB", at=99.0)


def opened(address):
    return open_store(address, SEALED_WITH)


async def reopened(store, address):
    await store.close()
    return opened(address)
