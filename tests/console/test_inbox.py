"""The inbox as a support desk has it: which code came for this number, and what now?"""

import httpx
import pytest

from tests.support.browser import CHROMIUM, DRIVER, Stage
from tests.support.desk import ARABIC, Desk
from tests.support.process import a_process

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromium-driver here; .ci/run installs them"
)

ENTER, ESCAPE, DOWN, RIGHT = "\ue007", "\ue00c", "\ue015", "\ue014"
ROWS = "[...document.querySelectorAll('tr[data-row]')]"
PHONES = f"{ROWS}.map((row) => row.querySelector('.phone').textContent.slice(1))"
TOAST = "document.querySelector('#toast').textContent"
FOCUSED = "document.activeElement"
PASTED = "return await navigator.clipboard.readText()"
# What a page at http://10.0.0.8 has.
UNTRUSTED = "Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})"
REFUSING = "document.execCommand = () => false"
TRUSTED_AGAIN = "delete navigator.clipboard; delete document.execCommand"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    log = tmp_path_factory.mktemp("desk") / "log"
    environ = {"PROXY_UPSTREAM_REQUESTS_PER_MINUTE": "10000"}
    switches = ("--port", "0", "--sms-after", "100000", "--switch", "requests_per_minute=0")
    with a_process("sandbox", *switches, log=log, **environ) as url, Desk(url) as desk:
        yield desk


@pytest.fixture(scope="module")
def phones(desk):
    return desk.fill()


@pytest.fixture(scope="module")
def opened(browser, desk, phones):
    """The page, opened once, far from UTC."""
    allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    grant = {"origin": desk.url, "permissions": allowed}
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", grant)
    browser.driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
    zone(browser, "Asia/Kolkata")
    browser.look(1400, 1000)
    browser.driver.get(f"{desk.url}/console")
    browser.until(f"{ROWS}.length === {len(phones) + 1}")
    browser.until("!document.querySelector('#sandbox').hidden")
    yield browser
    zone(browser, "")
    browser.driver.get("about:blank")


def zone(browser, name):
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": name})


@pytest.fixture
def page(opened, phones):
    """As it was opened: nothing is searched, chosen or open."""
    opened.run("document.querySelectorAll('.opener[aria-expanded=true]').forEach((o) => o.click())")
    opened.run("document.activeElement.blur()")
    search(opened, "")
    opened.click("[data-chip='']")
    opened.until(f"{ROWS}.length >= {len(phones) + 1}")
    yield opened
    assert opened.warnings() == []


def search(page, text):
    page.run(
        "const f = document.querySelector('#filters [name=text]'); f.value = arguments[0];"
        "f.dispatchEvent(new Event('input', {bubbles: true}))",
        text,
    )


def row(phone):
    """The number's row, as an expression."""
    return f"{ROWS}.find((row) => row.querySelector('.phone').textContent === '+{phone}')"


def press(page, key):
    page.driver.switch_to.active_element.send_keys(key)


def focus(page, phone):
    page.run(f"{row(phone)}.querySelector('.opener').focus()")


def open_row(page, phone):
    page.run(f"{row(phone)}.querySelector('.opener').click()")
    page.until("document.querySelector('.story li') && document.querySelector('.messages > *')")


def test_an_icon_copies_the_code_and_another_the_number(page, phones):
    coded = row(phones["coded"])
    page.until(f"{coded}.querySelector('td[data-label=Code] .copy')").click()
    page.until(f"{TOAST} === 'Code copied'")
    assert page.run(PASTED) == "482913"
    page.until(f"{coded}.querySelector('td[data-label=Number] .copy')").click()
    page.until(f"{TOAST} === 'Number copied'")
    assert page.run(PASTED) == f"+{phones['coded']}"


