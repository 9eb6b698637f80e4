"""The page when something is out of reach: the proxy, the upstream, the store, or the token."""

import re
import signal
import sqlite3
from contextlib import ExitStack, closing, contextmanager

import httpx
import pytest

from tests.support.axe import violations
from tests.support.browser import CHROMIUM, CONTRAST, DRIVER, Stage
from tests.support.console import TOKEN
from tests.support.process import a_server, free_port

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromium-driver here; .ci/run installs them"
)

LIVE = "document.querySelector('#link').dataset.state === 'live'"
OTHER = "another-token-of-the-operator"
# From now on the page's clock is so many seconds ahead: nobody waits for its watchdog.
LATER = """
const real = performance.now.bind(performance);
performance.now = () => real() + arguments[0] * 1000;
"""


def text_of(selector):
    return f"document.querySelector('{selector}').textContent"


def is_shown(id):
    return f"!document.querySelector('#{id}').hidden"


class Site:
    """An upstream and a proxy, each a process that can be killed and started again."""

    def __init__(self, folder, stack):
        self.log, self.path = folder / "log", folder / "store.db"
        self._folder, self._stack = folder, stack
        self._port, self._upstream_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def start_upstream(self):
        arguments = "sandbox", "--upstream-only", "--port", str(self._upstream_port)
        server = a_server(*arguments, log=self._folder / "upstream")
        self.upstream, _ = self._stack.enter_context(server)

    def start(self, token=TOKEN):
        server = a_server(
            "--port", str(self._port), log=self.log,
            PROXY_STORE_URL=f"sqlite:///{self.path}",
            PROXY_UPSTREAM_URL=f"http://127.0.0.1:{self._upstream_port}/api/v1",
            PROXY_UPSTREAM_WEBSOCKET_URL=f"ws://127.0.0.1:{self._upstream_port}/ws/orders",
            PROXY_CONSOLE_ENABLED="true",
            PROXY_CONSOLE_TOKEN=token,
        )  # fmt: skip
        self.proxy, _ = self._stack.enter_context(server)

    def kill(self):
        self.proxy.kill()
        self.proxy.wait()

    def ask(self, query):
        return httpx.get(f"{self.url}/stubs/handler_api.php?api_key=a-key&{query}").text

    def run_sql(self, sql):
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute(sql)


@contextmanager
def a_site(folder):
    with ExitStack() as stack:
        site = Site(folder, stack)
        site.start_upstream()
        site.start()
        yield site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with a_site(tmp_path_factory.mktemp("site")) as site:
        assert site.ask("action=getNumber&service=wa&country=16").startswith("ACCESS_NUMBER")
        yield site


@pytest.fixture
def page(browser, site):
    browser.look(1400, 1000)
    if site.proxy.poll() is not None:
        site.start()
    browser.driver.get(f"{site.url}/console?token={TOKEN}")
    browser.until(LIVE)
    browser.until("document.querySelectorAll('tr[data-row]').length === 1")
    yield browser
    browser.driver.get("about:blank")


def test_a_frozen_proxy_turns_the_page_grey_until_it_goes_on(page, site, axe):
    site.proxy.send_signal(signal.SIGSTOP)
    page.run(LATER, 12)
    page.until(f"{text_of('#as-of')}.includes('as of 1')")
    assert page.run(f"return {LIVE}"), "twelve seconds are no outage"
    page.run(LATER, 21)
    page.until("document.body.classList.contains('stale')")
    assert page.run(f"return {text_of('#link-text')}") == "no sign of life"
    said = page.run(f"return {text_of('#banner')}")
    assert "does not answer" in said and re.search(r"as of \d\d:\d\d:\d\d UTC", said)
    assert page.run(CONTRAST)[1] == []
    assert violations(page, axe) == []
    site.proxy.send_signal(signal.SIGCONT)
    page.until(LIVE)
    assert not page.run("return document.body.classList.contains('stale')")
    assert page.run(f"return {text_of('#as-of')}") == ""


def test_a_killed_proxy_is_said_in_each_place_and_found_again(page, site):
    page.click("tr[data-row] .opener")
    page.until("document.querySelector('.story li')")
    site.kill()
    page.until(f"{text_of('#banner')}.includes('does not answer')")
    page.click("tr[data-row] .opener")
    page.click("tr[data-row] .opener")
    page.until("document.querySelector('.messages .failed')")
    said = page.run(f"return {text_of('.messages')}")
    assert said == "The SMS are not read: the proxy does not answer."
    page.until(f"{text_of('.story')} === 'The story is not read: the proxy does not answer.'")
    site.start()
    page.until(LIVE)
    assert page.run("return document.querySelectorAll('tr[data-row]').length") == 1, "by the store"
    page.click("tr[data-row] .opener")
    page.click("tr[data-row] .opener")
    page.until(f"{text_of('.story')}.includes('Bought for')")
    assert "only the purchase, SMS and refunds are known" in page.run(f"return {text_of('.story')}")
    page.until("document.querySelector('#banner').hidden")


