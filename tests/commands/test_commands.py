"""The commands that look at things, as a person reads them; docs/commands.md is what they print."""

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest

from proxy.commands.doctor import first_contact
from proxy.commands.main import main
from proxy.endpoint.search import find, nearest
from proxy.sandbox.mount import upstream_lines
from tests.support import commands as stage
from tests.support.commands import AT_HOME, CODES, DOCS, ask, kept_in
from tests.support.process import run
from tests.support.running import until

upstream, folder, tables_read_once = stage.upstream, stage.folder, stage.tables_read_once


def examples(text: str) -> dict[str, str]:
    """Each command line of the page, with what it printed."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    parts = (part for block in blocks for part in re.split(r"^\$ ", block, flags=re.M)[1:])
    return {line: said for line, _, said in (part.partition("\n") for part in parts)}


EXAMPLES = examples(DOCS)
STARTED = ("sandbox", "serve")
WANTS_POSTGRES = ("store",)
READINGS = "virtualsms-proxy doctor --readings --config config.yaml"


def evened(text: str, folder: object = "/srv/proxy") -> str:
    """Without what differs from run to run."""
    text = text.replace(str(folder), "/srv/proxy")
    for pattern, word in (
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"process \d+", "process N"),
        (r"\d+ ms", "N ms"),
        (r"\d+ KB", "N KB"),
        (r"\d+ of 60", "N of 60"),
        (r"\b[0-9a-f]{32,64}\b", "HEX"),
        (r"\d{4}-\d\d-\d\dT[0-9:]+Z", "TIME"),
    ):
        text = re.sub(pattern, word, text)
    return text


def facts(*words: str, **environ: str) -> dict[str, str]:
    _, said = ask("explain", "--json", *words, **environ)
    return dict(json.loads(said)["facts"])


@pytest.mark.parametrize(
    "line",
    [
        line
        for line in EXAMPLES
        if line.split()[1] not in STARTED + WANTS_POSTGRES and line != READINGS
    ],
)
def test_every_example_of_the_page_is_what_is_printed(folder, line):
    done = run(*shlex.split(line)[1:], cwd=folder, **AT_HOME)
    assert evened(done.stdout + done.stderr, folder) == evened(EXAMPLES[line])
    assert done.returncode == (1 if "because" in done.stdout else 0)


def test_the_example_of_the_readings_is_what_is_printed(folder, upstream, monkeypatch):
    """Without the pause between the requests. The order has its SMS by then."""
    monkeypatch.setattr(first_contact, "PAUSE", 0.0)
    monkeypatch.setattr(first_contact, "WINDOW", 0.0)
    monkeypatch.chdir(folder)
    orders = f"{upstream}/sandbox/orders?key=sandbox"
    assert until(lambda: httpx.get(orders).json()["orders"][0]["status"] == "completed")
    code, said = ask(*READINGS.split()[1:], **AT_HOME)
    assert (code, evened(said, folder)) == (0, evened(EXAMPLES[READINGS]))


def test_the_examples_of_what_is_started_are_its_first_lines(folder):
    said = {line.split()[1]: text for line, text in EXAMPLES.items()}
    assert said["sandbox"] == upstream_lines("http://127.0.0.1:8081") + "\n"
    assert said["serve"] == "listening on http://127.0.0.1:8080\n"


def test_the_page_has_a_heading_and_an_example_for_every_command():
    assert set(re.findall(r"^## (\w+)", DOCS, re.M)) == set(main.commands)
    assert {line.split()[1] for line in EXAMPLES} == set(main.commands)


# lookup


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("telegram", "service tg"),
        ("Telegram", "service tg"),
        ("telegarm", "service tg"),
        ("whats app", "service wa"),
        ("whatsap", "service wa"),
        ("gmail", "service go"),
        ("microsft", "service mm"),
        ("chime", "service bbq"),
        ("united kingdom", "country 16"),
        ("untied kingdom", "country 16"),
        ("germny", "country 43"),
        ("GB", "country 16"),
        ("187", "country 187"),
        ("Россия", "country 0"),
        ("+62", "country 6"),
        ("england", "country 16"),
        ("usa", "country 187"),
        ("united stat", "country 187"),
    ],
)
def test_what_a_person_calls_it_is_found(text, first):
    found = [f"{row.kind} {row.code}" for row in find(CODES, text)]
    assert first in found[:2]


def test_letters_that_are_a_service_and_a_country_are_both():
    rows = {(row.kind, row.name) for row in find(CODES, "uk")}
    assert rows == {("service", "Airbnb"), ("country", "United Kingdom")}


def test_the_codes_of_every_dialect_are_told_apart():
    rows = {row.dialects: row.buys for row in find(CODES, "boa")}
    assert rows == {("sms-activate", "herosms"): "boa", ("daisysms",): None}
    assert {row.code for row in find(CODES, "bank of america")} >= {"boa"}


@pytest.mark.parametrize("text", ["q0q", "xqzzy", "", "9999"])
def test_what_is_like_nothing_is_said_so(text):
    assert find(CODES, text) == []
    assert ask("lookup", "--", text) == (1, f"Error: nothing found for {text}: {SEE_TABLES}\n")


SEE_TABLES = "see the tables in mappings/"


def test_two_letters_are_never_taken_for_two_others():
    """What looks alike is another company."""
    assert nearest(CODES, "tgg", "service", "sms-activate") is None
    assert nearest(CODES, "chime", "service", "daisysms").code == "chime"
    assert nearest(CODES, "chime", "service", "herosms").code == "bbq"


def test_own_tables_are_looked_up_too(tmp_path):
    (tmp_path / "services.yaml").write_text("services: {zzy: Our test service}\naliases: {zzz: tg}")
    assert "Our test service" in ask("lookup", "our test", PROXY_MAPPINGS=str(tmp_path))[1]
    assert "Telegram" in ask("lookup", "zzz", PROXY_MAPPINGS=str(tmp_path))[1]


# explain


def test_nothing_is_bought_and_no_key_is_needed(upstream):
    account = {"X-API-Key": "looked-at"}
    line = "/stubs/handler_api.php?api_key=looked-at&action=getNumber&service=wa&country=16"
    said = json.loads(ask("explain", "--json", line, PROXY_UPSTREAM_URL=f"{upstream}/api/v1")[1])
    assert (said["service"], said["country"], said["price"]) == ("wa", "GB", 0.9)
    assert said["refused"] is None
    orders = httpx.get(f"{upstream}/api/v1/customer/orders", headers=account).json()
    assert orders["count"] == 0


LINE = "/stubs/handler_api.php?api_key=planted-key&action=getNumber&service=wa&country=16"


@pytest.mark.parametrize(
    ("asked", "refused", "why"),
    [
        (["service=whatsapp"], "BAD_SERVICE", "write wa (WhatsApp)"),
        (["service="], "BAD_SERVICE", "none was sent"),
        (["service=q0q"], "BAD_SERVICE", "find it with lookup"),
        (["service=bbq", "dialect=daisysms"], "BAD_SERVICE", "write chime (Chime)"),
        (["service=wa", "country=uk"], "BAD_COUNTRY", "write 16 (United Kingdom)"),
        (["service=wa", "country=germny"], "BAD_COUNTRY", "write 43 (Germany)"),
        (["service=wa", "country=16", "maxPrice=0.5"], "WRONG_MAX_PRICE:0.90", "maximum 0.50"),
        (["service=wa", "maxPrice=cheap"], "ERROR_SQL", "not a price"),
        (["service=wa", "maxPrice=0.9", "minPrice=1"], "ERROR_SQL", "minPrice is over maxPrice"),
        (["service=wa", "ltr=1"], "BAD_SERVICE", "ltr: only numbers for one"),
        (["service=wa", "number=447700900001"], "BAD_SERVICE", "no number can be chosen"),
        (["service=wa", "currency=643"], "BAD_CURRENCY", "all money is in US dollars"),
        (["service=wa", "fixedPrice=true"], "ERROR_SQL", "fixedPrice without maxPrice"),
        (["service=wa", "country=16", "minPrice=0.91"], "NO_NUMBERS", "0.90, minPrice 0.91"),
        (["service=wa", "country=182"], "NO_NUMBERS", "not available"),
        (["service=wa", "dialect=herosms", "country=x"], '422 {"title":"UNPROC', "no country"),
        ([LINE.replace("api_key", "key")], "NO_KEY", "no api_key is sent"),
        ([LINE.replace("getNumber", "getNumbr")], "BAD_ACTION", "write getNumber"),
        ([LINE.replace("getNumber", "getExtraActivation")], "RENEW_ACTIVATION", "has nothing"),
    ],
)
def test_where_it_would_be_refused_the_clients_word_is_said(upstream, asked, refused, why):
    code, said = ask("explain", *asked, PROXY_UPSTREAM_URL=f"{upstream}/api/v1")
    assert code == 1
    lines = dict(line.split(None, 1) for line in said.splitlines())
    assert lines["answer"].startswith(refused)
    assert why in lines["because"]


@pytest.mark.parametrize(
    ("asked", "dialect"),
    [
        (["service=wa"], "sms-activate"),
        (["service=wa dialect=daisysms"], "daisysms"),
        ([f"/daisysms{LINE}"], "daisysms"),
        ([f"https://hero-sms.com{LINE}"], "herosms"),
        ([f"GET /herosms{LINE} HTTP/1.1"], "herosms"),
        (["GET", f"/herosms{LINE}", "HTTP/1.1"], "herosms"),
        ([LINE.partition("?")[2]], "sms-activate"),
    ],
)
def test_words_and_whole_requests_are_understood(upstream, asked, dialect):
    code, said = ask("explain", *asked, PROXY_UPSTREAM_URL=f"{upstream}/api/v1")
    assert re.search(r"^dialect +(\S+)", said)[1] == dialect
    assert "service=wa" in said
    assert code == 0
    assert "planted-key" not in said


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (["servce=tg"], "servce is no parameter: write service"),
        (["maxprice=1"], "maxprice is no parameter: write maxPrice"),
        (["tg"], "write name=value, as in service=tg country=16, or a request line"),
        (["service=tg", "dialect=daisy"], "dialect: daisy is none: write daisysms"),
        (["service=tg", "key=ci"], "key: ci is no program: the configuration has no keys"),
        (["/stubs/handler_apii.php?action=x"], "it gets a 404: write /stubs/handler_api.php"),
        (["http://[/?a=b"], "this is not a URL"),
        ([LINE.replace("getNumber", "getBalance")], "getBalance buys nothing: explain takes"),
    ],
)
def test_what_cannot_be_understood_is_wrong_usage(asked, error):
    code, said = ask("explain", *asked)
    assert code == 2
    assert error in said
    assert "planted-key" not in said


def test_what_is_ignored_is_said_so(upstream):
    prices = "maxPrice=0.9000000000000001&minPrice=0.899999999999999&fixedPrice=1&currency=usd"
    line = f"{LINE}&operator=mts&useCashBack=false&{prices}&max_prise=1&apikey=planted-key&json=1"
    said = facts(line, PROXY_UPSTREAM_URL=f"{upstream}/api/v1")
    assert said["operator=mts"] == "ignored: no operator can be chosen"
    assert said["currency=usd"] == said["useCashBack=false"] == "no effect"
    assert said["fixedPrice=1"].startswith("ignored: bought at or below maxPrice")
    assert said["maxPrice=0.9000000000000001"] == "at most 0.90 dollars"
    assert said["minPrice=0.899999999999999"] == "at least 0.90 dollars"
    assert said["max_prise"].endswith("did you mean max_price?")
    assert said["json"] == "unknown, ignored"
    assert "planted-key" not in str(said)


def explained(folder: Path, *words: str, **environ: str) -> dict:
    """By the house's configuration and store."""
    own = {**AT_HOME, **kept_in(folder)}
    config = ("--config", f"{folder}/config.yaml", "--json")
    return json.loads(ask("explain", *config, *words, **own, **environ)[1])


