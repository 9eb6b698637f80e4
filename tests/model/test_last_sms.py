"""Reads of an order that show its last SMS only, put together with what was known."""

from dataclasses import replace

import pytest

from proxy.model import Order, Sms
from proxy.model.order import merge

ORDER = Order("o", "447700900001", "wa", "GB")
A, B = Sms("code 1", 10.0), Sms("code 2", 20.0)
A_PUSHED, B_PUSHED = Sms("code 1", pushed=True), Sms("code 2", pushed=True)


@pytest.mark.parametrize(
    ("known", "last", "messages"),
    [
        ((), A, (A,)),
        ((A,), B, (A, B)),
        ((A, B), B, (A, B)),
        # A read that was overtaken.
        ((A, B), A, (A, B)),
        # The same code once more.
        ((A, B), Sms("code 1", 30.0), (A, B, Sms("code 1", 30.0))),
        ((Sms("code 1"),), A, (Sms("code 1"),)),
        ((A,), Sms("code 1", 10.0, "X"), (A,)),
        ((A_PUSHED,), A, (A,)),
        ((A_PUSHED, B_PUSHED), B, (A_PUSHED, B)),
        ((A, B_PUSHED), A, (A, B_PUSHED)),
    ],
)
def test_the_last_sms_is_added_once_and_none_is_forgotten(known, last, messages):
    new = replace(ORDER, messages=(last,), has_last_sms_only=True)
    merged = merge(replace(ORDER, messages=known), new)
    assert (merged.messages, merged.has_last_sms_only) == (messages, False)


def test_a_read_without_an_sms_takes_none_away():
    assert merge(replace(ORDER, messages=(A,)), ORDER).messages == (A,)
