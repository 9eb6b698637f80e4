"""Planted keys are looked for everywhere that a whole run leaves something, and not found."""

import logging

import httpx
import pytest

from proxy import logs
from proxy.actions import ACTIONS
from tests.crash import PATH, an_upstream, until
from tests.process import a_process

PLANTED = {
    "client": "0f-planted-client-key",
    "account": "planted+account/key=1",
    "passed": "planted-and-passed-through",
    "wrong": "bad-planted-key",
}
DIALECTS = ("/sms-activate", "/daisysms", "/herosms")
# Not of purchases and cancels: a key may stand in the store while something is owed under it.
FAULTS = tuple(
    {"call": call, "kind": kind}
    for call in ("balance", "orders", "stock", "services")
    for kind in ("cdn", "broken", "truncated", "wrong_type", "status")
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Every action in every dialect, with good and wrong keys, well and ill: what it leaves."""
    folder = tmp_path_factory.mktemp("run")
    config = folder / "proxy.yaml"
    config.write_text(
        f"passthrough: true\nkeys:\n  {PLANTED['client']}:\n    name: ci\n"
        "    upstream_key: env:PLANTED\n    spend_per_day: 100\n"
    )
    store, log = folder / "store.db", folder / "proxy.log"
    environ = {
        "PLANTED": PLANTED["account"],
        "PROXY_STORE_URL": f"sqlite:///{store}",
        "PROXY_LOG_LEVEL": "debug",
        "PROXY_LOG_SAMPLE": "1",
    }
    with an_upstream(folder, hold=0) as upstream:
        environ["PROXY_UPSTREAM_URL"] = f"{upstream.url}/api/v1"
        arguments = ("serve", "--port", "0", "--config", str(config))
        with a_process(*arguments, log=log, **environ) as url, httpx.Client(base_url=url) as client:
            said = [play(client, upstream, key) for key in PLANTED.values()]
            pages = [
                client.get(path).text for path in ("/metrics", "/livez", "/readyz", "/console")
            ]
            in_use = store.read_bytes()
    left = {path.name: path.read_bytes() for path in folder.iterdir() if path != config}
    return {"answers": str(said).encode(), "pages": str(pages).encode(), "store": in_use, **left}


def play(client, upstream, key):
    """`client` and the keys it has; each action once while all is well, and once with a fault."""
    said = []
    for number, (dialect, action) in enumerate((d, a) for d in DIALECTS for a in ACTIONS):
        if number % 4 == 0:
            upstream.steer("faults", FAULTS[number // 4 % len(FAULTS)])
        query = {"api_key": key, "action": action, "service": "wa", "country": "16", "id": "77"}
        answer = client.get(f"{dialect}{PATH}", params=query)
        said.append((answer.text, dict(answer.headers)))
    number = client.get(PATH, params={**query, "action": "getNumber"}).text
    if number.startswith("ACCESS_NUMBER"):
        id = number.split(":")[1]
        assert until(lambda: upstream.steer("sockets")["sockets"], 5), "its socket was not opened"
        said.append(client.get(PATH, params={"api_key": key, "action": "getStatus", "id": id}).text)
    return said


@pytest.mark.parametrize("name", PLANTED)
def test_no_key_is_left_anywhere(run, name):
    assert len(run) >= 5, sorted(run)
    left = [place for place, content in run.items() if PLANTED[name].encode() in content]
    assert left == []


def test_the_log_says_enough_to_be_worth_searching(run):
    log = run["proxy.log"].decode()
    assert log.count("\n") > 100
    assert "bought" in log


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
@pytest.mark.parametrize("logger", ["proxy.x", "httpx", "httpcore.http11", "websockets", "asyncio"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_key_that_was_seen_is_blanked_out_in_any_line(capsys, level, logger, form):
    root = logging.getLogger()
    before, root_level = root.handlers[:], root.level
    secrets = logs.Secrets()
    secrets.add(PLANTED["account"])
    try:
        logs.set_up("debug", form, secrets)
        log = logging.getLogger(logger)
        try:
            raise OSError(f"cannot connect to {PLANTED['account']}@host")
        except OSError:
            log.log(getattr(logging, level.upper()), "odd %s", PLANTED["account"], exc_info=True)
    finally:
        root.handlers[:] = before
        root.setLevel(root_level)
    assert PLANTED["account"] not in capsys.readouterr().err


def test_a_word_too_short_to_be_a_key_stays():
    secrets = logs.Secrets()
    secrets.add("a", "order")
    assert secrets.redact("an order") == "an order"