def test_the_limits_of_all_and_of_a_program_are_counted(folder):
    words = ("key=ci", "service=wa", "country=16")
    said = explained(folder, *words, PROXY_LIMITS_ACTIVE="1", PROXY_LIMITS_SPEND_PER_DAY="10")
    assert said["refused"] == "CHANNELS_LIMIT"
    assert said["why"] == "the limit of 1 active number is reached"
    limits = dict(said["facts"])["limits"]
    assert "1 of 1 active number; 0.90 of 10.00 spent today" in limits
    assert explained(folder, *words, PROXY_LIMITS_SPEND_PER_DAY="1")["refused"] == "NO_BALANCE"
    assert explained(folder, *words)["refused"] is None


def test_a_client_key_is_known_by_its_program_and_a_wrong_one_is_refused(folder):
    said = explained(folder, LINE.replace("planted-key", "client"))
    assert (said["refused"], ["api_key=[key]", "the key of ci"] in said["facts"]) == (None, True)
    said = explained(folder, LINE)
    assert (said["refused"], said["why"]) == ("BAD_KEY", "no program has this key")
    assert ["api_key=[key]", "not the key of a program"] in said["facts"]
    through = explained(folder, LINE, PROXY_PASSTHROUGH="true")
    assert dict(through["facts"])["api_key=[key]"].startswith("an upstream key, passed")
    assert "planted-key" not in str(said)


