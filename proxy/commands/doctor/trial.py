"""`doctor --readings --buy`: one purchase, which is cancelled after its hold. Follows the money."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proxy.commands.doctor.answers import cents_by, confirms_cancel, read_by, readable
from proxy.commands.doctor.questions import Pair, Questions, socket_answer
from proxy.model import Order, OrderState
from proxy.model.errors import ConfigError, HttpError, NotSentError, Problem, ProblemError
from proxy.model.errors import SocketError as BrokenSocketError
from proxy.model.money import dollars, is_over
from proxy.orders.freshness import POLL
from proxy.runtime.clock import monotonic
from proxy.runtime.tasks import child_task
from proxy.upstream import refusals, wire
from proxy.upstream.raw import RawAnswer

RETRY_SECONDS = 15.0
"""Seconds before another try to cancel, if the answer does not say how long to wait."""
MAX_CANCELS = 10
REFUND_SECONDS = 60.0
"""How long the refund of a cancelled order is waited for."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be bought. `ask` gets the question to the person; `check` raises ConfigError if a
    proxy runs on the store by now.
    """

    pair: Pair
    max_price: int
    account: str
    ask: Callable[[str], bool]
    check: Callable[[], None]
    cancels_early: bool = False


class Trial:
    """`say` prints a line at once: what has to be known after a crash is said before the wait.
    `wrongs` are the lines that make the exit code 1.
    """

    def __init__(self, questions: Questions, terms: Terms, say: Callable[[str], None]) -> None:
        self._questions, self._terms, self._say = questions, terms, say
        self._charged = 0
        """Cents, by the purchase; by the balance, if the purchase has no price."""
        self.wrongs: list[str] = []

    async def run(self) -> None:
        """Raises ConfigError if nothing is bought because of the terms, and as `Questions.ask`
        until the purchase is sent.
        """
        before = await self._check()
        order = await self._purchase(before)
        if order is None:
            return
        try:
            refunded = await self._live(order, before)
            await self._follow(order, before, refunded=refunded)
        except asyncio.CancelledError:
            await self._interrupted(order)
            raise

    async def _check(self) -> int:
        """Price, balance, consent and store. Returns the balance in cents."""
        terms = self._terms
        quoted = await self._questions.ask("price", has_key=False, params=terms.pair._asdict())
        price = cents_by(wire.price, quoted)
        what = f"{terms.pair.service} in {terms.pair.country}"
        if price is None:
            raise ConfigError(f"--buy: {what} has no price now: choose another pair")
        if is_over(price, terms.max_price):
            shown = f"{dollars(price)} USD, over --at-most {dollars(terms.max_price)}"
            raise ConfigError(f"--buy: {what} costs {shown}: nothing was bought")
        balance = cents_by(wire.balance, await self._questions.ask("balance"))
        if balance is None or balance < price:
            shown = "not known" if balance is None else f"{dollars(balance)} USD"
            raise ConfigError(f"--buy: the balance is {shown}: nothing was bought")
        text = f"Buy one number, {what}, for {dollars(price)} USD with {terms.account}?"
        if not terms.ask(text):
            raise ConfigError("--buy: not confirmed: nothing was bought")
        # A Ctrl-C at the question takes effect here.
        await asyncio.sleep(0)
        terms.check()
        return balance

    async def _purchase(self, before: int) -> Order | None:
        """Sends the one POST. None if there is no order, or if nobody knows."""
        pair = self._terms.pair
        self._say(f"buying {pair.service} in {pair.country}; the purchase is never repeated")
        try:
            answer = await self._questions.ask("purchase", json=pair._asdict())
        except NotSentError as error:
            self._wrong(f"{error}: the purchase was not sent: nothing was bought")
            return None
        except (HttpError, asyncio.CancelledError) as error:
            why = str(error) or "interrupted"
            self._wrong(f"{why}: {self._unclear}")
            if isinstance(error, asyncio.CancelledError):
                raise
            await self._say_traces(before)
            return None
        except ProblemError as error:
            self._wrong(f"{error.detail}: nothing was bought")
            return None
        order: Order | None = read_by(wire.purchased, answer)
        if order is not None:
            self._bought(order)
            return order
        await self._refused(answer, before)
        return None

    @property
    def _unclear(self) -> str:
        return (
            "it is not known whether a number was bought. Do not buy again: look at the orders of "
            "the account at the upstream; an order without an SMS is refunded when it expires, "
            "after about twenty minutes"
        )

    def _bought(self, order: Order) -> None:
        self._say(f"bought order {order.id}, number {order.phone}")
        self._say(
            "if this command ends early: the upstream refunds the order when it expires without "
            f"an SMS; POST /customer/cancel/{order.id} with the key cancels it after the hold"
        )

    async def _refused(self, answer: RawAnswer, before: int) -> None:
        text = refusals.refusal_text(answer.status, answer.content)
        problem = refusals.classify("purchase", answer.status, text)
        names = {Problem.NO_NUMBERS: "no_stock", Problem.NO_BALANCE: "no_funds"}
        if name := names.get(problem):
            found = self._questions.answers.found
            found[-1] = found[-1]._replace(question=f"purchase_{name}")
        shown = f"HTTP {answer.status}, read as {problem.name}"
        is_clear = not problem.is_doubt and answer.status < 500
        self._wrong(f"{shown}: {'nothing was bought' if is_clear else self._unclear}")
        await self._say_traces(before)

    async def _say_traces(self, before: int) -> None:
        """What balance and order list show after a purchase without a number."""
        known = {wire.order(row).id for row in self._questions.answers.order_rows()}
        if listed := await self._ask("orders", "orders_after", params={"limit": "50"}):
            orders = map(wire.order, readable(listed) if listed.is_success else ())
            new = [it for it in orders if (it.service, it.country) == self._terms.pair]
            for order in (it for it in new if it.id not in known):
                self._say(f"order {order.id} is listed since then; it may be this purchase")
        now = await self._balance()
        shown = "not known" if now is None else f"{dollars(now)} USD"
        self._say(f"the balance was {dollars(before)} USD and is {shown}")

    async def _live(self, order: Order, before: int) -> bool:
        """Watches the order until it is over; returns whether it is refunded."""
        # By the upstream's stamps alone. Without them the first cancel is refused, and says it.
        hold = 0.0 if order.created_at is None else order.hold_left(order.created_at)
        until = monotonic() + hold
        await self._compare_charge(order, before)
        async with child_task(self._watch(order), "socket of the order"):
            await self._quietly(self._questions.ask_orders())
            if self._terms.cancels_early:
                self._say("asking for a cancel inside the hold, which is expected to be refused")
                answer = await self._ask("cancel", "cancel_early", id=order.id, json={})
                if answer and confirms_cancel(answer):
                    self._say("the upstream has cancelled it inside the hold")
                    return True
            self._say("waiting for an SMS until the hold is over; Ctrl-C cancels if it can")
            for _ in range(MAX_CANCELS):
                ended = await self._wait(order, until)
                if ended is not None:
                    return ended
                done, wait = await self._cancel(order)
                if done is not None:
                    return done
                until = monotonic() + wait
        self._wrong(
            f"order {order.id} could not be cancelled: the upstream refunds it when it expires"
        )
        return False

    async def _compare_charge(self, order: Order, before: int) -> None:
        """Compares what the purchase says with the balance and with the maximum."""
        after = await self._balance()
        difference = None if after is None else before - after
        self._charged = order.cents if order.cents is not None else difference or 0
        if is_over(self._charged, self._terms.max_price):
            shown = f"{dollars(self._charged)} USD were charged"
            self._wrong(f"{shown}, over --at-most {dollars(self._terms.max_price)}")
        if difference is not None and difference != self._charged:
            self._wrong(
                f"charged {dollars(self._charged)} USD, but the balance went from "
                f"{dollars(before)} to {dollars(before - difference)}: another program may use "
                "the account"
            )

    async def _wait(self, order: Order, until: float) -> bool | None:
        """Reads the order until then. Returns whether it is refunded, or None if it is live."""
        while True:
            answer = await self._ask("order", id=order.id)
            now = read_by(lambda data: wire.asked_order(data, order.id), answer) if answer else None
            if now and (now.messages or now.state is OrderState.COMPLETED):
                self._say("an SMS has come: there is no refund")
                # A frame of it may still be on its way.
                await asyncio.sleep(POLL)
                return False
            if now and now.state in (OrderState.CANCELLED, OrderState.EXPIRED):
                self._say(f"the upstream has ended the order: {now.state.value}")
                return True
            if monotonic() >= until:
                return None
            pause = POLL if answer else RETRY_SECONDS
            await asyncio.sleep(min(pause, until - monotonic()))

    async def _cancel(self, order: Order) -> tuple[bool | None, float]:
        """Whether the order is refunded (None: not known yet), and the seconds to wait."""
        answer = await self._ask("cancel", id=order.id, json={})
        if answer is None:
            return None, RETRY_SECONDS
        if confirms_cancel(answer):
            self._say("cancelled after the hold")
            return True, 0.0
        if answer.status == 425:
            return None, refusals.wait_seconds(answer.content) or RETRY_SECONDS
        text = refusals.refusal_text(answer.status, answer.content)
        if refusals.classify("cancel", answer.status, text) is Problem.ALREADY_CANCELLED:
            return True, 0.0
        return None, RETRY_SECONDS

    async def _follow(self, order: Order, before: int, *, refunded: bool) -> None:
        """Compares balance and transactions with what was charged and refunded, to the cent."""
        await self._ask("order", id=order.id)
        expected = before if refunded else before - self._charged
        begun, after = monotonic(), await self._balance()
        while after != expected and refunded and monotonic() - begun < REFUND_SECONDS:
            await asyncio.sleep(POLL)
            after = await self._balance()
        shown = "not known" if after is None else dollars(after)
        money = f"{dollars(before)} before, {dollars(self._charged)} charged"
        if after == expected:
            late = f", {monotonic() - begun:.0f} s after the cancel" if refunded else ""
            refund = f"{dollars(self._charged)} refunded{late}, " if refunded else ""
            self._say(f"money: {money}, {refund}{shown} now: right to the cent")
        else:
            self._wrong(f"money: {money}, {shown} now, {dollars(expected)} expected")
        await self._compare_transactions(order, refunded=refunded)

    async def _compare_transactions(self, order: Order, *, refunded: bool) -> None:
        answer = await self._ask("transactions", "transactions_after", params={"limit": "20"})
        rows = read_by(wire.transactions, answer) if answer else None
        own = [row.cents for row in rows or () if row.order == order.id]
        if not own:
            self._say("no transaction names the order")
            return
        listed = ", ".join(map(dollars, own))
        if sum(own) == (0 if refunded else -self._charged):
            self._say(f"transactions of the order: {listed}")
        else:
            self._wrong(f"the transactions of the order do not agree with that: {listed}")

    async def _watch(self, order: Order) -> None:
        """Keeps what the order's socket says; it is no trouble if it breaks."""
        begun, frames = monotonic(), 0
        try:
            async for raw in self._questions.sockets.raw_frames(self._questions.key, order.id):
                if raw is None:
                    self._note("socket_of_order", 101)
                    continue
                frames += 1
                self._note("frame", 101, raw.encode() if isinstance(raw, str) else raw)
        except BrokenSocketError as error:
            if error.status:
                self._note("socket_of_order", error.status)
                return
        if not frames and monotonic() - begun < POLL:
            self._note("socket_closed", 101)

    def _note(self, question: str, status: int, frame: bytes = b"") -> None:
        self._questions.answers.found.append(socket_answer(question, status, frame))

    async def _interrupted(self, order: Order) -> None:
        """Ctrl-C: tries to cancel once."""
        self._say("interrupted: trying to cancel")
        done, _ = await self._cancel(order)
        if done:
            self._say(f"order {order.id} is cancelled; see the balance for the refund")
            return
        self._wrong(
            f"order {order.id} was not cancelled: cancel it after its hold with POST "
            f"/customer/cancel/{order.id}, or wait: the upstream refunds an order without an SMS "
            "when it expires"
        )

    async def _balance(self) -> int | None:
        answer = await self._ask("balance")
        return cents_by(wire.balance, answer) if answer else None

    async def _ask(self, call: str, question: str = "", **sent: Any) -> RawAnswer | None:
        """As `Questions.ask`; after the purchase no failure may end the command."""
        found = self._questions.answers.found
        try:
            answer = await self._questions.ask(call, question, **sent)
        except (ProblemError, HttpError) as error:
            self._say(f"{getattr(error, 'detail', '') or error}: going on")
            return None
        same = (it for it in found[:-1] if it.question == answer.question)
        if any(it.content == answer.content for it in same):
            found.remove(answer)
        return answer

    async def _quietly(self, asking: Any) -> None:
        try:
            await asking
        except (ProblemError, HttpError) as error:
            self._say(f"{getattr(error, 'detail', '') or error}: going on")

    def _wrong(self, text: str) -> None:
        self.wrongs.append(text)
        self._say(f"wrong: {text}")
