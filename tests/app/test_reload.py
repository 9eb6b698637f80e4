"""A reload: what can change changes at once, what is wrong changes nothing, no number is lost."""

import asyncio
import logging
from itertools import pairwise

import pytest

from proxy.app import reload
from proxy.app.build import create_app
from proxy.app.reload import APPLIED, APPLIED_BY_RELOAD, RESTART
from proxy.config.settings import Config, load_config, values
from proxy.runtime import logs
from tests.support.events import OTHER as OTHER_SECRET
from tests.support.events import SECRET, an_event, send
from tests.support.reloading import GONE, ONE, OTHER, STORE, TWO
from tests.support.world import BUY, NOTHING_LEFT, World, an_orphan, id_of

pytestmark = pytest.mark.anyio

SHOP, OFFICE = "http://shop/sms", "http://office/sms"


def test_every_setting_is_either_applied_or_needs_a_restart():
    applied = {*APPLIED, *APPLIED_BY_RELOAD}
    assert applied | set(RESTART) == dict(values(Config())).keys()
    assert not applied & set(RESTART)
    assert len(RESTART) == len(set(RESTART))


async def reads_again(world, query, call, seconds):
    """Whether the upstream is asked again after so many seconds."""
    await world.ask(query)
    before = await world.requests(call)
    await asyncio.sleep(seconds)
    await world.ask(query)
    return await world.requests(call) > before


async def cancelled_early(world):
    id = id_of(await world.ask(BUY))
    return await world.ask(f"action=setStatus&id={id}&status=8")


async def priced(world):
    return await reads_again(world, "action=getPrices&service=wa&country=16", "stock", 30)


ELSEWHERE = {
    "forward": "test_the_targets_of_sms_change",
    "mappings": "test_tables_and_words_change",
    "upstream.api_key": "test_the_accounts_whose_events_are_subscribed_to_change",
    "webhooks.secrets": "test_the_secrets_of_events_change",
    "orphan.reuse_seconds": "test_how_long_an_unclaimed_number_is_kept_changes",
    "catalog.sweep_per_second": "test_the_pace_of_the_sweep_changes",
    "log.sample": "test_the_log_changes",
    "log.level": "test_the_log_changes",
    "log.format": "test_the_log_changes",
    "listen.tls_cert": "test_new_connections_get_the_new_certificate",
    "listen.tls_key": "test_new_connections_get_the_new_certificate",
}
"""Settings whose change a test of its own looks at; the last is in test_reload_process.py."""


# Each row: the setting, the configuration before and after, what is looked at, what it is then.
CHANGES = [
    ("keys", ONE, OTHER, "api_key=client-b&action=getBalance", "BAD_KEY", "ACCESS_BALANCE:100.00"),
    ("passthrough", ONE, f"{ONE}passthrough: true", "action=getBalance", "BAD_KEY", "ACCESS_BAL"),
    ("limits.max_price", "", "limits: {max_price: 0.1}", BUY, "ACCESS_N", "WRONG_MAX_PRICE"),
    ("limits.active", "", "limits: {active: 0}", BUY, "ACCESS_N", "CHANNELS_LIMIT"),
    ("limits.spend_per_day", "", "limits: {spend_per_day: 1}", BUY, "ACCESS_N", "NO_BALANCE"),
    ("limits.spend_per_month", "", "limits: {spend_per_month: 1}", BUY, "ACCESS_N", "NO_BALANCE"),
    ("limits.services", "", "limits: {services: [tg]}", BUY, "ACCESS_N", "BAD_SERVICE"),
    ("limits.countries", "", "limits: {countries: [187]}", BUY, "ACCESS_N", "BAD_COUNTRY"),
    ("limits.actions", "", "limits: {actions: [getBalance]}", BUY, "ACCESS_N", "BAD_ACTION"),
    ("limits.paused", "", "limits: {paused: true}", BUY, "ACCESS_N", "ACCOUNT_INACTIVE"),
    ("limits.expires", "", "limits: {expires: 2026-01-01}", BUY, "ACCESS_N", "ACCOUNT_INACTIVE"),
    ("dialect", "", "dialect: daisysms", "action=nothing&api_key=", "NO_KEY", "BAD_KEY"),
    ("default_country", "", "default_country: 16", "action=getNumber&service=wa", "NO_N", "ACCESS"),
    ("early_cancel", "", "early_cancel: defer", cancelled_early, "EARLY_CANCEL_DENIED", "ACCESS_C"),
    ("prices.ttl", "", "prices: {ttl: 5}", priced, "False", "True"),
    (
        "catalog.ttl", "", "catalog: {ttl: 5}",
        lambda world: reads_again(world, "action=getServicesList", "services", 30), "False", "True",
    ),
    (
        "balance.ttl", "", "balance: {ttl: 500}",
        lambda world: reads_again(world, "action=getBalance", "balance", 30), "True", "False",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "before", "after", "looked_at", "was", "becomes"),
    CHANGES,
    ids=lambda row: str(row)[:24],
)
async def test_a_change_of_a_setting_counts_from_the_next_request_on(
    world_of, caplog, setting, before, after, looked_at, was, becomes
):
    caplog.set_level(logging.INFO, "proxy.app.reload")

    async def look(world):
        if callable(looked_at):
            return str(await looked_at(world))
        return await world.ask(looked_at)

    async with world_of(before) as world:
        if "country" in setting:
            await world.steer("offer", {"service": "wa", "country": "US", "stock": 0})
        assert (await look(world)).startswith(was)
        await world.reload(after)
        (line,) = caplog.messages
        assert line.startswith("reloaded: ") and setting.partition(".")[0] in line
        assert (await look(world)).startswith(becomes)
        await world.reload(before)
        assert (await look(world)).startswith(was)


