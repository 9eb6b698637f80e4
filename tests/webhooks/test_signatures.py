"""Whose events are believed, and which are taken once more."""

import asyncio
import json

import pytest

from proxy.config.settings import WebhooksConfig
from proxy.webhooks.receiver import MAX_BODY, PATH, REPEAT_SECONDS
from tests.conftest import START
from tests.support.events import (
    GOT,
    OTHER,
    SECRET,
    WAITING,
    an_event,
    bought,
    counted,
    listening,
    send,
    signature,
    status,
    tell,
)
from tests.support.world import a_proxy, a_world

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("secret", [SECRET, OTHER])
@pytest.mark.parametrize("form", ["sha256={}", "{}", " sha256={} "])
async def test_an_event_signed_with_any_of_the_secrets_is_believed(world, secret, form):
    id = await bought(world)
    body = json.dumps(await an_event(world)).encode()
    assert await send(world, body, Signature=form.format(signature(body, secret))) == 200
    assert await status(world, id) == GOT
    assert await world.requests("orders") == 0, "nothing had to be read"
    assert await counted(world) == {"sms": 1}


@pytest.mark.parametrize("id", ["a\0b", "a\nb", "", "x" * 201, 7, None])
async def test_an_event_whose_id_no_store_can_keep_is_unreadable(world, id):
    await bought(world)
    assert await send(world, await an_event(world, id=id)) == 400


@pytest.mark.parametrize("order_id", ["a\0b", "a\nb", 7, None, ["x"]])
async def test_an_event_of_what_cannot_be_an_order_is_of_an_unknown_one(world, order_id):
    await bought(world)
    assert await send(world, await an_event(world, order_id=order_id)) == 200
    assert await counted(world) == {"unknown": 1}


async def test_a_text_with_what_a_store_cannot_keep_is_taken_in_without_it(world):
    id = await bought(world)
    await tell(world, full_text="code\0 123456")
    assert await status(world, id) == "STATUS_OK:123456"


@pytest.mark.parametrize(
    "claimed",
    [
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        "sha256=" + signature(b"other"),
        "sha512={good}",
        "{good}0",
        "sha256={forged}",
        "\xe4\xf6",
        "{good}, {good}",
    ],
)
async def test_a_wrong_signature_is_refused_and_nothing_is_learned(world, claimed):
    id = await bought(world)
    body = json.dumps(await an_event(world)).encode()
    parts = {"good": signature(body), "forged": signature(body, "whsec_planted_")}
    sent = claimed.format(**parts).encode("latin-1")
    assert await send(world, body, Signature=sent) == 401
    assert await status(world, id) == WAITING
    assert await counted(world) == {"unsigned": 1}
    assert await send(world, body) == 200, "its id was not noted as come"
    assert await status(world, id) == GOT


async def test_where_no_secret_is_set_an_event_is_refused_unread(clock):
    async with a_world(clock) as world:
        sent = []

        async def never():
            raise AssertionError("the body was asked for")

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": PATH, "headers": [], "root_path": "",
                 "query_string": b""}  # fmt: skip
        await world.app(scope, never, send)
        assert sent[0]["status"] == 401
        assert (b"connection", b"close") in sent[0]["headers"]


async def test_without_a_secret_nobody_is_believed(clock):
    async with a_world(clock) as world:
        await bought(world)
        for secret in ("", SECRET):
            body = json.dumps(await an_event(world)).encode()
            assert await send(world, body, Signature=signature(body, secret)) == 401


async def test_a_missing_signature_is_refused(world):
    assert (await world.client.post(PATH, content=b"{}")).status_code == 401


async def test_what_is_changed_on_its_way_is_refused(world):
    await bought(world)
    body = json.dumps(await an_event(world)).encode()
    changed = body.replace(b"1111", b"2222")
    assert await send(world, changed, Signature=signature(body)) == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b'"x"', b"null", b"{}", b'{"id":"e"}', b'{"type":"t"}',
     b'{"id":"","type":"t"}', b'{"id":5,"type":"t"}', b'{"id":"e","type":null}',
     b'{"id":"e","type":"t","data":[]}', b"\xff\xfe", b"[" * 60_000,
     b'{"id":"' + b"e" * 201 + b'","type":"t"}'],
)  # fmt: skip
async def test_a_signed_body_that_is_no_event_is_a_bad_request(world, body):
    assert await send(world, body) == 400
    assert await counted(world) == {"unreadable": 1}


async def test_a_body_of_more_than_64_kib_is_too_long_and_one_of_64_is_not(world):
    id = await bought(world)
    event = await an_event(world)
    event["data"]["more"] = "m" * (MAX_BODY - len(json.dumps(event)) - len(', "more": ""'))
    body = json.dumps(event).encode()
    assert len(body) == MAX_BODY
    assert await send(world, body + b" ") == 413
    assert await status(world, id) == WAITING
    assert await send(world, body) == 200
    assert await status(world, id) == GOT
    assert await counted(world) == {"too_long": 1, "sms": 1}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_another_method_is_none(world, method):
    assert (await world.client.request(method, PATH)).status_code == 405


# What comes again.


async def test_an_event_is_taken_once_by_the_id_in_its_body(world):
    await bought(world)
    for delivery in ("one", "two"):
        assert await send(world, await an_event(world), Delivery=delivery) == 200
    assert await counted(world) == {"sms": 1, "repeated": 1}


async def test_an_event_that_comes_again_after_a_restart_is_known(clock, tmp_path):
    store = f"sqlite:///{tmp_path}/store.db"
    async with listening(clock, store=store) as world:
        id = await bought(world)
        event = await an_event(world)
        assert await send(world, event) == 200
        sandbox = world.sandbox
    secrets = WebhooksConfig(secrets=(SECRET,))
    async with a_proxy(clock, sandbox, store=store, webhooks=secrets) as world:
        assert await send(world, event) == 200
        assert await counted(world) == {"repeated": 1}
        assert await status(world, id) == GOT


async def test_an_event_is_known_for_seven_days(world):
    await bought(world)
    for n, wait in enumerate((REPEAT_SECONDS - 1, 2)):
        await tell(world, id="evt_old")
        await asyncio.sleep(wait)
        await tell(world, id=f"evt_{n}")
    await tell(world, id="evt_old")
    assert (await counted(world))["repeated"] == 1


async def test_what_could_not_be_taken_in_is_to_come_again(world, caplog):
    id = await bought(world)
    # No call of a store breaks it.
    db = world.app.state.services.store._db
    db.execute("alter table events rename to gone")
    assert await send(world, await an_event(world)) == 503
    db.execute("alter table gone rename to events")
    await tell(world)
    assert await status(world, id) == GOT
    assert (await counted(world))["failed"] == 1
    assert "1111" not in caplog.text


@pytest.mark.parametrize(
    ("stamp", "status"),
    [
        (f"{START:.0f}", 200),
        (f"{START - 299:.0f}", 200),
        (f"{START + 299:.0f}", 200),
        (f"{START - 301:.0f}", 401),
        (f"{START + 301:.0f}", 401),
        ("2026-03-01T12:00:00Z", 200),
        ("2026-03-01T11:54:00Z", 401),
        ("", 401),
        ("soon", 401),
        ("9" * 400, 401),
    ],
)
async def test_a_time_stamp_counts_where_it_is_asked_for(clock, stamp, status):
    async with listening(clock, webhooks={"check_timestamp": True}) as world:
        await bought(world)
        assert await send(world, await an_event(world), Timestamp=stamp) == status
    async with listening(clock) as world:
        await bought(world)
        assert await send(world, await an_event(world), Timestamp=stamp) == 200