def test_keys_search_move_copy_open_and_close(page, phones):
    press(page, "/")
    assert page.run(f"return {FOCUSED}.name") == "text"
    press(page, "482913")
    page.until(f"{PHONES}.join() === '{phones['coded']}'")
    press(page, ENTER)
    assert page.run(f"return {FOCUSED}.className") == "opener"
    press(page, "c")
    page.until(f"{TOAST} === 'Code copied'")
    assert page.run(PASTED) == "482913"
    press(page, "p")
    page.until(f"{TOAST} === 'Number copied'")
    assert page.run(PASTED) == f"+{phones['coded']}"
    press(page, ENTER)
    page.until("document.querySelector('.detail')")
    press(page, ESCAPE)
    page.until("!document.querySelector('.detail')")
    assert page.run(f"return {FOCUSED}.className") == "opener"
    press(page, "/")
    press(page, "c")
    assert page.run(f"return {FOCUSED}.value") == "c", "in a field it is a letter"
    press(page, ESCAPE)
    page.until(f"{ROWS}.length > 5")
    assert page.run("return document.querySelector('#filters [name=text]').value") == ""
    focus(page, phones["waiting"])
    press(page, "c")
    page.until(f"{TOAST}.endsWith('has no code yet')")
    above = f"{ROWS}.indexOf({FOCUSED}.closest('tr'))"
    before = page.run(f"return {above}")
    press(page, "\ue013")
    assert page.run(f"return {above}") == before - 1
    press(page, DOWN)
    assert page.run(f"return {above}") == before


def test_at_an_address_without_a_clipboard_a_selection_is_copied_or_it_is_said(page, phones):
    page.run(UNTRUSTED)
    try:
        focus(page, phones["coded"])
        press(page, "c")
        page.until(f"{TOAST} === 'Code copied'")
        press(page, "/")
        press(page, "\ue009v\ue000")
        page.until(f"{FOCUSED}.value === '482913'")
        page.run(REFUSING)
        focus(page, phones["coded"])
        press(page, "c")
        page.until(f"{TOAST}.startsWith('Code not copied') && {TOAST}.includes('Ctrl+C')")
    finally:
        page.run(TRUSTED_AGAIN)


def test_a_click_on_a_line_opens_it_and_a_selection_does_not(page, phones):
    state = page.until(f"{row(phones['coded'])}.querySelector('.state')")
    state.click()
    page.until("document.querySelector('.detail .story li')")
    state.click()
    page.until("!document.querySelector('.detail')")
    for cell, text in (("Code .code", "482913"), ("Number .phone", f"+{phones['coded']}")):
        label, part = cell.split()
        place = f"{row(phones['coded'])}.querySelector('td[data-label={label}] {part}')"
        page.until(place).click()
        assert page.run("return getSelection().toString()") == text
        assert page.run("return document.querySelector('.detail')") is None
    page.run("getSelection().removeAllRanges()")


def test_the_search_finds_all_that_is_shown(page, phones):
    every = page.run(f"return {PHONES}.length")
    for text, found in (
        (phones["coded"], ["coded"]),
        (f"+{phones['coded'][:2]} {phones['coded'][2:]}", ["coded"]),
        ("482913", ["coded"]),
        ("United States 482913", ["coded"]),
        ("TELEGRAM", ["coded"]),
        ("verification code", ["coded"]),
        ("التحقق", ["arabic"]),
        ("indonesia", ["of a long key"]),
        ("welcome", ["without a code"]),
        ("no such thing", []),
    ):
        search(page, text)
        wanted = sorted(phones[name] for name in found)
        page.until(f"{PHONES}.sort().join() === '{','.join(wanted)}'")
    page.until("document.querySelector('#empty').textContent.startsWith('No number fits')")
    search(page, "")
    page.until(f"{PHONES}.length === {every}")


def test_chips_count_the_states_and_choose_one(page, phones):
    page.click("[data-chip=received]")
    page.until(f"{PHONES}.every((p) => p !== '{phones['waiting']}')")
    shown = page.run(f"return {PHONES}.length")
    chip = "document.querySelector('[data-chip=received]')"
    assert page.run(f"return Number({chip}.querySelector('b').textContent)") == shown
    assert page.run(f"return {chip}.getAttribute('aria-pressed')") == "true"
    assert page.run("return document.querySelector('#count').textContent").startswith(f"{shown} of")
    assert page.run(f"return {FOCUSED} === {chip}"), "the focus stays"
    page.click("[data-chip=received]")
    page.until(f"{PHONES}.includes('{phones['waiting']}')")


