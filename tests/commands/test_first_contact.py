"""`doctor --readings` as a person calls it: options, accounts, output, exit codes."""

import json
import re
import stat

import httpx
import pytest

from proxy.commands.doctor import first_contact
from proxy.sandbox.report import read_report
from tests.support import commands as stage
from tests.support.commands import AT_HOME, ask, kept_in

upstream, folder, tables_read_once = stage.upstream, stage.folder, stage.tables_read_once


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """The pause between two requests has its own test, on the fake clock."""
    monkeypatch.setattr(first_contact, "PAUSE", 0.0)
    monkeypatch.setattr(first_contact, "WINDOW", 0.0)


def at(upstream, key, **more):
    """The environment for an account of its own at the sandbox."""
    return {"PROXY_UPSTREAM_URL": f"{upstream}/api/v1", "PROXY_UPSTREAM_API_KEY": key, **more}


def test_the_readings_of_an_account_are_a_table_and_a_file(upstream, tmp_path):
    path = tmp_path / "report.json"
    code, said = ask("doctor", "--readings", "--report", str(path), **at(upstream, "planted-key-1"))
    assert code == 0, said
    lines = said.splitlines()
    assert lines[0].startswith("asking 127.0.0.1:")
    assert lines[0].endswith("with the key of upstream.api_key")
    assert re.search(r"^stock_field +availability$", said, re.M)
    assert re.search(r"^no order is listed, so its form cannot be read +phone, ", said, re.M)
    assert lines[-2] == "upstream.api_key: 14 requests"
    assert lines[-1] == f"written: {path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_report(path).readings["stock_field"] == "availability"
    assert "planted-key" not in said + path.read_text()


def test_json_is_for_programs(upstream):
    done = json.loads(said_on_stdout("doctor", "--readings", "--json", **at(upstream, "key-2")))
    assert (done["ok"], done["account"], done["trouble"]) == (True, "upstream.api_key", None)
    assert done["readings"]["balance_field"] == "balance"
    assert done["unread"]["retry"] == "only a retry shows it"


def said_on_stdout(*words, **environ):
    from click.testing import CliRunner

    from proxy.commands.main import main

    return CliRunner().invoke(main, words, env={"PROXY_STORE_URL": "sqlite://", **environ}).stdout


def test_an_account_that_refuses_is_one_line_after_what_was_learnt(upstream, tmp_path):
    path = tmp_path / "report.json"
    words = ("doctor", "--readings", "--report", str(path))
    code, said = ask(*words, **at(upstream, "bad-planted-key"))
    assert (code, said.splitlines()[-1]) == (
        1,
        "Error: balance: HTTP 401: the upstream refuses the key",
    )
    assert "Traceback" not in said
    assert "bad-planted-key" not in said + path.read_text()
    assert read_report(path).answers[0].status == 401


def test_an_upstream_that_is_not_there_is_one_line(tmp_path):
    environ = at("http://127.0.0.1:9", "key")
    code, said = ask("doctor", "--readings", **environ)
    assert code == 1
    assert said.splitlines()[-1].startswith("Error: balance: ConnectError")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--buy", "tg", "16"), "this needs --readings"),
        (("--report", "x"), "this needs --readings"),
        (("--key", "ci"), "this needs --readings"),
        (("--at-most", "1"), "this needs --readings"),
        (("--readings", "--at-most", "1"), "this needs --buy"),
        (("--readings", "--yes"), "this needs --buy"),
        (("--readings", "--early-cancel"), "this needs --buy"),
        (("--readings", "--buy", "tg", "16"), "--buy needs --at-most"),
        (("--readings", "--buy", "tg", "16", "--at-most", "0"), "--at-most"),
        (("--readings", "--buy", "tg", "16", "--at-most", "nan"), "write a price over 0"),
        (("--readings", "--buy", "tg", "16", "--at-most", "inf"), "write a price over 0"),
        (("--readings", "--buy", "tg", "16", "--at-most", "cheap"), "--at-most"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(words, says):
    code, said = ask("doctor", *words, PROXY_UPSTREAM_API_KEY="key")
    assert code == 2
    assert says in said


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        (("whatsap", "16"), "no service has the code whatsap: write wa (WhatsApp)"),
        (("tg", "uk"), "no country has the id uk: write 16 (United Kingdom)"),
        (("tg", "999"), "no country has the id 999: find it with lookup"),
        (("\x1b[31m", "16"), "no service has the code \\x1b[31m"),
    ],
)
def test_a_pair_that_is_not_known_is_said_with_the_nearest(pair, says):
    words = ("doctor", "--readings", "--buy", *pair, "--at-most", "1")
    code, said = ask(*words, PROXY_UPSTREAM_API_KEY="key")
    assert (code, said.count("\n")) == (1, 1)
    assert says in said


