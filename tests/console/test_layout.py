"""The console at each width, in light, dark and forced colours, and for whoever does not see it."""

import pytest

from proxy.config.settings import ProgramConfig
from tests.support.axe import violations
from tests.support.browser import CHROMIUM, CONTRAST, DRIVER, Stage
from tests.support.desk import Desk
from tests.support.process import a_process

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromium-driver here; .ci/run installs them"
)

# 640 is 1280 at 200 % zoom.
WIDTHS = (320, 390, 640, 720, 800, 1024, 1280, 1920)
ROWS = "[...document.querySelectorAll('tr[data-row]')]"

# Words that stand on two lines. Where a text is code or an SMS, a long word has to break.
BROKEN = """
const broken = [];
let seen = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, parent = node.parentElement;
  const mayBreak = "pre, ol#calls, .messages p, option, script, .sr";
  if (!parent.checkVisibility() || parent.closest(mayBreak)) continue;
  for (const { 0: word, index } of node.data.matchAll(/[^\\s/–-]+/g)) {
    const range = document.createRange();
    range.setStart(node, index);
    range.setEnd(node, index + word.length);
    const shown = [...range.getClientRects()].filter(({ width }) => width > 0);
    const tops = new Set(shown.map(({ top }) => Math.round(top)));
    seen += 1;
    if (tops.size > 1) broken.push(word);
  }
}
return [seen, broken];
"""
# Texts that are cut without a title that has all of them.
CUT = """
const isCut = (node) => node.checkVisibility() && node.scrollWidth > node.clientWidth;
return [...document.querySelectorAll(".cut")].filter(isCut)
  .filter((node) => node.title !== node.textContent).map((node) => node.textContent);
"""
SIDEWAYS = "return document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    log = tmp_path_factory.mktemp("desk") / "log"
    environ = {"PROXY_UPSTREAM_REQUESTS_PER_MINUTE": "10000"}
    switches = ("--port", "0", "--sms-after", "100000", "--switch", "requests_per_minute=0")
    with a_process("sandbox", *switches, log=log, **environ) as url, Desk(url) as desk:
        phones = desk.fill()
        browser.look(1400, 1000)
        browser.driver.get(f"{url}/console")
        browser.until(f"{ROWS}.length === {len(phones) + 1}")
        browser.until("!document.querySelector('#sandbox').hidden")
        browser.until("document.querySelector('#quote dd')")
        yield browser
        assert browser.warnings() == []
        browser.driver.get("about:blank")


def look(page, width, height, *, scheme="light", forced="none"):
    page.look(width, height, scheme)
    features = [{"name": "prefers-color-scheme", "value": scheme},
                {"name": "forced-colors", "value": forced}]  # fmt: skip
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def open_one(page):
    coded = f"{ROWS}.find((row) => row.querySelector('.code:not(.none)')).querySelector('.opener')"
    page.run(f"if ({coded}.ariaExpanded !== 'true') {coded}.click()")
    page.until("document.querySelector('.story li') && document.querySelector('.messages p')")


def show_operations(page):
    page.run("document.querySelector('#operations-tab').click()")
    page.run("document.querySelector('#values').open = true")
    page.until("document.querySelector('#values-rows td')")
    page.run("document.querySelector('.explained button')?.click()")
    page.until("document.querySelector('.explained dd')")


def show_inbox(page):
    page.run("document.querySelector('#inbox-tab').click()")


def test_at_each_width_nothing_scrolls_sideways_and_no_word_is_broken(page):
    for width in WIDTHS:
        look(page, width, 900)
        show_inbox(page)
        open_one(page)
        is_right(page, width)
        show_operations(page)
        is_right(page, width)
    look(page, 1400, 1000)


def is_right(page, width):
    assert page.run(SIDEWAYS) <= width, width
    seen, broken = page.run(BROKEN)
    assert seen > 80, "the page has words"
    assert broken == [], width
    assert page.run(CUT) == [], width


def test_on_a_phone_the_first_number_is_in_sight_and_so_is_its_code(page):
    show_inbox(page)
    for width, height in ((390, 844), (320, 568)):
        look(page, width, height)
        page.run("scrollTo(0, 0)")
        foot = page.run(f"return {ROWS}[0].getBoundingClientRect().bottom")
        assert foot < height
    coded = f"{ROWS}.find((row) => row.querySelector('.code:not(.none)')).querySelector('.code')"
    assert page.run(f"return {coded}.scrollWidth <= {coded}.clientWidth"), "not cut"
    look(page, 1400, 1000)


