"""Events as the upstream posts them to the proxy."""

import hashlib
import hmac
import json
from contextlib import asynccontextmanager

from proxy.config.settings import UpstreamConfig, WebhooksConfig
from proxy.webhooks.receiver import PATH
from tests.support.world import BUY, a_world

SECRET, OTHER = "whsec_planted_one", "whsec_planted_two"
WAITING, GOT = "STATUS_WAIT_CODE", "STATUS_OK:1111"
TEXT = "Your code is 1111"


@asynccontextmanager
async def listening(clock, **config):
    """A proxy without sockets, that believes two secrets."""
    webhooks = WebhooksConfig(secrets=(SECRET, OTHER), **config.pop("webhooks", {}))
    upstream = config.pop("upstream", UpstreamConfig(push=False))
    async with a_world(clock, webhooks=webhooks, upstream=upstream, **config) as world:
        yield world


def signature(body, secret=SECRET):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def send(world, body, **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {"Signature": f"sha256={signature(body)}"} | headers
    named = {f"X-VirtualSMS-{name}": value for name, value in headers.items()}
    return (await world.client.post(PATH, content=body, headers=named)).status_code


async def an_event(world, kind="sms.received", id="evt_1", **data):
    data = {"order_id": await world.newest_order(), "full_text": TEXT} | data
    return {"id": id, "type": kind, "created_at": "2026-03-01T12:00:00Z", "data": data}


async def tell(world, kind="sms.received", id="evt_1", **data):
    assert await send(world, await an_event(world, kind, id, **data)) == 200


async def bought(world, key="key"):
    return (await world.ask(f"api_key={key}&{BUY}")).split(":")[1]


async def status(world, id, key="key"):
    return await world.ask(f"api_key={key}&action=getStatus&id={id}")


async def counted(world):
    """What came of the events, where it is not zero."""
    page = (await world.client.get("/metrics")).text
    mark = 'virtualsms_proxy_webhook_events_total{kind="'
    lines = [line.removeprefix(mark) for line in page.splitlines() if line.startswith(mark)]
    counts = {line.split('"')[0]: float(line.split()[-1]) for line in lines}
    return {kind: count for kind, count in counts.items() if count}