def test_a_program_that_is_none_is_named_with_those_there_are(folder):
    environ = {"VIRTUALSMS_KEY": "sandbox"}
    words = ("--config", f"{folder}/config.yaml", "key=cj", "service=wa")
    code, said = ask("explain", *words, **environ)
    assert (code, said.splitlines()[-1]) == (2, "Error: key: cj is no program: write one of ci")


@pytest.mark.parametrize(
    ("name", "value", "refused", "why"),
    [
        ("PAUSED", "true", "ACCOUNT_INACTIVE", "every key is paused or has expired"),
        ("EXPIRES", "2020-01-31", "ACCOUNT_INACTIVE", "every key is paused or has expired"),
        ("ACTIONS", "getStatus", "BAD_ACTION", "may not use it"),
        ("SERVICES", "tg", "BAD_SERVICE", "limits: not among its services"),
        ("COUNTRIES", "16", "BAD_COUNTRY", "limits: not among its countries"),
        ("MAX_PRICE", "0.1", "WRONG_MAX_PRICE:0.20", "the price is 0.20, the maximum 0.10"),
        ("SPEND_PER_DAY", "0.1", None, None),
    ],
)
def test_what_the_limits_do_to_it(upstream, name, value, refused, why):
    """Of spending nothing is known without a key: whose it would be is not."""
    environ = {f"PROXY_LIMITS_{name}": value, "PROXY_UPSTREAM_URL": f"{upstream}/api/v1"}
    said = json.loads(ask("explain", "--json", "service=wa", **environ)[1])
    assert said["refused"] == refused
    assert why is None or why in said["why"]


