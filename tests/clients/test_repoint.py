"""docs/repoint.md: its Python lines do repoint the clients they name."""

import re
import tomllib
from pathlib import Path

import daisy_sms.client
import httpx
import pytest
import requests

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"```python\n# (\S+) ([\d.]+)(.*?)```", (ROOT / "docs/repoint.md").read_text(), re.DOTALL
)


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
