"""Commands print what the upstream says of itself as text, whatever characters it is made of."""

import json

import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from proxy.commands.main import main
from tests.support.sandbox import served

HOSTILE = "=cmd\n\x1b[2Jhello\r\x9b31m\u202ereversed\u2066\x07"
SHOWN = r"=cmd\n\x1b[2Jhello\r\x9b31m\u202ereversed\u2066\x07"
ROWS = {
    "/api/v1/customer/transactions": {
        "transactions": [
            {"created_at": "2026-03-01T00:00:00Z", "type": HOSTILE, "amount": -1.5,
             "order_id": HOSTILE, "description": HOSTILE},
        ]
    },
    "/api/v1/customer/webhooks": {
        "webhooks": [{"id": "w", "url": HOSTILE, "events": [HOSTILE], "description": HOSTILE}]
    },
    "/api/v1/customer/webhooks/w": {"id": "w", "url": HOSTILE, "description": HOSTILE},
    "/api/v1/customer/webhooks/w/deliveries": {
        "deliveries": [{"id": "d", "event_type": HOSTILE, "error_message": HOSTILE}]
    },
}  # fmt: skip


async def answer(request: Request) -> JSONResponse:
    """Rows where there are some, else an error."""
    row = ROWS.get(request.url.path)
    refusal = {"error": HOSTILE, "message": HOSTILE}
    return JSONResponse(row) if row else JSONResponse(refusal, 500)


@pytest.fixture(scope="module")
def address():
    every = Route("/{rest:path}", answer, methods=["GET", "POST"])
    with served(Starlette(routes=[every])) as address:
        yield address


@pytest.fixture
def printed(address):
    def printed(*words: str) -> list[str]:
        environ = {
            "PROXY_UPSTREAM_URL": f"http://{address}/api/v1",
            "PROXY_UPSTREAM_API_KEY": "alice",
            "PROXY_STORE_URL": "sqlite://",
            "PROXY_LISTEN_PORT": "0",
        }
        done = CliRunner().invoke(main, words, env=environ)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.output.rstrip("\n").split("\n")

    return printed


@pytest.mark.parametrize(
    "command",
    [
        "ledger --account --days 3650",
        "ledger --account --days 3650 --format csv",
        "webhooks list",
        "webhooks show w",
        "webhooks deliveries w",
        "webhooks test w",
        "explain service=wa country=16 maxPrice=1",
        "doctor",
    ],
)
def test_what_the_upstream_says_is_shown_in_its_line(printed, command):
    lines = printed(*command.split())
    assert all(line.isprintable() for line in lines), lines
    # The doctor makes one blank of every white space in what is wrong.
    shown = SHOWN.replace(r"\n", " ").replace(r"\r", " ") if command == "doctor" else SHOWN
    assert shown in "".join(lines)


@pytest.mark.parametrize(
    "command",
    ["ledger --account --days 3650 --format json", "webhooks list --json", "doctor --json"],
)
def test_as_json_it_is_the_same_text_and_no_control_character(printed, command):
    lines = printed(*command.split())
    assert all(line.isprintable() for line in lines), lines
    assert "hello" in str(json.loads("\n".join(lines)))


def test_a_formula_is_a_text_in_the_spreadsheet_and_an_amount_a_number(printed):
    _, row = printed("ledger", "--account", "--days", "3650", "--format", "csv")
    assert row.count(f"'{SHOWN}") == 3
    assert ",-1.50," in row


@pytest.mark.parametrize("command", ["lookup", "explain"])
def test_a_text_that_a_client_sent_can_be_looked_up_without_harm(printed, command):
    (*_, last) = lines = printed(command, "service=\x1b[2J\u202e")
    assert all(line.isprintable() for line in lines), lines
    assert r"\x1b[2J\u202e" in "".join(lines), last