def test_the_fingerprint_of_a_key_is_whole_and_on_one_line(page):
    show_inbox(page)
    look(page, 1920, 1000)
    cells = "[...document.querySelectorAll('td[data-label=Program] .cut')]"
    assert page.run(f"return {cells}.every((c) => /^key [0-9a-f]{{8}}$/.test(c.textContent))")
    assert page.run(f"return {cells}.every((c) => c.scrollWidth <= c.clientWidth)")
    look(page, 1400, 1000)


@pytest.mark.parametrize(
    ("scheme", "forced", "width"),
    [("light", "none", 1400), ("dark", "none", 1400), ("light", "none", 390),
     ("dark", "none", 390), ("light", "active", 1400)],
)  # fmt: skip
def test_axe_finds_nothing_wrong_in_any_state(page, axe, scheme, forced, width):
    look(page, width, 900, scheme=scheme, forced=forced)
    show_inbox(page)
    open_one(page)
    has_no_fault(page, axe, forced)
    page.run("document.querySelector('.detail [data-act=finish]').click()")
    page.until("document.activeElement.id === 'sure-no'")
    has_no_fault(page, axe, forced)
    page.click("#sure-no")
    show_operations(page)
    has_no_fault(page, axe, forced)
    show_inbox(page)
    look(page, 1400, 1000)


def has_no_fault(page, axe, forced):
    if forced == "none":
        seen, weak = page.run(CONTRAST)
        assert seen > 60
        assert weak == []
    assert violations(page, axe) == []


def test_a_chart_has_ticks_and_a_text_for_each_value(page):
    show_operations(page)
    ticks = page.run("return document.querySelector('#answers-ticks').innerText.split(/\\s+/)")
    assert [int(tick.replace(",", "")) for tick in ticks][-1] == 0 and len(ticks) == 3
    texts = page.run(
        "return [...document.querySelectorAll('#answers title')].map((t) => t.textContent)"
    )
    assert any("answers" in text and "refused: BAD_SERVICE 3" in text for text in texts)
    kinds = "[...document.querySelectorAll('#legend rect')].map((r) => r.className.baseVal).join()"
    assert page.run(f"return {kinds}") == "done,waits,refused"
    row = page.run("return document.querySelector('#values-rows').innerText")
    assert " of 10000" in row.replace(",", "")
    show_inbox(page)


def test_a_problem_says_who_sent_what_and_explains_it_in_its_place(page):
    show_operations(page)
    text = page.run("return document.querySelector('#problems').innerText")
    assert "sent service=telegram 3 times: use tg" in text
    assert "clients read BAD_SERVICE" in text and "since " in text and "request " in text
    assert "service" in page.run("return document.querySelector('.explained dl').innerText")
    show_inbox(page)


def test_a_long_name_of_a_program_is_cut_and_its_title_has_all_of_it(browser):
    name = "a-program-whose-name-is-as-long-as-names-of-programs-can-well-be-and-longer"
    keys = {"long": ProgramConfig(name=name, upstream_key="sandbox")}
    with Stage(keys=keys) as stage, Desk(stage.url) as desk:
        desk.buy("wa", key="long")
        desk.ask("action=getNumber&service=telegram", key="long")
        browser.driver.get(f"{stage.url}/console")
        browser.until(f"{ROWS}.length === 1 && document.querySelector('#problems .who')")
        for width in (320, 1280):
            look(browser, width, 900)
            show_inbox(browser)
            browser.run("document.querySelector('.opener[aria-expanded=false]')?.click()")
            assert browser.run(SIDEWAYS) <= width
            assert browser.run(CUT) == []
            assert browser.run(f"return document.querySelector('.facts .cut').title === '{name}'")
            browser.run("document.querySelector('#operations-tab').click()")
            assert browser.run(SIDEWAYS) <= width
            assert browser.run(CUT) == []
            who = "document.querySelector('#problems .who')"
            assert browser.run(f"return {who}.scrollWidth > {who}.clientWidth"), "it is cut"
        # The sandbox of this process has no report.
        browser.warnings()
        browser.driver.get("about:blank")
