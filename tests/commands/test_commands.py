"""The commands that look at things, as a person reads them; docs/commands.md is what they print."""

import json
import os
import pty
import re
import shlex
import socket
import sqlite3
import subprocess
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from proxy.commands.doctor.machine import certificate
from proxy.commands.lookup.search import find, nearest
from proxy.commands.main import main
from proxy.config.mappings import load_codes
from proxy.config.settings import Listen
from proxy.sandbox.mount import upstream_lines
from tests.support.pace import within
from tests.support.process import COMMAND, a_process, free_port, run

DOCS = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
CONFIG = re.search(r"```yaml\n(.*?)```", DOCS, re.DOTALL)[1]
CODES = load_codes()
AT_HOME = {"PROXY_STORE_URL": "", "VIRTUALSMS_KEY": "sandbox"}


def examples(text: str) -> dict[str, str]:
    """Each command line of the page, with what it printed."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    parts = (part for block in blocks for part in re.split(r"^\$ ", block, flags=re.M)[1:])
    return {line: said for line, _, said in (part.partition("\n") for part in parts)}


EXAMPLES = examples(DOCS)
STARTED = ("sandbox", "serve")
WANTS_POSTGRES = ("store",)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    log = tmp_path_factory.mktemp("upstream") / "log"
    with a_process("sandbox", "--upstream-only", "--port", "0", log=log) as url:
        yield url


@pytest.fixture(scope="module")
def folder(tmp_path_factory, upstream):
    """A folder with the page's configuration, and its proxy, through which a number was bought."""
    folder = tmp_path_factory.mktemp("example")
    text = CONFIG.replace("8080", str(free_port())).replace("http://127.0.0.1:8081", upstream)
    (folder / "config.yaml").write_text(text)
    start = ("serve", "--config", "config.yaml")
    with a_process(*start, log=folder / "log", cwd=folder, **AT_HOME) as proxy:
        query = "api_key=client&action=getNumber&service=wa&country=16"
        assert httpx.get(f"{proxy}/stubs/handler_api.php?{query}").text[:6] == "ACCESS"
        yield folder


@pytest.fixture(autouse=True)
def tables_read_once(monkeypatch):
    monkeypatch.setattr("proxy.app.build.load_codes", lambda own: load_codes(own) if own else CODES)


def evened(text: str, folder: object = "/srv/proxy") -> str:
    """Without what differs from run to run."""
    text = text.replace(str(folder), "/srv/proxy")
    for pattern, word in (
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\d+ ms", "N ms"),
        (r"\d+ KB", "N KB"),
        (r"\d+ of 60", "N of 60"),
        (r"\b[0-9a-f]{32,64}\b", "HEX"),
        (r"\d{4}-\d\d-\d\dT[0-9:]+Z", "TIME"),
    ):
        text = re.sub(pattern, word, text)
    return text


def ask(*words: str, **environ: str) -> tuple[int, str]:
    """A command in this process: its exit code, and all that it printed."""
    done = CliRunner().invoke(main, words, env={"PROXY_STORE_URL": "sqlite://", **environ})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def facts(*words: str, **environ: str) -> dict[str, str]:
    _, said = ask("explain", "--json", *words, **environ)
    return dict(json.loads(said)["facts"])


@pytest.mark.parametrize(
    "line", [line for line in EXAMPLES if line.split()[1] not in STARTED + WANTS_POSTGRES]
)
def test_every_example_of_the_page_is_what_is_printed(folder, line):
    done = run(*shlex.split(line)[1:], cwd=folder, **AT_HOME)
    assert evened(done.stdout + done.stderr, folder) == evened(EXAMPLES[line])
    assert done.returncode == (1 if "because" in done.stdout else 0)


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
    assert ask("lookup", "--", text) == (1, f"Error: nothing is like {text}: {SEE_TABLES}\n")


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
        (["service="], "BAD_SERVICE", "none is sent"),
        (["service=q0q"], "BAD_SERVICE", "find it with lookup"),
        (["service=bbq", "dialect=daisysms"], "BAD_SERVICE", "write chime (Chime)"),
        (["service=wa", "country=uk"], "BAD_COUNTRY", "write 16 (United Kingdom)"),
        (["service=wa", "country=germny"], "BAD_COUNTRY", "write 43 (Germany)"),
        (["service=wa", "country=16", "maxPrice=0.5"], "WRONG_MAX_PRICE:0.90", "at most 0.50"),
        (["service=wa", "maxPrice=cheap"], "ERROR_SQL", "no price"),
        (["service=wa", "maxPrice=0.9", "minPrice=1"], "ERROR_SQL", "minPrice is over maxPrice"),
        (["service=wa", "ltr=1"], "BAD_SERVICE", "ltr: the upstream has no such"),
        (["service=wa", "country=0"], "NO_NUMBERS", "not available"),
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
        (["http://[/?a=b"], "this is no address"),
        ([LINE.replace("getNumber", "getBalance")], "getBalance buys nothing: explain is about"),
    ],
)
def test_what_cannot_be_understood_is_wrong_usage(asked, error):
    code, said = ask("explain", *asked)
    assert code == 2
    assert error in said
    assert "planted-key" not in said


