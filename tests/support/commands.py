"""Commands in this process, and a folder with the configuration of docs/commands.md."""

import re
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from proxy.commands.main import main
from proxy.config.mappings import load_codes
from tests.support.process import a_process, free_port

DOCS = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
CONFIG = re.search(r"```yaml\n(.*?)```", DOCS, re.DOTALL)[1]
CODES = load_codes()
BOT = """import requests


def call(query, url="https://hero-sms.com/stubs/handler_api.php"):
    return requests.get(f"{url}?{query}").text


def rent():
    call("action=getRentNumber&service=tg")
    return call("action=getNumber&service=tg&maxPrice=50")
"""
AT_HOME = {"PROXY_STORE_URL": "", "VIRTUALSMS_KEY": "sandbox"}


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
    (folder / "bot" / "node_modules").mkdir(parents=True)
    (folder / "bot" / ".env").write_text("BASE=https://daisysms.com\nSMS_KEY=a-secret\n")
    (folder / "bot" / "bot.py").write_text(BOT)
    start = ("serve", "--config", "config.yaml")
    with a_process(*start, log=folder / "log", cwd=folder, **AT_HOME) as proxy:
        query = "api_key=client&action=getNumber&service=wa&country=16"
        assert httpx.get(f"{proxy}/stubs/handler_api.php?{query}").text[:6] == "ACCESS"
        yield folder


@pytest.fixture(autouse=True)
def tables_read_once(monkeypatch):
    monkeypatch.setattr(
        "proxy.app.loaded.load_codes", lambda own: load_codes(own) if own else CODES
    )


def ask(*words: str, **environ: str) -> tuple[int, str]:
    """A command in this process: its exit code, and all that it printed."""
    done = CliRunner().invoke(main, words, env={"PROXY_STORE_URL": "sqlite://", **environ})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def kept_in(folder: Path) -> dict[str, str]:
    return {"PROXY_STORE_URL": f"sqlite:///{folder}/virtualsms-proxy.db"}
