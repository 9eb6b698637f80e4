"""The configuration: defaults, the file, the environment over it, and what is said of a mistake."""

from pathlib import Path

import msgspec
import pytest
import yaml

from proxy.config.environment import environment_name
from proxy.config.settings import Config, keys, load_config
from proxy.model.errors import ConfigError, YamlFileError

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def test_no_file_is_needed():
    assert load_config(None, {}) == Config()


def test_the_example_is_every_key_with_its_default():
    written = yaml.safe_load(EXAMPLE.read_text())
    assert written == msgspec.json.decode(msgspec.json.encode(Config()))
    assert load_config(EXAMPLE, {}) == Config()


def test_the_file_lies_over_the_defaults(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("listen: {port: 9000}\nprices:\n  ttl: 5\n")
    config = load_config(path, {})
    assert (config.listen.port, config.listen.host, config.prices.ttl) == (9000, "127.0.0.1", 5.0)


def test_the_environment_lies_over_the_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("listen: {port: 9000}")
    environ = {"PROXY_LISTEN_PORT": "9001", "PROXY_UPSTREAM_TIMEOUT": "3.5", "PROXY_MAPPINGS": ""}
    config = load_config(path, environ)
    assert (config.listen.port, config.upstream.timeout, config.mappings) == (9001, 3.5, None)


def test_an_environment_name_is_the_path_in_capitals():
    names = [environment_name(key) for key, _ in keys()]
    assert "PROXY_UPSTREAM_URL" in names
    assert "PROXY_CATALOG_SWEEP_PER_SECOND" in names
    assert len(set(names)) == len(names)


def test_an_unknown_environment_name_is_one_warning(caplog):
    load_config(None, {"PROXY_PORT": "1", "PROXY_SERVICE_HOST": "10.0.0.1", "HOME": "/"})
    names = "PROXY_PORT (did you mean PROXY_LISTEN_PORT?), PROXY_SERVICE_HOST"
    assert caplog.messages == [f"not a setting, ignored: {names}"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PROXY_STORE_URI", "PROXY_STORE_URL"),
        ("PROXY_LISTENPORT", "PROXY_LISTEN_PORT"),
        ("PROXY_UPSTREAM_KEY", "PROXY_UPSTREAM_API_KEY"),
        ("PROXY_API_KEY", "PROXY_UPSTREAM_API_KEY"),
        # Of what may be meant several have the same end.
        ("PROXY_URL", None),
        # Kubernetes injects these beside a Service that is called proxy.
        ("PROXY_SERVICE_PORT", None),
        ("PROXY_PORT_8080_TCP_ADDR", None),
    ],
)
def test_an_unknown_environment_name_is_said_with_what_it_may_be_meant_for(caplog, name, meant):
    load_config(None, {name: "1"})
    fix = f" (did you mean {meant}?)" if meant else ""
    assert caplog.messages == [f"not a setting, ignored: {name}{fix}"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("listen:\n  prot: 1\n", "2: listen.prot is no key: write port"),
        ("dialekt: daisysms\n", "1: dialekt is no key: write dialect"),
        ("\nxyzzy: 1\n", "2: xyzzy is no key: write one of listen, dialect,"),
        ("listen: {port: high}\n", "1: listen.port: expected `int`, got `str`: see config."),
        ("listen: {port: 70000}\n", "1: listen.port: expected `int` <= 65535: see config."),
        ("upstream:\n  url: ftp://x\n", "2: upstream.url: expected `str` matching regex"),
        ("upstream:\n  timeout: .inf\n", "2: upstream.timeout: expected `float` <= 3600.0"),
        ("upstream:\n  timeout: 0\n", "2: upstream.timeout: expected `float` > 0.0"),
        (
            "dialect: klingon\n",
            "1: dialect: invalid enum value 'klingon': write one of sms-activate, daisy",
        ),
        ("listen: 8080\n", "1: rows are expected: write them as in host: ..."),
        ("- a\n", "1: rows are expected"),
        ("dialect: sms-activate\ndialect: sms-activate\n", "2: dialect is repeated, first in"),
        ("listen: {port: 1\n", "2: not YAML:"),
        (
            "log: {level: 2026-13-45}\n",
            "1: cannot be read: month must be in 1..12",
        ),
        ("forward: {}\n", "1: a list is expected: write it as in forward: [{...}]"),
        ("forward:\n- dialect: herosms\n", "2: forward: this entry has no url: add it"),
        ("forward:\n- url: http://x\n  secert: a\n", "3: forward: secert is no key: write secret"),
        ("forward: [{url: ftp://x}]\n", "1: forward: url: expected `str` matching regex"),
        ("forward: [{url: http://x, dialect: x}]\n", "1: forward: dialect: invalid enum value 'x'"),
        ("default_country: [187]\n", "1: default_country: expected `int`, got `array`"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(tmp_path, text, says):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(YamlFileError) as wrong:
        load_config(path, {})
    assert str(wrong.value).startswith(f"{path}:{says}")
    assert "\n" not in str(wrong.value)


def test_targets_are_a_list_in_the_file_and_secrets_one_in_the_environment(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("forward:\n- url: http://x/sms\n- {url: http://y, programs: [shop]}\n")
    config = load_config(path, {"PROXY_WEBHOOKS_SECRETS": "whsec_a, whsec_b"})
    assert [target.url for target in config.forward] == ["http://x/sms", "http://y"]
    assert (config.forward[0].dialect, config.forward[1].programs) == ("sms-activate", ("shop",))
    assert config.webhooks.secrets == ("whsec_a", "whsec_b")


def test_a_mistake_in_the_environment_is_named():
    with pytest.raises(ConfigError, match=r"^PROXY_LISTEN_PORT: expected `int`, got `str`"):
        load_config(None, {"PROXY_LISTEN_PORT": "http"})


@pytest.mark.parametrize("url", ["http://[x", "http://a:99999/x", "https:///x", "http://a:x"])
def test_an_address_that_is_none_is_named(url):
    with pytest.raises(
        ConfigError, match=r"^PROXY_UPSTREAM_URL: .* is no address: write it as https?"
    ):
        load_config(None, {"PROXY_UPSTREAM_URL": url})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("webhooks: {public_url: 'https:///x'}", "webhooks.public_url"),
        ("forward: [{url: 'http://a:x'}]", "forward: url"),
    ],
)
def test_every_address_is_looked_at(tmp_path, text, name):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(YamlFileError, match=rf"c.yaml:1: {name}: .* is no address"):
        load_config(path, {})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        YamlFileError,
        match=r"nowhere.yaml: not found: name another",
    ):
        load_config(tmp_path / "nowhere.yaml", {})


def test_where_it_listens_can_be_given_beside_the_configuration():
    config = load_config(None, {"PROXY_LISTEN_HOST": "10.0.0.1", "PROXY_LISTEN_PORT": "81"})
    for given, host, port in ((("h", 0), "h", 0), ((None, None), "10.0.0.1", 81)):
        listen = config.listening(*given).listen
        assert (listen.host, listen.port) == (host, port)