def test_a_hostile_sms_changes_nothing_but_its_own_text(page, phones):
    quiet = page.run(f"return {row(phones['waiting'])}.innerText")
    open_row(page, phones["hostile"])
    text = page.run("return document.querySelector('.messages p').textContent")
    assert text == "⟦U+202E⟧code 4711⟦U+202C⟧ for⟦U+200B⟧ <b>you</b> <img src=x>"
    preview = page.run(f"return {row(phones['hostile'])}.querySelector('bdi').textContent")
    assert preview == text
    assert (
        page.run("return document.querySelectorAll('tbody b:not(footer b), tbody img').length") == 0
    )
    assert (
        page.run(f"return {row(phones['waiting'])}.innerText.split(' left')[0].slice(0, -6)")
        in quiet
    )
    press_close(page)
    open_row(page, phones["arabic"])
    shown = "document.querySelector('.messages p')"
    assert page.run(f"return {shown}.textContent") == ARABIC
    assert page.run(f"return getComputedStyle({shown}).direction") == "rtl"
    assert page.run(f"return getComputedStyle({row(phones['arabic'])}).direction") == "ltr"


def press_close(page):
    page.run("document.querySelector('.opener[aria-expanded=true]').click()")


MARKS = """
const { visible } = await import("/console/marks.js");
return arguments[0].map(visible);
"""


def test_what_cannot_be_seen_is_a_mark_and_what_joins_stays(page):
    unseen = ["\u202e", "\u2066", "\u200f", "\u061c", "\u00ad", "\ufeff", "\u200b", "\u2060",
              "\u3164", "\u2800", "\u2028", "\x07", "\x7f", "\U000e0041", "\u180e",
              "\ufff9"]  # fmt: skip
    marks = page.run(MARKS, [f"a{one}b" for one in unseen])
    assert marks == [f"a⟦U+{ord(one):04X}⟧b" for one in unseen]
    seen = ["a\nb\tc", "👩‍👩‍👧", "❤️", "می‌خواهم", "क्‍ष", "é ñ 日本", "👍🏽", "\u06dd"]
    assert page.run(MARKS, seen) == seen
    assert page.run(MARKS, ["1\u200d2"]) == ["1⟦U+200D⟧2"]


def test_each_act_asks_first_and_is_off_with_its_reason(page, desk):
    id, phone = desk.buy("tg")
    page.until(row(phone))
    open_row(page, phone)
    page.requested()
    page.click(".detail [data-act=cancel]")
    page.until(f"{FOCUSED}.id === 'sure-no'")
    assert phone in page.run("return document.querySelector('#sure').textContent")
    press(page, ESCAPE)
    page.until("!document.querySelector('#sure').open")
    assert desk.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"
    assert not any(address.endswith("/cancel") for address in page.requested()), "nothing was asked"
    desk.sms(phone, "Your code is 5512")
    desk.read(id)
    page.until("document.querySelector('.messages').textContent.includes('5512')")
    page.until("document.querySelector('.detail [data-act=swap]').disabled")
    why = page.run("return document.querySelector('.opened > div > .hint').textContent")
    assert why == "Cancel, Swap off – an SMS came: the number is paid for."
    page.click(".detail [data-act=finish]")
    page.click("#sure-yes")
    page.until("document.querySelector('.result').textContent.startsWith('Finish: ACCESS_')")
    page.until(f"{row(phone)}.querySelector('.state').textContent === 'finished'")
    page.until("document.querySelector('.story').textContent.includes('console to finish it')")
    assert page.run("return document.querySelector('.detail [data-act=cancel]').disabled")


def test_a_cancel_and_a_swap_go_by_the_path_of_the_program(page, desk):
    desk.steer("clock", seconds=130)
    swapped, cancelled = desk.buy("wa"), desk.buy("wa")
    desk.steer("clock", seconds=130)
    page.until(row(cancelled[1]))
    open_row(page, cancelled[1])
    page.click(".detail [data-act=cancel]")
    page.click("#sure-yes")
    page.until(f"{row(cancelled[1])}.querySelector('.state').textContent === 'cancelled'")
    assert desk.ask(f"action=getStatus&id={cancelled[0]}") == "STATUS_CANCEL"
    press_close(page)
    open_row(page, swapped[1])
    page.click(".detail [data-act=swap]")
    page.click("#sure-yes")
    page.until("document.querySelector('.result')?.textContent.startsWith('Swap: ACCESS_NUMBER')")


