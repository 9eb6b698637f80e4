"""Planted keys are looked for everywhere that a whole run leaves something, and not found."""

import logging
from hashlib import sha256

import httpx
import pytest
from msgspec.structs import replace

from proxy.config.settings import (
    Config,
    ConsoleConfig,
    ForwardConfig,
    ProgramConfig,
    StoreConfig,
    UpstreamConfig,
    WebhooksConfig,
)
from proxy.endpoint.actions import ACTIONS
from proxy.runtime import logs
from tests.support.process import a_process
from tests.support.running import PATH, an_upstream, until
from tests.support.world import a_life

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
            # Keys of purchases that are done are erased a moment later.
            until(lambda: not any(key.encode() in store.read_bytes() for key in PLANTED.values()))
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
        assert until(lambda: upstream.steer("sockets")["sockets"]), "its socket was not opened"
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
    secrets.pin(PLANTED["account"])
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
    secrets.pin("a", "order")
    assert secrets.redact("an order") == "an order"


KEYS = {"sha256:" + sha256(b"client-of-shop").hexdigest(): ProgramConfig(
    name="shop", upstream_key="upstream-of-shop")}  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("config", "key", "is_known"),
    [
        (Config(keys=KEYS), "client-of-shop", True),
        (Config(keys=KEYS), "upstream-of-shop", True),
        (Config(keys=KEYS), "key-of-a-stranger", False),
        (Config(keys=KEYS, passthrough=True), "key-of-a-stranger", True),
        (Config(), "key-of-a-stranger", True),
    ],
)
async def test_wrong_keys_are_not_learnt_where_there_is_a_table_of_them(
    clock, sandbox, config, key, is_known
):
    secrets = logs.Secrets()
    config = replace(config, store=StoreConfig(url="sqlite://"))
    async with a_life(clock, sandbox, config, secrets=secrets) as world:
        await world.ask(f"api_key={key}&action=getBalance")
    assert (secrets.redact(key) == "[key]") == is_known


@pytest.mark.anyio
async def test_strangers_push_no_configured_secret_out(clock, sandbox):
    secrets = logs.Secrets()
    url = "https://user:password-of-the-target@target.example/?token=token-of-the-target"
    config = Config(
        passthrough=True,
        keys={"client-of-shop": ProgramConfig(name="shop", upstream_key="upstream-of-shop")},
        upstream=UpstreamConfig(api_key="upstream-of-all"),
        store=StoreConfig(url="sqlite://", secret="secret of the store"),
        webhooks=WebhooksConfig(secrets=("secret-of-a-webhook",)),
        forward=(ForwardConfig(url=url, secret="secret-of-a-target"),),
        console=ConsoleConfig(enabled=True, token="token-of-the-operator"),
    )
    async with a_life(clock, sandbox, config, secrets=secrets):
        for number in range(logs.MAX_LEARNT + 1):
            secrets.learn(f"key-of-a-stranger-{number}")
    for known in ("client-of-shop", "upstream-of-shop", "upstream-of-all", "secret of the store",
                  "secret-of-a-webhook", "secret-of-a-target", "token-of-the-operator",
                  "password-of-the-target", "token-of-the-target"):  # fmt: skip
        assert secrets.redact(f"a {known} b") == "a [key] b"


@pytest.mark.anyio
async def test_a_client_key_that_stands_there_as_its_hash_is_pinned_once_it_was_used(
    clock, sandbox
):
    secrets = logs.Secrets()
    config = Config(keys=KEYS, passthrough=True, store=StoreConfig(url="sqlite://"))
    async with a_life(clock, sandbox, config, secrets=secrets) as world:
        await world.ask("api_key=client-of-shop&action=getBalance")
        for number in range(logs.MAX_LEARNT + 1):
            secrets.learn(f"key-of-a-stranger-{number}")
    assert secrets.redact("client-of-shop") == "[key]"
