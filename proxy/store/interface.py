"""What the house wants of a store, whatever keeps it."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from proxy.model import CatalogueAnswer
from proxy.model.errors import Problem, ProblemError, StoreError
from proxy.store.rows import (
    ActivationRow,
    Change,
    Entry,
    Forward,
    PendingOperation,
    SpendingLimit,
    Subscription,
)

NO_EXTRA = "store.url: PostgreSQL needs the extra: pip install '.[postgres]' in a checkout"


@contextmanager
def readable() -> Iterator[None]:
    """TRY_AGAIN where the store cannot be read: nothing is known then, nor refused for good."""
    try:
        yield
    except StoreError as error:
        raise ProblemError(Problem.TRY_AGAIN, f"the store cannot be read: {error}") from error


class Store(Protocol):
    """Every method that is waited for may raise StoreError."""

    @property
    def is_shared(self) -> bool:
        """Other replicas may use it."""

    @property
    def trouble(self) -> str:
        """What is wrong with it at the moment, in one line; empty if nothing is."""

    def orders(self, key: str, since: float = 0.0) -> AsyncIterator[ActivationRow]:
        """All orders kept of a key, created since then: there may be very many."""

    def all_orders(self) -> AsyncIterator[ActivationRow]:
        """Those of every key."""

    async def order(
        self, key: str, *, id: int = 0, order: str = "", reference: str = ""
    ) -> ActivationRow | None:
        """The one of that key with this activation id, order id, or wish; the newest of several."""

    async def owners(self, orders: Sequence[str]) -> dict[str, str]:
        """The hash of the key that has each of these orders; those of nobody are left out."""

    async def owed(self) -> list[PendingOperation]:
        """Everything that is owed, whoever has to carry it out; oldest first."""

    async def intents(self, key: str) -> list[PendingOperation]:
        """The purchases of unknown outcome that other replicas have under way, for the upstream
        key of that hash.
        """

    async def owe(
        self, owed: PendingOperation, ceiling: SpendingLimit | None = None
    ) -> Problem | None:
        """Durable before it returns: nothing that is owed may be forgotten. Where it does not fit
        under the ceiling, or its wish was wished before, why: then nothing is written.
        """

    async def doubt(self, owed: PendingOperation) -> None:
        """It is written that the outcome of a purchase is unclear. May raise Lost."""

    async def commit(
        self,
        owed: PendingOperation,
        kept: ActivationRow,
        *entries: Entry,
        is_new: bool = False,
        surely: bool = False,
    ) -> None:
        """An order, what is owed for it from now on, and its money: all or nothing. May raise
        Lost, or Taken. What is owed was owed before, unless it `is_new`. `surely` as above.
        """

    async def settle(self, id: str, *kept: ActivationRow, surely: bool = False) -> None:
        """What was owed is done: its key is gone. Orders are kept in the same commit; the first is
        the one that it was owed for. May raise Lost. What must be so in the end is written
        `surely`: where it fails, again later.
        """

    def unsettle(self, owed: PendingOperation, error: StoreError) -> None:
        """What could not be settled is owed on, even if it was written after all. Nobody waits."""

    async def holds(self, id: str) -> bool:
        """What is owed is still this replica's to carry out."""

    async def take_over(self) -> list[PendingOperation]:
        """This replica lives; it has to carry out from now on what nobody living does."""

    async def mine(self) -> list[PendingOperation]:
        """All that this replica has to carry out."""

    async def others(self) -> int:
        """How many replicas live beside this one."""

    async def take_orphan(self, owed: PendingOperation) -> PendingOperation | None:
        """An orphan of another replica, for the same key, service, country and wish."""

    async def claim(self, name: str, seconds: float | None = None) -> bool:
        """Only one replica has a name at a time: for so long, or for as long as it lives."""

    async def release(self, name: str) -> None:
        """A claim is given up."""

    async def share(self, key: str, most: int, spent: int, wanted: int) -> int:
        """How many of the `most` requests a minute of a key this replica may make, having made
        `spent` in the last one; `wanted` if there are so many.
        """

    def safe_share(self, most: int) -> int:
        """How many it may make where that cannot be asked."""

    def publish_change(self, change: Change) -> None:
        """Other replicas hear of it. Nobody waits for that."""

    def changes(self) -> AsyncGenerator[Change, None]:
        """What other replicas change, for ever."""

    async def keep(self, *kept: ActivationRow) -> None:
        """Orders as they are now. What is known of them already is not unknown by that. Where it
        fails, it is written later; so are the lines of the ledger.
        """

    async def rename(self, before: str, kept: ActivationRow) -> None:
        """An order under its new id, and its money with it."""

    async def book(self, *entries: Entry) -> None:
        """Lines of the ledger."""

    async def ledger(self, since: float = 0.0) -> list[Entry]:
        """The lines since then, oldest first."""

    async def refusal(self, key: str, cents: int, ceiling: SpendingLimit) -> Problem | None:
        """Why a purchase would not fit under a ceiling now."""

    async def spent(self, key: str, since: float) -> int:
        """Cents that a key has spent since then, refunds taken off."""

    def spend(self, key: str, at: float) -> None:
        """A request of a key. Nobody waits for it to be written."""

    async def requests(self, key: str, since: float) -> list[float]:
        """When each request of a key was made, oldest first."""

    def remember(self, answer: CatalogueAnswer) -> None:
        """An answer of the catalogue. Nobody waits for it to be written."""

    async def answers(self) -> list[CatalogueAnswer]:
        """The last answer of each name."""

    async def forget(
        self,
        before: float,
        money_before: float | None = None,
        orders_before: float | None = None,
    ) -> None:
        """What is older than that; the ledger and the stamps of orders, which are the upstream's,
        have times of their own where these are given. Kept are orders that something is owed for,
        and those that the ledger has a newer line of: that is in this machine's time.
        """

    async def holders(self, order: str) -> list[ActivationRow]:
        """The order as each key has it that it is kept for."""

    async def forwards(self, target: str, most: int) -> list[Forward]:
        """What is to be delivered to a target, the earliest due first."""

    async def all_forwards(self) -> list[Forward]:
        """What is to be delivered to anybody."""

    async def queue(self, *forwards: Forward) -> None:
        """Those of another store."""

    async def forward_counts(self) -> dict[tuple[str, bool], int]:
        """How many wait, by target and whether they are dead."""

    async def delivered(self, forward: Forward) -> None: ...

    async def retry_forward(self, forward: Forward, due: float | None) -> None:
        """It was not delivered: again at that time, or never."""

    async def drop_forwards(self, target: str, count: int) -> None:
        """So many of them, the oldest dead ones first."""

    async def has_event(self, id: str) -> bool: ...

    async def note_event(self, id: str, at: float, before: float) -> None:
        """It has come. Those that came `before` are forgotten."""

    async def subscriptions(self) -> list[Subscription]: ...

    async def subscribe(self, subscription: Subscription) -> None:
        """The one of its key from now on; durable, for its secret is told only once."""

    async def close(self) -> None:
        """What was asked for before is written first."""
