"""`sandbox --replay`: the sandbox answers in the forms of a report, and the main job still runs."""

import asyncio
import json
import os
import re

import pytest

from proxy.commands.doctor.first_contact import Purchase
from proxy.commands.doctor.questions import Pair
from proxy.sandbox.report import KIND, MAX_BYTES, VERSION, Body, Recorded, Report
from proxy.sandbox.state.switches import drawn
from proxy.sandbox.wire.replay import Replay, shaped
from tests.support.commands import ask
from tests.support.first_contact import Upstream, contact
from tests.support.world import a_proxy, id_of

anyio = pytest.mark.anyio


def recorded(call, value, status=200, kind="json", **more):
    body = Body(kind=kind, value=value)
    path = "/customer/order/{id}"
    return Recorded(call=call, method="GET", path=path, key=True, status=status, body=body, **more)


def report(*answers, **readings):
    return Report(proxy="1", readings=readings, answers=list(answers))


@anyio
@pytest.mark.parametrize("seed", range(10))
async def test_a_replayed_report_gives_the_same_readings_and_shapes(clock, seed):
    upstream = Upstream(clock, **drawn(f"replay {seed}"))
    await upstream.fill()
    first = await contact(upstream.app)
    again = Upstream(clock, report=first.report)
    await again.fill()
    second = await contact(again.app)
    assert second.trouble == first.trouble == ""
    # What the report could not say has its default here, and may be readable then.
    assert second.report.readings == second.report.readings | first.report.readings
    if second.report.readings == first.report.readings:
        assert shapes(second.report) == shapes(first.report)


def shapes(report):
    """The names and types of all recorded answers."""
    return [(it.call, it.status, it.headers, it.body.kind, shape(it.body.value))
            for it in report.answers]  # fmt: skip


def shape(value):
    if isinstance(value, dict):
        return {name: shape(it) for name, it in value.items()}
    if isinstance(value, list):
        return [shape(it) for it in value]
    return type(value)


@pytest.mark.parametrize(
    ("sample", "value", "result"),
    [
        # Field names of the sample, values of the sandbox.
        (
            {"id": "x", "phone": "0"},
            {"order_id": "7", "phone_number": "44"},
            {"id": "7", "phone": "44"},
        ),
        # A field that only one of both has.
        ({"a": 1, "new": "text"}, {"a": 5, "old": 6}, {"a": 5, "new": "text"}),
        # Types and nulls.
        ({"price": "0.10"}, {"price": 0.9}, {"price": "0.90"}),
        ({"price": 0.1}, {"price": "0.90"}, {"price": 0.9}),
        ({"id": 1}, {"id": "12"}, {"id": 12}),
        ({"rate": None}, {"rate": 3}, {"rate": None}),
        # An order in another state keeps what the sample cannot have.
        (
            {"status": "waiting", "messages": None},
            {"status": "completed", "messages": [{"content": "c"}], "sms_received": True},
            {"status": "completed", "messages": [{"content": "c"}], "sms_received": True},
        ),
        # Wrappers, and lists under another name.
        ({"data": {"balance": 1.0}}, {"success": True, "balance": 2.0}, {"data": {"balance": 2.0}}),
        ({"data": [{"id": "x"}]}, {"services": [{"service_id": "wa"}]}, {"data": [{"id": "wa"}]}),
        ([{"id": "x"}], {"services": [{"service_id": "wa"}]}, [{"id": "wa"}]),
        ({"orders": [{"id": "x"}]}, [{"order_id": "7"}], {"orders": [{"id": "7"}]}),
        # A row takes the shape of the row that is most like it.
        (
            {"orders": [{"id": "x", "price": 1}, {"status": "waiting"}]},
            {"orders": [{"status": "waiting"}, {"id": "7", "price": 2}]},
            {"orders": [{"status": "waiting"}, {"id": "7", "price": 2}]},
        ),
        ({"orders": []}, {"orders": [{"id": "7"}]}, {"orders": [{"id": "7"}]}),
        ("text", "other", "other"),
    ],
)
def test_the_shape_is_the_samples_and_the_values_are_the_sandboxes(sample, value, result):
    assert shaped(sample, value) == result


def test_calls_that_are_not_in_the_report_stay_as_they_are():
    answer = (200, {"a": 1}, {})
    assert Replay(report()).shaped("balance", answer) == answer


@anyio
@pytest.mark.parametrize(
    ("one", "status", "body", "kind"),
    [
        (recorded("transactions", {"error": "x"}, 500), 500, '{"error":"x"}', "json"),
        (recorded("transactions", "Not found", 404, "text"), 404, "Not found", "text/plain"),
        (recorded("transactions", None, 502, "html"), 502, "<!DOCTYPE", "text/html"),
        (recorded("transactions", None, 503, "empty"), 503, "", "text/html"),
        (recorded("transactions", "denied", 403), 403, '"denied"', "json"),
        (
            recorded("transactions", {"error": "x"}, 429, headers={"retry-after": "9"}),
            429, '{"error":"x"}', "json",
        ),
    ],
)  # fmt: skip
async def test_a_call_that_failed_for_the_user_fails_here(clock, one, status, body, kind):
    upstream = Upstream(clock, report=report(one))
    response = await upstream.call("GET", "/customer/transactions")
    assert (response.status_code, response.text[:9]) == (status, body[:9])
    assert kind in response.headers["content-type"]
    assert response.headers.get("retry-after") == one.headers.get("retry-after")
    assert (await upstream.call("GET", "/customer/balance")).status_code == 200


