"""docs/repoint.md: its lines do repoint the clients they name."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import daisy_sms.client
import httpx
import pytest
import requests

from proxy.config.clients import load_clients
from proxy.legacy.dialects import DIALECTS
from tests.clients import npm
from tests.support.documents import BLOCKS, ROOT
from tests.support.process import PATIENCE

PAGE = (ROOT / "docs/repoint.md").read_text()
TABLE = load_clients()
ADDRESS = "http://127.0.0.1:8080"
# The usual dialect is also at the path without it, which the page shows.
PREFIXES = {name: "" if name == "sms-activate" else f"/{name}" for name in DIALECTS}
# A block for a client begins with the client's name and version.
CLIENTS = {
    f"{named[1]}=={named[2]}": block
    for block in BLOCKS
    if block.page == "docs/repoint.md"
    and (named := re.match(r"(?:#|//) ([a-z-]+) (\d[\d.]*)\b", block.text))
}


def test_every_client_of_these_tests_has_its_lines():
    from_pypi = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["clients"]
    from_npm = json.loads((npm.HERE / "package.json").read_text())["dependencies"]
    pinned = [*from_pypi, *(f"{name}=={version}" for name, version in from_npm.items())]
    assert sorted(CLIENTS) == sorted(pinned)


def of(*kinds):
    named = {name: block for name, block in CLIENTS.items() if block.kind in kinds}
    return pytest.mark.parametrize("block", named.values(), ids=named)


@pytest.fixture
def lines(block, sandbox, key):
    return block.text.replace("http://127.0.0.1:8080", sandbox.address).replace('KEY"', f'{key}"')


def is_balance(printed, sandbox, key):
    asked = httpx.get(f"{sandbox.address}/sandbox/requests?key={key}&call=balance").json()
    return bool(re.search(r"\b100(\.0+)?\b", printed)) and asked["count"] == 1


@of("python")
def test_its_lines_ask_the_proxy_for_the_balance(lines, sandbox, key, monkeypatch, capsys):
    monkeypatch.setattr(daisy_sms.client, "requests", requests)
    exec(compile(lines, "docs/repoint.md", "exec"), {})
    assert is_balance(capsys.readouterr().out, sandbox, key)


@of("sh")
def test_its_commands_ask_the_proxy_for_the_balance(lines, sandbox, key):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    assert is_balance(output(["sh", "-ec", lines], env={**os.environ, "PATH": path}), sandbox, key)


@npm.needed
@of("javascript")
def test_its_lines_in_node_ask_the_proxy_for_the_balance(lines, node, sandbox, key):
    assert is_balance(output(["node", "-e", lines], cwd=node.folder), sandbox, key)


def output(command, **place):
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **place)
    assert done.returncode == 0, done.stderr
    return done.stdout


# mappings/clients.yaml


@pytest.mark.parametrize("site", TABLE.sites)
def test_a_site_of_the_table_stands_beside_its_path(site):
    path = f"`{PREFIXES[TABLE.sites[site].dialect]}/stubs/handler_api.php`"
    rows = re.findall(r"^\| (.+) \| (`\S*/stubs/handler_api.php`) \|$", PAGE, re.M)
    assert [named for named, to in rows if to == path and re.search(rf"\b{site}\b", named)]


def test_the_page_names_no_site_beside_those_of_the_table():
    section = PAGE.split("## Which path")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+) \| `/\S+` \|$", section, re.M)
    names = re.sub("and those with the same protocol:|'s own legacy endpoint", ",", ",".join(rows))
    assert {n.strip() for n in names.split(",") if n.strip()} == set(TABLE.sites)


PACKAGES = [
    pytest.param(name, package, id=name)
    for packages in TABLE.packages.values()
    for name, package in packages.items()
]


@pytest.mark.parametrize(("name", "package"), PACKAGES)
def test_a_package_of_the_table_is_on_the_page_with_the_line_that_repoints_it(name, package):
    base = ADDRESS + PREFIXES[package.dialect]
    written = package.change.replace("{url}", f"{base}/stubs/handler_api.php")
    written = written.replace("{base}", base)
    if block := CLIENTS.get(f"{name}=={package.version}"):
        assert written in re.sub(r"\s+", " ", block.text) or written in block.text
        return
    bare = name.removeprefix("github.com/")
    [row] = [line for line in PAGE.splitlines() if line.startswith("|") and bare in said(line)]
    words = {"DefaultRoute", "RestClient", "SMSActivateURLBuilder", "SMSActivate.php", "BASE_URL"}
    words |= {"client.Transport", "client.BaseURL", "baseURL", "does not work", "base_uri"}
    shared = {word for word in words if word in package.change}
    assert shared and all(word in row for word in shared), row


def said(line: str) -> set[str]:
    """The names in the first cell of a row."""
    return set(re.findall(r"[\w./:-]*[\w]", line.split("|")[1])) | {
        name.partition("/")[2] for name in re.findall(r"\w+/[\w-]+", line.split("|")[1])
    }


def test_every_client_that_the_tests_run_is_in_the_table():
    known = {
        f"{name}=={package.version}"
        for ecosystem in ("pypi", "npm")
        for name, package in TABLE.packages[ecosystem].items()
        if package.version
    }
    assert known == set(CLIENTS)


def test_the_hosts_file_has_names_of_the_table():
    for block in re.findall(r"```hosts\n(.*?)```", re.sub("(?m)^   ", "", PAGE), re.DOTALL):
        assert all(TABLE.site_of(host) for host in block.split()[1:])


def test_the_actions_without_counterpart_are_those_of_the_page_of_dialects():
    page = (ROOT / "docs/dialects.md").read_text().split("## Actions")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `", page, re.M)
    own = {action for dialect in DIALECTS.values() for action in dialect.refused}
    assert {*TABLE.actions, *own} == set(rows)
