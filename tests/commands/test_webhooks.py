"""`virtualsms-proxy webhooks`, against a sandbox on a real port."""

import json

import pytest
from click.testing import CliRunner

from proxy.commands.main import main
from proxy.sandbox import Switches, create_sandbox
from proxy.upstream.webhooks import EVENTS
from tests.support.sandbox import served

URL = "https://example.com/hook"


@pytest.fixture(scope="module")
def address():
    switches = Switches(requests_per_minute=0)
    with served(create_sandbox(switches)) as address:
        yield address


@pytest.fixture
def run(address):
    def run(*arguments, exit_code=0, key="alice", **environ):
        given = {"PROXY_UPSTREAM_URL": f"http://{address}/api/v1", "PROXY_UPSTREAM_API_KEY": key}
        done = CliRunner().invoke(main, ["webhooks", *arguments], env={**given, **environ})
        assert done.exit_code == exit_code, done.output
        return done

    return run


def said(done):
    return json.loads(done.stdout)


def test_all_seven_operations(run):
    made = said(run("create", URL, "--json", "--description", "mine"))
    assert made["secret"].startswith("whsec_")
    assert (made["url"], made["events"]) == (URL, list(EVENTS[0]))
    id = made["id"]
    assert [row["id"] for row in said(run("list", "--json"))] == [id]
    assert said(run("show", id, "--json"))["description"] == "mine"
    changed = said(run("update", id, "--event", "sms.received", "--pause", "--json"))
    assert (changed["events"], changed["paused"], changed["url"]) == (["sms.received"], True, URL)
    assert "BAD_PARAMETER" in run("test", id, exit_code=1).output
    assert said(run("update", id, "--go-on", "--json"))["paused"] is False
    sent = said(run("test", id, "--json"))
    (row,) = said(run("deliveries", id, "--json"))
    assert (row["event_id"], row["event_type"]) == (sent["event_id"], "sms.received")
    assert said(run("delete", id, "--json")) == {"id": id}
    assert said(run("list", "--json")) == []
    assert "NO_ACTIVATION" in run("show", id, exit_code=1).output


def test_tables_are_for_people(run):
    done = run("create", URL, "--event", "sms.received", key="bob")
    assert "webhooks.secrets" in done.stderr
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert lines["secret"].startswith("whsec_")
    id = lines["id"]
    head, row = run("list", key="bob").stdout.splitlines()
    assert head.split() == ["id", "state", "failures", "events", "url"]
    assert row.split() == [id, "active", "0", "sms.received", URL]
    assert lines["secret"] not in run("show", id, key="bob").stdout
    run("test", id, key="bob")
    head, row = run("deliveries", id, key="bob").stdout.splitlines()
    assert "response_status" in head
    assert "12345" not in row, "what was sent is not shown"
    assert run("delete", id, key="bob").stdout.split() == ["deleted", id]


def test_the_key_of_a_program_is_named(run, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("keys: {client: {name: shop, upstream_key: shops}}")
    run("create", URL, key="shops")
    there = said(run("list", "--json", "--key", "shop", "--config", str(path), key=""))
    assert [row["url"] for row in there] == [URL]
    wrong = run("list", "--key", "shpo", "--config", str(path), exit_code=1)
    assert wrong.output == "Error: --key shpo: no entry of `keys` has this name\n"


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        (["list"], {"PROXY_UPSTREAM_API_KEY": ""}, "Error: no account: set upstream.api_key"),
        (["list"], {"PROXY_UPSTREAM_API_KEY": "bad-key"}, "Error: BAD_KEY: webhooks: HTTP 401"),
        (["create", "http://localhost/x"], {}, "Error: BAD_PARAMETER: webhook_create: HTTP 400"),
        (["list"], {"PROXY_UPSTREAM_URL": "http://127.0.0.1:1"}, "Error: TRY_AGAIN: webhooks: Con"),
        (["list"], {"PROXY_LOG_LEVEL": "loud"}, "Error: PROXY_LOG_LEVEL: invalid enum value"),
    ],
)
def test_what_goes_wrong_is_one_line(run, arguments, environ, says):
    done = run(*arguments, exit_code=1, **environ)
    assert done.output.startswith(says)
    assert done.output.count("\n") == 1


def test_nothing_to_change_is_said(run):
    assert "nothing to change" in run("update", "id", exit_code=2).output
