"""The control of webhooks: the subscriptions as the sandbox sees them, and events at will."""

from typing import Any

import msgspec

from proxy.sandbox.api.webhooks import delivery_row, webhook_row
from proxy.sandbox.control.bodies import InvalidBodyError, WebhookBody
from proxy.sandbox.simulation import Simulation
from proxy.sandbox.state.accounts import Webhook
from proxy.sandbox.state.switches import choices
from proxy.sandbox.wire import events

Body = dict[str, Any]


def webhooks(simulation: Simulation) -> Body:
    rows = [_shown(simulation, webhook) for webhook in _all(simulation).values()]
    return {"count": len(rows), "webhooks": rows}


def steer_webhooks(simulation: Simulation, wish: WebhookBody) -> Body:
    """Whatever the subscription is for; a paused one gets it when it goes on."""
    if wish.do == "repeat" and wish.event is not msgspec.UNSET:
        raise InvalidBodyError("what is repeated has its `event`", choices(WebhookBody))
    queued = [_sent(simulation, webhook, wish) for webhook in _chosen(simulation, wish)]
    return {"queued": sum(queued)}


def _sent(simulation: Simulation, webhook: Webhook, wish: WebhookBody) -> bool:
    deliveries, world = simulation.deliveries, simulation.world
    if wish.do == "repeat":
        return deliveries.repeat(webhook, wish.age)
    body = wish.event
    if body is msgspec.UNSET:
        event = events.sample(world.switches, webhook.events[0], webhook.account, world.now)
        body = deliveries.envelope(event)
    deliveries.send_body(webhook, body, wish.do == "forge", wish.age)
    return True


def _chosen(simulation: Simulation, wish: WebhookBody) -> list[Webhook]:
    known = _all(simulation)
    if wish.webhook_id is None:
        return list(known.values())
    if wish.webhook_id not in known:
        raise InvalidBodyError("no such webhook", list(known))
    return [known[wish.webhook_id]]


def _all(simulation: Simulation) -> dict[str, Webhook]:
    accounts = simulation.world.accounts.values()
    return {id: webhook for account in accounts for id, webhook in account.webhooks.items()}


def _shown(simulation: Simulation, webhook: Webhook) -> Body:
    switches = simulation.world.switches
    return webhook_row(switches, webhook) | {
        "account": webhook.account.name,
        "secret": webhook.secret,
        "deliveries": [delivery_row(switches, it) for it in webhook.deliveries],
    }