def test_a_price_that_cannot_be_had_is_a_doubt_and_no_traceback():
    code, said = ask("explain", "service=wa", PROXY_UPSTREAM_URL="http://127.0.0.1:9/api/v1")
    assert code == 1
    assert re.search(r"^price +not known: price: ConnectError", said, re.M)
    assert re.search(r"^answer +ERROR_SQL$", said, re.M)


# check


def test_check_says_what_it_has_found(folder):
    config = ("--config", f"{folder}/config.yaml")
    said = json.loads(ask("check", "--json", *config, VIRTUALSMS_KEY="sandbox")[1])
    assert (said["keys"], said["passthrough"]) == (["ci"], False)
    assert (said["store"], said["countries"]) == ("sqlite://", 205)


def test_check_looks_at_targets_and_shows_where_they_are_and_no_more(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("forward: [{url: 'https://me:planted@target.example:8443/planted?a=b'}]")
    code, said = ask("check", "--config", str(path))
    assert (code, said.splitlines()[-1]) == (0, "forward: target.example:8443")
    assert "planted" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("forward: [{url: 'http://x', programs: [shop]}]", "forward: programs: shop is none of"),
        ("forward: [{url: 'http://x', secret: 'env:GONE'}]", "forward: secret: the environment"),
        ("webhooks: {secrets: ['file:/gone']}", "webhooks.secrets: /gone cannot be read"),
    ],
)
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_webhook_that_cannot_be_is_said_before_a_port_is_opened(tmp_path, command, text, says):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    code, said = ask(command, "--config", str(path))
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith(f"Error: {says}")
