"""The subscriptions of /customer/webhooks: managed, though nothing is delivered to them."""

import re
from typing import Any
from urllib.parse import urlsplit

from proxy.sandbox import answers, refusals
from proxy.sandbox.endpoints import Ask, Endpoint
from proxy.sandbox.refusals import Refusal

PATH = "/customer/webhooks"
EVENTS = {"sms.received", "order.cancelled", "order.expired", "order.swapped", "balance.low"}
CHANGEABLE = ("url", "description", "events", "threshold", "active", "paused")
# Hosts that the upstream refuses: itself, bare names, IPv4 and IPv6 addresses.
_LOCAL = re.compile(r"|localhost|[\d.]+|.*:.*")


def list_all(ask: Ask) -> Any:
    rows = [_shown(webhook) for webhook in _all(ask).values()]
    return {"success": True, "webhooks": rows, "count": len(rows)}


def create(ask: Ask) -> Any:
    world = ask.simulation.world
    webhook: dict[str, Any] = {
        "id": world.draw_id(),
        **dict.fromkeys(("url", "description", "events", "threshold")),
        "active": True,
        "paused": False,
        "failure_count_consecutive": 0,
        **dict.fromkeys(("last_delivered_at", "last_error_at", "last_error_code")),
        "created_at": answers.stamp(world.switches, world.now),
        "deliveries": [],
    }
    _all(ask)[webhook["id"]] = _change(ask, webhook)
    return {"success": True, "webhook": _shown(webhook) | {"secret": "whsec_" + world.draw_id()}}


def show(ask: Ask) -> Any:
    return {"success": True, "webhook": _shown(_named(ask))}


def change(ask: Ask) -> Any:
    return {"success": True, "webhook": _shown(_change(ask, _named(ask)))}


def delete(ask: Ask) -> Any:
    return {"success": True, "id": _all(ask).pop(_named(ask)["id"])["id"]}


def test(ask: Ask) -> Any:
    webhook, world = _named(ask), ask.simulation.world
    if webhook["paused"] or not webhook["active"]:
        raise Refusal(400, {"error": "Webhook is paused"})
    event = f"evt_{world.draw_id().replace('-', '')[:26].upper()}"
    ids = {"event_id": event, "event_type": webhook["events"][0]}
    row = {"id": world.draw_id(), **ids, "attempt": 0, "status": "pending"}
    webhook["deliveries"].insert(0, row)
    return {"success": True, "message": "Test event queued", "delivery_id": row["id"], **ids}


def deliveries(ask: Ask) -> Any:
    limit, offset = ask.number("limit", 100, 1, 500), ask.number("offset", 0, 0, 10**9)
    rows = _named(ask)["deliveries"][offset : offset + limit]
    page = {"count": len(rows), "limit": limit, "offset": offset}
    return {"success": True, "deliveries": rows, **page}


WEBHOOK_ENDPOINTS = (
    Endpoint("webhooks", "GET", PATH, list_all),
    Endpoint("webhook_create", "POST", PATH, create),
    Endpoint("webhook", "GET", PATH + "/{webhook_id}", show),
    Endpoint("webhook_change", "PATCH", PATH + "/{webhook_id}", change),
    Endpoint("webhook_delete", "DELETE", PATH + "/{webhook_id}", delete),
    Endpoint("webhook_test", "POST", PATH + "/{webhook_id}/test", test),
    Endpoint("webhook_deliveries", "GET", PATH + "/{webhook_id}/deliveries", deliveries),
)


def _all(ask: Ask) -> dict[str, dict[str, Any]]:
    if ask.simulation.world.switches.webhooks == "absent":
        raise Refusal(404, {"error": "Not Found"})
    return ask.account.webhooks


def _named(ask: Ask) -> dict[str, Any]:
    webhook = _all(ask).get(ask.path["webhook_id"])
    if webhook is None:
        raise refusals.not_found("Webhook")
    return webhook


def _shown(webhook: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in webhook.items() if name != "deliveries"}


def _change(ask: Ask, webhook: dict[str, Any]) -> dict[str, Any]:
    """Sets the fields of the body; refuses what the documentation forbids."""
    world = ask.simulation.world
    wanted = webhook | {name: ask.body[name] for name in CHANGEABLE if name in ask.body}
    url, events, threshold = urlsplit(str(wanted["url"])), wanted["events"], wanted["threshold"]
    if url.scheme != "https" or _LOCAL.fullmatch(url.hostname or ""):
        raise refusals.invalid("url", str(wanted["url"]))
    if not isinstance(events, list) or not events or not EVENTS.issuperset(map(str, events)):
        raise refusals.invalid("events", str(events))
    known = isinstance(threshold, int | float) and 0 < threshold <= 99999.99
    if "balance.low" in events and not known:
        raise refusals.invalid("threshold", str(threshold))
    webhook |= wanted | {"updated_at": answers.stamp(world.switches, world.now)}
    return webhook