def test_what_is_ignored_is_said_so(upstream):
    line = f"{LINE}&operator=mts&max_prise=1&apikey=planted-key&lang=ru"
    said = facts(line, PROXY_UPSTREAM_URL=f"{upstream}/api/v1")
    assert said["operator=mts"].endswith("ignored")
    assert said["max_prise"].endswith("did you mean max_price?")
    assert said["lang"] == "unknown, ignored"
    assert "planted-key" not in str(said)


def kept_in(folder: Path) -> dict[str, str]:
    return {"PROXY_STORE_URL": f"sqlite:///{folder}/virtualsms-proxy.db"}


def explained(folder: Path, *words: str, **environ: str) -> dict:
    """By the house's configuration and store."""
    own = {**AT_HOME, **kept_in(folder)}
    config = ("--config", f"{folder}/config.yaml", "--json")
    return json.loads(ask("explain", *config, *words, **own, **environ)[1])


def test_the_ceilings_of_all_and_of_a_program_are_counted(folder):
    words = ("key=ci", "service=wa", "country=16")
    said = explained(folder, *words, PROXY_LIMITS_ACTIVE="1", PROXY_LIMITS_SPEND_PER_DAY="10")
    assert said["refused"] == "CHANNELS_LIMIT"
    assert said["why"] == "1 number held, and no more may be"
    limit_checks = dict(said["facts"])["ceilings"]
    assert "1 of 1 number held at once; 0.90 of 10.00 spent today" in limit_checks
    assert explained(folder, *words, PROXY_LIMITS_SPEND_PER_DAY="1")["refused"] == "NO_BALANCE"
    assert explained(folder, *words)["refused"] is None


def test_a_client_key_is_known_by_its_program_and_a_wrong_one_is_refused(folder):
    said = explained(folder, LINE.replace("planted-key", "client"))
    assert (said["refused"], ["api_key=[key]", "the key of ci"] in said["facts"]) == (None, True)
    said = explained(folder, LINE)
    assert (said["refused"], said["why"]) == ("BAD_KEY", "no program has this key")
    assert ["api_key=[key]", "a key of no program"] in said["facts"]
    through = explained(folder, LINE, PROXY_PASSTHROUGH="true")
    assert dict(through["facts"])["api_key=[key]"].startswith("a key of the upstream, passed")
    assert "planted-key" not in str(said)


def test_a_program_that_is_none_is_named_with_those_there_are(folder):
    environ = {"VIRTUALSMS_KEY": "sandbox"}
    words = ("--config", f"{folder}/config.yaml", "key=cj", "service=wa")
    code, said = ask("explain", *words, **environ)
    assert (code, said.splitlines()[-1]) == (2, "Error: key: cj is no program: write one of ci")


