"""PROXY_NAME_FILE: the value of PROXY_NAME in a file, for secrets and for tables."""

import re
from pathlib import Path

import pytest

from proxy.config.environment import LONGEST_VALUE, environment_name
from proxy.config.plain_file import LONGEST
from proxy.config.secrets import config_secrets
from proxy.config.settings import TABLES, Config, keys, load_config, secret_keys
from proxy.model.errors import ConfigError, YamlFileError

MARK = "marked-secret-0123456789"
TEXTS = (MARK, f"https://u:{MARK}@h/x", f"wss://u:{MARK}@h/x", f"postgresql://u:{MARK}@h/d")
KEYS = "sha256:" + "0" * 64


def marked(name):
    """The configuration with a text that is marked in one setting, and the text; None if that can
    be no text of one's own.
    """
    for text in TEXTS:
        try:
            return load_config(None, {name: text}), text
        except ConfigError:
            continue
    return None


ALL = [(key, environment_name(key)) for key, _ in keys()]
SECRET = {key for key, _ in secret_keys()}


@pytest.mark.parametrize(("key", "name"), ALL, ids=[name for _, name in ALL])
def test_every_setting_that_the_log_hides_can_be_in_a_file(tmp_path, key, name):
    found = marked(name)
    is_secret = found is not None and any(MARK in secret for secret in config_secrets(found[0]))
    assert is_secret == (key in SECRET)
    if found and is_secret:
        (path := tmp_path / "secret").write_text(f"{found[1]}\n")
        assert load_config(None, {f"{name}_FILE": str(path)}) == found[0]


def test_a_setting_that_is_no_secret_has_no_file(caplog):
    assert load_config(None, {"PROXY_LISTEN_PORT_FILE": "/nowhere"}) == Config()
    assert "not a setting, ignored: PROXY_LISTEN_PORT_FILE" in caplog.text


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_line_breaks_at_the_end_are_no_part_of_a_secret(tmp_path, end):
    (path := tmp_path / "secret").write_bytes(f" a b {end}".encode())
    assert load_config(None, {"PROXY_STORE_SECRET_FILE": str(path)}).store.secret == " a b "


def test_a_file_of_a_list_is_as_its_variable(tmp_path):
    (path := tmp_path / "secrets").write_text("whsec_a, whsec_b\n")
    config = load_config(None, {"PROXY_WEBHOOKS_SECRETS_FILE": str(path)})
    assert config.webhooks.secrets == ("whsec_a", "whsec_b")


def test_every_table_can_be_in_a_file_in_place_of_the_one_in_the_configuration(tmp_path):
    assert set(TABLES) == {"keys", "forward"}
    (main := tmp_path / "c.yaml").write_text(
        "keys: {k1: {name: old, upstream_key: u1}}\nforward: [{url: http://old}]\nprices: {ttl: 5}"
    )
    (table := tmp_path / "keys.yaml").write_text(f"{KEYS}: {{name: new, upstream_key: u2}}\n")
    (targets := tmp_path / "forward.yaml").write_text("- url: http://new\n")
    environ = {"PROXY_KEYS_FILE": str(table), "PROXY_FORWARD_FILE": str(targets)}
    config = load_config(main, environ)
    assert [entry.name for entry in config.keys.values()] == ["new"]
    assert [target.url for target in config.forward] == ["http://new"]
    assert config.prices.ttl == 5.0


def test_an_empty_table_is_an_empty_table(tmp_path):
    (path := tmp_path / "empty.yaml").write_text("")
    environ = {"PROXY_KEYS_FILE": str(path), "PROXY_FORWARD_FILE": str(path)}
    assert load_config(None, environ) == Config()


def test_an_empty_name_of_a_file_is_not_set():
    assert load_config(None, {"PROXY_STORE_SECRET_FILE": "", "PROXY_STORE_SECRET": "a"}).store


FILEABLE = sorted(environment_name(key) for key in (*SECRET, *TABLES))


@pytest.mark.parametrize("name", FILEABLE)
def test_a_name_and_its_file_are_not_set_together(tmp_path, name):
    (path := tmp_path / "x").write_text("")
    value = next((text for text in TEXTS if _takes(name, text)), "{}")
    with pytest.raises(ConfigError, match=f"^{name} and {name}_FILE are both set: unset one"):
        load_config(None, {name: value, f"{name}_FILE": str(path)})


def _takes(name, text):
    try:
        return bool(load_config(None, {name: text}))
    except ConfigError:
        return False


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "cannot be read: it is no text"),
        (b"x" * (LONGEST_VALUE + 1), "cannot be read: it is longer than 65536 bytes"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_by_its_variable(tmp_path, content, says):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as wrong:
        load_config(None, {"PROXY_STORE_SECRET_FILE": str(path)})
    assert str(wrong.value) == f"PROXY_STORE_SECRET_FILE: {path} {says}"


def test_a_wrong_value_in_a_file_is_named_by_the_variable_and_not_shown(tmp_path):
    (path := tmp_path / "token").write_text("too-short")
    with pytest.raises(ConfigError, match=r"^PROXY_CONSOLE_TOKEN_FILE: expected") as wrong:
        load_config(None, {"PROXY_CONSOLE_TOKEN_FILE": str(path)})
    assert "too-short" not in str(wrong.value)


def test_a_mistake_in_a_table_is_named_with_the_file_and_the_line_and_no_key(tmp_path):
    (path := tmp_path / "keys.yaml").write_text("\nmy-client-key: {name: shop}\n")
    with pytest.raises(YamlFileError) as wrong:
        load_config(None, {"PROXY_KEYS_FILE": str(path)})
    assert str(wrong.value) == f"{path}:2: keys: this entry has no upstream_key: add it"


DEEP = [b"[" * 100_000, b"- " * 100_000, b"{a: " * 50_000]
LEVELS = range(1, 20)
"""Of an alias bomb: 9 to the power of 19 texts."""
BOMB = b"a0: &a0 [z]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b"*a%d," % (n - 1) * 9) for n in LEVELS
)
HOSTILE = [*DEEP, BOMB, b"x" * (LONGEST + 1), b"keys: &a {x: *a}", b"mappings: &a [*a]", b"\x00"]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_file_is_one_line(tmp_path, content):
    (path := tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(YamlFileError) as wrong:
        load_config(path, {})
    assert re.fullmatch(rf"{re.escape(str(path))}.{{,400}}", str(wrong.value))


def test_a_device_without_end_is_read_no_further_than_a_file_may_be():
    with pytest.raises(YamlFileError, match="longer than 1048576 bytes"):
        load_config(Path("/dev/zero"), {})
