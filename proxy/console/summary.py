"""The current figures beside the activations: money, budget, sockets, pending cancels, problems."""

import logging
from collections import Counter
from dataclasses import dataclass

from proxy import __version__
from proxy.console.history import History
from proxy.console.rows import Row, Rows, row_id
from proxy.console.warnings import Warnings
from proxy.model import Limits, UpstreamKey
from proxy.model.errors import StoreError
from proxy.orders.tracked import TrackedActivation
from proxy.purchases.cancels import ScheduledCancel
from proxy.purchases.purchase import Purchase
from proxy.runtime.clock import monotonic
from proxy.services import Services
from proxy.store import PendingOperation

log = logging.getLogger(__name__)

MONEY_SECONDS = 60.0
SAVED = ("handed_over", "refunded_orphan", "refunded_promise")


class Money:
    """Charged and refunded since midnight UTC by the ledger; saved since then and the start."""

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
            # The counters run on since the start: what was saved before today is subtracted.
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


@dataclass(frozen=True, slots=True)
class Summary:
    """`started_at` is this machine's time, in seconds since 1970."""

    services: Services
    rows: Rows
    history: History
    warnings: Warnings
    money: Money
    sandbox: bool
    per_minute: int
    started_at: float

    async def row(self) -> Row:
        services, pending = self.services, self.services.journal.pending
        return {
            "version": __version__,
            "started_at": self.started_at,
            "sandbox": self.sandbox,
            "money": await self.money.row(),
            "balances": self._balances(),
            "budget": {**services.budget.states, "limit": self.per_minute},
            "push": services.sockets.states,
            "purchases": pending.states(),
            "cancels": [self._cancel(cancel) for cancel in services.cancels.scheduled.values()],
            "unclaimed": [self._pending(p.operation, p.owned) for p in pending if is_unclaimed(p)],
            "doubted": [
                self._pending(p.operation, p.owned) for p in pending if p.state == "in_doubt"
            ],
            "problems": self.warnings.rows(),
            "minutes": self.history.rows(),
        }

    def _balances(self) -> list[Row]:
        """Returns the last known balance of each account that programs have used."""
        found: dict[UpstreamKey, set[str]] = {}
        for key in self.services.orders.used():
            names = found.setdefault(key.upstream, set())
            if key.program or key.is_sole:
                names.add(self.rows.program(key))
        balances = self.services.balances
        return [
            {"programs": sorted(names), "cents": balances.peek(account)}
            for account, names in found.items()
        ]

    def _cancel(self, cancel: ScheduledCancel) -> Row:
        due = round(self.services.upstream.wall_clock() + cancel.due - monotonic())
        return self._pending(cancel.operation, cancel.activation, due=due, failed=cancel.failed)

    def _pending(
        self, owed: PendingOperation, activation: TrackedActivation, **more: object
    ) -> Row:
        order = activation.order
        return {
            "id": owed.id,
            "row": row_id((owed.key, activation.id)),
            "phone": order.phone,
            "program": self.rows.program(owed.key),
            "cents": order.cents,
            "since": self.services.upstream.clock.to_wall(owed.at),
            **more,
            **self.rows.names(order.service, order.country),
        }


def is_unclaimed(purchase: Purchase) -> bool:
    return purchase.state == "orphan"
