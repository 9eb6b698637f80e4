"""The contract of the control API, /sandbox/openapi.json, compared with real answers."""

import json
import urllib.error
import urllib.request

import msgspec
import pytest

from proxy.sandbox.control.calls import CONTROLS
from proxy.sandbox.control.contract import Refused
from proxy.testing import Sandbox
from tests.support.documents import ROOT

COPY = ROOT / "docs" / "sandbox-openapi.json"
URL = "http://127.0.0.1:9/"
HOOK = {"url": URL, "events": ["sms.received"]}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def described(sandbox):
    return called(sandbox, "GET", "/sandbox/openapi.json")[1]


def called(sandbox, method, path, body=None):
    """The status and the JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(sandbox.url + path, data, method=method)
    request.add_header("X-API-Key", "sandbox")
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def bought(sandbox, service):
    path = f"/stubs/handler_api.php?api_key=sandbox&action=getNumber&service={service}&country=16"
    with urllib.request.urlopen(sandbox.url + path, timeout=60) as answer:
        return answer.read().decode().split(":")[2]


@pytest.fixture(scope="module")
def calls(sandbox):
    """Of each call, by name: a function that makes it in all its forms, and its answers."""
    sandbox.control("POST", "switches", {"webhook_urls": "any"})
    called(sandbox, "POST", "/api/v1/customer/webhooks", HOOK)
    first, second, third = (bought(sandbox, service) for service in ("tg", "wa", "go"))
    sandbox.control("POST", "sms", {"phone": first, "text": "Your code is 4711"})
    query = "/stubs/handler_api.php?api_key=sandbox&action=getRentNumber&operator=any"
    urllib.request.urlopen(sandbox.url + query, timeout=60).close()
    query = "/stubs/handler_api.php?api_key=sandbox&action=getNumber&service=xx&operator=any"
    urllib.request.urlopen(sandbox.url + query, timeout=60).close()
    fault = {"call": "price", "kind": "status", "status": 500, "body": {"error": "x"}}
    bodies = {
        "reset": [{"report": True}, {"seed": 5}],
        "advance": [{"seconds": 1}],
        "setSwitches": [{"hold": 60}, {"hold": "60"}],
        "sendSms": [{"phone": second, "text": "1"}, {"phone": second, "text": "2", "after": 9}],
        "expire": [{"phone": second}],
        "cancel": [{"phone": third}],
        "offer": [{"service": "tg", "country": "GB", "stock": 7}, {"service": "tg", "price": 0.5}],
        "balance": [{"key": "sandbox", "balance": 50}],
        "phone": [{"phone": "+447700900001"}],
        "controlSockets": [
            {"do": "mute"},
            {"do": "unmute"},
            {"do": "say", "frame": {}},
            {"do": "drop"},
        ],
        "controlWebhooks": [
            {"do": "send"},
            {"do": "forge", "event": {"id": "1"}},
            {"do": "repeat"},
        ],
        "addFault": [fault, {"kind": "slow", "times": None}],
    }
    queries = {
        "orders": ["", "?key=sandbox"],
        "ledger": ["", "?key=sandbox"],
        "requests": ["", "?key=sandbox&call=purchase&since=0"],
    }
    # What reads comes first, and the reset last.
    order = sorted(CONTROLS, key=lambda c: (c.method != "GET", c.name == "reset"))
    return {
        control.name: [
            called(sandbox, control.method, control.path + query, body)
            for query in queries.get(control.name, [""])
            for body in bodies.get(control.name, [None])
        ]
        for control in order
    }


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_every_answer_has_the_form_of_the_contract_and_no_other_field(calls, control):
    for status, body in calls[control.name]:
        assert status == 200, body
        typed = msgspec.convert(body, control.answer)
        assert msgspec.to_builtins(typed) == body


FILLED = {
    "orders": "orders",
    "ledger": "entries",
    "requests": "requests",
    "sockets": "sockets",
    "webhooks": "webhooks",
    "report": "refusals",
}


@pytest.mark.parametrize("name", FILLED)
def test_the_lists_that_were_compared_are_not_empty(calls, name):
    assert calls[name][0][1][FILLED[name]]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_wrong_call_has_the_form_of_the_refusal(sandbox, control):
    wrong = {"nonsense": 1} if control.body is not None else None
    path = control.path + ("?key=x&since=never" if "since" in control.query else "")
    status, body = called(sandbox, control.method, path, wrong)
    if wrong is None and path == control.path:
        # Nothing can be wrong in it but its method.
        status, body = called(sandbox, "PUT", path)
    assert status == 400
    assert msgspec.to_builtins(msgspec.convert(body, Refused)) == body


def test_the_contract_has_each_call_with_its_statuses(described):
    assert described["openapi"] == "3.1.0"
    found = {
        (method.upper(), path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert set(found) == {(control.method, control.path) for control in CONTROLS}
    assert {tuple(operation["responses"]) for operation in found.values()} == {("200", "400")}
    names = [operation["operationId"] for operation in found.values()]
    assert len({*names}) == len(names)
    for control in CONTROLS:
        operation = found[control.method, control.path]
        assert ("requestBody" in operation) is (control.body is not None)
        assert [it["name"] for it in operation.get("parameters", [])] == list(control.query)


def test_every_reference_of_the_contract_leads_to_a_schema(described):
    def references(value):
        if isinstance(value, dict):
            yield from [value["$ref"]] if "$ref" in value else []
            value = list(value.values())
        for item in value if isinstance(value, list) else []:
            yield from references(item)

    found = {*references(described)}
    schemas = described["components"]["schemas"]
    assert found == {f"#/components/schemas/{name}" for name in schemas}


def test_the_copy_in_the_documents_is_the_contract(described):
    """A change of the contract is a change of this file, and a line in CHANGELOG.md."""
    assert json.loads(COPY.read_text()) == described