def test_the_change_of_every_setting_is_looked_at():
    assert {row[0] for row in CHANGES} | ELSEWHERE.keys() == {*APPLIED, *APPLIED_BY_RELOAD}
    here = {name for name in globals() if name.startswith("test_")}
    assert set(ELSEWHERE.values()) - here == {ELSEWHERE["listen.tls_cert"]}


async def an_sms(world, text):
    """The answer to a number that has got it."""
    id = id_of(await world.ask(BUY))
    await world.sms(text)
    await asyncio.sleep(20)
    return await world.ask(f"action=getStatus&id={id}")


async def test_the_targets_of_sms_change(world_of):
    async with world_of("") as world:
        await an_sms(world, "Your code is 1111")
        await world.reload(f"forward: [{{url: '{SHOP}'}}]")
        await an_sms(world, "Your code is 2222")
        assert [body["code"] for body in world.targets.to(SHOP)][-1] == "2222"
        signed = f"forward: [{{url: '{SHOP}', secret: a-long-secret}}, {{url: '{OFFICE}'}}]"
        await world.reload(signed)
        await an_sms(world, "Your code is 3333")
        assert [body["code"] for body in world.targets.to(OFFICE)] == ["3333"]
        assert "X-Signature" in world.targets.posted[-1][1].headers or (
            "X-Signature" in world.targets.posted[-2][1].headers
        )
        before = len(world.targets.to(SHOP))
        await world.reload(f"forward: [{{url: '{OFFICE}'}}]")
        await an_sms(world, "Your code is 4444")
        assert [body["code"] for body in world.targets.to(OFFICE)] == ["3333", "4444"]
        assert len(world.targets.to(SHOP)) == before


async def test_tables_and_words_change(world_of, tmp_path):
    (own := tmp_path / "own").mkdir()
    text = "Pay 5550 now, flibber 4711"
    async with world_of(f"mappings: {own}") as world:
        assert await world.ask("action=getNumber&service=zz9&country=16") == "BAD_SERVICE"
        id = id_of(await world.ask(BUY))
        await world.sms(text)
        await asyncio.sleep(20)
        assert await world.ask(f"action=getStatus&id={id}") == f"STATUS_OK:{text}"
        (own / "services.yaml").write_text("aliases: {zz9: wa}")
        (own / "sms_words.yaml").write_text("code: {xx: [flibber]}")
        await world.reload(f"mappings: {own}")
        assert await world.ask("action=getNumber&service=zz9&country=16") >= "ACCESS_NUMBER"
        assert await world.ask(f"action=getStatus&id={id}") == "STATUS_OK:4711"


async def test_the_secrets_of_events_change(world_of):
    one, other = f"webhooks: {{secrets: [{SECRET}]}}", f"webhooks: {{secrets: [{OTHER_SECRET}]}}"
    async with world_of(one) as world:
        await world.ask(BUY)
        event = await an_event(world)
        assert await send(world, event) == 200
        await world.reload(other)
        assert await send(world, event) == 401
        await world.reload(one)
        assert await send(world, event) == 200


async def test_the_accounts_whose_events_are_subscribed_to_change(world_of):
    async def accounts():
        return [row["account"] for row in (await world.steer("webhooks"))["webhooks"]]

    address = "webhooks: {public_url: 'https://proxy.example.com'}\n"
    own = STORE.replace("push: false", "push: false, api_key: own")
    async with world_of(address) as world:
        await asyncio.sleep(5)
        assert await accounts() == []
        world.file.write_text(f"{own}{address}{ONE}")
        await world.app.state.reload.run_once()
        await asyncio.sleep(5)
        assert len(set(await accounts())) == 2
        await world.app.state.reload.run_once()
        await asyncio.sleep(5)
        assert len(await accounts()) == 2


