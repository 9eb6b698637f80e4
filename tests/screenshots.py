"""Makes the pictures of docs/images anew: an hour of a sandbox, seen by a real browser.

    python -m tests.screenshots

The console gets real answers to real requests; only the clock is pushed between them.
"""

import io
import random
import time
from pathlib import Path

import httpx
from PIL import Image

from proxy.config.settings import ProgramConfig
from tests.support.browser import Browser, Stage, a_browser

IMAGES = Path(__file__).parent.parent / "docs" / "images"
KEYS = {
    name: ProgramConfig(name=name, upstream_key="sandbox")
    for name in ("shop", "ci", "signup-tests")
}
CODED = (
    "[...document.querySelectorAll('tr[data-row]')]"
    ".find((row) => row.querySelector('[data-state=received]'))"
)
SERVICES = ("tg", "wa", "go", "ig", "fb", "mm", "ds", "tw", "mt", "ub", "vk")
COUNTRIES = (16, 16, 16, 187, 187, 6, 15, 43, 78)
TEXTS = ("Your verification code is {}.", "{} is your code", "Code: {}")


class Hour:
    """What programs do in an hour, a minute at a time."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._chance = random.Random(7)
        self._http = httpx.Client(base_url=stage.url, trust_env=False, timeout=30)
        self._open: list[str] = []

    def ask(self, query: str, dialect: str = "", key: str = "shop") -> str:
        path = f"{dialect}/stubs/handler_api.php?api_key={key}&{query}"
        return self._http.get(path).text

    def steer(self, path: str, body: dict[str, object]) -> None:
        self._http.post(f"/sandbox/{path}", json=body)

    def minute(self, left: int) -> None:
        busy = 3 if 18 < left < 42 else 1
        for _ in range(self._chance.randint(0, busy)):
            self.buy()
        for id in self._open[-12:]:
            self.ask(f"action=getStatus&id={id}")
        for _ in range(self._chance.randint(0, 4 * busy)):
            self.ask("action=getBalance")
        self.err(left)
        if left > 14 and len(self._open) > 4:
            self.ask(f"action=setStatus&status=6&id={self._open.pop(0)}")
        if left % 3 == 0 and len(self._open) > 8:
            self.ask(f"action=setStatus&status=8&id={self._open[-6]}")
        self._stage.do(self._sample())
        # The budget's minute is of real time.
        time.sleep(0.5)

    def err(self, left: int) -> None:
        """What programs do wrong, each at times of its own."""
        if left % 17 == 5:
            self.ask("action=getNumber&service=ok&country=16")
        if left % 4 == 1:
            self.ask("action=getNumber&service=telegram&country=16", key="ci")
        if left % 9 == 2:
            self.ask("action=getNumber&service=wa&country=England", key="signup-tests")

    async def _sample(self) -> None:
        self._stage.app.state.console.history.sample()

    def buy(self, service: str = "", dialect: str = "") -> str:
        service = service or self._chance.choice(SERVICES)
        country = "" if dialect else f"&country={self._chance.choice(COUNTRIES)}"
        said = self.ask(f"action=getNumber&service={service}{country}", dialect)
        if not said.startswith("ACCESS_NUMBER"):
            return ""
        _, id, phone = said.split(":")
        self._open.append(id)
        if self._chance.random() < 0.6 and not dialect:
            code = self._chance.randint(10_000, 999_999)
            text = self._chance.choice(TEXTS).format(code)
            self.steer("sms", {"phone": phone, "text": text, "after": 20})
        return id

    def last_minute(self) -> None:
        """One of each that a page can show."""
        early = self.buy("wa", "/daisysms")
        self.ask(f"action=setStatus&status=8&id={early}", "/daisysms")
        self.steer("faults", {"call": "purchase", "kind": "cdn", "when": "after"})
        self.steer("faults", {"call": "orders", "kind": "cdn"})
        self.ask("action=getNumber&service=tg&country=6")
        # The order list shows what that purchase made.
        time.sleep(11)
        for id in self._open[-10:]:
            self.ask(f"action=getStatus&id={id}")

    def play(self) -> None:
        for left in range(58, 0, -1):
            self.minute(left)
            self._stage.ahead += 60
        self.last_minute()

    def fail(self) -> None:
        """From now on the upstream does not answer."""
        self.steer("faults", {"call": "*", "kind": "cdn", "times": 1000})
        for _ in range(5):
            self.ask("action=getBalance")
            self.ask("action=getPrices&service=nf")


def show(browser: Browser, stage: Stage) -> None:
    browser.driver.get("about:blank")
    browser.driver.get(f"{stage.url}/console")
    browser.until("!document.querySelector('#sandbox').hidden")
    browser.until("document.querySelectorAll('tr[data-row]').length > 9")
    browser.until("document.querySelectorAll('#pending li').length > 1")
    browser.until("document.querySelector('#balance').textContent !== '–'")
    browser.until("document.querySelector('#quote dd')")
    # The last answers of the stream.
    time.sleep(1.2)


def open_coded(browser: Browser) -> None:
    browser.until(CODED).find_element("css selector", ".opener").click()
    browser.until("document.querySelector('.story li') && document.querySelector('.messages p')")
    browser.run("document.activeElement.blur()")


def take_pages(browser: Browser, stage: Stage) -> None:
    browser.look(1280, 800)
    show(browser, stage)
    take(browser, "console-inbox")
    browser.look(1280, 800, "dark")
    open_coded(browser)
    take(browser, "console-story")
    browser.look(1280, 1180)
    browser.click("#operations-tab")
    browser.until("document.querySelector('#answers rect')")
    browser.click(".explained button")
    browser.until("document.querySelector('.explained dd')")
    browser.run("document.activeElement.blur()")
    take(browser, "console-operations")
    browser.look(390, 844)
    show(browser, stage)
    take(browser, "console-phone")


def small(picture: bytes) -> bytes:
    """In 256 colours, which is enough for a page of text; rare ones stay what they are."""
    with Image.open(io.BytesIO(picture)) as shot:
        few = shot.convert("RGB").quantize(
            256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    held = io.BytesIO()
    few.save(held, "PNG", optimize=True)
    return held.getvalue()


def take(browser: Browser, name: str) -> None:
    (IMAGES / f"{name}.png").write_bytes(small(browser.driver.get_screenshot_as_png()))


def take_door(browser: Browser) -> None:
    with Stage(token="a-token-of-the-operator") as stage:
        browser.look(900, 560)
        browser.driver.get(f"{stage.url}/console")
        browser.until("document.querySelector('#token')")
        take(browser, "console-door")
        browser.driver.get("about:blank")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with Stage(per_minute=180, keys=KEYS) as stage, a_browser() as browser:
        hour = Hour(stage)
        hour.play()
        take_pages(browser, stage)
        hour.fail()
        browser.look(1240, 640)
        browser.driver.get(f"{stage.url}/console")
        browser.until("!document.querySelector('#upstream-banner').hidden")
        browser.until("document.querySelectorAll('tr[data-row]').length > 9")
        take(browser, "console-outage")
        browser.driver.get("about:blank")
        take_door(browser)


if __name__ == "__main__":
    main()
