"""The table of client keys: how it is read, and what is said of a mistake in it."""

import asyncio
import hashlib
from datetime import UTC, datetime

import msgspec
import pytest

from proxy.app.loaded import codes_of
from proxy.config.programs import (
    FREE_TRIES,
    MAX_SLOWED,
    SLOW_SECONDS,
    FailedKeyThrottle,
    load_programs,
)
from proxy.config.settings import Config, LimitsConfig, ProgramConfig, load_config
from proxy.endpoint.actions import ACTIONS
from proxy.model import ClientKey, Limits, UpstreamKey
from proxy.model.errors import ConfigError, Problem, ProblemError, YamlFileError

CODES = codes_of(Config())
CLIENT_KEY, UPSTREAM_KEY = "planted-client-key", "planted-upstream-key"
HASH = hashlib.sha256(CLIENT_KEY.encode()).hexdigest()


def loaded(tmp_path, text, **environ):
    """The programs of a file, as `check` and `serve` read it."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_programs(load_config(path, environ), environ, CODES, ACTIONS)


def entry(key=CLIENT_KEY, name="ci", upstream_key="up", **caps):
    row = {"name": name, "upstream_key": upstream_key, **caps}
    return f"  {key}: {msgspec.json.encode(row).decode()}\n"


def only(tmp_path, **caps):
    [program] = loaded(tmp_path, "keys:\n" + entry(**caps))
    return program


# What is read.


@pytest.mark.parametrize("key", [CLIENT_KEY, f"sha256:{HASH}", f"sha256:{HASH.upper()}"])
def test_a_client_key_stands_there_or_its_hash(tmp_path, key):
    programs = loaded(tmp_path, "keys:\n" + entry(key))
    key = programs.of(CLIENT_KEY).key
    assert (key, key.upstream) == (ClientKey(UpstreamKey("up"), HASH), UpstreamKey("up"))
    for wrong in (HASH, f"sha256:{HASH}", "up", CLIENT_KEY.upper()):
        with pytest.raises(ProblemError) as refused:
            programs.of(wrong)
        assert refused.value.problem is Problem.BAD_KEY


def test_an_upstream_key_is_in_the_environment_or_in_a_file_or_there_itself(tmp_path):
    kept = tmp_path / "secret"
    kept.write_text(f"{UPSTREAM_KEY}\n")
    for place in ("env:KEY", f"file:{kept}", UPSTREAM_KEY):
        programs = loaded(tmp_path, "keys:\n" + entry(upstream_key=place), KEY=f" {UPSTREAM_KEY} ")
        assert programs.of(CLIENT_KEY).key.upstream.secret == UPSTREAM_KEY


def test_without_a_table_every_key_is_passed_through_under_the_limits(tmp_path):
    programs = loaded(tmp_path, "limits: {max_price: 0.5}\n")
    program = programs.of("any")
    assert (program.key, program.limits) == (ClientKey.of("any"), Limits(max_price=50))


def test_a_program_is_sole_while_no_other_and_no_passed_through_key_has_its_account(tmp_path):
    def sole(text):
        return [program.key.is_sole for program in loaded(tmp_path, text, KEY="up")]

    two = "keys:\n" + entry() + entry("b", "two", "up2")
    assert sole(two) == [False, False], "two keys can be of one account"
    assert sole("keys:\n" + entry()) == [True]
    assert sole("passthrough: true\n" + two) == [False, False]


def test_a_program_whose_client_has_the_upstream_key_itself_sees_all_of_its_account(tmp_path):
    two = "keys:\n" + entry("up", "one", "up") + entry("b", "two", "up")
    assert [program.key.is_sole for program in loaded(tmp_path, two)] == [True, False]


def test_a_client_key_is_no_other_programs_upstream_key(tmp_path):
    text = "keys:\n" + entry("up2", "one", "up") + entry("b", "two", "up2")
    says = "^keys: one has the upstream key of two for its client key: give it a client key of its"
    with pytest.raises(ConfigError, match=says):
        loaded(tmp_path, text)


def test_dollars_are_whole_cents_rounded_down(tmp_path):
    for dollars, cents in ((0.29, 29), (1.1, 110), (0.505, 50), (0, 0), (2, 200), (4.35, 435)):
        assert only(tmp_path, max_price=dollars).limits.max_price == cents


@pytest.mark.parametrize(
    ("written", "when"),
    [
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T18:30:00", datetime(2027, 1, 31, 18, 30, tzinfo=UTC)),
        ("2027-01-31 18:30:00+02:00", datetime(2027, 1, 31, 16, 30, tzinfo=UTC)),
    ],
)
def test_a_date_is_its_first_moment_in_utc(tmp_path, written, when):
    for quoted in (written, f'"{written}"'):
        text = f"keys:\n  k: {{name: ci, upstream_key: up, expires: {quoted}}}\n"
        [program] = loaded(tmp_path, text)
        assert program.limits.expires == when.timestamp()
        program.check(when.timestamp() - 0.001, "getBalance")
        with pytest.raises(ProblemError, match="PAUSED"):
            program.check(when.timestamp(), "getBalance")


def test_the_stricter_of_two_ceilings_counts(tmp_path):
    limits = LimitsConfig(
        max_price=1, active=5, spend_per_day=3, services=("tg", "wa"), expires="2027-01-01"
    )
    own = ProgramConfig(
        name="ci",
        upstream_key="up",
        max_price=2,
        active=4,
        spend_per_month=9,
        services=("wa", "vk"),
        countries=(16,),
        expires="2028-01-01",
    )
    config = Config(keys={"k": own}, limits=limits)
    assert load_programs(config, {}, CODES, ACTIONS).of("k").limits == Limits(
        max_price=100,
        active=4,
        per_day=300,
        per_month=900,
        services=frozenset({"wa"}),
        countries=frozenset({"GB"}),
        expires=datetime(2027, 1, 1, tzinfo=UTC).timestamp(),
    )
    paused = Config(keys={"k": own}, limits=LimitsConfig(paused=True))
    assert load_programs(paused, {}, CODES, ACTIONS).of("k").limits.paused


def test_limits_are_also_read_from_the_environment(tmp_path):
    environ = {"PROXY_LIMITS_ACTIVE": "2", "PROXY_LIMITS_COUNTRIES": "16, 187"}
    caps = loaded(tmp_path, "keys:\n" + entry(), **environ).of(CLIENT_KEY).limits
    assert (caps.active, caps.countries) == (2, {"GB", "US"})


# Mistakes: where, what, and the fix, in one line that holds no key.


def mistake(tmp_path, text, **environ):
    with pytest.raises((ConfigError, YamlFileError)) as wrong:
        loaded(tmp_path, text, **environ)
    said = str(wrong.value)
    assert "\n" not in said
    assert CLIENT_KEY not in said
    assert UPSTREAM_KEY not in said
    assert HASH not in said
    return said.removeprefix(f"{tmp_path}/c.yaml:")


SAME = "keys: two has the key of one"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (entry(CLIENT_KEY, "one") + entry(f"sha256:{HASH}", "two"), SAME),
        (entry(f"sha256:{HASH.upper()}", "one") + entry(f"sha256:{HASH}", "two"), SAME),
        (entry() + entry("b"), "keys: two have the name ci: give each its own name"),
        (entry() + entry(name="two"), "3: this entry is repeated, first in line 2: remove one of"),
        (entry("sha256:12"), "keys: ci: sha256: must have 64 hexadecimal digits"),
        (entry(f"sha256:{HASH[:-1]}g"), "keys: ci: sha256: must have 64 hexadecimal digits"),
        (f"  {CLIENT_KEY}: {{name: ci}}\n", "2: keys: this entry has no upstream_key: add it"),
        (f"  {CLIENT_KEY}: {{upstream_key: up}}\n", "2: keys: this entry has no name: add it"),
        (f"  {CLIENT_KEY}:\n", "2: keys: this entry has no name: add it"),
        (f"  {CLIENT_KEY}: {UPSTREAM_KEY}\n", "2: rows are expected: write them as in"),
        (f"  - {CLIENT_KEY}\n", "2: rows are expected: write them as in sha256:...: {name"),
        (f"  {CLIENT_KEY}\n", "2: rows are expected: write them as in sha256:...: {name"),
        (f"  [{CLIENT_KEY}]: {{name: ci}}\n", "2: the key of a row is a plain word: write it"),
        (f"  {CLIENT_KEY}: {{name: ci, upstream_key: [{UPSTREAM_KEY}]}}\n", "2: keys: upstream_k"),
        (entry(activ=1), "2: keys: activ is no key: write active"),
        (entry(name=""), "2: keys: name: expected `str` of length >= 1"),
        (entry(upstream_key=""), "2: keys: upstream_key: expected `str` of length >= 1"),
        (entry(active=-1), "2: keys: active: expected `int` >= 0"),
        (entry(active=1.5), "2: keys: active: expected `int | null`, got `float`"),
        (entry(max_price=-0.01), "2: keys: max_price: expected `float` >= 0"),
        (entry(spend_per_day=-1), "2: keys: spend_per_day: expected `float` >= 0"),
        (entry(spend_per_month="ten"), "2: keys: spend_per_month: expected `float | null`, got"),
        (entry(services="wa"), "2: keys: services: expected `array | null`, got `str`"),
        (entry(services=["whatsapp"]), "keys: ci: services: whatsapp is not in the tables"),
        (entry(countries=[9999]), "keys: ci: countries: 9999 is not in the tables"),
        (entry(countries=["GB"]), "2: keys: countries: expected `int`, got `str`"),
        (entry(actions=["getBalance", "getNumer"]), "keys: ci: actions: getNumer is no action"),
        (entry(expires="soon"), "keys: ci: expires: soon is no date: write it as 2027-01-31"),
        (entry(expires="2027-02-30"), "keys: ci: expires: 2027-02-30 is no date: write it as"),
        (f"  {CLIENT_KEY}: {{name: ci, upstream_key: up, expires: 2027-02-30}}\n",
         "2: cannot be read: day is out of range for month"),
        (entry(paused="no"), "2: keys: paused: expected `bool`, got `str`"),
        (entry(upstream_key="env:KEY"), "keys: ci: upstream_key: the environment has no KEY: set"),
        (entry(upstream_key="env:EMPTY"), "keys: ci: upstream_key: the environment has no EMPTY"),
        (entry(upstream_key="env:BLANK"), "keys: ci: upstream_key: the environment has no BLANK"),
        (entry(upstream_key="file:/no/such"), "keys: ci: upstream_key: /no/such cannot be read: N"),
        (entry(upstream_key="file:/"), "keys: ci: upstream_key: / cannot be read: Is a directory"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_no_key_is_shown(tmp_path, text, says):
    assert mistake(tmp_path, f"keys:\n{text}", EMPTY="", BLANK=" \n").startswith(says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b" \n", "is empty"),
        (b"\xff\xfe", "cannot be read: it is no text"),
        (b"planted-upstream-key\nand more\n", "has no key"),
        ("ключ".encode(), "has no key"),
    ],
)
def test_a_file_that_holds_no_key_is_named(tmp_path, content, says):
    kept = tmp_path / "secret"
    kept.write_bytes(content)
    said = mistake(tmp_path, "keys:\n" + entry(upstream_key=f"file:{kept}"))
    assert said.startswith(f"keys: ci: upstream_key: {kept} {says}")


@pytest.mark.parametrize("key", ["planted client", "ключ", "k" * 257, '""', f"SHA256:{HASH}"])
def test_a_client_key_that_no_request_can_bring_is_a_mistake(tmp_path, key):
    assert mistake(tmp_path, "keys:\n" + entry(key)).startswith("keys: ci: ")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PROXY_LIMITS_MAX_PRICE", "-1", "PROXY_LIMITS_MAX_PRICE: expected `float` >= 0"),
        ("PROXY_LIMITS_SERVICES", "wa,nope", "limits: services: nope is not in the tables"),
        ("PROXY_LIMITS_EXPIRES", "31.1.2027", "limits: expires: 31.1.2027 is no date"),
    ],
)
def test_a_mistake_in_the_limits_is_named(tmp_path, name, value, says):
    assert mistake(tmp_path, "{}", **{name: value}).startswith(says)


def test_no_key_shows_itself(tmp_path):
    program = only(tmp_path, upstream_key=UPSTREAM_KEY)
    for shown in (str(program), repr(program), f"{program.key}", str(program.key.upstream)):
        assert UPSTREAM_KEY not in shown
        assert CLIENT_KEY not in shown


@pytest.mark.anyio
async def test_no_more_strangers_than_a_limit_are_held_up_at_a_time():
    failed_keys = FailedKeyThrottle()
    for _ in range(FREE_TRIES):
        await failed_keys.wait("a")
    begun = asyncio.get_running_loop().time()
    held = [asyncio.create_task(failed_keys.wait("a")) for _ in range(MAX_SLOWED)]
    await asyncio.sleep(0)
    await failed_keys.wait("a")
    await failed_keys.wait("b")
    assert asyncio.get_running_loop().time() == begun, "one more costs nothing"
    await asyncio.gather(*held)
    assert asyncio.get_running_loop().time() == begun + SLOW_SECONDS
    await failed_keys.wait("a")
    assert asyncio.get_running_loop().time() == begun + 2 * SLOW_SECONDS, "they are let go"