def test_a_link_opens_its_number_and_says_so_if_there_is_none(page, desk, phones):
    name = page.run(f"return {row(phones['coded'])}.dataset.row")
    page.run("location.hash = '#operations'")
    page.until("!document.querySelector('#operations').hidden")
    search(page, "another number")
    page.run(f"location.hash = '#{name}'")
    page.until(f"{row(phones['coded'])}.querySelector('[aria-expanded=true]')")
    assert page.run(f"return {FOCUSED} === {row(phones['coded'])}.querySelector('.opener')")
    page.click(".detail [aria-label='Copy the link to this number']")
    page.until(f"{TOAST} === 'Link copied'")
    assert page.run(PASTED) == f"{desk.url}/console#{name}"
    page.run("location.hash = '#00000000-1'")
    page.until(f"{TOAST}.startsWith('The number of this address is not shown')")
    # The browser itself names the address that it did not find.
    assert all("404" in line for line in page.warnings())


def test_times_are_those_of_the_place_and_utc_on_hover(page, phones):
    place = f"{row(phones['coded'])}.querySelector('time')"
    shown, title, machine = page.run(
        f"return [{place}.textContent, {place}.title, {place}.dateTime]"
    )
    assert shown[-3:] == "min" or shown.endswith(" s") or " h " in shown
    utc = machine[11:19]
    assert title.endswith(f"{machine[:10]} {utc} UTC")
    minutes = (int(utc[:2]) * 60 + int(utc[3:5]) + 330) % 1440
    assert title.startswith(f"{minutes // 60:02}:{minutes % 60:02}:")


def test_the_tabs_move_by_arrows_and_stay_in_the_address(page, phones):
    page.run("document.querySelector('#inbox-tab').focus()")
    press(page, RIGHT)
    page.until("!document.querySelector('#operations').hidden")
    assert page.run("return document.querySelector('#inbox').hidden")
    assert page.run(f"return {FOCUSED}.ariaSelected") == "true"
    assert page.driver.current_url.endswith("#operations")
    page.driver.refresh()
    page.until(f"{ROWS}.length > 5")
    assert page.run("return document.querySelector('#inbox').hidden")
    press(page, "/")
    page.until("!document.querySelector('#inbox').hidden")
    press(page, ESCAPE)
    brief = page.run("return document.querySelector('#brief').textContent")
    assert "spent today" in brief and "to settle" in brief and "requests left" in brief


def test_the_last_24_hours_come_from_the_store_and_then_each_day(browser):
    with Stage() as stage, Desk(stage.url) as desk:
        _, old = desk.buy("tg")
        stage.ahead += 26 * 3600
        _, today = desk.buy("wa")
        stage.ahead += 3 * 3600
        zone(browser, "UTC")
        browser.driver.get(f"{stage.url}/console")
        # Older than an hour, so the stream does not have it.
        browser.until(f"{PHONES}.join() === '{today}'")
        browser.run(f"{ROWS}[0].querySelector('.opener').click()")
        browser.until("document.querySelector('.story li')")
        rows = f"{stage.url}/console/api/v1/activations?since=0"
        found = httpx.get(rows).json()["activations"]
        name = next(one["row"] for one in found if one["phone"] == old)
        browser.run(f"location.hash = '#{name}'")
        browser.until(f"{row(old)}?.querySelector('[aria-expanded=true]')")
        choose_day(browser, "")
        browser.until(f"{PHONES}.join() === '{today}'")
        browser.click("#earlier")
        day = "document.querySelector('#filters [name=when]').selectedOptions[0].textContent"
        browser.until(f"{day} === 'Yesterday'")
        browser.click("#earlier")
        browser.until(f"!['Yesterday', 'Last 24 h'].includes({day})")
        choose_day(browser, "")
        browser.until(f"{PHONES}.join() === '{today}'")
        found = [back for back in ("0", "1", "2") if is_of_day(browser, back, old)]
        assert found in (["1"], ["2"]), "29 hours ago is yesterday, or the day before"
        browser.driver.get("about:blank")


def choose_day(page, back):
    page.run(
        "const f = document.querySelector('#filters [name=when]'); f.value = arguments[0];"
        "f.dispatchEvent(new Event('change', {bubbles: true}))",
        back,
    )


def is_of_day(page, back, phone):
    choose_day(page, back)
    page.until("document.querySelector('#activations').ariaBusy === 'false'"
               f" && (!document.querySelector('#empty').hidden || {ROWS}.length)")  # fmt: skip
    return page.run(f"return {PHONES}.includes('{phone}')")
