"""US dollars as others write them, and whole cents, in which the proxy reckons. Pure."""

import math

ROUNDING = 1e-6
"""Of a cent: 0.29 as a float is a little less."""


def cents(dollars: float) -> int:
    """Whole cents, rounded down: neither a balance nor a cap is more than there is."""
    return math.floor(dollars * 100 + ROUNDING)


def price(dollars: float) -> int:
    """Whole cents, rounded up: what costs a little more than a cap is over it."""
    return -cents(-dollars)


def dollars(cents: int) -> str:
    """Such as `0.90`, `-12.05`."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def as_number(cents: int) -> float:
    """Dollars, for a JSON number."""
    return cents / 100


def is_over(cents: int | None, max_price: int | None) -> bool:
    """A price, in cents, that is higher than may be paid; what has no price or no cap is not."""
    return cents is not None and max_price is not None and cents > max_price