async def test_how_long_an_unclaimed_number_is_kept_changes(world_of):
    async with world_of("orphan: {reuse_seconds: 100000}") as world:
        await world.reload("orphan: {reuse_seconds: 200}")
        await an_orphan(world)
        await asyncio.sleep(240)
        assert (await world.steer("orders"))["orders"][-1]["status"] == "cancelled"


async def test_the_pace_of_the_sweep_changes(world_of):
    async with world_of("catalog: {sweep_per_second: 2}") as world:
        await world.ask("action=getPrices")
        await world.reload("catalog: {sweep_per_second: 0.1}")
        await asyncio.sleep(60)
        requests = (await world.steer("requests?call=stock"))["requests"]
    times = [request["at"] for request in requests][2:]
    assert len(times) >= 4
    assert min(after - before for before, after in pairwise(times)) >= 10


async def test_the_log_changes(world_of, monkeypatch, capsys):
    async with world_of("") as world:
        root = logging.getLogger()
        await world.reload("log: {level: error, format: json}")
        await world.ask("action=getBalance")
        assert capsys.readouterr().err == "" and root.level == logging.ERROR
        await world.reload("log: {level: info, format: text, sample: 1}")
        assert "INFO    reloaded: log.sample, log.level, log.format" in capsys.readouterr().err
        await world.ask("action=getBalance")
        assert "INFO    sms-activate: " in capsys.readouterr().err
        await world.reload("log: {level: info, format: json}")
        assert '"message":"reloaded: log.sample, log.format"' in capsys.readouterr().err


# What needs a restart.

OTHERWISE = {
    "listen.host": "0.0.0.0",
    "listen.port": "1",
    "upstream.url": "http://elsewhere",
    "upstream.websocket_url": "ws://elsewhere",
    "upstream.timeout": "7",
    "upstream.requests_per_minute": "7",
    "upstream.push": "true",
    "upstream.push_sockets": "7",
    "store.url": "sqlite:////nowhere/x.db",
    "store.secret": "a-planted-secret-text",
    "store.retention": "7",
    "webhooks.public_url": "https://elsewhere",
    "webhooks.check_timestamp": "true",
    "console.enabled": "true",
    "console.token": "a-planted-secret-token",
    "console.hosts": "[elsewhere]",
}


def nested(pairs):
    """The text of a configuration that has these settings."""
    sections = {"store": {"url": "sqlite://"}, "upstream": {"push": "false"}}
    for name, value in pairs.items():
        section, key = name.split(".")
        sections.setdefault(section, {})[key] = value
    rows = {n: ", ".join(f"{k}: '{v}'" if ":" in v else f"{k}: {v}" for k, v in one.items())
            for n, one in sections.items()}  # fmt: skip
    return "".join(f"{name}: {{{row}}}\n" for name, row in rows.items())


@pytest.mark.parametrize("names", [*([name] for name in RESTART), list(RESTART)], ids=str)
async def test_what_needs_a_restart_is_named_in_one_warning_and_the_rest_counts(
    world_of, caplog, names
):
    async with world_of("") as world:
        text = nested({name: OTHERWISE[name] for name in names})
        for _ in range(2):
            caplog.clear()
            world.file.write_text(f"{text}{ONE}")
            await world.app.state.reload.run_once()
            (line,) = [one for one in caplog.records if one.levelname == "WARNING"]
            assert line.getMessage().endswith(f"a change of: {', '.join(names)}")
            assert "planted" not in caplog.text
            assert (await world.by("client-a", BUY)).startswith("ACCESS_NUMBER")
        caplog.clear()
        await world.reload(ONE)
        assert [one for one in caplog.records if one.levelname == "WARNING"] == []


# What is wrong.

WRONG = {
    "a word that is no key": b"listn: {port: 1}",
    "a value of the wrong kind": b"prices: {ttl: soon}",
    "half a file": b"keys: {client-b: {name: b, upst",
    "no text": b"\x00\xff\xfe",
    "a mapping that is not there": b"mappings: /nowhere/at/all",
    "a country that is not there": b"default_country: 9999",
    "a key of an environment without it": b"keys: {c: {name: c, upstream_key: env:NO_SUCH_NAME}}",
    "a target of no program": b"forward: [{url: http://x, programs: [nobody]}]",
    "a secret of events that is not there": b"webhooks: {secrets: [file:/nowhere]}",
    "a certificate that is not there": b"listen: {tls_cert: /nowhere.pem, tls_key: /nowhere.key}",
    "half a certificate": b"listen: {tls_cert: /nowhere.pem}",
    "a database without a secret": b"store: {url: 'postgresql://h/d'}",
    "brackets without end": b"[" * 100_000,
    "an alias bomb": b"a0: &a0 [z]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b"*a%d," % (n - 1) * 9) for n in range(1, 20)
    ),
    "a huge file": b"#" * 20_000_000,
}  # fmt: skip