@pytest.mark.parametrize(
    ("name", "value", "refused", "why"),
    [
        ("PAUSED", "true", "ACCOUNT_INACTIVE", "every key is paused, or its time is over"),
        ("EXPIRES", "2020-01-31", "ACCOUNT_INACTIVE", "every key is paused, or its time is over"),
        ("ACTIONS", "getStatus", "BAD_ACTION", "may not ask for it"),
        ("SERVICES", "tg", "BAD_SERVICE", "limits: not among its services"),
        ("COUNTRIES", "16", "BAD_COUNTRY", "limits: not among its countries"),
        ("MAX_PRICE", "0.1", "WRONG_MAX_PRICE:0.20", "it costs 0.20, and at most 0.10 may be paid"),
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


# doctor


def findings(*words: str, **environ: str) -> tuple[int, dict[str, str]]:
    """The exit code, and what is said of each thing: what is wrong begins with so."""
    code, said = ask("doctor", *words, **environ)
    rows = [re.fullmatch(r"(ok|wrong) +(\w+) +(.*)", line) for line in said.splitlines()]
    return code, {row[2]: f"{row[1]} {row[3]}" for row in rows}


def test_everything_that_is_wrong_has_its_line(tmp_path):
    store = f"sqlite:///{tmp_path}/store.db"
    with a_process("sandbox", "--upstream-only", "--port", "0", log=tmp_path / "up") as upstream:
        steer(upstream, "clock", {"seconds": 3600})
        steer(upstream, "switches", {"ws": "refused"})
        for key in ("poor", "shared"):
            buy(upstream, key)
        steer(upstream, "balance", {"key": "poor", "balance": 0})
        (tmp_path / "config.yaml").write_text(
            "keys:\n  a: {name: lost, upstream_key: bad-key}\n"
            "  b: {name: poor, upstream_key: poor}\n  c: {name: two, upstream_key: shared}\n"
            "  d: {name: one, upstream_key: shared}\n"
            "forward: [{url: http://target/planted-path}]\n"
        )
        a_store_that_owes(tmp_path / "store.db")
        environ = {
            "PROXY_UPSTREAM_URL": f"{upstream}/api/v1",
            "PROXY_STORE_URL": store,
            "PROXY_LISTEN_PORT": upstream.rpartition(":")[2],
        }
        words = ("doctor", "--json", "--config", str(tmp_path / "config.yaml"))
        done = run(*words, **environ)
    said = json.loads(done.stdout)
    assert (done.returncode, said["ok"]) == (1, False)
    wrong = [f"{row['about']}: {row['says']}" for row in said["findings"] if not row["ok"]]
    for pattern in (
        r"port: 127.0.0.1:\d+ is another program's: end it, or set listen.port",
        r"store: .* owes 1 promised cancel: start the proxy, it settles them",
        r"forward: 1 target, 0 SMS on their way, 1 given up after eight attempts: .*",
        r"clock: 3[56]\d\d s behind the upstream's: set it, by NTP",
        r"key: lost: the upstream refuses it: put a key of your VirtualSMS account there",
        r"key: poor: balance 0.00: top it up",
        r"sharing: two, one: not in the store: 1 of 1 order of the last hour: .*",
        r"push: .* HTTP 503: .* set upstream.push to false.*",
    ):
        assert any(re.fullmatch(pattern, line) for line in wrong), (pattern, wrong)
    assert "bad-key" not in done.stdout
    assert "shared" not in done.stdout


def steer(upstream: str, path: str, body: object) -> None:
    assert httpx.post(f"{upstream}/sandbox/{path}", json=body).status_code == 200


def buy(upstream: str, key: str) -> None:
    wish = {"service": "wa", "country": "GB"}
    url = f"{upstream}/api/v1/customer/purchase"
    assert httpx.post(url, json=wish, headers={"X-API-Key": key}).status_code == 200


def a_store_that_owes(path: Path) -> None:
    from proxy.store.sqlite import _connect

    db = _connect(str(path))
    row = ("1", "cancel", "k", "wa", "GB", 1.0, "an-order", "", "k", 0)
    db.execute("insert into owed values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0)", row)
    row = ("f", "http://target/planted-path", b"{}", 1.0, 0.0, 8, 1)
    db.execute("insert into forwards values (?, ?, ?, ?, ?, ?, ?)", row)
    db.close()


def test_an_upstream_that_is_not_there_ends_the_examination():
    code, said = findings(PROXY_UPSTREAM_URL="http://127.0.0.1:9/api/v1")
    assert code == 1
    assert said["upstream"].startswith("wrong 127.0.0.1:9: price: ConnectError")
    assert "key" not in said


@pytest.mark.slow
def test_an_upstream_that_never_answers_does_not_hold_up_the_doctor(monkeypatch):
    monkeypatch.setattr("proxy.commands.doctor.upstream.SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute, within(3):
        code, said = findings(PROXY_UPSTREAM_URL=f"http://127.0.0.1:{mute.getsockname()[1]}/x")
    assert (code, "no answer in time" in said["upstream"]) == (1, True)


def test_keys_are_not_sent_over_the_net_unencrypted():
    code, said = findings(PROXY_UPSTREAM_URL="http://example.org/api/v1")
    assert (code, said["upstream"]) == (
        1,
        "wrong example.org: keys go there unencrypted: write https://",
    )


def test_a_minute_that_is_used_up_is_left_to_the_clients(folder, upstream):
    few = {"PROXY_UPSTREAM_REQUESTS_PER_MINUTE": "4", **AT_HOME, **kept_in(folder)}
    count = f"{upstream}/sandbox/requests?call=balance"
    before = httpx.get(count).json()["count"]
    code, said = findings("--config", f"{folder}/config.yaml", **few)
    assert code == 1
    assert re.match(r"wrong ci: \d of 4 requests left in this minute", said["budget"])
    assert httpx.get(count).json()["count"] == before


def make_none(path: Path) -> str:
    return f"{path}/none/store.db"


def make_text(path: Path) -> str:
    (path / "store.db").write_text("this is a text and not a store, however one reads it")
    return f"{path}/store.db"


def make_newer(path: Path) -> str:
    with sqlite3.connect(path / "store.db") as db:
        db.execute("pragma user_version = 99")
    db.close()
    return f"{path}/store.db"


def make_link(path: Path) -> str:
    (path / "other").touch()
    return make_dead_link(path)


def make_dead_link(path: Path) -> str:
    (path / "store.db").symlink_to(path / "other")
    return f"{path}/store.db"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (make_none, "cannot be made|No such file"),
        (make_text, "file is not a database"),
        (make_newer, "of a newer"),
        (make_link, "store.db: it is a symbolic link: set store.url to the file itself"),
        (make_dead_link, "store.db: it is a symbolic link: set store.url to the file itself"),
    ],
)
def test_a_store_that_cannot_be_used_is_one_line_and_exit_code_1(tmp_path, make, why):
    store = {"PROXY_STORE_URL": f"sqlite:///{make(tmp_path)}"}
    done = run("serve", **store)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert re.search(why, done.stderr)
    code, said = findings(**store, PROXY_UPSTREAM_URL="http://127.0.0.1:9/api/v1")
    assert code == 1
    assert re.match(f"wrong .*({why})", said["store"])


@pytest.mark.parametrize("command", ["serve", "check", "lookup x", "explain service=tg", "health"])
def test_a_wrong_config_is_one_line_and_exit_code_1_in_every_command(tmp_path, command):
    path = tmp_path / "config.yaml"
    path.write_text("listen:\n  port: eighty\n")
    line = f"Error: {path}:2: listen.port: expected `int`, got `str`: see config.example.yaml\n"
    assert ask(*command.split(), "--config", str(path)) == (1, line)
    gone = f"Error: {tmp_path}/gone: not found: name another"
    assert ask(*command.split(), "--config", f"{tmp_path}/gone") == (1, f"{gone} file\n")


def test_a_wrong_config_is_the_doctors_only_finding(tmp_path):
    code, said = findings("--config", str(tmp_path))
    assert code == 1
    assert said == {
        "config": f"wrong {tmp_path}: cannot be read: Is a directory: name another file"
    }


def on_a_terminal(*words: str, **environ: str) -> str:
    ours, theirs = pty.openpty()
    whole = {**os.environ, **environ}
    with subprocess.Popen([*COMMAND, *words], stdout=theirs, stderr=theirs, env=whole) as process:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 4096):
                said += part
        except OSError:
            pass  # The other end is closed.
        process.wait(20)
    os.close(ours)
    return said.decode()


