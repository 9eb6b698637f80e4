"""A headless Chromium, and a sandbox with a console for it to look at."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from proxy.app import server
from proxy.app.build import create_app
from proxy.config.settings import Config, ConsoleConfig, ProgramConfig, UpstreamConfig
from proxy.sandbox import Switches, create_sandbox
from proxy.sandbox.mount import beside
from tests.support.process import PATIENCE

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

SWITCHES = (
    "--headless=new",
    # In a container it runs as root, with little shared memory.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    # It asks its maker's servers for this and that of its own accord.
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--lang=en",
)

SHOWN = "document.querySelector(arguments[0])"

# Every text that can be seen: its colour against the nearest background behind it.
CONTRAST = """
const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return parse(getComputedStyle(document.documentElement).backgroundColor);
};
const weak = [];
let seen = 0;
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  const isField = node.matches("input, select, textarea");
  if (!(own || isField) || !node.checkVisibility() || node.closest("option, svg")) continue;
  const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  seen += 1;
  if (ratio < 4.5) weak.push(`${node.tagName} ${node.textContent.slice(0, 30)}: ${ratio}`);
}
return [seen, weak];
"""


class Browser:
    """`driver` is selenium's."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def look(self, width: int, height: int, scheme: str = "light") -> None:
        """The size of the window, and what the system says of light and dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def run(self, script: str, *arguments: object):
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments: object, seconds: float = PATIENCE):
        """The first true value of an expression; the elements that it finds are of the page."""
        return WebDriverWait(self.driver, seconds, 0.05).until(
            lambda _: self.run(f"return {script}", *arguments)
        )

    def click(self, selector: str) -> None:
        """Once it can be seen. The page draws in frames, and may draw anew what was found."""
        drawn_anew = (StaleElementReferenceException,)

        def click(driver: webdriver.Chrome) -> bool:
            found = self.run(f"const it = {SHOWN}; return it?.checkVisibility() && it", selector)
            if found:
                found.click()
            return bool(found)

        WebDriverWait(self.driver, PATIENCE, 0.05, drawn_anew).until(click)

    def write(self, selector: str, text: str) -> None:
        field = self.until("document.querySelector(arguments[0])", selector)
        field.clear()
        field.send_keys(text)

    def requested(self) -> list[str]:
        """The addresses of all requests since the last call."""
        lines = [
            json.loads(line["message"])["message"] for line in self.driver.get_log("performance")
        ]
        return [
            line["params"]["request"]["url"]
            for line in lines
            if line["method"] == "Network.requestWillBeSent"
        ]

    def warnings(self) -> list[str]:
        """What its console has said since the last call."""
        return [line["message"] for line in self.driver.get_log("browser")]


@contextmanager
def a_browser() -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in SWITCHES:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Stage:
    """A sandbox in a thread. Its clock is `ahead` of the wall clock by as much as one likes."""

    def __init__(
        self,
        per_minute: int = 60,
        token: str | None = None,
        keys: dict[str, ProgramConfig] | None = None,
    ) -> None:
        self.ahead = 0.0
        self._socket = server.open_socket("127.0.0.1", 0)
        self.url = server.url(self._socket)
        upstream = create_sandbox(Switches(requests_per_minute=0), clock=self.now, sms_after=1e9)
        self.app = create_app(
            Config(
                upstream=UpstreamConfig(requests_per_minute=per_minute),
                console=ConsoleConfig(token=token),
                keys=keys or {},
            ).for_sandbox(f"{self.url}/api/v1"),
            clock=self.now,
            sandbox=True,
        )
        config = uvicorn.Config(
            beside(self.app, upstream), log_config=None, access_log=False, date_header=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run)
        self._loop = asyncio.new_event_loop()

    def now(self) -> float:
        return time.time() + self.ahead

    def do(self, work):
        """In the loop of the server."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def until_streams(self, count: int) -> None:
        """Waits until so many pages listen."""
        until = time.monotonic() + PATIENCE
        streams = self.app.state.console.streams
        while streams.count != count:
            assert time.monotonic() < until, f"{streams.count} streams"
            time.sleep(0.02)

    def _run(self) -> None:
        self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def __enter__(self) -> "Stage":
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self.app.state.console.streams.stop)
        self._server.should_exit = True
        self._thread.join(PATIENCE)
