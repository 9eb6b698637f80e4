"""What the calls of the control API do. Each returns its answer, or raises InvalidBodyError."""

from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.sandbox.api.faults import Fault
from proxy.sandbox.api.routes import CALLS
from proxy.sandbox.control.bodies import (
    BalanceBody,
    ClockBody,
    InvalidBodyError,
    OfferBody,
    OrderRef,
    PhoneBody,
    ResetBody,
    SmsBody,
    SocketBody,
)
from proxy.sandbox.simulation import Simulation
from proxy.sandbox.state.accounts import LIVE, Account, Order
from proxy.sandbox.state.ledger import totals
from proxy.sandbox.state.switches import (
    Switches,
    UnknownSwitchError,
    choices,
    known_switches,
    switched,
)
from proxy.sandbox.wire import answers
from proxy.sandbox.wire.answers import Json
from proxy.sandbox.wire.frames import encoded
from proxy.sandbox.wire.rate_limit import busiest_minute

Query = Mapping[str, str]

SOCKET_SECONDS = 0.1
"""Before an SMS the proxy gets this time to open the socket of an order just bought. Without it the
proxy would read the SMS seconds later, with its next poll.
"""

# Python, PHP and Java SDK 2.0.0, and the vendor's MCP server.
CLOCK_HINT = (
    "Clients that compare cancel_available_at with their own clock do not see this one advance: "
    'for them set the switch hold instead, {"hold": 5}, before buying.'
)


async def reset(simulation: Simulation, body: ResetBody) -> Json:
    if beside := simulation.beside:
        if body.report:
            beside.clear_report()
        await beside.restart(lambda: simulation.reset(body.seed))
    else:
        simulation.reset(body.seed)
    return clock(simulation)


def clock(simulation: Simulation) -> Json:
    simulation.world.settle()
    now = simulation.world.now
    return {"now": now, "time": answers.stamp(simulation.world.switches, now)}


async def advance(simulation: Simulation, body: ClockBody) -> Json:
    if beside := simulation.beside:
        await beside.advance(body.seconds)
        simulation.world.advance(0)
    else:
        simulation.world.advance(body.seconds)
    return clock(simulation) | {"hint": CLOCK_HINT}


def switches(simulation: Simulation) -> Json:
    return {
        "switches": msgspec.structs.asdict(simulation.world.switches),
        "known": known_switches(),
    }


def switch(simulation: Simulation, changes: dict[str, Any]) -> Json:
    try:
        simulation.world.switches = switched(simulation.world.switches, changes)
    except UnknownSwitchError as error:
        raise InvalidBodyError(str(error), error.known) from error
    return switches(simulation)


async def sms(simulation: Simulation, body: SmsBody) -> Json:
    order, beside = _order(simulation, body), simulation.beside
    if beside and body.after == 0:
        await beside.advance(SOCKET_SECONDS)
        simulation.world.settle()
    before = len(order.messages)
    simulation.world.send_sms(order, body.text, body.sender, body.after)
    if beside:
        await beside.advance(0)
    return {"arrived": len(order.messages) > before, "order": _row(simulation, order)}


def expire(simulation: Simulation, body: OrderRef) -> Json:
    order = _order(simulation, body)
    simulation.world.expire(order)
    return {"order": _row(simulation, order)}


def cancel(simulation: Simulation, body: OrderRef) -> Json:
    order = _order(simulation, body)
    if not order.awaits_first_sms:
        raise InvalidBodyError(f"the order is {order.status}", LIVE)
    simulation.world.force_cancel(order, simulation.world.now)
    return {"order": _row(simulation, order)}


def offer(simulation: Simulation, body: OfferBody) -> Json:
    catalogue = simulation.world.catalogue
    if body.service not in catalogue.services:
        raise InvalidBodyError(f"{body.service} is not on sale", list(catalogue.services))
    if body.country not in (None, *catalogue.countries):
        raise InvalidBodyError(f"{body.country} is not on sale", list(catalogue.countries))
    for country in [body.country] if body.country else catalogue.countries:
        changes = {"cents": _cents(body.price), "charge": _cents(body.charge), "stock": body.stock}
        catalogue.change(body.service, country, **changes)
    offers = catalogue.offers_of(body.service).items()
    return {"offers": {iso: o for iso, o in offers if body.country in (None, iso)}}


