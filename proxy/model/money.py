"""US dollars of the protocols, and the whole cents that the proxy computes with. Pure."""

import math

ROUNDING = 1e-6
"""In cents: the float 0.29 is a little less than 0.29."""


def cents(dollars: float) -> int:
    """Whole cents, rounded down, for balances and maximum prices."""
    return math.floor(dollars * 100 + ROUNDING)


def price(dollars: float) -> int:
    """Whole cents, rounded up, for prices: a little more than the maximum price is over it."""
    return -cents(-dollars)


def dollars(cents: int) -> str:
    """Dollars as text, such as `0.90` or `-12.05`."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def as_number(cents: int) -> float:
    """Dollars, for a JSON number."""
    return cents / 100


def is_over(cents: int | None, max_price: int | None) -> bool:
    """Whether a price is over the maximum, both in cents; False if one of them is None."""
    return cents is not None and max_price is not None and cents > max_price
