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

from tests.clients import npm
from tests.support.documents import BLOCKS, ROOT
from tests.support.process import PATIENCE

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