KEYS = """
keys:
  a: {name: shop, upstream_key: planted-of-shop}
  b: {name: desk, upstream_key: planted-of-desk}
"""


@pytest.mark.parametrize(
    ("words", "environ", "says"),
    [
        ((), {}, "several accounts: name one by --key: shop, desk"),
        (("--key", "planted-of-shop"), {}, "--key takes the name of an account, one of shop, desk"),
        (("--key", "desk"), {}, "with the key of desk"),
        ((), {"PROXY_UPSTREAM_API_KEY": "planted-own"}, "with the key of upstream.api_key"),
    ],
)
def test_the_account_is_chosen_by_its_name_never_by_its_key(tmp_path, words, environ, says):
    (tmp_path / "config.yaml").write_text(KEYS)
    environ |= {"PROXY_UPSTREAM_URL": "http://127.0.0.1:9/api/v1"}
    config = ("--config", str(tmp_path / "config.yaml"))
    code, said = ask("doctor", "--readings", *config, *words, **environ)
    assert code == 1
    assert says in said
    assert "planted" not in said


def test_without_any_key_it_says_where_to_set_one():
    code, said = ask("doctor", "--readings")
    assert (code, said) == (1, "Error: no account: set upstream.api_key, or `keys`\n")


def test_a_minute_that_is_used_up_is_left_to_the_clients(folder, upstream):
    few = {**AT_HOME, **kept_in(folder), "PROXY_UPSTREAM_REQUESTS_PER_MINUTE": "5"}
    code, said = ask("doctor", "--readings", "--config", f"{folder}/config.yaml", **few)
    assert code == 1
    assert "of 5 requests left in this minute: try again in a minute" in said


def test_a_running_proxy_is_in_the_way_of_a_purchase_and_not_of_the_questions(folder, upstream):
    home = {**AT_HOME, **kept_in(folder)}
    words = ("doctor", "--readings", "--config", f"{folder}/config.yaml")
    buying = ("--buy", "tg", "16", "--at-most", "1", "--yes")
    code, said = ask(*words, *buying, **home)
    assert (code, said.count("\n")) == (1, 1)
    assert "--buy: a proxy runs on store.url: stop it first: nothing was bought" in said
    code, said = ask(*words, **home)
    assert code == 0, said


def test_a_purchase_asks_first_and_a_no_buys_nothing(upstream):
    environ = at(upstream, "key-of-a-buyer")
    words = ("doctor", "--readings", "--buy", "telegram", "16", "--at-most", "1")
    code, said = ask(*words, **environ)
    assert code == 1
    words = ("doctor", "--readings", "--buy", "tg", "GB", "--at-most", "1")
    code, said = ask(*words, **environ)
    assert code == 1
    assert "Buy one number, tg in GB, for 0.95 USD with upstream.api_key?" in said
    orders = httpx.get(f"{upstream}/sandbox/orders?key=key-of-a-buyer").json()
    assert orders["count"] == 0


def test_yes_buys_and_the_money_is_followed(upstream, tmp_path):
    """The sandbox sends the SMS after three seconds: there is no refund."""
    path = tmp_path / "report.json"
    words = ("doctor", "--readings", "--buy", "tg", "16", "--at-most", "0.95", "--yes")
    environ = at(upstream, "key-of-another")
    code, said = ask(*words, "--report", str(path), **environ)
    assert code == 0, said
    assert "an SMS has come: there is no refund" in said
    assert "right to the cent" in said
    order = httpx.get(f"{upstream}/sandbox/orders?key=key-of-another").json()["orders"][0]
    assert order["order_id"] in said
    for private in (order["order_id"], order["phone_number"], "Telegram code"):
        assert private not in path.read_text()


def test_a_report_that_is_there_is_said_before_anything_is_asked(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("mine")
    words = ("doctor", "--readings", "--report", str(path))
    code, said = ask(*words, PROXY_UPSTREAM_API_KEY="key")
    assert (code, said) == (
        1,
        f"Error: --report: {path} exists: name another, or add --overwrite\n",
    )
