"""URLs of the configuration: refused where they are none, and shown without their secrets."""

import json

import pytest
from click.testing import CliRunner

from proxy.commands.main import main
from proxy.config.secrets import config_secrets
from proxy.config.settings import Config, keys, load_config
from proxy.model.errors import ConfigError, YamlFileError
from proxy.runtime.urls import shown_host, shown_url, url_fault, url_secrets


@pytest.mark.parametrize(
    ("url", "shown", "host"),
    [
        ("https://virtualsms.io/api/v1", "https://virtualsms.io/api/v1", "virtualsms.io"),
        ("http://me:hunter2@h:81/a?b=hunter2#hunter2", "http://h:81/a", "h:81"),
        ("https://hunter2@h", "https://h", "h"),
        ("https://me:hunt%40er2@h/", "https://h/", "h"),
        ("wss://me:hunter2@[::1]:8080/ws", "wss://[::1]:8080/ws", "[::1]:8080"),
        ("https://h?hunter2", "https://h", "h"),
        ("https://h#hunter2", "https://h", "h"),
        ("https://me:hunt@er2@h/x", "https://…", "…"),
        ("https://me:1/hunter2@h/x", "https://…", "…"),
        ("https://me:1?hunter2@h/x", "https://…", "…"),
        ("https://me:1#hunter2@h/x", "https://…", "…"),
        ("https://me:hunter2", "https://…", "…"),
        ("https://me:hunter2 @h/", "https://h/", "h"),
        ("hunter2", "…", "…"),
        ("", "…", "…"),
        ("sqlite:///a/b.db", "sqlite:///a/b.db", ""),
        ("sqlite://", "sqlite://", ""),
        (
            "postgresql://me:hunter2@a:1,b:2/db?password=hunter2",
            "postgresql://a:1,b:2/db",
            "a:1,b:2",
        ),
        ("postgresql:///db?host=/run&password=hunter2", "postgresql:///db", ""),
    ],
)
def test_a_url_is_shown_without_what_is_secret_in_it(url, shown, host):
    assert (shown_url(url), shown_host(url)) == (shown, host)


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("https://me:p%40ss@h/?token=t%20k&x=", {"p%40ss", "p@ss", "t k"}),
        ("https://me@h", set()),
        ("http://[", set()),
        ("", set()),
    ],
)
def test_what_is_secret_in_a_url_is_known_to_the_log(url, secrets):
    assert set(url_secrets(url)) == secrets


BAD = ["\r", "\n", "\r\n", "\t", "\x00", "\x1b", "\x7f", "\x85", " ", "\xa0", "\u2028", "\u202e"]
GOOD = {
    "upstream.url": "https://me:hunter2@host/api",
    "upstream.websocket_url": "wss://me:hunter2@host/ws",
    "webhooks.public_url": "https://me:hunter2@host/x",
    "store.url": "postgresql://me:hunter2@host/db",
    "forward: url": "https://me:hunter2@host/sms?token=hunter2",
}


def test_every_key_that_is_a_url_is_in_this_test():
    assert {key for key, _ in keys() if key.endswith("url")} | {"forward: url"} == set(GOOD)


@pytest.mark.parametrize("bad", BAD, ids=ascii)
@pytest.mark.parametrize("key", GOOD)
@pytest.mark.parametrize("place", ["within", "at the end"])
def test_a_character_that_no_url_has_is_refused_with_file_key_and_reason(tmp_path, key, bad, place):
    url = GOOD[key].replace("host", f"ho{bad}st") if place == "within" else GOOD[key] + bad
    section, name = key.replace(": ", ".").split(".")
    path = tmp_path / "c.yaml"
    entry = {name: url}
    path.write_text(json.dumps({section: [entry] if section == "forward" else entry}))
    with pytest.raises(YamlFileError) as refused:
        load_config(path, {})
    said = str(refused.value)
    assert said.startswith(f"{path}:1: {key}: the character {bad[0]!a} is not allowed in a URL")
    assert "hunter2" not in said and said.isprintable()


@pytest.mark.parametrize("key", [key for key in GOOD if ":" not in key])
def test_the_same_is_refused_in_the_environment(key):
    name = f"PROXY_{key.upper().replace('.', '_')}"
    with pytest.raises(
        ConfigError, match=rf"^{name}: the character '\\n' is not allowed"
    ) as refused:
        load_config(None, {name: f"{GOOD[key]}\nX-Evil: 1"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite:////home/John Doe/store.db", "sqlite:///a b.db"])
def test_a_store_may_have_spaces_in_its_name(url):
    assert load_config(None, {"PROXY_STORE_URL": url}).store.url == url
    assert url_fault(f"{url} ") and url_fault(f"{url}\n")


TARGET = "{url: 'https://me:hunter2@one/hook?hunter2'}"
NO_PORT = "webhooks: {public_url: 'https://me:hunter2@h:x/'}"


@pytest.mark.parametrize(
    ("command", "text", "said"),
    [
        ("check", "", "upstream: http://127.0.0.1:9/api"),
        ("check --json", "", '"upstream": "http://127.0.0.1:9/api"'),
        ("doctor", "", "127.0.0.1:9: "),
        ("doctor --json", "", "127.0.0.1:9: "),
        ("explain service=tg", "", "ConnectError"),
        ("webhooks list", "", "ConnectError"),
        ("ledger --account", "", "ConnectError"),
        ("check", NO_PORT, "webhooks.public_url: https://… is no address"),
        ("serve", f"forward: [{TARGET}, {TARGET}]", "forward: https://one/hook is here twice"),
    ],
)
def test_no_command_prints_a_password_of_a_url(tmp_path, command, text, said):
    environ = {
        "PROXY_UPSTREAM_URL": "http://me:hunter2@127.0.0.1:9/api?x=hunter2",
        "PROXY_UPSTREAM_WEBSOCKET_URL": "ws://me:hunter2@127.0.0.1:9/ws",
        "PROXY_UPSTREAM_API_KEY": "alice",
        "PROXY_STORE_URL": "sqlite://",
        "PROXY_LISTEN_PORT": "0",
    }
    path = tmp_path / "c.yaml"
    path.write_text(text or f"forward: [{TARGET}]")
    done = CliRunner().invoke(main, [*command.split(), "--config", str(path)], env=environ)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert said in done.output
    assert "hunter2" not in done.output and "me:" not in done.output


def test_every_secret_of_the_configuration_is_known_to_the_log(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "keys: {client-key-1: {name: a, upstream_key: upstream-key-1}, "
        f"'sha256:{'0' * 64}': {{name: b, upstream_key: upstream-key-2}}}}\n"
        "upstream: {api_key: upstream-key-3, url: 'https://u:password-1@h'}\n"
        "store: {url: 'postgresql://u:password-2@h/db', secret: secret of the store}\n"
        "webhooks: {secrets: [whsec_1], public_url: 'https://u:password-3@h'}\n"
        "forward: [{url: 'https://u:password-4@h/?t=token-1', secret: secret-1}]\n"
        "console: {token: token-of-the-operator}\n"
    )
    assert set(filter(None, config_secrets(load_config(path, {})))) == {
        "client-key-1", "upstream-key-1", "upstream-key-2", "upstream-key-3", "password-1",
        "password-2", "password-3", "password-4", "secret of the store", "whsec_1", "token-1",
        "secret-1", "token-of-the-operator",
    }  # fmt: skip
    assert set(config_secrets(Config())) == {""}