def test_colours_and_progress_are_for_a_terminal_only():
    words = ("doctor", "--config", "none.yaml")
    said = on_a_terminal(*words, NO_COLOR="")
    assert "\x1b[31mwrong\x1b[0m" in said
    assert "... the configuration" in said
    assert "\x1b[31m" not in on_a_terminal(*words, NO_COLOR="1")
    assert "\x1b" not in run(*words).stdout


# health and the certificate


def a_certificate(folder: Path, days: str) -> dict[str, str]:
    cert, key, wish = folder / "cert.pem", folder / "key.pem", folder / "wish.pem"
    new = ("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost")
    sign = ("x509", "-req", "-days", days, "-in", wish, "-signkey", key, "-out", cert)
    for command in ((*new, "-keyout", key, "-out", wish), sign):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return {"tls_cert": str(cert), "tls_key": str(key)}


def test_health_over_https_and_when_nobody_is_there(tmp_path):
    files = a_certificate(tmp_path, "1")
    port = str(free_port())
    environ = {f"PROXY_LISTEN_{name.upper()}": value for name, value in files.items()}
    environ |= {"PROXY_LISTEN_PORT": port, "PROXY_LISTEN_HOST": "0.0.0.0"}
    with a_process("serve", log=tmp_path / "log", **environ):
        done = run("health", **environ)
        assert (done.returncode, done.stdout) == (0, "ok\n")
        assert (tmp_path / "log").read_text() == ""
    code, said = ask("health", **environ)
    assert (code, said) == (1, f"Error: https://127.0.0.1:{port}: Connection refused\n")


@pytest.mark.slow
def test_health_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr("proxy.commands.health.probe.SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute, within(2):
        code, said = ask("health", PROXY_LISTEN_PORT=str(mute.getsockname()[1]))
    assert (code, said.endswith(": no answer in 0.2 s\n")) == (1, True)


def test_a_program_of_another_is_not_healthy(upstream):
    code, said = ask("health", PROXY_LISTEN_PORT=upstream.rpartition(":")[2])
    assert code == 1
    assert "HTTP 404" in said


def test_a_certificate_is_looked_at_as_its_clients_will(tmp_path):
    assert certificate(Listen()) is None
    good = certificate(Listen(**a_certificate(tmp_path, "2")))
    assert re.search(r"good until \w{3} .* GMT$", good.says)
    over = certificate(Listen(**a_certificate(tmp_path, "-1")))
    assert over.is_wrong
    assert "certificate has expired" in over.says


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
