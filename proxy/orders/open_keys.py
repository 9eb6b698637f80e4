"""The keys in use, each with its activations: read from the store once, and let go when idle."""

from collections.abc import Callable, Collection, Iterable, Iterator

from proxy.model import ClientKey
from proxy.orders.index import (
    ActivationIndex,
    activation_of,
    apply_remote,
    created,
    idle,
    states,
)  # fmt: skip
from proxy.orders.tracked import TrackedActivation
from proxy.runtime.clock import monotonic
from proxy.store import ActivationRow, Store, readable
from proxy.upstream.cache import Cache

MAX_KEYS = 10_000
"""So many keys are open before those that nobody uses are let go."""
SWEEP_SECONDS = 10.0

LONGEST_LIFE = 3600.0
"""Seconds that an order lives at most: 20 minutes live, 60 in a sample of the documentation."""


class OpenKeys:
    """`upstream_now` is the upstream's clock."""

    def __init__(self, store: Store, upstream_now: Callable[[], float]) -> None:
        self._store = store
        self._upstream_now = upstream_now
        self._indexes: dict[ClientKey, ActivationIndex] = {}
        self._keys: dict[str, ClientKey] = {}
        self._received: dict[str, list[ActivationRow]] = {}
        """What others write of a key while it is being opened: what is read may be older."""
        self._opened: Cache[ClientKey, None] = Cache(0.0, 1)
        self._pins: list[Callable[[], Iterable[ClientKey]]] = []
        self._swept_at = float("-inf")
        self.forgotten = float("-inf")
        """What was created before may be unknown, though it was bought here."""

    async def open(self, key: ClientKey) -> None:
        """Bring the key's activations back from the store, once."""
        index = self._indexes.get(key)
        if index is None:
            self._drop_idle()
            await self._opened.get(key, lambda: self._load(key), stale=False)
            index = self._indexes[key]
        index.used_at = monotonic()

    def pin(self, keys: Callable[[], Iterable[ClientKey]]) -> None:
        """What is known of these keys is not let go: a call to the upstream is owed for them."""
        self._pins.append(keys)

    async def close(self) -> None:
        await self._opened.close()

    def _drop_idle(self) -> None:
        """Whoever sends one wrong key after the other must not fill the memory."""
        if len(self._indexes) < MAX_KEYS or monotonic() - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = monotonic()
        for key in idle(self._indexes, (key for keys in self._pins for key in keys())):
            del self._indexes[key]
            self._keys.pop(key.hash, None)

    def forget(self, before: float) -> None:
        """What was created before that, as the store does."""
        self.forgotten = before
        for index in self._indexes.values():
            index.forget(before)

    def states(self) -> dict[str, float]:
        """How many of the last hour are in each phase."""
        return states(activation for _, activation in self.young())

    def young(self) -> Iterator[tuple[ClientKey, TrackedActivation]]:
        """Those of the last hour, of each key the newest first."""
        for key, index in self._indexes.items():
            for activation in index.young(self._upstream_now() - LONGEST_LIFE):
                yield key, activation

    async def _load(self, key: ClientKey) -> None:
        heard = self._received[key.hash] = []
        try:
            with readable():
                found = [activation_of(row) async for row in self._store.orders(key.hash)]
        finally:
            self._received.pop(key.hash, None)
        index = ActivationIndex()
        for activation in sorted(found, key=created):
            index.add(activation)
        for row in heard:
            apply_remote(index, row)
        self._indexes.setdefault(key, index)
        self._keys[key.hash] = key

    @property
    def hashes(self) -> list[str]:
        """Of the keys that are open, or being opened."""
        return [*self._keys, *self._received]

    def apply_remote(self, row: ActivationRow) -> None:
        """Another replica has written it."""
        self._received.get(row.key, []).append(row)
        if (key := self._keys.get(row.key)) and key in self._indexes:
            apply_remote(self._indexes[key], row)

    async def fetch(
        self, key: ClientKey, *, id: int = 0, order: str = "", reference: str = ""
    ) -> TrackedActivation | None:
        """An activation of an open key that may be known to another replica only."""
        if not self._store.is_shared:
            return self.get(key, order)
        with readable():
            row = await self._store.order(key.hash, id=id, order=order, reference=reference)
        return apply_remote(self._indexes[key], row) if row else None

    def used(self) -> Iterator[ClientKey]:
        """Those that have activations."""
        return (key for key, index in self._indexes.items() if index.by_id)

    def places(self, key: ClientKey) -> int:
        """How many activations of an open key have ever been known."""
        return self._indexes[key].places

    def activations(self, key: ClientKey) -> Collection[TrackedActivation]:
        """Those that are known of an open key."""
        return self._indexes[key].by_id.values()

    def of(self, key: ClientKey, order_id: str) -> TrackedActivation:
        """The activation of an order that was learned."""
        return self._indexes[key].by_order[order_id]

    def known(self, key: ClientKey, id: int) -> TrackedActivation | None:
        return self._indexes[key].by_id.get(id)

    def by_reference(self, key: ClientKey, reference: str) -> TrackedActivation | None:
        """What its client called so; of several, the last."""
        return self._indexes[key].by_reference.get(reference)

    def set_reference(self, key: ClientKey, activation: TrackedActivation, reference: str) -> None:
        self._indexes[key].set_reference(activation, reference)

    def get(self, key: ClientKey, order_id: str) -> TrackedActivation | None:
        return self._indexes[key].by_order.get(order_id)
