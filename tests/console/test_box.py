"""The form that sends a request: nothing that costs money happens by one click."""

import re
import subprocess

import httpx
import pytest

from tests.support.axe import violations
from tests.support.browser import CHROMIUM, DRIVER
from tests.support.console import TOKEN
from tests.support.process import PATIENCE, a_process
from tests.support.toolchains import needs, ran

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromium-driver here; .ci/run installs them"
)

KEY = "a-program-of-the-desk"
SEND = "document.querySelector('#send').textContent"
QUOTE = "document.querySelector('#quote').innerText"
BODY = "document.querySelector('#answer-body').textContent"
ESCAPE = "\ue00c"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A proxy that takes its upstream for the real one."""
    folder = tmp_path_factory.mktemp("box")
    upstream = a_process("sandbox", "--upstream-only", "--port", "0", log=folder / "upstream")
    with upstream as at:
        environ = {
            "PROXY_UPSTREAM_URL": f"{at}/api/v1",
            "PROXY_UPSTREAM_WEBSOCKET_URL": f"{at.replace('http', 'ws', 1)}/ws/orders",
            "PROXY_CONSOLE_ENABLED": "true",
            "PROXY_CONSOLE_TOKEN": TOKEN,
        }
        with a_process("--port", "0", log=folder / "log", **environ) as url:
            yield url


@pytest.fixture(scope="module")
def page(browser, url):
    browser.look(1400, 1000)
    browser.driver.get(f"{url}/console?token={TOKEN}")
    browser.until("document.querySelector('#link').dataset.state === 'live'")
    browser.until("document.querySelectorAll('#actions option').length > 10")
    browser.click("#operations-tab")
    yield browser
    assert browser.warnings() == []
    browser.driver.get("about:blank")


def balance(url):
    return httpx.get(f"{url}/stubs/handler_api.php?api_key={KEY}&action=getBalance").text


def test_it_begins_with_what_costs_nothing_and_without_a_key(page):
    assert page.run("return document.querySelector('#request [name=action]').value") == "getBalance"
    assert page.run("return document.querySelector('#request [name=api_key]').value") == ""
    assert page.run(f"return {SEND}") == "Send"
    assert page.run("return document.querySelector('#quote').hidden")


def test_a_purchase_shows_its_price_first_and_asks_once_more(page, url):
    before = balance(url)
    page.write("#request [name=api_key]", KEY)
    page.write("#request [name=action]", "getNumber")
    page.write("#request [name=service]", "wa")
    page.until(f"{SEND} === 'Buy for $0.90'")
    assert "stock" in page.run(f"return {QUOTE}") and "United Kingdom" in page.run(
        f"return {QUOTE}"
    )
    page.click("#send")
    page.until("document.activeElement.id === 'sure-no'")
    assert "at most 0.90 USD" in page.run("return document.querySelector('#sure').textContent")
    page.driver.switch_to.active_element.send_keys(ESCAPE)
    page.until("!document.querySelector('#sure').open")
    assert balance(url) == before
    assert page.run("return document.querySelector('#answer').hidden"), "nothing was sent"
    page.click("#send")
    page.click("#sure-yes")
    page.until(f"{BODY}.startsWith('ACCESS_NUMBER')")
    calls = page.run("return document.querySelector('#calls').textContent")
    assert calls.count("POST /customer/purchase") == 1
    assert balance(url) != before
    assert KEY not in page.run("return document.documentElement.innerHTML")


def test_a_purchase_that_would_be_refused_says_so(page):
    page.write("#request [name=action]", "getNumber")
    page.write("#request [name=service]", "telegramm")
    page.until(f"{SEND} === 'Send: BAD_SERVICE'")
    page.write("#request [name=service]", "wa")
    page.write("#request [name=maxPrice]", "0.10")
    page.until(f"{QUOTE}.includes('0.10')")
    assert page.run(f"return {SEND}").startswith("Send: ")
    page.write("#request [name=maxPrice]", "")
    page.run("document.querySelector('#request').dispatchEvent(new Event('input'))")
    page.until(f"{SEND} === 'Buy for $0.90'")


def snippet(page, language):
    page.run(
        "const s = document.querySelector('#language'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('input', {bubbles: true}))",
        language,
    )
    return page.run("return document.querySelector('#snippet').textContent")


@pytest.mark.parametrize(
    ("name", "language", "file"),
    [pytest.param("curl", "sh", "main.sh", marks=needs("sh")),
     pytest.param("node", "javascript", "main.mjs", marks=needs("javascript")),
     pytest.param("php", "php", "main.php", marks=needs("php")),
     pytest.param("go", "go", "main.go", marks=needs("go")),
     ("python", "python", "main.py")],
)  # fmt: skip
def test_what_is_copied_runs_as_it_stands(page, url, tmp_path, name, language, file):
    page.write("#request [name=action]", "getPrices")
    page.write("#request [name=service]", "wa")
    text = snippet(page, name)
    assert KEY not in text and text.count("YOUR_KEY") == 1
    source = tmp_path / file
    source.write_text(text.replace("YOUR_KEY", KEY))
    if language == "python":
        command = ["python3", str(source)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    else:
        done = ran(language, source)
    assert done.returncode == 0, done.stderr
    assert re.match(r'\{"16":\{"wa":\{"cost":', done.stdout), done.stdout


def test_axe_finds_nothing_wrong_outside_the_sandbox(page, axe):
    page.write("#request [name=action]", "getNumber")
    page.until(f"{SEND} === 'Buy for $0.90'")
    assert violations(page, axe) == []
    page.click("#send")
    page.until("document.activeElement.id === 'sure-no'")
    assert violations(page, axe) == []
    page.click("#sure-no")
