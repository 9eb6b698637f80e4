"""What is so at the moment, beside the activations: money, budget, sockets, what is owed."""

import logging
from collections import Counter
from collections.abc import Callable

from proxy import __version__
from proxy.console.history import History
from proxy.console.rows import Row, Rows, name
from proxy.console.warnings import Warnings
from proxy.model import Limits, UpstreamKey
from proxy.model.errors import StoreError
from proxy.orders.tracked import TrackedActivation
from proxy.purchases.cancels import Promise
from proxy.purchases.purchase import Purchase
from proxy.runtime.clock import monotonic
from proxy.services import Services
from proxy.store import PendingOperation

log = logging.getLogger(__name__)

MONEY_SECONDS = 60.0
SAVED = ("handed_over", "refunded_orphan", "refunded_promise")


class Money:
    """What was charged and refunded since midnight UTC by the ledger, and saved since the start."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sums = {"charged": 0, "refunded": 0}
        self._seen: object = None
        self._read_at = float("-inf")
        self._day = 0.0
        self._before: Counter[str] = Counter()

    async def row(self) -> Row:
        since, _ = Limits().since(self._services.upstream.wall_clock())
        counts, cents = self._services.counters.counts, self._services.counters.cents
        if since != self._day:
            # What was saved on another day is no news.
            self._before = Counter(cents) if self._day else Counter()
            self._day, self._seen = since, None
        moved = counts[("charged_cents",)], counts[("refunded_cents",)]
        now = monotonic()
        if moved != self._seen or now - self._read_at > MONEY_SECONDS:
            await self._read(since, moved, now)
        saved = {what: cents[what] - self._before[what] for what in SAVED}
        return {"since": since, **self._sums, "saved": saved}

    async def _read(self, since: float, moved: tuple[int, int], now: float) -> None:
        try:
            entries = await self._services.store.ledger(since)
        except StoreError as error:
            log.info("the money of the page is old: the store: %s", error)
            return
        self._seen, self._read_at = moved, now
        sums = Counter[str]()
        for entry in entries:
            sums[entry.kind] += entry.cents
        self._sums = {"charged": -sums["charge"], "refunded": sums["refund"]}


class Summary:
    def __init__(
        self,
        services: Services,
        rows: Rows,
        history: History,
        warnings: Warnings,
        *,
        sandbox: bool,
        per_minute: int,
        now: Callable[[], float],
    ) -> None:
        self._services = services
        self._rows = rows
        self._history = history
        self._warnings = warnings
        self._sandbox = sandbox
        self._per_minute = per_minute
        self._money = Money(services)
        self._now = now
        self._started_at = now()

    async def row(self) -> Row:
        services = self._services
        return {
            "version": __version__,
            "started_at": self._started_at,
            "sandbox": self._sandbox,
            "money": await self._money.row(),
            "balances": self._balances(),
            "budget": {**services.budget.states, "limit": self._per_minute},
            "push": services.sockets.states,
            "purchases": services.journal.pending.states(),
            "promises": [self._promise(promise) for promise in services.cancels.promises.values()],
            "orphans": [self._orphan(one) for one in services.journal.pending if is_orphan(one)],
            "complaints": self._warnings.rows(),
            "minutes": self._history.rows(),
        }

    def _balances(self) -> list[Row]:
        """As they were last told, of each account that programs have used."""
        found: dict[UpstreamKey, set[str]] = {}
        for key in self._services.orders.used():
            names = found.setdefault(key.upstream, set())
            if key.program or key.is_sole:
                names.add(self._rows.program(key))
        balances = self._services.balances
        return [
            {"programs": sorted(names), "cents": balances.peek(account)}
            for account, names in found.items()
        ]

    def _promise(self, promise: Promise) -> Row:
        due = round(self._now() + promise.due - monotonic())
        return self._owed(promise.owed, promise.activation, due=due, failed=promise.failed)

    def _orphan(self, purchase: Purchase) -> Row:
        return self._owed(purchase.owed, purchase.owned)

    def _owed(self, owed: PendingOperation, activation: TrackedActivation, **more: object) -> Row:
        order = activation.order
        return {
            "id": owed.id,
            "row": name((owed.key, activation.id)),
            "phone": order.phone,
            "program": self._rows.program(owed.key),
            "cents": order.cents,
            "since": self._services.upstream.clock.to_wall(owed.at),
            **more,
            **self._rows.bought(order.service, order.country),
        }


def is_orphan(purchase: Purchase) -> bool:
    return purchase.state == "orphan"