def test_after_a_start_with_another_token_one_signs_in_again(page, site, axe):
    site.kill()
    site.start(OTHER)
    page.until(f"{text_of('#link-text')} === 'sign in again'")
    assert "does not answer" not in page.run(f"return {text_of('#banner')}")
    page.click("#banner a")
    page.until(f"{text_of('#message')}.includes('another token')")
    assert violations(page, axe) == []
    page.write("#token", "a-wrong-token-of-nobody")
    page.click("button")
    page.until(f"{text_of('#message')}.includes('is wrong')")
    page.write("#token", OTHER)
    page.click("button")
    page.until(LIVE)
    assert page.driver.current_url == f"{site.url}/console"
    addresses = " ".join(page.requested())
    assert OTHER not in addresses and "wrong-token" not in addresses
    assert "token-of" not in site.log.read_text()
    page.until("document.querySelectorAll('tr[data-row]').length === 1")
    site.kill()
    site.start()


def test_an_upstream_that_is_down_is_a_banner_with_what_to_do_and_two_lines_in_the_log(page, site):
    assert site.ask("action=getBalance").startswith("ACCESS_BALANCE")
    page.until(f"{text_of('#upstream-link-text')}.startsWith('last answer')")
    site.upstream.kill()
    site.upstream.wait()
    assert site.ask("action=getPrices&service=wa") == "ERROR_SQL"
    page.until(is_shown("upstream-banner"))
    said = page.run(f"return {text_of('#upstream-banner')}")
    assert re.search(r"does not answer since \d\d:\d\d:\d\d UTC\. \d+ requests? failed", said)
    assert "ConnectError" in said and "virtualsms-proxy doctor" in said
    assert "fails since" in page.run(f"return {text_of('#upstream-link-text')}")
    assert page.run(f"return {LIVE}"), "the proxy itself answers"
    site.start_upstream()
    site.ask("action=getPrices&service=wa")
    page.until("document.querySelector('#upstream-banner').hidden")
    log = site.log.read_text()
    assert len(re.findall("the upstream does not answer", log)) == 1
    assert len(re.findall("the upstream answers again, after", log)) == 1


def test_a_store_that_cannot_be_read_is_no_day_without_money(page, site):
    page.until(f"{text_of('#charged')} === '0.90'")
    site.kill()
    site.run_sql("alter table ledger rename to gone")
    site.start()
    page.until(is_shown("store-banner"))
    page.until(f"{text_of('#net')}.includes('cannot be read: no such table')")
    assert page.run(f"return {text_of('#charged')}") == "–"
    assert "cannot be" in page.run(f"return {text_of('#store-link-text')}")
    site.run_sql("alter table gone rename to ledger")
    page.until(f"{text_of('#charged')} === '0.90'")


def test_seven_tabs_share_one_stream_and_hidden_tabs_have_none(browser):
    with Stage() as stage:
        url = f"{stage.url}/stubs/handler_api.php?api_key=sandbox&action=getNumber&service=wa"
        own, tabs = browser.driver.current_window_handle, []
        for _ in range(7):
            browser.driver.switch_to.new_window("window")
            tabs.append(browser.driver.current_window_handle)
            browser.driver.get(f"{stage.url}/console")
            browser.until(LIVE)
        httpx.get(url)
        for tab in tabs:
            browser.driver.switch_to.window(tab)
            browser.until("document.querySelectorAll('tr[data-row]').length === 1")
            # A seventh connection of the browser would wait for ever.
            assert browser.run("return (await fetch('console/icon.svg')).status") == 200
        stage.until_streams(1)
        for tab in tabs[:-1]:
            hide(browser, tab)
        httpx.get(url)
        browser.driver.switch_to.window(tabs[-1])
        browser.until("document.querySelectorAll('tr[data-row]').length === 2")
        stage.until_streams(1)
        hide(browser, tabs[-1])
        stage.until_streams(0)
        httpx.get(url)
        browser.driver.switch_to.window(tabs[0])
        browser.run(LATER, 300)
        at_once = "return document.body.classList.contains('stale')"
        assert not browser.run(HIDE + at_once, False), "it has time to ask"
        browser.until("document.querySelectorAll('tr[data-row]').length === 3")
        stage.until_streams(1)
        for tab in tabs:
            browser.driver.switch_to.window(tab)
            browser.driver.close()
        browser.driver.switch_to.window(own)


def test_where_a_browser_has_no_locks_each_visible_tab_listens(browser):
    with Stage() as stage:
        own = browser.driver.current_window_handle
        for _ in range(2):
            browser.driver.switch_to.new_window("window")
            script = {"source": "Object.defineProperty(navigator, 'locks', { value: undefined })"}
            browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
            browser.driver.get(f"{stage.url}/console")
            browser.until(LIVE)
        stage.until_streams(2)
        for tab in set(browser.driver.window_handles) - {own}:
            hide(browser, tab)
            browser.driver.close()
        stage.until_streams(0)
        browser.driver.switch_to.window(own)


def hide(browser, tab):
    browser.driver.switch_to.window(tab)
    browser.run(HIDE, True)


# As when the tab goes behind another one, or comes back.
HIDE = """
Object.defineProperty(document, "hidden", { value: arguments[0], configurable: true });
document.dispatchEvent(new Event("visibilitychange"));
"""