def balance(simulation: Simulation, body: BalanceBody) -> Json:
    account = simulation.world.account(body.key)
    simulation.world.set_balance(account, round(body.balance * 100))
    return {"account": account.name, "balance_cents": account.cents}


def phone(simulation: Simulation, body: PhoneBody) -> Json:
    simulation.world.next_phones.append(body.phone.lstrip("+"))
    return {"next_phones": list(simulation.world.next_phones)}


def orders(simulation: Simulation, query: Query) -> Json:
    account, world = _account(simulation, query), simulation.world
    found = {id(o): o for o in world.orders.values() if account in (None, o.account)}
    return {"count": len(found), "orders": [_row(simulation, o) for o in found.values()]}


def ledger(simulation: Simulation, query: Query) -> Json:
    account, book = _account(simulation, query), simulation.world.ledger
    accounts = [account] if account else list(simulation.world.accounts.values())
    return {
        "totals": totals(book.of(account)),
        "accounts": {a.name: totals(book.of(a)) | {"balance": a.cents} for a in accounts},
        "entries": book.of(account),
    }


def requests(simulation: Simulation, query: Query) -> Json:
    account, call = _account(simulation, query), query.get("call")
    since = _time(query.get("since", "-inf"))
    found = [
        line
        for line in simulation.log
        if line.at >= since
        if account is None or line.account == account.name
        if call in (None, line.call)
    ]
    busiest = busiest_minute((line.account, line.at) for line in found if line.counted)
    return {"count": len(found), "busiest_minute": busiest, "requests": found}


def report(simulation: Simulation) -> Json:
    if simulation.beside is None:
        raise InvalidBodyError("no proxy runs here: start it without --upstream-only", [])
    return simulation.beside.report()


def sockets(simulation: Simulation) -> Json:
    rows = [
        {
            "order_id": socket.order.id,
            "account": socket.order.account.name,
            "opened_at": socket.opened_at,
            "muted": simulation.is_muted(socket.order),
        }
        for socket in simulation.sockets
    ]
    return {"count": len(rows), "sockets": rows}


def control_sockets(simulation: Simulation, body: SocketBody) -> Json:
    order = _order(simulation, OrderRef(order_id=body.order_id)) if body.order_id else None
    if (body.do == "say") != (body.frame is not msgspec.UNSET):
        raise InvalidBodyError("`frame` is what to say", choices(SocketBody))
    match body.do:
        case "drop":
            return {"dropped": simulation.drop(order)}
        case "say":
            return {"said": simulation.send_frame(order, encoded(body.frame))}
        case _:
            simulation.mute(order, body.do == "mute")
            return sockets(simulation)


def faults(simulation: Simulation) -> Json:
    return {"faults": [msgspec.to_builtins(fault) for fault in simulation.faults.waiting]}


def add_fault(simulation: Simulation, fault: Fault) -> Json:
    if fault.call not in ("*", *CALLS):
        raise InvalidBodyError(f"{fault.call} is no call", ["*", *CALLS])
    simulation.faults.waiting.append(fault)
    return faults(simulation)


def clear_faults(simulation: Simulation) -> Json:
    simulation.faults.waiting.clear()
    return faults(simulation)


def _order(simulation: Simulation, which: OrderRef) -> Order:
    world = simulation.world
    if which.order_id is not None:
        order = world.orders.get(which.order_id)
    else:
        order = world.order_of_phone(which.phone or "")
    if order is None:
        raise InvalidBodyError("no such order", list(world.orders))
    return order


def _account(simulation: Simulation, query: Query) -> Account | None:
    return simulation.world.account(query["key"]) if "key" in query else None


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidBodyError(
            f"{text} is no instant", {"since": "seconds, as `now` of the clock"}
        ) from error


def _cents(dollars: float | None) -> int | None:
    return None if dollars is None else round(dollars * 100)


def _row(simulation: Simulation, order: Order) -> Json:
    # Always in one form: whoever controls the sandbox has to find the order again.
    form = Switches(hold=simulation.world.switches.hold)
    body = answers.detail(form, order)
    own = {"first_id": order.first_id, "account": order.account.name, "refunded": order.refunded}
    return body | own
