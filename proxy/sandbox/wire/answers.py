"""The bodies of the upstream's answers, by the switches. Pure: state in, JSON values out."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from proxy.sandbox.state.accounts import Account, Message, Order
from proxy.sandbox.state.catalogue import Catalogue
from proxy.sandbox.state.countries import Country
from proxy.sandbox.state.ledger import Entry, totals
from proxy.sandbox.state.switches import Switches
from proxy.sandbox.wire.frames import code_in

Json = dict[str, Any]

TRANSACTION_TYPES = {"charge": "purchase"}


def stamp(switches: Switches, at: float) -> str:
    """Returns RFC 3339: `Z` was seen live, the other forms are in the documentation."""
    moment = datetime.fromtimestamp(int(at), UTC)
    if switches.timestamps == "offset":
        return moment.astimezone(timezone(timedelta(hours=8))).isoformat()
    fraction = f".{round(at * 1000) % 1000:03d}" if switches.timestamps == "fraction" else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def shown_phone(switches: Switches, phone: str) -> str:
    if switches.phone == "spaces":
        return f"+{phone[:2]} {phone[2:6]} {phone[6:]}"
    return f"+{phone}" if switches.phone == "plus" else phone


def dollars(switches: Switches, cents: int) -> float | str:
    """Returns the amount as a number, or as text: so Node writes PostgreSQL's NUMERIC."""
    return f"{cents / 100:.2f}" if switches.money == "text" else cents / 100


def bought(switches: Switches, order: Order) -> Json:
    return {
        "success": True,
        "order_id": order.id,
        "phone_number": shown_phone(switches, order.phone),
        "service": order.service,
        "country": order.country,
        "price": dollars(switches, order.cents),
        "status": order.status,
        **_times(switches, order),
    }


def detail(switches: Switches, order: Order) -> Json:
    flag = bool(order.messages) and switches.sms_received == "true"
    body = bought(switches, order) | {"sms_received": flag}
    if switches.order_id == "absent":
        del body["order_id"]
    if switches.order_fields == "sample":
        body = {name: body[name] for name in ("success", "status")}
    return body | _texts(switches, order)


def listed(switches: Switches, orders: Iterable[Order]) -> Json | list[Json]:
    rows = [_row(switches, order) for order in orders]
    if rows and switches.orders_bad_row == "present":
        rows.insert(1, {"status": "waiting"})
    if switches.orders_list == "bare":
        return rows
    is_null = not rows and switches.orders_list == "null"
    return {"count": len(rows), "orders": None if is_null else rows}


def swapped(switches: Switches, order: Order, before: str) -> Json:
    plus = "+" if switches.swap_phone == "plus" else ""
    return {
        "success": True,
        "order_id": order.id,
        "phone_number": plus + order.phone,
        "previous_number": plus + before,
        "service": order.service,
        "country": order.country,
        "status": "waiting" if switches.swap_status == "waiting" else "pending",
        "expires_at": stamp(switches, order.expires_at),
    }


def balance(switches: Switches, account: Account) -> Json:
    names = ("balance", "balance_usd")
    shown = names if switches.balance_field == "both" else (switches.balance_field,)
    return {"success": True, **{name: dollars(switches, account.cents) for name in shown}}


def profile(switches: Switches, account: Account, entries: list[Entry]) -> Json:
    credits = sum(e.cents for e in entries if e.kind == "credit")
    return {
        "id": account.id,
        "email": f"{account.name}@sandbox.example",
        "telegram_linked": False,
        "telegram_username": None,
        "balance_usd": dollars(switches, account.cents),
        "total_spent_usd": dollars(switches, totals(entries)["spent"]),
        "total_credits_usd": dollars(switches, credits),
        "total_orders": len(account.orders),
        "active_api_keys": 1,
        "created_at": stamp(switches, account.created_at),
    }


def transaction(switches: Switches, entry: Entry) -> Json:
    row = {
        "id": entry.id,
        "amount": dollars(switches, entry.cents),
        "type": TRANSACTION_TYPES.get(entry.kind, entry.kind),
        "description": entry.about,
        "balance_before": dollars(switches, entry.cents_before),
        "balance_after": dollars(switches, entry.cents_before + entry.cents),
        "created_at": stamp(switches, entry.at),
    }
    return row | ({"order_id": entry.order} if entry.order else {})


