"""The control of webhooks: lists subscriptions, sends any event."""

import msgspec

from proxy.sandbox.api.webhooks import delivery_row, webhook_row
from proxy.sandbox.control.bodies import InvalidBodyError, WebhookBody
from proxy.sandbox.simulation import Simulation
from proxy.sandbox.state.accounts import Webhook
from proxy.sandbox.state.switches import choices
from proxy.sandbox.wire import events
from proxy.sandbox.wire.answers import Json


def webhooks(simulation: Simulation) -> Json:
    rows = [_row(simulation, webhook) for webhook in simulation.world.webhooks().values()]
    return {"count": len(rows), "webhooks": rows}


def control_webhooks(simulation: Simulation, body: WebhookBody) -> Json:
    """Sends to subscriptions of other events too; a paused one gets it after the pause."""
    if body.do == "repeat" and body.event is not msgspec.UNSET:
        raise InvalidBodyError("what is repeated has its `event`", choices(WebhookBody))
    queued = [_send(simulation, webhook, body) for webhook in _chosen(simulation, body)]
    return {"queued": sum(queued)}


def _send(simulation: Simulation, webhook: Webhook, body: WebhookBody) -> bool:
    deliveries, world = simulation.deliveries, simulation.world
    if body.do == "repeat":
        return deliveries.repeat(webhook, body.age)
    content = body.event
    if content is msgspec.UNSET:
        event = events.sample(world.switches, webhook.events[0], webhook.account, world.now)
        content = deliveries.envelope(event)
    deliveries.send_body(webhook, content, body.do == "forge", body.age)
    return True


def _chosen(simulation: Simulation, body: WebhookBody) -> list[Webhook]:
    known = simulation.world.webhooks()
    if body.webhook_id is None:
        return list(known.values())
    if body.webhook_id not in known:
        raise InvalidBodyError("no such webhook", list(known))
    return [known[body.webhook_id]]


def _row(simulation: Simulation, webhook: Webhook) -> Json:
    switches = simulation.world.switches
    return webhook_row(switches, webhook) | {
        "account": webhook.account.name,
        "secret": webhook.secret,
        "deliveries": [delivery_row(switches, it) for it in webhook.deliveries],
    }
