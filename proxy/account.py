"""The activations of one key."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from proxy.legacy.activation import Activation


@dataclass(slots=True)
class Account:
    """`used_at` is on the monotonic clock; `places`, how many have ever been known."""

    by_id: dict[int, Activation] = field(default_factory=dict)
    by_order: dict[str, Activation] = field(default_factory=dict)
    by_wish: dict[str, Activation] = field(default_factory=dict)
    places: int = 0
    used_at: float = 0.0

    def add(self, activation: Activation) -> None:
        self.by_id[activation.id] = self.by_order[activation.order.id] = activation
        self.places += 1
        activation.place = self.places
        if activation.wish:
            self.by_wish[activation.wish] = activation

    def drop(self, activation: Activation) -> None:
        self.by_id.pop(activation.id, None)
        self.by_order.pop(activation.order.id, None)
        self.by_wish.pop(activation.wish, None)

    def young(self, since: float) -> Iterator[Activation]:
        """Those created since then, the newest first."""
        for activation in reversed(self.by_id.values()):
            if (activation.order.created_at or 0.0) < since:
                return
            yield activation
