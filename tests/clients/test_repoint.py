"""docs/repoint.md: its Python lines do repoint the clients they name."""

import re
import tomllib
from pathlib import Path

import daisy_sms.client
import httpx
import pytest
import requests

from proxy.config.clients import load_clients
from proxy.legacy.dialects import DIALECTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/repoint.md").read_text()
BLOCKS = re.findall(r"```python\n# (\S+) ([\d.]+)(.*?)```", PAGE, re.DOTALL)
CLIENTS = load_clients()
ADDRESS = "http://127.0.0.1:8080"
# The usual dialect is also at the path without it, which the page shows.
PREFIXES = {name: "" if name == "sms-activate" else f"/{name}" for name in DIALECTS}


def test_every_client_of_these_tests_has_its_lines():
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["clients"]
    assert sorted(f"{name}=={version}" for name, version, _ in BLOCKS) == sorted(pinned)


@pytest.mark.parametrize("lines", [f"#{rest}" for _, _, rest in BLOCKS], ids=[b[0] for b in BLOCKS])
def test_its_lines_ask_the_proxy_for_the_balance(lines, sandbox, key, monkeypatch, capsys):
    monkeypatch.setattr(daisy_sms.client, "requests", requests)
    lines = lines.replace("http://127.0.0.1:8080", sandbox.address).replace('"KEY"', f'"{key}"')
    exec(compile(lines, "docs/repoint.md", "exec"), {})
    assert re.search(r"\b100\.0", capsys.readouterr().out)
    asked = httpx.get(f"{sandbox.address}/sandbox/requests?key={key}&call=balance").json()
    assert asked["count"] == 1


# mappings/clients.yaml


@pytest.mark.parametrize("site", CLIENTS.sites)
def test_a_site_of_the_table_stands_beside_its_path(site):
    path = f"`{PREFIXES[CLIENTS.sites[site].dialect]}/stubs/handler_api.php`"
    rows = re.findall(r"^\| (.+) \| (`\S*/stubs/handler_api.php`) \|$", PAGE, re.M)
    assert [named for named, to in rows if to == path and re.search(rf"\b{site}\b", named)]


def test_the_page_names_no_site_beside_those_of_the_table():
    section = PAGE.split("## Which path")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+) \| `/\S+` \|$", section, re.M)
    names = re.sub("and those with the same protocol:|'s own legacy endpoint", ",", ",".join(rows))
    assert {n.strip() for n in names.split(",") if n.strip()} == set(CLIENTS.sites)


PACKAGES = [
    pytest.param(name, package, id=name)
    for packages in CLIENTS.packages.values()
    for name, package in packages.items()
]


@pytest.mark.parametrize(("name", "package"), PACKAGES)
def test_a_package_of_the_table_is_on_the_page_with_the_line_that_repoints_it(name, package):
    base = ADDRESS + PREFIXES[package.dialect]
    written = package.change.replace("{url}", f"{base}/stubs/handler_api.php")
    written = written.replace("{base}", base)
    if block := next((rest for known, _, rest in BLOCKS if known == name), None):
        assert written in re.sub(r"\s+", " ", block) or written in block
        assert package.version == next(version for known, version, _ in BLOCKS if known == name)
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


def test_every_python_client_of_the_page_is_in_the_table():
    assert {name for name, _, _ in BLOCKS} == set(CLIENTS.packages["pypi"])


def test_the_hosts_file_has_names_of_the_table():
    for block in re.findall(r"```hosts\n(.*?)```", re.sub("(?m)^   ", "", PAGE), re.DOTALL):
        assert all(CLIENTS.site_of(host) for host in block.split()[1:])


def test_the_actions_without_counterpart_are_those_of_the_page_of_dialects():
    page = (ROOT / "docs/dialects.md").read_text().split("## Actions")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `", page, re.M)
    own = {action for dialect in DIALECTS.values() for action in dialect.refused}
    assert {*CLIENTS.actions, *own} == set(rows)
