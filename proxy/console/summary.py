"""The current figures beside the activations: money, budget, sockets, pending cancels, problems."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from proxy import __version__
from proxy.console.history import History
from proxy.console.problems import Problems
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

MONEY_SECONDS, RETRY_SECONDS = 60.0, 5.0
"""Between two reads of an unchanged ledger, and after a read that failed."""
SAVED = ("handed_over", "refunded_orphan", "refunded_promise")


class Money:
    """Charged and refunded since midnight UTC by the ledger; saved since then and the start."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sums: dict[str, int | None] = {"charged": None, "refunded": None}
        """None: never read."""
        self.trouble = ""
        """Why the ledger could not be read; empty if it could."""
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
            self._sums = {"charged": None, "refunded": None}
        moved = counts[("charged_cents",)], counts[("refunded_cents",)]
        now = monotonic()
        wait = RETRY_SECONDS if self.trouble else MONEY_SECONDS
        if (moved != self._seen and not self.trouble) or now - self._read_at > wait:
            await self._read(since, moved, now)
        saved = {what: cents[what] - self._before[what] for what in SAVED}
        return {"since": since, **self._sums, "saved": saved, "trouble": self.trouble}

    async def _read(self, since: float, moved: tuple[int, int], now: float) -> None:
        self._read_at = now
        try:
            entries = await self._services.store.ledger(since)
        except StoreError as error:
            log.info("the money of the page is old: the store: %s", error)
            self.trouble = str(error)
            return
        self._seen, self.trouble = moved, ""
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
    problems: Problems
    warnings: Warnings
    money: Money
    failed_balances: Mapping[UpstreamKey, str]
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
            "upstream": services.upstream.health.row(),
            "store": self._store(),
            "balances": self._balances(),
            "budget": {**services.budget.states, "limit": self.per_minute},
            "push": services.sockets.states,
            "purchases": pending.states(),
            "cancels": [self._cancel(cancel) for cancel in services.cancels.scheduled.values()],
            "unclaimed": [self._pending(p.operation, p.owned) for p in pending if is_unclaimed(p)],
            "doubted": [
                self._pending(p.operation, p.owned) for p in pending if p.state == "in_doubt"
            ],
            "problems": await self.problems.rows(),
            "warnings": self.warnings.rows(),
            "minutes": self.history.rows(),
        }

    def _store(self) -> Row:
        """Why the store cannot be written or read; empty texts if it can."""
        reads = self.services.last_hour.trouble or self.money.trouble
        return {"writes": self.services.store.trouble, "reads": reads}

    def _balances(self) -> list[Row]:
        """Returns the last known balance of each account that programs have used."""
        found: dict[UpstreamKey, set[str]] = {}
        for key in self.services.orders.used():
            names = found.setdefault(key.upstream, set())
            if key.program or key.is_sole:
                names.add(self.rows.program(key))
        balances = self.services.balances
        return [
            {
                "programs": sorted(names),
                "cents": balances.peek(account),
                "failed": self.failed_balances.get(account, ""),
            }
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
            "row": row_id((owed.key.hash, activation.id)),
            "phone": order.phone,
            "program": self.rows.program(owed.key),
            "cents": order.cents,
            "since": self.services.upstream.clock.to_wall(owed.at),
            **more,
            **self.rows.names(order.service, order.country),
        }


def is_unclaimed(purchase: Purchase) -> bool:
    return purchase.state == "orphan"
