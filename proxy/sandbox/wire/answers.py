"""The bodies of the upstream's answers, by the switches. Pure: state in, JSON values out."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from proxy.sandbox.state.accounts import Account, Message, Order
from proxy.sandbox.state.catalogue import Catalogue
from proxy.sandbox.state.countries import Country
from proxy.sandbox.state.ledger import Entry, totals
from proxy.sandbox.state.switches import Switches

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
    return f"+{phone}" if switches.phone == "plus" else phone


def bought(switches: Switches, order: Order) -> Json:
    return {
        "success": True,
        "order_id": order.id,
        "phone_number": shown_phone(switches, order.phone),
        "service": order.service,
        "country": order.country,
        "price": order.cents / 100,
        "status": order.status,
        **_times(switches, order),
    }


def detail(switches: Switches, order: Order) -> Json:
    flag = bool(order.messages) and switches.sms_received == "true"
    body = bought(switches, order) | {"sms_received": flag}
    if order.messages or switches.messages_waiting == "empty":
        return body | {"messages": _messages(switches, order.messages)}
    return body | ({"messages": None} if switches.messages_waiting == "null" else {})


def listed(switches: Switches, orders: Iterable[Order]) -> Json | list[Json]:
    rows = [_row(switches, order) for order in orders]
    return rows if switches.orders_list == "bare" else {"count": len(rows), "orders": rows}


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


def profile(switches: Switches, account: Account, entries: list[Entry]) -> Json:
    return {
        "id": account.id,
        "email": f"{account.name}@sandbox.example",
        "telegram_linked": False,
        "telegram_username": None,
        "balance_usd": account.cents / 100,
        "total_spent_usd": totals(entries)["spent"] / 100,
        "total_credits_usd": sum(e.cents for e in entries if e.kind == "credit") / 100,
        "total_orders": len(account.orders),
        "active_api_keys": 1,
        "created_at": stamp(switches, account.created_at),
    }


def transaction(switches: Switches, entry: Entry) -> Json:
    row = {
        "id": entry.id,
        "amount": entry.cents / 100,
        "type": TRANSACTION_TYPES.get(entry.kind, entry.kind),
        "description": entry.about,
        "balance_before": entry.cents_before / 100,
        "balance_after": (entry.cents_before + entry.cents) / 100,
        "created_at": stamp(switches, entry.at),
    }
    return row | ({"order_id": entry.order} if entry.order else {})


def services(switches: Switches, catalogue: Catalogue) -> Json:
    floors = {code: min_price(catalogue, code) for code in catalogue.services}
    if switches.catalogue_keys == "id":
        rows = [
            {"service_id": code, "service_name": name, "base_price": floors[code]}
            for code, name in catalogue.services.items()
        ]
    else:
        rows = [
            {"service_code": code, "name": name, "price": floors[code], "available": True}
            for code, name in catalogue.services.items()
        ]
    return {"success": True, "services": rows}


def countries(switches: Switches, catalogue: Catalogue, service: str | None) -> Json:
    """Countries of one service with its price, or all with lowest price and services."""
    rows = []
    for country in catalogue.countries.values():
        row = _country_keys(switches, country)
        if service is None:
            offers = catalogue.offers_in(country.iso)
            row["min_price"] = min(offer.cents for offer in offers.values()) / 100
            rows.append(row | {"services": list(offers)})
        elif offer := catalogue.offer(service, country.iso):
            rows.append(row | {"price": offer.cents / 100})
    return {"success": True, "countries": rows}


def stock(switches: Switches, catalogue: Catalogue, service: str) -> Json:
    rows = []
    for iso, offer in catalogue.offers_of(service).items():
        row = {"id": iso, "name": catalogue.countries[iso].name, "price": offer.cents / 100}
        field = {"availability": offer.availability, "count": max(0, offer.stock)}
        name = switches.stock_field
        rows.append(row if name == "neither" else row | {name: field[name]})
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
        "price": offer.cents / 100,
        "currency": "USD",
        "estimated": False,
    }
    present = switches.price_available == "present"
    return body | ({"available": offer.stock > 0} if present else {})


def min_price(catalogue: Catalogue, service: str) -> float:
    offers = catalogue.offers_of(service).values()
    return min((offer.cents for offer in offers), default=0) / 100


def _row(switches: Switches, order: Order) -> Json:
    modern = switches.orders_row == "order_id"
    return {
        "order_id" if modern else "id": order.id,
        "phone_number": shown_phone(switches, order.phone),
        "service" if modern else "service_id": order.service,
        "country" if modern else "country_id": order.country,
        "status": order.status,
        "price" if modern else "price_charged": order.cents / 100,
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


def _messages(switches: Switches, messages: list[Message]) -> list[Json]:
    rows = [
        {"sender": m.sender, "content": m.text, "received_at": stamp(switches, m.at)}
        for m in messages
    ]
    return rows[::-1] if switches.messages_order == "newest" else rows


def _country_keys(switches: Switches, country: Country) -> Json:
    if switches.catalogue_keys == "code":
        return {"country_code": country.iso, "name": country.name}
    return {"country_id": country.iso, "country_name": country.name}
