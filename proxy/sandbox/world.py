"""The state of the simulated upstream and its rules. It moves only when somebody looks at it.

Nothing runs in the background: `settle` carries out, in their order and with their own times, all
happenings that have fallen due, so that a pushed clock or a virtual one needs no waiting.
"""

import math
import random
import uuid
from collections import deque
from collections.abc import Callable

from proxy.sandbox.state.accounts import OPENING_CENTS, Account, Message, Order, account_name
from proxy.sandbox.state.catalogue import Catalogue
from proxy.sandbox.state.ledger import Ledger
from proxy.sandbox.state.scenarios import scenario_of, written
from proxy.sandbox.state.schedule import Schedule, ScheduledEvent
from proxy.sandbox.state.switches import Switches
from proxy.sandbox.wire import events, refusals
from proxy.sandbox.wire.answers import Json
from proxy.sandbox.wire.events import Event, Reason


class World:
    """All accounts, orders and money. Refuses by raising Refusal.

    `changed` hears that something is different now, `told` hears what webhooks may tell.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        switches: Switches,
        clock: Callable[[], float],
        sms_after: float,
        seed: int = 1,
    ) -> None:
        self.catalogue = catalogue
        self.switches = switches
        self.sms_after = sms_after
        self.ledger = Ledger()
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, Order] = {}
        self.calendar = Schedule()
        self.next_phones: deque[str] = deque()
        self.changed: Callable[[Order | None], None] = lambda order: None
        self.told: Callable[[Event], None] = lambda event: None
        self._clock = clock
        self._pushed = 0.0
        self.now = 0.0
        self._random = random.Random(seed)
        self._by_phone: dict[str, Order] = {}

    # Time.

    def settle(self) -> None:
        """Looks at the clock: `now` moves, and what has fallen due happens.

        `now` is in whole milliseconds, so that sums of times compare cleanly.
        """
        self.now = round(self._clock() + self._pushed, 3)
        self._catch_up()

    def push(self, seconds: float) -> None:
        self._pushed += seconds
        self.settle()
        self.changed(None)

    # Accounts.

    def account(self, key: str) -> Account:
        """The key's account, opened with its first balance when it is new."""
        account = self.accounts.get(key)
        if account is None:
            account = self.accounts[key] = Account(account_name(key), self.now)
            self.ledger.book(account, "deposit", OPENING_CENTS, self.now, "Opening balance")
        return account

    def set_balance(self, account: Account, cents: int) -> None:
        self.ledger.book(account, "credit", cents - account.cents, self.now, "Set by control")

    # The life of an order.

    def buy(self, account: Account, service: str, country: str) -> Order:
        if service not in self.catalogue.services:
            raise refusals.invalid("service", service)
        if country not in self.catalogue.countries:
            raise refusals.invalid("country", country)
        offer = self.catalogue.offer(service, country)
        if offer is not None and account.cents < offer.charge:
            raise refusals.no_funds(self.switches, offer.charge, account.cents)
        if offer is None or offer.stock <= 0:
            raise refusals.no_stock(self.switches)
        self.catalogue.take(service, country, 1)
        order = self._open(account, service, country, offer.charge)
        about = f"{self.catalogue.services[service]} / {country}"
        self.ledger.book(account, "charge", -offer.charge, self.now, about, order.first_id)
        self._tell("order.created", order, self.now, events.created(self.switches, order))
        self._plan(order)
        self.changed(order)
        return order

    def swap(self, order: Order) -> str:
        """Gives the order another number; returns the one before."""
        if not order.awaits_first_sms:
            raise refusals.wrong_status("swap", _end(order))
        if (wait := self._left(order.swap_at)) > 0:
            raise refusals.too_early_to_swap(self.switches, wait)
        offer = self.catalogue.offer(order.service, order.country)
        if offer is None or offer.stock <= 0:
            raise refusals.no_replacement()
        before, order.phone = order.phone, self._phone(order.country, order)
        order.expires_at = self._later(self.switches.lifetime)
        order.swap_at = self._later(self.switches.hold)
        if self.switches.swap_id == "new":
            order.id = self.draw_id()
            self.orders[order.id] = order  # the old id goes on naming it
        if self.switches.swap_status == "pending_order":
            order.status = "pending"
        self._tell("order.swapped", order, self.now, events.swapped(self.switches, order, before))
        self._plan(order)
        self.changed(order)
        return before

    def retry(self, order: Order) -> None:
        if self.switches.retry == "unsupported":
            raise refusals.retry_unsupported()
        if order.status in ("cancelled", "expired"):
            raise refusals.wrong_status("retry", order.status)
        if self.now >= order.expires_at:
            return
        if self.switches.retry == "waiting":
            order.status = "waiting"
        scenario = scenario_of(order.service)
        if scenario.text and scenario.retry:
            self._write(order, self.sms_after)

    def cancel(self, order: Order) -> None:
        if not order.awaits_first_sms:
            raise refusals.wrong_status("cancel", _end(order))
        if (wait := self._left(order.cancel_at)) > 0:
            raise refusals.too_early_to_cancel(self.switches, wait)
        self.withdraw(order, self.now)

    def withdraw(self, order: Order, at: float, reason: Reason = "user_cancelled") -> None:
        """Cancelled and refunded, whatever the hold: by the operator, or from elsewhere."""
        order.status = "cancelled"
        self._refund(order, at)
        self._tell("order.cancelled", order, at, events.cancelled(order, reason))
        self.changed(order)

    def expire(self, order: Order) -> None:
        order.expires_at = self.now
        self.calendar.plan(self.now, "expire", order)
        self._catch_up()

    def text(self, order: Order, text: str, sender: str, after: float = 0.0) -> None:
        """Sends an SMS to the number that the order has now."""
        due = self._later(after)
        self.calendar.plan(due, "sms", order, Message(sender, text, due))
        self._catch_up()
        self.changed(order)

    def order_of_phone(self, phone: str) -> Order | None:
        return self._by_phone.get(phone.lstrip("+"))

    def draw_id(self) -> str:
        """A UUID; equal seeds draw equal ones."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    # Within.

    def _catch_up(self) -> None:
        while it := self.calendar.take_due(self.now):
            self._happen(it)

    def _open(self, account: Account, service: str, country: str, cents: int) -> Order:
        now, hold, id = self.now, self._later(self.switches.hold), self.draw_id()
        order = Order(
            id=id,
            first_id=id,
            account=account,
            service=service,
            country=country,
            phone="",
            cents=cents,
            created_at=now,
            expires_at=self._later(self.switches.lifetime),
            cancel_at=hold,
            swap_at=hold,
        )
        order.phone = self._phone(country, order)
        self.orders[order.id] = order
        account.orders.append(order)
        return order

    def _plan(self, order: Order) -> None:
        """Everything that will happen to the order's present number if nobody interferes."""
        scenario = scenario_of(order.service)
        self.calendar.plan(order.expires_at, "expire", order)
        if scenario.refunded is not None:
            self.calendar.plan(self._later(scenario.refunded), "withdraw", order)
        first = self.sms_after if scenario.first is None else scenario.first
        for after in (0.0, *scenario.again) if scenario.text else ():
            self._write(order, first + after)

    def _write(self, order: Order, after: float) -> None:
        name = self.catalogue.services[order.service]
        text = scenario_of(order.service).text or ""
        self.text(order, written(text, name, order.first_id, order.written), name, after)
        order.written += 1

    def _happen(self, it: ScheduledEvent) -> None:
        order, same = it.order, it.phone == it.order.phone
        if it.message and same:
            self._arrive(order, it.message)
        elif it.what == "expire" and it.due == order.expires_at:
            self._run_out(order, it.due)
        elif it.what == "refund":
            self._refund(order, it.due)
        elif it.what == "withdraw" and same and order.awaits_first_sms:
            self.withdraw(order, it.due, "operator_rejected")
        self.changed(order)

    def _run_out(self, order: Order, at: float) -> None:
        if order.awaits_first_sms:
            order.status = "expired"
            order.told.append("expired")
            self._tell("order.expired", order, at, events.expired(self.switches, order))
            self.calendar.plan(round(at + self.switches.refund_delay, 3), "refund", order)
        elif order.status in ("waiting", "pending"):
            order.status = "completed"

    def _arrive(self, order: Order, message: Message) -> None:
        if order.takes_sms(self.switches.further_sms == "appended", message.at):
            order.messages.append(message)
            order.told.append(message)
            order.status = "completed"
            data = events.received(self.switches, message)
            self._tell(self.switches.webhook_events, order, message.at, data)

    def _tell(self, type: str, order: Order, at: float, data: Json) -> None:
        about = events.about(self.switches, order, self.catalogue.services[order.service])
        self.told(Event(type, order.account, at, about | data))

    def _refund(self, order: Order, at: float) -> None:
        order.refunded = True
        self.catalogue.take(order.service, order.country, -1)
        about = f"Refund {self.catalogue.services[order.service]} / {order.country}"
        self.ledger.book(order.account, "refund", order.cents, at, about, order.first_id)

    def _phone(self, country: str, order: Order) -> str:
        phone = self.next_phones.popleft() if self.next_phones else self._draw_phone(country)
        self._by_phone[phone] = order
        return phone

    def _draw_phone(self, country: str) -> str:
        look = self.catalogue.countries[country]
        while True:
            start = self._random.choice(look.prefixes)
            left = look.digits - len(start)
            phone = start + f"{self._random.randrange(10**left):0{left}}"
            if phone not in self._by_phone:
                return phone

    def _later(self, seconds: float) -> float:
        return round(self.now + seconds, 3)

    def _left(self, until: float) -> int:
        """Whole seconds, rounded up."""
        return math.ceil(round(until - self.now, 3))


def _end(order: Order) -> str:
    """The status a refusal names: an order with an SMS counts as completed."""
    return "completed" if order.messages else order.status
