"""The endpoints of /customer/webhooks, by which customers manage subscriptions."""

import json
import re
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from proxy.sandbox.api.endpoints import ApiRequest, Endpoint
from proxy.sandbox.state.accounts import Delivery, Webhook
from proxy.sandbox.state.switches import Switches
from proxy.sandbox.wire import events, refusals
from proxy.sandbox.wire.answers import Json, stamp
from proxy.sandbox.wire.refusals import Refusal

PATH = "/customer/webhooks"
CHANGEABLE = ("url", "description", "events", "threshold", "active", "paused")
# Hosts that the upstream refuses: itself, bare names, IPv4 and IPv6 addresses.
_LOCAL = re.compile(r"localhost|[\d.]+|.*:.*")


def list_all(request: ApiRequest) -> Any:
    rows = [webhook_row(request.switches, webhook) for webhook in _all(request).values()]
    return {"success": True, "webhooks": rows, "count": len(rows)}


def create(request: ApiRequest) -> Any:
    known, deliveries = _all(request), request.simulation.deliveries
    secret, now = "whsec_" + deliveries.draw_id(), request.world.now
    webhook = Webhook(deliveries.draw_id(), request.account, secret, now)
    _change(request, webhook)
    known[webhook.id] = webhook
    deliveries.start(webhook)
    return _shown(request, webhook, secret=secret)


def show(request: ApiRequest) -> Any:
    return _shown(request, _webhook(request))


def change(request: ApiRequest) -> Any:
    webhook = _webhook(request)
    _change(request, webhook)
    return _shown(request, webhook)


def delete(request: ApiRequest) -> Any:
    webhook = _webhook(request)
    request.simulation.deliveries.end(webhook)
    del _all(request)[webhook.id]
    return {"success": True, "id": webhook.id}


def test(request: ApiRequest) -> Any:
    webhook, now = _webhook(request), request.world.now
    if not webhook.is_on:
        raise Refusal(400, {"error": "Webhook is paused"})
    event = events.sample(request.switches, webhook.events[0], webhook.account, now)
    sent = request.simulation.deliveries.send(webhook, event)
    ids = {"delivery_id": sent.id, "event_id": sent.event_id, "event_type": sent.event_type}
    return {"success": True, "message": "Test event queued", **ids}


def deliveries(request: ApiRequest) -> Any:
    limit, offset = request.integer("limit", 100, 1, 500), request.integer("offset", 0, 0, 10**9)
    found = islice(_webhook(request).deliveries, offset, offset + limit)
    rows = [delivery_row(request.switches, delivery) for delivery in found]
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


def _shown(request: ApiRequest, webhook: Webhook, **more: str) -> Json:
    """Returns the answer with one webhook: wrapped in SDK 2.0.0, flat in the MCP server's tests."""
    row = webhook_row(request.switches, webhook) | more
    if request.switches.webhook_answer == "wrapped":
        return {"success": True, "webhook": row}
    return {"success": True, "threshold_usd": row.pop("threshold"), **row}


def webhook_row(switches: Switches, webhook: Webhook) -> Json:
    """Returns the row without the secret, which only `create` returns."""
    return {
        "id": webhook.id,
        **{name: getattr(webhook, name) for name in CHANGEABLE},
        "threshold": events.shown_threshold(switches, webhook.threshold),
        "failure_count_consecutive": webhook.failures,
        "last_delivered_at": _stamp(switches, webhook.last_delivered_at),
        "last_error_at": _stamp(switches, webhook.last_error_at),
        "last_error_code": webhook.last_error_code,
        "created_at": stamp(switches, webhook.created_at),
        "updated_at": stamp(switches, webhook.updated_at),
    }


def delivery_row(switches: Switches, delivery: Delivery) -> Json:
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "attempt": delivery.attempt,
        "status": delivery.status,
        "response_status": delivery.response_status,
        "response_body": None,
        "scheduled_for": stamp(switches, delivery.due),
        "delivered_at": _stamp(switches, delivery.delivered_at),
        "error_message": delivery.error,
        "created_at": stamp(switches, delivery.created_at),
        "payload": _payload(delivery.body),
    }


def _stamp(switches: Switches, at: float | None) -> str | None:
    return None if at is None else stamp(switches, at)


def _payload(body: bytes) -> Any:
    """Returns text if it is not JSON: the control API can send any body."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def _all(request: ApiRequest) -> dict[str, Webhook]:
    if request.switches.webhooks == "absent":
        raise refusals.no_such_path()
    return request.account.webhooks


def _webhook(request: ApiRequest) -> Webhook:
    webhook = _all(request).get(request.path["webhook_id"])
    if webhook is None:
        raise refusals.not_found("Webhook")
    return webhook


def _change(request: ApiRequest, webhook: Webhook) -> None:
    """Sets the fields of the body. Raises Refusal if the documentation forbids one."""
    wanted = {name: request.body.get(name, getattr(webhook, name)) for name in CHANGEABLE}
    for name, is_right in _checked(request.switches, wanted).items():
        if not is_right:
            raise refusals.invalid(name, str(wanted[name]))
    if webhook.paused and not wanted["paused"]:
        webhook.failures = 0  # vendor SDK 2.0.0 client.py, update_webhook
    for name, value in wanted.items():
        setattr(webhook, name, value)
    webhook.updated_at = request.world.now
    webhook.wake.set()


def _checked(switches: Switches, wanted: dict[str, Any]) -> dict[str, bool]:
    """Returns for each field that can be wrong whether it is right."""
    threshold, known = wanted["threshold"], set(events.KNOWN[switches.webhook_events])
    names = wanted["events"] if isinstance(wanted["events"], list) else []
    is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    return {
        "url": _is_allowed(switches, str(wanted["url"])),
        "events": bool(names) and known.issuperset(map(str, names)),
        "threshold": (is_number and 0 < threshold <= 99999.99)
        or (threshold is None and "balance.low" not in names),
        "active": isinstance(wanted["active"], bool),
        "paused": isinstance(wanted["paused"], bool),
    }


def _is_allowed(switches: Switches, url: str) -> bool:
    try:
        to = urlsplit(url)
    except ValueError:
        return False
    if switches.webhook_urls == "any":
        return to.scheme in ("http", "https") and bool(to.hostname)
    return to.scheme == "https" and bool(to.hostname) and not _LOCAL.fullmatch(to.hostname or "")