def services(switches: Switches, catalogue: Catalogue) -> Json:
    names = enumerate(catalogue.services.items(), 1)
    rows = [_service(switches, catalogue, number, *named) for number, named in names]
    return {"success": True, "services": rows}


def _service(switches: Switches, catalogue: Catalogue, number: int, code: str, name: str) -> Json:
    """With both ids, `service_id` is a number: no source shows it beside the code."""
    floor = min_price(switches, catalogue, code)
    if switches.catalogue_keys == "id":
        return {"service_id": code, "service_name": name, "base_price": floor}
    row = {"service_code": code, "name": name, "price": floor, "available": True}
    return row | ({"service_id": number} if switches.catalogue_keys == "both" else {})


def countries(switches: Switches, catalogue: Catalogue, service: str | None) -> Json:
    """Countries of one service with its price, or all with lowest price and services."""
    rows = []
    for country in catalogue.countries.values():
        row = _country_keys(switches, country)
        if service is None:
            prices = catalogue.prices_in(country.iso)
            row["min_price"] = dollars(switches, min(prices.values()))
            rows.append(row | {"services": list(prices)})
        elif offer := catalogue.offer(service, country.iso):
            rows.append(row | {"price": dollars(switches, offer.cents)})
    return {"success": True, "countries": rows}


def stock(switches: Switches, catalogue: Catalogue, service: str) -> Json:
    rows = []
    for iso, offer in catalogue.offers_of(service).items():
        price = dollars(switches, offer.cents)
        row = {"id": iso, "name": catalogue.countries[iso].name, "price": price}
        fields = {"availability": offer.availability, "count": max(0, offer.stock)}
        shown = switches.stock_field
        rows.append(row | {name: fields[name] for name in fields if shown in (name, "both")})
    return {"success": True, "countries": rows}


def price(switches: Switches, catalogue: Catalogue, service: str, country: str) -> Json | None:
    offer = catalogue.offer(service, country)
    if offer is None:
        return None
    body = {
        "success": True,
        "service": service,
        "service_name": catalogue.services[service],
        "country": country,
        "country_name": catalogue.countries[country].name,
        "price": dollars(switches, offer.cents),
        "currency": "USD",
        "estimated": False,
    }
    present = switches.price_available == "present"
    return body | ({"available": offer.stock > 0} if present else {})


def min_price(switches: Switches, catalogue: Catalogue, service: str) -> float | str:
    return dollars(switches, min(catalogue.prices_of(service).values(), default=0))


def _row(switches: Switches, order: Order) -> Json:
    modern = switches.orders_row == "order_id"
    return {
        "order_id" if modern else "id": order.id,
        "phone_number": shown_phone(switches, order.phone),
        "service" if modern else "service_id": order.service,
        "country" if modern else "country_id": order.country,
        "status": order.status,
        "price" if modern else "price_charged": dollars(switches, order.cents),
        **_times(switches, order),
    }


def _times(switches: Switches, order: Order) -> Json:
    return {
        "created_at": stamp(switches, order.created_at),
        "expires_at": stamp(switches, order.expires_at),
        "cancel_available_at": stamp(switches, order.cancel_at),
        "swap_available_at": stamp(switches, order.swap_at),
        "rules": {
            "cancel_cooldown_seconds": int(switches.hold),
            "swap_cooldown_seconds": int(switches.hold),
        },
    }


def _texts(switches: Switches, order: Order) -> Json:
    """Returns the SMS of an order: all in a list, or the last one, as the SDKs tolerate it."""
    if switches.messages == "list":
        if order.messages or switches.messages_waiting == "empty":
            return {"messages": _messages(switches, order.messages)}
        return {"messages": None} if switches.messages_waiting == "null" else {}
    if not order.messages:
        return {}
    last = order.messages[-1]
    return {
        "sms_text": last.text,
        "sms_code": code_in(last.text),
        "sms_sender": last.sender,
        "sms_received_at": stamp(switches, last.at),
    }


def _messages(switches: Switches, messages: list[Message]) -> list[Json]:
    rows = [
        {"sender": m.sender, "content": m.text, "received_at": stamp(switches, m.at)}
        for m in messages
    ]
    return rows[::-1] if switches.messages_order == "newest" else rows


def _country_keys(switches: Switches, country: Country) -> Json:
    if switches.catalogue_keys == "id":
        return {"country_id": country.iso, "country_name": country.name}
    row = {"country_code": country.iso, "name": country.name}
    return row | ({"country_id": country.iso} if switches.catalogue_keys == "both" else {})