@pytest.mark.parametrize("name", [*WRONG, "no file", "a folder"])
async def test_what_is_wrong_is_one_error_and_changes_nothing(world_of, caplog, name):
    async with world_of(f"{ONE}limits: {{max_price: 50}}") as world:
        before = await world.by("client-a", "action=getBalance")
        world.file.unlink()
        if name in WRONG:
            world.file.write_bytes(b"dialect: herosms\n" + WRONG[name])
        elif name == "a folder":
            world.file.mkdir()
        await world.app.state.reload.run_once()
        (line,) = caplog.records
        assert (line.levelname, line.exc_info) == ("ERROR", None)
        assert line.getMessage().startswith("nothing is reloaded: ")
        assert len(line.getMessage().splitlines()) == 1
        assert await world.by("client-a", "action=getBalance") == before
        assert (await world.by("client-a", BUY)).startswith("ACCESS_NUMBER")
        assert await world.by("c", "action=getBalance") == "BAD_KEY"


async def test_a_file_that_is_never_written_holds_nothing_up(world_of, caplog, monkeypatch):
    monkeypatch.setattr(reload, "LONGEST_READ", 0.0)
    async with world_of(ONE) as world:
        await world.app.state.reload.run_once()
        assert caplog.messages == ["nothing is reloaded: its files cannot be read in time"]
        assert (await world.by("client-a", BUY)).startswith("ACCESS_NUMBER")


async def test_a_bug_of_reading_changes_nothing(world_of, caplog, monkeypatch):
    def bug(*_):
        raise KeyError("planted")

    async with world_of(ONE) as world:
        monkeypatch.setattr(reload, "load", bug)
        await world.reload(TWO)
        assert caplog.messages == ["a bug ended a reload; nothing is reloaded"]
        assert await world.by("client-b", "action=getBalance") == "BAD_KEY"


async def test_a_new_secret_is_hidden_even_in_the_error_about_it(world_of, caplog, capsys):
    secret = "planted-upstream-secret"
    async with world_of("log: {level: info, format: text}") as world:
        logs.set_up("info", "text", world.app.state.reload._secrets)
        world.become(f"keys: {{planted-client-key: {{name: a, upstream_key: {secret}}}}}\n")
        await world.app.state.reload.run_once()
        logging.getLogger("x").warning("%s planted-client-key", secret)
        said = capsys.readouterr().err
    assert "reloaded: keys new: a" in said and "[key] [key]" in said
    assert "planted" not in said


# How it runs.


async def test_reloads_run_one_after_the_other_and_the_last_file_counts(world_of, monkeypatch):
    running, most = [], []
    async with world_of(ONE) as world:
        once = world.app.state.reload.run_once

        async def counted():
            running.append(1)
            most.append(len(running))
            await asyncio.sleep(5)
            await once()
            running.pop()

        monkeypatch.setattr(world.app.state.reload, "run_once", counted)
        for number in range(20):
            world.become(TWO if number == 19 else GONE)
            world.app.state.reload.ask()
            await asyncio.sleep(1)
        await asyncio.sleep(30)
        assert set(most) == {1} and len(most) <= 6
        assert await world.by("client-b", "action=getBalance") == "ACCESS_BALANCE:100.00"


async def test_a_reload_that_is_asked_for_before_the_start_is_carried_out(tmp_path, clock):
    (file := tmp_path / "c.yaml").write_text(STORE)
    reread = lambda: load_config(file, {})  # noqa: E731
    app = create_app(reread(), clock=clock, reread=reread)
    file.write_text(f"{STORE}dialect: daisysms")
    app.state.reload.ask()
    async with app.router.lifespan_context(app):
        await asyncio.sleep(1)
        world = World(app, app)
        assert await world.ask("action=nothing&api_key=") == "BAD_KEY"


async def test_a_reload_during_the_end_is_harmless(tmp_path, clock, caplog):
    app = create_app(Config(store=NOTHING_LEFT.store), clock=clock)
    async with app.router.lifespan_context(app):
        app.state.reload.ask()
    app.state.reload.ask()
    assert caplog.text == ""
