"""The endpoints of the customer API: one function each, and the table of them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from proxy.sandbox.simulation import Simulation
from proxy.sandbox.state.accounts import Account, Order, newest_first
from proxy.sandbox.wire import answers, refusals

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as an endpoint sees it. `key` is empty on a public endpoint without a key."""

    simulation: Simulation
    key: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    idempotency_key: str | None

    @property
    def account(self) -> Account:
        return self.simulation.world.account(self.key)

    @property
    def order(self) -> Order:
        """The order in the path, if it is the account's."""
        world, id = self.simulation.world, self.path["order_id"]
        if not _UUID.fullmatch(id):
            raise refusals.bad_id(world.switches)
        order = world.orders.get(id)
        if order is None or order.account is not self.account:
            raise refusals.not_found("Order")
        return order

    def number(self, name: str, default: int, low: int, high: int) -> int:
        text = self.query.get(name, "")
        good = text.isdecimal() and len(text) < 12
        return min(max(int(text), low), high) if good else default


def purchase(ask: Ask) -> Any:
    world, account = ask.simulation.world, ask.account
    wanted = [ask.body.get(name) for name in ("service", "country")]
    if not all(isinstance(value, str) and value for value in wanted):
        raise refusals.missing("service", "country")
    honoured = ask.idempotency_key if world.switches.idempotency == "honoured" else None
    order = account.bought_by_idempotency_key.get(honoured) if honoured else None
    if order is None:
        order = world.buy(account, str(wanted[0]), str(wanted[1]))
        if honoured:
            account.bought_by_idempotency_key[honoured] = order
    return answers.bought(world.switches, order)


def order(ask: Ask) -> Any:
    return answers.detail(ask.simulation.world.switches, ask.order)


def orders(ask: Ask) -> Any:
    switches = ask.simulation.world.switches
    limit = ask.number("limit", 50, 1, switches.orders_cap)
    found = newest_first(ask.account.orders, ask.query.get("status"))
    return answers.listed(switches, islice(found, limit))


def cancel(ask: Ask) -> Any:
    order = ask.order
    ask.simulation.world.cancel(order)
    refund = order.cents / 100
    return {"success": True, "order_id": order.id, "status": "cancelled", "refund_amount": refund}


def swap(ask: Ask) -> Any:
    order, world = ask.order, ask.simulation.world
    return answers.swapped(world.switches, order, world.swap(order))


def retry(ask: Ask) -> Any:
    order = ask.order
    ask.simulation.world.retry(order)
    return {"success": True, "order_id": order.id, "message": "Another SMS has been requested"}


def balance(ask: Ask) -> Any:
    return {"success": True, "balance": ask.account.cents / 100}


def bare_balance(ask: Ask) -> Any:
    shown = answers.profile(*_account_view(ask))
    sums = {f"total_{name}": shown[f"total_{name}_usd"] for name in ("credits", "spent")}
    return balance(ask) | sums


def profile(ask: Ask) -> Any:
    return answers.profile(*_account_view(ask))


def transactions(ask: Ask) -> Any:
    switches, _, entries = _account_view(ask)
    limit, offset = ask.number("limit", 50, 1, 200), ask.number("offset", 0, 0, 10**9)
    since, until = _moment(ask.query.get("from"), 0.0), _moment(ask.query.get("to"), float("inf"))
    found = [
        answers.transaction(switches, entry)
        for entry in sorted(entries, key=lambda entry: (entry.at, entry.id), reverse=True)
        if since <= entry.at <= until
    ]
    if wanted := ask.query.get("type"):
        found = [row for row in found if row["type"] == wanted]
    page = found[offset : offset + limit]
    return {"count": len(found), "limit": limit, "offset": offset, "transactions": page}


def services(ask: Ask) -> Any:
    world = ask.simulation.world
    return answers.services(world.switches, world.catalogue)


def countries(ask: Ask) -> Any:
    world = ask.simulation.world
    return answers.countries(world.switches, world.catalogue, ask.query.get("service"))


def price(ask: Ask) -> Any:
    world, service, country = ask.simulation.world, *_named(ask, "service", "country")
    body = answers.price(world.switches, world.catalogue, service, country)
    if body is None:
        raise refusals.pair_unavailable(world.switches, service, country)
    return body


def stock(ask: Ask) -> Any:
    world, (service,) = ask.simulation.world, _named(ask, "service")
    return answers.stock(world.switches, world.catalogue, service)


def bare_services(ask: Ask) -> Any:
    catalogue = ask.simulation.world.catalogue
    rows = [
        {"id": code, "name": name, "category": "other", "price": answers.min_price(catalogue, code)}
        for code, name in catalogue.services.items()
    ]
    life = int(ask.simulation.world.switches.lifetime)
    return {"services": [row | {"timeout_seconds": life} for row in rows]}


def bare_countries(ask: Ask) -> Any:
    catalogue, (service,) = ask.simulation.world.catalogue, _named(ask, "service")
    rows = []
    for iso, offer in catalogue.offers_of(service).items():
        count = max(0, offer.stock)
        row = {"id": iso, "name": catalogue.countries[iso].name, "code": iso}
        price = offer.cents / 100
        rows.append(row | {"total_phones": count, "available_phones": count, "price": price})
    return {"countries": rows}


def _named(ask: Ask, *names: str) -> tuple[str, ...]:
    values = tuple(ask.query.get(name, "") for name in names)
    if not all(values):
        raise refusals.missing(*names)
    return values


def _account_view(ask: Ask) -> tuple[Any, Any, Any]:
    world = ask.simulation.world
    return world.switches, ask.account, world.ledger.of(ask.account)


def _moment(text: str | None, default: float) -> float:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return default
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`auth`: with a key only; for everyone; or by the switch `catalogue_auth`."""

    call: str
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    answer: Callable[[Ask], Any]
    auth: Literal["key", "public", "switch"] = "key"

    @property
    def counted(self) -> bool:
        """Whether the limit of requests a minute covers it."""
        return self.path.startswith(("/customer/", "/orders/"))


ENDPOINTS = (
    Endpoint("purchase", "POST", "/customer/purchase", purchase),
    Endpoint("order", "GET", "/customer/order/{order_id}", order),
    Endpoint("orders", "GET", "/customer/orders", orders),
    Endpoint("cancel", "POST", "/customer/cancel/{order_id}", cancel),
    Endpoint("swap", "POST", "/customer/swap/{order_id}", swap),
    Endpoint("retry", "POST", "/orders/{order_id}/retry", retry),
    Endpoint("balance", "GET", "/customer/balance", balance),
    Endpoint("bare_balance", "GET", "/balance", bare_balance),
    Endpoint("profile", "GET", "/customer/profile", profile),
    Endpoint("transactions", "GET", "/customer/transactions", transactions),
    Endpoint("services", "GET", "/customer/services", services, "switch"),
    Endpoint("countries", "GET", "/customer/countries", countries, "switch"),
    Endpoint("price", "GET", "/price", price, "public"),
    Endpoint("stock", "GET", "/catalog/countries", stock, "public"),
    Endpoint("bare_services", "GET", "/services", bare_services),
    Endpoint("bare_countries", "GET", "/countries", bare_countries),
)