@anyio
async def test_a_failed_purchase_has_no_effect_and_a_refusal_takes_the_recorded_form(clock):
    answers = (
        recorded("purchase", {"error": "forbidden"}, 403),
        recorded("order_unknown", {"detail": "text", "error": "order not found"}, 410),
    )
    upstream = Upstream(clock, report=report(*answers))
    assert (await upstream.call("POST", "/customer/purchase", json={})).status_code == 403
    assert (await upstream.look("orders"))["count"] == 0
    path = "/customer/order/7e44ebb5-9a55-4bd8-a4e9-7f226f9d5ebd"
    response = await upstream.call("GET", path)
    assert response.status_code == 410
    assert response.json() == {"detail": "text", "error": "Order not found"}
    assert (await upstream.call("GET", "/customer/order/x")).status_code == 404


# The file.


def a_report(**changes):
    return json.dumps({"kind": KIND, "version": VERSION, "proxy": "1", **changes})


DEEP = "[" * 100 + "]" * 100
ANSWER = {
    "call": "balance", "method": "GET", "path": "/customer/balance", "key": True, "status": 200,
    "body": {"kind": "json", "value": {}},
}  # fmt: skip
BAD_FILES = {
    "empty": (b"", "it is no report"),
    "no JSON": (b"\x00\xff\xfe", "it is no report"),
    "another JSON": (b'{"kind": "a", "version": 1}', "it is no report"),
    "a list": (b"[]", "it is no report"),
    "cut": (a_report()[:-5].encode(), "it is no report"),
    "newer": (a_report(version=VERSION + 1, new=[]).encode(), f"it has version {VERSION + 1}"),
    "wrong type": (a_report(answers={}).encode(), "the report is broken"),
    "unknown field": (a_report(more=1).encode(), "the report is broken"),
    "no status": (a_report(answers=[{**ANSWER, "status": 7000}]).encode(), "the report is broken"),
    "a header": (
        a_report(answers=[{**ANSWER, "headers": {"set-cookie": "a"}}]).encode(), "no proxy writes",
    ),
    "a line": (
        a_report(answers=[{**ANSWER, "headers": {"retry-after": "1\r\nX: y"}}]).encode(),
        "the report is broken",
    ),
    "deep": (a_report().replace('"1"', f'"1", "answers": {DEEP}').encode(), "broken"),
    "deep value": (
        a_report(answers=[{**ANSWER, "body": {"kind": "json", "value": 7}}])
        .replace(": 7}", f": {DEEP}}}").encode(),
        "no proxy writes",
    ),
    "very deep": (b"[" * 100_000, "it is no report"),
    "infinite": (
        a_report(answers=[{**ANSWER, "body": {"kind": "json", "value": 7}}])
        .replace(": 7}", ": 1e999}").encode(),
        "",
    ),
    "huge number": (
        a_report(answers=[{**ANSWER, "body": {"kind": "json", "value": 7}}])
        .replace(": 7}", f": {'9' * 5000}}}").encode(),
        "",
    ),
    "huge": (b" " * (MAX_BYTES + 1), "it is no report"),
    "unknown switch": (a_report(readings={"colour": "red"}).encode(), "not those of this proxy"),
    "unknown reading": (a_report(readings={"phone": "\x1b[31mred"}).encode(), "not those of this"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_good_report_is_one_line(tmp_path, name):
    raw, says = BAD_FILES[name]
    (tmp_path / "r.json").write_bytes(raw)
    code, said = ask("sandbox", "--port", "0", "--replay", str(tmp_path / "r.json"))
    assert (code, said.count("\n"), said[:7]) == (1, 1, "Error: ")
    assert says in said
    assert "\x1b" not in said


def test_what_is_no_plain_file_does_not_block_the_command(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, says in (("pipe", "no plain file"), ("none", "No such file"), ("", "no plain file")):
        code, said = ask("sandbox", "--replay", str(tmp_path / name))
        assert (code, said.count("\n")) == (1, 1)
        assert says in said or "Is a directory" in said


# The main job.


@anyio
@pytest.mark.parametrize("seed", range(4))
async def test_the_main_job_runs_on_the_shapes_of_a_users_report(clock, seed):
    """Buy, wait, code; buy, early cancel, cancel after the hold: the report has all these calls."""
    seen = Upstream(clock, sms_after=10, **drawn(f"job {seed}"))
    purchase = Purchase(Pair("tg", "GB"), 500, lambda text: True, cancels_early=True)
    learnt = await contact(seen.app, purchase)
    assert learnt.is_good
    again = Upstream(clock, sms_after=10, report=learnt.report)
    async with a_proxy(clock, again.app) as world:
        texted = id_of(await world.ask("action=getNumber&service=tg&country=16"))
        await asyncio.sleep(40)
        assert re.fullmatch(r"STATUS_OK:\d{5}", await world.ask(f"action=getStatus&id={texted}"))
        silent = id_of(await world.ask("action=getNumber&service=vk&country=16"))
        cancel = f"action=setStatus&id={silent}&status=8"
        assert await world.ask(cancel) == "EARLY_CANCEL_DENIED"
        await asyncio.sleep(125)
        assert await world.ask(cancel) == "ACCESS_CANCEL"
    totals = (await again.look("ledger"))["totals"]
    assert totals["refunded"] > 0
