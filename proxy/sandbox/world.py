"""The state of the simulated upstream, and its rules.

Nothing runs in the background: `settle` carries out all scheduled events that are due, in order
and each at its own time. So advancing the clock, or a fake clock, needs no waiting.
"""

import asyncio
import contextlib
import math
import random
import uuid
from collections import deque
from collections.abc import Callable
from typing import Literal

from proxy.sandbox.state.accounts import (
    LIVE,
    OPENING_CENTS,
    Account,
    Live,
    Message,
    Order,
    Webhook,
    account_name,
)
from proxy.sandbox.state.catalogue import Catalogue
from proxy.sandbox.state.ledger import Ledger
from proxy.sandbox.state.scenarios import scenario_of, sms_text
from proxy.sandbox.state.schedule import Schedule, ScheduledEvent
from proxy.sandbox.state.switches import Switches
from proxy.sandbox.wire import events, refusals
from proxy.sandbox.wire.answers import Json
from proxy.sandbox.wire.events import Event, Reason

# OpenAPI 1.2.0 names `created` before `waiting`, and does not say how long it lasts.
CREATED_SECONDS = 2.0


class World:
    """All accounts, orders and money. Times are in seconds on the sandbox's clock.

    Whatever a customer may do raises Refusal if the upstream refuses it. `on_change` is called
    after every change, `on_event` with every event that webhooks may send.
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
        self.schedule = Schedule()
        self.next_phones: deque[str] = deque()
        self.on_change: Callable[[Order | None], None] = lambda order: None
        self.on_event: Callable[[Event], None] = lambda event: None
        self._clock = clock
        self._offset = 0.0
        self.now = 0.0
        self._random = random.Random(seed)
        self._by_phone: dict[str, Order] = {}

    # Time.

    def settle(self) -> None:
        """Sets `now` by the clock, and carries out the events that are due.

        `now` is rounded to milliseconds, so that sums of times compare exactly.
        """
        self.now = round(self._clock() + self._offset, 3)
        self._run_due()

    def advance(self, seconds: float) -> None:
        self._offset += seconds
        self.settle()
        self.on_change(None)

    async def wait(self, due: float | None, wake: asyncio.Event) -> None:
        """Waits until `due`, for ever if it is None, but not longer than for `wake`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if due is None else max(0.0, due - self.now)):
                await wake.wait()

    # Accounts.

    def account(self, key: str) -> Account:
        """Returns the key's account; opens a new one with the opening balance."""
        account = self.accounts.get(key)
        if account is None:
            account = self.accounts[key] = Account(account_name(key), self.now)
            self.ledger.book(account, "deposit", OPENING_CENTS, self.now, "Opening balance")
        return account

    def webhooks(self) -> dict[str, Webhook]:
        """Returns the webhooks of all accounts by id."""
        return {id: it for account in self.accounts.values() for id, it in account.webhooks.items()}

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
        self._emit("order.created", order, self.now, events.created(self.switches, order))
        self._schedule(order)
        self.on_change(order)
        return order

    def swap(self, order: Order) -> str:
        """Gives the order another number; returns the previous one."""
        if not order.awaits_first_sms:
            raise refusals.wrong_status("swap", _final_status(order))
        if (wait := self._seconds_until(order.swap_at)) > 0:
            raise refusals.too_early_to_swap(self.switches, wait)
        offer = self.catalogue.offer(order.service, order.country)
        if offer is None or offer.stock <= 0:
            raise refusals.no_replacement()
        before, order.phone = order.phone, self._phone(order.country, order)
        order.expires_at = self._time_after(self.switches.lifetime)
        order.swap_at = self._time_after(self.switches.hold)
        if self.switches.swap_id == "new":
            order.id = self.draw_id()
            self.orders[order.id] = order  # the old id stays valid
        if self.switches.swap_status == "pending_order":
            order.status = "pending"
        self._emit("order.swapped", order, self.now, events.swapped(self.switches, order, before))
        self._schedule(order)
        self.on_change(order)
        return before

    def retry(self, order: Order) -> None:
        if self.switches.retry == "unsupported":
            raise refusals.retry_unsupported()
        if order.status in ("cancelled", "expired"):
            raise refusals.wrong_status("retry", order.status)
        if self.switches.retry == "refused" and order.messages:
            raise refusals.retry_refused()
        if self.now >= order.expires_at:
            return
        if self.switches.retry == "waiting":
            order.status = self._live_status("waiting")
        scenario = scenario_of(order.service)
        if scenario.text and scenario.retry:
            self._send_scenario_sms(order, self.sms_after)

    def cancel(self, order: Order) -> None:
        if not order.awaits_first_sms:
            raise refusals.wrong_status("cancel", _final_status(order))
        if (wait := self._seconds_until(order.cancel_at)) > 0:
            raise refusals.too_early_to_cancel(self.switches, wait)
        self.force_cancel(order, self.now)

    def force_cancel(self, order: Order, at: float, reason: Reason = "user_cancelled") -> None:
        """Cancels and refunds the order without regard to the hold."""
        order.status = "cancelled"
        self._refund(order, at)
        self._emit("order.cancelled", order, at, events.cancelled(self.switches, order, reason))
        self.on_change(order)

    def expire(self, order: Order) -> None:
        order.expires_at = self.now
        self.schedule.add(self.now, "expire", order)
        self._run_due()

    def send_sms(self, order: Order, text: str, sender: str, after: float = 0.0) -> None:
        """Sends an SMS to the order's current number, `after` seconds from now."""
        due = self._time_after(after)
        self.schedule.add(due, "sms", order, Message(sender, text, due))
        self._run_due()
        self.on_change(order)

    def order_of_phone(self, phone: str) -> Order | None:
        return self._by_phone.get(phone.lstrip("+"))

    def draw_id(self) -> str:
        """Returns a random UUID; equal seeds give equal ones."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    # Internals.

    def _run_due(self) -> None:
        while it := self.schedule.take_due(self.now):
            self._carry_out(it)

    def _open(self, account: Account, service: str, country: str, cents: int) -> Order:
        now, hold, id = self.now, self._time_after(self.switches.hold), self.draw_id()
        order = Order(
            id=id,
            first_id=id,
            account=account,
            service=service,
            country=country,
            phone="",
            cents=cents,
            created_at=now,
            expires_at=self._time_after(self.switches.lifetime),
            cancel_at=hold,
            swap_at=hold,
            status=self._live_status("created"),
        )
        order.phone = self._phone(country, order)
        self.orders[order.id] = order
        account.orders.append(order)
        return order

    def _schedule(self, order: Order) -> None:
        """Schedules what happens to the order's current number without interference."""
        scenario = scenario_of(order.service)
        self.schedule.add(order.expires_at, "expire", order)
        if self.switches.order_status == "life_cycle":
            self.schedule.add(self._time_after(CREATED_SECONDS), "await", order)
        if scenario.refunded is not None:
            self.schedule.add(self._time_after(scenario.refunded), "withdraw", order)
        first = self.sms_after if scenario.first is None else scenario.first
        for after in (0.0, *scenario.again) if scenario.text else ():
            self._send_scenario_sms(order, first + after)

    def _send_scenario_sms(self, order: Order, after: float) -> None:
        name = self.catalogue.services[order.service]
        text = scenario_of(order.service).text or ""
        sender = "" if self.switches.sms_sender == "empty" else name
        self.send_sms(order, sms_text(text, name, order.first_id, order.sms_count), sender, after)
        order.sms_count += 1

    def _carry_out(self, it: ScheduledEvent) -> None:
        order, same = it.order, it.phone == it.order.phone
        if it.message and same:
            self._receive(order, it.message)
        elif it.what == "expire" and it.due == order.expires_at:
            self._expire(order, it.due)
        elif it.what == "await" and order.status == "created":
            order.status = self._live_status("waiting")
        elif it.what == "refund":
            self._refund(order, it.due)
        elif it.what == "withdraw" and same and order.awaits_first_sms:
            self.force_cancel(order, it.due, "operator_rejected")
        self.on_change(order)

    def _expire(self, order: Order, at: float) -> None:
        if order.awaits_first_sms:
            order.status = "expired"
            order.push_events.append("expired")
            self._emit_expiry(order, at)
            self.schedule.add(round(at + self.switches.refund_delay, 3), "refund", order)
        elif order.status in (*LIVE, "sms_received"):
            order.status = "completed"

    def _emit_expiry(self, order: Order, at: float) -> None:
        data = events.expired(self.switches, order)
        if self.switches.expiry_event == "order.cancelled":
            data = events.cancelled(self.switches, order, "timeout_no_sms")
        self._emit(self.switches.expiry_event, order, at, data)

    def _live_status(self, stage: Literal["created", "waiting"]) -> Live:
        """Returns what an order without an SMS is called at a stage of OpenAPI's life cycle."""
        name = self.switches.order_status
        return stage if name == "life_cycle" else name

    def _receive(self, order: Order, message: Message) -> None:
        if order.takes_sms(self.switches.further_sms == "appended", message.at):
            order.messages.append(message)
            order.push_events.append(message)
            is_whole = self.switches.order_status == "life_cycle"
            order.status = "sms_received" if is_whole else "completed"
            data = events.received(self.switches, message)
            self._emit(self.switches.webhook_events, order, message.at, data)

    def _emit(self, type: str, order: Order, at: float, data: Json) -> None:
        about = events.about(self.switches, order, self.catalogue.services[order.service])
        self.on_event(Event(type, order.account, at, about | data))

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

    def _time_after(self, seconds: float) -> float:
        return round(self.now + seconds, 3)

    def _seconds_until(self, until: float) -> int:
        """Returns whole seconds, rounded up."""
        return math.ceil(round(until - self.now, 3))


def _final_status(order: Order) -> str:
    """Returns the status that a refusal names: an order with an SMS counts as completed."""
    return "completed" if order.messages else order.status
