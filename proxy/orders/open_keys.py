"""The keys in use with their activations: read from the store once, dropped when idle. Keys that no
client has used since the start have activations of the last hour, to be shown only.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain

from proxy.legacy.code import FindCode, find_code
from proxy.legacy.status import Phase
from proxy.model import NO_KEY, ClientKey
from proxy.orders.index import ActivationIndex, activation_of, apply_remote, created
from proxy.orders.tracked import TrackedActivation
from proxy.runtime.clock import monotonic
from proxy.store import ActivationRow, Store, readable
from proxy.upstream.cache import Cache

MAX_KEYS = 10_000
"""Open keys above which unused ones are dropped."""
SWEEP_SECONDS = 10.0
"""Between two searches for unused keys."""
LONGEST_LIFE = 3600.0
"""Seconds that an order lives at most: 1200 live, 3600 in a sample of the documentation."""


class OpenKeys:
    """`upstream_now` is the upstream's clock; `find` finds the codes of texts."""

    def __init__(
        self, store: Store, upstream_now: Callable[[], float], find: FindCode = find_code
    ) -> None:
        self._store = store
        self.find = find
        self._upstream_now = upstream_now
        self._indexes: dict[ClientKey, ActivationIndex] = {}
        self._keys: dict[str, ClientKey] = {}
        self._received: dict[str, list[ActivationRow]] = {}
        """By hash: rows of other replicas that come while the key is read, and may be newer."""
        self._unopened: dict[str, ActivationIndex] = {}
        """By hash: activations of keys that no client has used since the start."""
        self._opened: Cache[ClientKey, None] = Cache(0.0, 1)
        self._pins: list[Callable[[], Iterable[ClientKey]]] = []
        self._swept_at = float("-inf")
        self.forgotten = float("-inf")
        """Orders created before this time, upstream's clock, may be forgotten."""

    async def open(self, key: ClientKey) -> None:
        """Reads the key's activations from the store, once. Raises TRY_AGAIN if that fails."""
        index = self._indexes.get(key)
        if index is None:
            self._drop_idle()
            await self._opened.get(key, lambda: self._load(key), stale=False)
            index = self._indexes[key]
        index.used_at = monotonic()

    def renew(self, key: ClientKey) -> None:
        """Goes on with the upstream key that a reload gave to a program. Without `is_sole` it has
        only what it bought.
        """
        index = self._indexes.pop(key, None)
        if index is None:
            return
        self._indexes[key], self._keys[key.hash] = index, key
        if not key.is_sole:
            index.remove([one for one in index.by_age if one.delivered is None])

    def pin(self, keys: Callable[[], Iterable[ClientKey]]) -> None:
        """Keeps the keys that `keys()` yields: they have pending operations."""
        self._pins.append(keys)

    async def close(self) -> None:
        await self._opened.close()

    def _drop_idle(self) -> None:
        """Limits the memory that clients with ever new keys can use."""
        if len(self._indexes) < MAX_KEYS or monotonic() - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = monotonic()
        pinned = {one for keys in self._pins for key in keys() for one in (key, key.listing)}
        for key in [key for key, index in self._indexes.items() if index.is_idle]:
            if key not in pinned:
                del self._indexes[key]
                self._keys.pop(key.hash, None)

    def forget(self, before: float) -> None:
        """Forgets settled activations created before that time, upstream's clock."""
        self.forgotten = before
        for index in self._indexes.values():
            index.forget(before)

    def states(self) -> dict[str, float]:
        """The number of activations of the last hour in each phase, for the metric."""
        found = Counter(activation.phase for _, activation in self.shown())
        return {phase.name.lower(): float(found[phase]) for phase in Phase}

    def young(self) -> Iterator[tuple[ClientKey, TrackedActivation]]:
        """Yields the activations of the last hour with their keys; per key the newest first."""
        return self._young(self._indexes.items())

    def shown(self) -> Iterator[tuple[ClientKey, TrackedActivation]]:
        """As `young`, and those of keys that no client has used since the start: such a key has
        only its hash, and nothing can be asked of the upstream with it.
        """
        unopened = ((ClientKey(NO_KEY, hash), index) for hash, index in self._unopened.items())
        return chain(self.young(), self._young(unopened))

    def _young(
        self, indexes: Iterable[tuple[ClientKey, ActivationIndex]]
    ) -> Iterator[tuple[ClientKey, TrackedActivation]]:
        for key, index in indexes:
            for activation in index.young(self._upstream_now() - LONGEST_LIFE):
                yield key, activation

    def recall(self, rows: Iterable[ActivationRow]) -> None:
        """Replaces the activations of the keys that no client has used since the start."""
        self._unopened = {}
        for row in rows:
            if row.key not in self._keys:
                index = self._unopened.setdefault(row.key, ActivationIndex(find=self.find))
                apply_remote(index, row)

    async def _load(self, key: ClientKey) -> None:
        received = self._received[key.hash] = []
        try:
            with readable():
                found = [
                    activation_of(row, self.find) async for row in self._store.orders(key.hash)
                ]
        finally:
            self._received.pop(key.hash, None)
        index = ActivationIndex(find=self.find)
        for activation in sorted(found, key=created):
            index.add(activation)
        for row in received:
            apply_remote(index, row)
        self._indexes.setdefault(key, index)
        self._keys[key.hash] = key
        self._unopened.pop(key.hash, None)

    @property
    def hashes(self) -> list[str]:
        """Hashes of the keys that are open or being read."""
        return [*self._keys, *self._received]

    def apply_remote(self, row: ActivationRow) -> None:
        """Merges a row that another replica has written, if its key is open."""
        self._received.get(row.key, []).append(row)
        if (key := self._keys.get(row.key)) and key in self._indexes:
            apply_remote(self._indexes[key], row)

    async def fetch(
        self, key: ClientKey, *, id: int = 0, order: str = "", reference: str = ""
    ) -> TrackedActivation | None:
        """Reads an activation that only another replica may know. Raises TRY_AGAIN."""
        if not self._store.is_shared:
            return self.get(key, order)
        with readable():
            row = await self._store.order(key.hash, id=id, order=order, reference=reference)
        return apply_remote(self._indexes[key], row) if row else None

    def used(self) -> Iterator[ClientKey]:
        """Yields the open keys that have activations."""
        return (key for key, index in self._indexes.items() if index.by_id)

    def places(self, key: ClientKey) -> int:
        """The number of activations ever added to an open key."""
        return self._indexes[key].places

    def activations(self, key: ClientKey) -> Collection[TrackedActivation]:
        """All known activations of an open key."""
        return self._indexes[key].by_id.values()

    def of(self, key: ClientKey, order_id: str) -> TrackedActivation:
        """The activation of a known order. Raises KeyError."""
        return self._indexes[key].by_order[order_id]

    def known(self, key: ClientKey, id: int) -> TrackedActivation | None:
        return self._indexes[key].by_id.get(id)

    def by_reference(self, key: ClientKey, reference: str) -> TrackedActivation | None:
        """The last activation with the client's reference."""
        return self._indexes[key].by_reference.get(reference)

    def set_reference(self, key: ClientKey, activation: TrackedActivation, reference: str) -> None:
        self._indexes[key].set_reference(activation, reference)

    def get(self, key: ClientKey, order_id: str) -> TrackedActivation | None:
        return self._indexes[key].by_order.get(order_id)
