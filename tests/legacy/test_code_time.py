"""What it costs to find a code, in CPU time: other work on the machine counts little."""

import statistics
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.config.sms_words import load_sms_words
from proxy.legacy.code import CodeFinder
from proxy.legacy.code.plain import MAX_SEARCHED
from tests.support.pace import is_quick
from tests.support.sms import by_kind, by_service

FINDER = CodeFinder(load_sms_words())

MEDIAN, LONGEST = 0.000_300, 0.020
"""Seconds of CPU: the median of texts as services send them, and any text."""

# What patterns stumble over: repeated, before a word, behind a word, between words.
PARTS = (
    "1 ", "12 ", "123 ", "1234 ", "123456 ", "a1", "A1B2 ", "ABCD-", "code ", "code 1234 ", "is ",
    "1,", "1.", "1-", "*", "#", "*1", "•", "x", "x1", "@", "@a", "a@b.", "a.", "a-", "www.",
    "http://", "\ufdfa", "\u0344\u0323", "\u0315\u0300\u05ae\u0062", "รหัส", "验证码1234", "1234元",
    "500 руб ", "a b c ", "A B C ", "(", "1:", "1/", "...", "12*", "0123-", "+1", "USD ", "+",
    "USD 1234 ", "call 1234 ", "ref 1234 ", "order 1234 ", "A", "ABCDE ", "\n", "é", "ß", "İ",
    "code is ", "do not ", "one time ", "1️⃣", "١", "aaaaaaaaaa", "f0", "\u202e", "คือ", "1 a ",
    "%", "1% ", "A1-", "9 9 9 9 1 ", "\x00", "\ud800", "=", "code: 12", "12/12/12 ", "1234567890 ",
    "Ab1 ", "aB1", "\u0345\u0390", "@a #", "v1.", "0 ", "f-", "1234-", "١ ", "ใช้ 1234 ",
)  # fmt: skip


def seconds(text: str) -> float:
    """CPU time of the fastest of three searches of the text, nothing remembered."""
    took = []
    for _ in range(3):
        begun = time.process_time()
        FINDER.explain(text)
        took.append(time.process_time() - begun)
    return min(took)


@pytest.mark.slow
def test_half_of_the_texts_take_at_most_three_hundred_microseconds():
    texts = [sample.text for samples in (*by_kind().values(), by_service()) for sample in samples]
    is_quick(statistics.median(map(seconds, texts[::4])), MEDIAN)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["{0}", "code {0} code is {0}"])
def test_no_text_made_to_be_slow_takes_twenty_milliseconds(shape):
    texts = [shape.format(part * MAX_SEARCHED)[:MAX_SEARCHED] for part in PARTS]
    is_quick(max(map(seconds, texts)), LONGEST)


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(PARTS) | st.text(max_size=3), min_size=1, max_size=6),
    st.integers(1, MAX_SEARCHED),
)
def test_no_mixture_of_texts_takes_twenty_milliseconds(parts, times):
    is_quick(seconds("".join(parts) * times), LONGEST)


def test_a_text_is_searched_once(monkeypatch):
    finder, searched = CodeFinder(load_sms_words()), []
    search = finder.marks.find
    monkeypatch.setattr(finder.marks, "find", lambda text: searched.append(text) or search(text))
    assert [finder("Your code is 448120") for _ in range(5)] == ["448120"] * 5
    assert len(searched) == 1


def test_what_stands_behind_the_searched_part_changes_nothing():
    text = "Your code is 448120. " + "x" * MAX_SEARCHED
    assert FINDER(text) == FINDER(text + " OTP 771920") == "448120"
