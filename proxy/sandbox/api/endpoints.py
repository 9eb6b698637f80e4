"""The endpoints of the customer API: a function for each, and their table."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from proxy.sandbox.simulation import Simulation
from proxy.sandbox.state.accounts import LIVE, Account, Order
from proxy.sandbox.state.switches import Switches
from proxy.sandbox.wire import answers, refusals
from proxy.sandbox.world import World

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request for an endpoint. `key` is empty if the client sent none."""

    simulation: Simulation
    key: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    idempotency_key: str | None

    @property
    def world(self) -> World:
        return self.simulation.world

    @property
    def switches(self) -> Switches:
        return self.world.switches

    @property
    def account(self) -> Account:
        return self.world.account(self.key)

    @property
    def order(self) -> Order:
        """The order in the path. Raises Refusal if the account has no such order."""
        id = self.path["order_id"]
        if not _UUID.fullmatch(id):
            raise refusals.bad_id(self.switches)
        order = self.world.orders.get(id)
        if order is None or order.account is not self.account:
            raise refusals.not_found("Order")
        return order

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self.query.get(name, "")
        good = text.isdecimal() and len(text) < 12
        return min(max(int(text), low), high) if good else default


def purchase(request: ApiRequest) -> Any:
    account = request.account
    wanted = [request.body.get(name) for name in ("service", "country")]
    if not all(isinstance(value, str) and value for value in wanted):
        raise refusals.missing("service", "country")
    honoured = request.idempotency_key if request.switches.idempotency == "honoured" else None
    order = account.bought_by_idempotency_key.get(honoured) if honoured else None
    if order is None:
        order = request.world.buy(account, str(wanted[0]), str(wanted[1]))
        if honoured:
            account.bought_by_idempotency_key[honoured] = order
    return answers.bought(request.switches, order)


def order(request: ApiRequest) -> Any:
    return answers.detail(request.switches, request.order)


def orders(request: ApiRequest) -> Any:
    switches, status = request.switches, request.query.get("status")
    if switches.orders_list == "missing":
        raise refusals.no_such_path()
    if status is not None and switches.orders_filter == "refused":
        raise refusals.invalid("status", status)
    limit = request.integer("limit", 50, 1, switches.orders_cap)
    newest_first = [] if switches.orders_list == "hidden" else reversed(request.account.orders)
    found = (order for order in newest_first if _is_wanted(switches, order, status))
    return answers.listed(switches, islice(found, limit))


def _is_wanted(switches: Switches, order: Order, status: str | None) -> bool:
    if status is None or switches.orders_filter == "ignored":
        return True
    return status == (switches.orders_filter if order.status in LIVE else order.status)


def cancel(request: ApiRequest) -> Any:
    order = request.order
    request.world.cancel(order)
    refund = answers.dollars(request.switches, order.cents)
    return {"success": True, "order_id": order.id, "status": "cancelled", "refund_amount": refund}


def swap(request: ApiRequest) -> Any:
    order = request.order
    return answers.swapped(request.switches, order, request.world.swap(order))


def retry(request: ApiRequest) -> Any:
    order = request.order
    request.world.retry(order)
    return {"success": True, "order_id": order.id, "message": "Another SMS has been requested"}


def balance(request: ApiRequest) -> Any:
    return answers.balance(request.switches, request.account)


def bare_balance(request: ApiRequest) -> Any:
    shown = answers.profile(*_account_view(request))
    sums = {f"total_{name}": shown[f"total_{name}_usd"] for name in ("credits", "spent")}
    return balance(request) | sums


def profile(request: ApiRequest) -> Any:
    return answers.profile(*_account_view(request))


def transactions(request: ApiRequest) -> Any:
    switches, _, entries = _account_view(request)
    limit, offset = request.integer("limit", 50, 1, 200), request.integer("offset", 0, 0, 10**9)
    since, until = (
        _timestamp(request.query.get("from"), 0.0),
        _timestamp(request.query.get("to"), float("inf")),
    )
    found = [
        answers.transaction(switches, entry)
        for entry in sorted(entries, key=lambda entry: (entry.at, entry.id), reverse=True)
        if since <= entry.at <= until
    ]
    if wanted := request.query.get("type"):
        found = [row for row in found if row["type"] == wanted]
    page = found[offset : offset + limit]
    count = len(page) if switches.transactions_count == "page" else len(found)
    return {"count": count, "limit": limit, "offset": offset, "transactions": page}


def services(request: ApiRequest) -> Any:
    return answers.services(request.switches, request.world.catalogue)


def countries(request: ApiRequest) -> Any:
    service = request.query.get("service")
    return answers.countries(request.switches, request.world.catalogue, service)


def price(request: ApiRequest) -> Any:
    service, country = _required(request, "service", "country")
    body = answers.price(request.switches, request.world.catalogue, service, country)
    if body is None:
        raise refusals.pair_unavailable(request.switches, service, country)
    return body


def stock(request: ApiRequest) -> Any:
    (service,) = _required(request, "service")
    return answers.stock(request.switches, request.world.catalogue, service)


def bare_services(request: ApiRequest) -> Any:
    switches, catalogue = request.switches, request.world.catalogue
    same = {"category": "other", "timeout_seconds": int(switches.lifetime)}
    rows = [
        {"id": code, "name": name, "price": answers.min_price(switches, catalogue, code)}
        for code, name in catalogue.services.items()
    ]
    return {"services": [row | same for row in rows]}


def bare_countries(request: ApiRequest) -> Any:
    catalogue, (service,) = request.world.catalogue, _required(request, "service")
    rows = []
    for iso, offer in catalogue.offers_of(service).items():
        count = max(0, offer.stock)
        row: dict[str, Any] = {"id": iso, "name": catalogue.countries[iso].name, "code": iso}
        price = answers.dollars(request.switches, offer.cents)
        rows.append(row | {"total_phones": count, "available_phones": count, "price": price})
    return {"countries": rows}


def _required(request: ApiRequest, *names: str) -> tuple[str, ...]:
    values = tuple(request.query.get(name, "") for name in names)
    if not all(values):
        raise refusals.missing(*names)
    return values


def _account_view(request: ApiRequest) -> tuple[Any, Any, Any]:
    return request.switches, request.account, request.world.ledger.of(request.account)


def _timestamp(text: str | None, default: float) -> float:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return default
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`auth`: needs a key, needs none, or by the switch `catalogue_auth`."""

    call: str
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    answer: Callable[[ApiRequest], Any]
    auth: Literal["key", "public", "switch"] = "key"

    @property
    def counted(self) -> bool:
        """Tells whether requests count against the limit per minute."""
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
