"""Dollars and cents: which way each is rounded, and what is over a cap."""

from decimal import Decimal

import pytest

from proxy.model import money


@pytest.mark.parametrize(
    ("dollars", "down", "up"),
    [
        (0, 0, 0),
        (0.29, 29, 29),
        (0.30000000000000004, 30, 30),
        (1.005, 100, 101),
        (0.901, 90, 91),
        (0.909, 90, 91),
        (12.05, 1205, 1205),
        (999_999.99, 99_999_999, 99_999_999),
        (0.09999999999999999, 10, 10),
        (0.7 * 1.65, 115, 116),
        (1e-7, 0, 1),
        (1e-10, 0, 0),
        (Decimal("0.0999999995"), 10, 10),
        (Decimal("0.0999999994"), 9, 10),
    ],
)
def test_what_one_has_is_rounded_down_and_a_price_up(dollars, down, up):
    assert (money.cents(dollars), money.price(dollars)) == (down, up)


@pytest.mark.parametrize("cents", [0, 1, 9, 10, 99, 100, 12_345, -5, -120])
def test_cents_come_back_from_their_dollars(cents):
    assert money.cents(float(money.dollars(cents))) == cents
    assert money.price(money.as_number(cents)) == cents


@pytest.mark.parametrize(
    ("cents", "cap", "over"), [(90, 90, False), (91, 90, True), (None, 0, False), (5, None, False)]
)
def test_only_a_known_price_above_a_cap_is_over_it(cents, cap, over):
    assert money.is_over(cents, cap) is over
