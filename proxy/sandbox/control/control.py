"""The control API under /sandbox: people and tests steer the simulated world with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from proxy.sandbox.api.faults import KINDS, Fault
from proxy.sandbox.api.routes import CALLS, UNREADABLE
from proxy.sandbox.control.bodies import (
    Balance,
    InvalidBodyError,
    OfferBody,
    Phone,
    Push,
    Reset,
    SocketBody,
    Text,
    WebhookBody,
    Which,
)
from proxy.sandbox.control.webhooks import steer_webhooks, webhooks
from proxy.sandbox.simulation import Simulation
from proxy.sandbox.state.accounts import Account, Order
from proxy.sandbox.state.ledger import totals
from proxy.sandbox.state.scenarios import SCENARIOS
from proxy.sandbox.state.switches import choices, known_switches, switched
from proxy.sandbox.wire import answers
from proxy.sandbox.wire.frames import written
from proxy.sandbox.wire.rate_limit import busiest_minute

Body = dict[str, Any]
Query = Mapping[str, str]


def overview(simulation: Simulation) -> Body:
    return {
        "controls": {f"{c.method} {c.path}": c.about for c in CONTROLS},
        "switches": known_switches(),
        "faults": {"kinds": KINDS, "calls": ["*", *CALLS]},
        "scenarios": {code: scenario.story for code, scenario in SCENARIOS.items()},
    }


def reset(simulation: Simulation, wish: Reset) -> Body:
    simulation.reset(wish.seed)
    return clock(simulation)


def clock(simulation: Simulation) -> Body:
    simulation.world.settle()
    now = simulation.world.now
    return {"now": now, "time": answers.stamp(simulation.world.switches, now)}


def push(simulation: Simulation, wish: Push) -> Body:
    simulation.world.push(wish.seconds)
    return clock(simulation)


def switches(simulation: Simulation) -> Body:
    return {
        "switches": msgspec.structs.asdict(simulation.world.switches),
        "known": known_switches(),
    }


def switch(simulation: Simulation, changes: dict[str, Any]) -> Body:
    try:
        simulation.world.switches = switched(simulation.world.switches, changes)
    except msgspec.ValidationError as error:
        raise InvalidBodyError(str(error), known_switches()) from error
    return switches(simulation)


def sms(simulation: Simulation, wish: Text) -> Body:
    order = _order(simulation, wish)
    before = len(order.messages)
    simulation.world.text(order, wish.text, wish.sender, wish.after)
    return {"arrived": len(order.messages) > before, "order": _shown(simulation, order)}


def expire(simulation: Simulation, wish: Which) -> Body:
    order = _order(simulation, wish)
    simulation.world.expire(order)
    return {"order": _shown(simulation, order)}


def cancel(simulation: Simulation, wish: Which) -> Body:
    order = _order(simulation, wish)
    if not order.awaits_first_sms:
        raise InvalidBodyError(f"the order is {order.status}", ["waiting", "pending"])
    simulation.world.withdraw(order, simulation.world.now)
    return {"order": _shown(simulation, order)}


def offer(simulation: Simulation, wish: OfferBody) -> Body:
    catalogue = simulation.world.catalogue
    if wish.service not in catalogue.services:
        raise InvalidBodyError(f"{wish.service} is not on sale", list(catalogue.services))
    if wish.country not in (None, *catalogue.countries):
        raise InvalidBodyError(f"{wish.country} is not on sale", list(catalogue.countries))
    for country in [wish.country] if wish.country else catalogue.countries:
        changes = {"cents": _cents(wish.price), "charge": _cents(wish.charge), "stock": wish.stock}
        catalogue.change(wish.service, country, **changes)
    offers = catalogue.offers_of(wish.service).items()
    return {"offers": {iso: o for iso, o in offers if wish.country in (None, iso)}}


def balance(simulation: Simulation, wish: Balance) -> Body:
    account = simulation.world.account(wish.key)
    simulation.world.set_balance(account, round(wish.balance * 100))
    return {"account": account.name, "balance_cents": account.cents}


def phone(simulation: Simulation, wish: Phone) -> Body:
    simulation.world.next_phones.append(wish.phone.lstrip("+"))
    return {"next_phones": list(simulation.world.next_phones)}


def orders(simulation: Simulation, query: Query) -> Body:
    account, world = _account(simulation, query), simulation.world
    found = {id(o): o for o in world.orders.values() if account in (None, o.account)}
    return {"count": len(found), "orders": [_shown(simulation, o) for o in found.values()]}


def ledger(simulation: Simulation, query: Query) -> Body:
    account, book = _account(simulation, query), simulation.world.ledger
    accounts = [account] if account else list(simulation.world.accounts.values())
    return {
        "totals": totals(book.of(account)),
        "accounts": {a.name: totals(book.of(a)) | {"balance": a.cents} for a in accounts},
        "entries": book.of(account),
    }


def requests(simulation: Simulation, query: Query) -> Body:
    account, call = _account(simulation, query), query.get("call")
    since = _instant(query.get("since", "-inf"))
    found = [
        line
        for line in simulation.log
        if line.at >= since
        if account is None or line.account == account.name
        if call in (None, line.call)
    ]
    busiest = busiest_minute((line.account, line.at) for line in found if line.counted)
    return {"count": len(found), "busiest_minute": busiest, "requests": found}


def sockets(simulation: Simulation) -> Body:
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


def steer_sockets(simulation: Simulation, wish: SocketBody) -> Body:
    order = _order(simulation, Which(order_id=wish.order_id)) if wish.order_id else None
    if (wish.do == "say") != (wish.frame is not msgspec.UNSET):
        raise InvalidBodyError("`frame` is what to say", choices(SocketBody))
    match wish.do:
        case "drop":
            return {"dropped": simulation.drop(order)}
        case "say":
            return {"said": simulation.say(order, written(wish.frame))}
        case _:
            simulation.mute(order, wish.do == "mute")
            return sockets(simulation)


def faults(simulation: Simulation) -> Body:
    return {"faults": [msgspec.to_builtins(fault) for fault in simulation.faults.waiting]}


def add_fault(simulation: Simulation, fault: Fault) -> Body:
    if fault.call not in ("*", *CALLS):
        raise InvalidBodyError(f"{fault.call} is no call", ["*", *CALLS])
    simulation.faults.waiting.append(fault)
    return faults(simulation)


def clear_faults(simulation: Simulation) -> Body:
    simulation.faults.waiting.clear()
    return faults(simulation)


@dataclass(frozen=True, slots=True)
class Control:
    """`body` is the type of the JSON body, if it has one; `query` says that it reads the query."""

    method: str
    path: str
    act: Callable[..., Body]
    about: str
    body: Any = None
    query: bool = False


CONTROLS = (
    Control("GET", "/sandbox", overview, "this list, and every switch, fault and scenario"),
    Control("POST", "/sandbox/reset", reset, "everything as at the start", Reset),
    Control("GET", "/sandbox/clock", clock, "what time it is in the sandbox"),
    Control("POST", "/sandbox/clock", push, "push the clock forward by `seconds`", Push),
    Control("GET", "/sandbox/switches", switches, "the switches and their allowed values"),
    Control("POST", "/sandbox/switches", switch, "set switches, by name", dict[str, Any]),
    Control("POST", "/sandbox/sms", sms, "send an SMS", Text),
    Control("POST", "/sandbox/expire", expire, "let an order expire now", Which),
    Control("POST", "/sandbox/cancel", cancel, "cancel and refund an order from elsewhere", Which),
    Control("POST", "/sandbox/offer", offer, "set stock, price and what is charged", OfferBody),
    Control("POST", "/sandbox/balance", balance, "set the balance of a key, in USD", Balance),
    Control("POST", "/sandbox/phone", phone, "the number that is given out next", Phone),
    Control("GET", "/sandbox/orders", orders, "all orders, or those of ?key=", query=True),
    Control("GET", "/sandbox/ledger", ledger, "all money in cents, or that of ?key=", query=True),
    Control("GET", "/sandbox/requests", requests, "those of ?key=, ?call=, ?since=", query=True),
    Control("GET", "/sandbox/sockets", sockets, "the open sockets"),
    Control("POST", "/sandbox/sockets", steer_sockets, "drop, mute, unmute, say", SocketBody),
    Control("GET", "/sandbox/webhooks", webhooks, "the subscriptions, and what was sent to them"),
    Control("POST", "/sandbox/webhooks", steer_webhooks, "send, forge, repeat", WebhookBody),
    Control("GET", "/sandbox/faults", faults, "the faults that wait for their calls"),
    Control("POST", "/sandbox/faults", add_fault, "let calls go wrong", Fault),
    Control("DELETE", "/sandbox/faults", clear_faults, "forget all faults"),
)


def control_routes(simulation: Simulation) -> list[BaseRoute]:
    async def unknown(request: Request) -> Response:
        text = f"{request.method} {request.scope['path']} is no control"
        return _wrong(InvalidBodyError(text, [f"{c.method} {c.path}" for c in CONTROLS]))

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    known: list[BaseRoute] = [
        Route(c.path, _served(simulation, c), methods=[c.method]) for c in CONTROLS
    ]
    return [
        *known,
        Route("/sandbox", unknown, methods=methods),
        Route("/sandbox/{rest:path}", unknown, methods=methods),
    ]


def _served(simulation: Simulation, control: Control) -> Callable[[Request], Any]:
    async def serve(request: Request) -> Response:
        simulation.world.settle()
        given: list[Any] = [request.query_params] if control.query else []
        try:
            if control.body is not None:
                given.append(_wish(await request.body(), control))
            body = msgspec.json.encode(control.act(simulation, *given))
            return Response(body, media_type="application/json")
        except InvalidBodyError as wrong:
            return _wrong(wrong)

    return serve


def _wrong(wrong: InvalidBodyError) -> Response:
    return JSONResponse({"error": str(wrong), "known": wrong.known}, 400)


def _wish(raw: bytes, control: Control) -> Any:
    try:
        return msgspec.json.decode(raw or b"{}", type=control.body)
    except UNREADABLE as error:
        known = known_switches() if control.act is switch else choices(control.body)
        raise InvalidBodyError(str(error), known) from error


def _order(simulation: Simulation, which: Which) -> Order:
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


def _instant(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidBodyError(
            f"{text} is no instant", {"since": "seconds, as `now` of the clock"}
        ) from error


def _cents(dollars: float | None) -> int | None:
    return None if dollars is None else round(dollars * 100)


def _shown(simulation: Simulation, order: Order) -> Body:
    body = answers.detail(simulation.world.switches, order)
    own = {"first_id": order.first_id, "account": order.account.name, "refunded": order.refunded}
    return body | own
