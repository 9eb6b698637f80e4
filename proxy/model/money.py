"""US dollars of the protocols, and the whole cents that the proxy computes with. Pure.

Dollars are read as decimals: clients and servers compute them as floats, so 0.7 * 1.65 arrives as
1.1549999999999998. An amount is rounded to nine decimals first, which undoes that, then to cents.
"""

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

MAX_DIGITS = 40
"""Characters of a price that a client sends."""

_PLAIN = re.compile(r"(?=[.,]?[0-9])[0-9]*[.,]?[0-9]*")
_DECIMALS = 9
_OF_A_CENT = 10_000_000
# Exact for every number of MAX_DIGITS, and for the shortest decimal of every float.
_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)


def plain(text: str) -> Decimal | None:
    """Dollars that a client sent: ASCII digits with at most one point, or a comma for it. None for
    anything else, such as a sign, an exponent, or more than MAX_DIGITS characters.
    """
    is_plain = len(text) <= MAX_DIGITS and _PLAIN.fullmatch(text)
    return Decimal(text.replace(",", ".")) if is_plain else None


def cents(dollars: float | Decimal) -> int:
    """Whole cents, rounded down, for balances and maximum prices."""
    return _rounded(dollars) // _OF_A_CENT


def price(dollars: float | Decimal) -> int:
    """Whole cents, rounded up, for prices: a little more than the maximum price is over it."""
    return -(-_rounded(dollars) // _OF_A_CENT)


# The upstream's lists repeat a few hundred prices.
@lru_cache(1024)
def _rounded(dollars: float | Decimal) -> int:
    """In the ninth decimal. A float is its shortest decimal, as its `repr` is."""
    exact = dollars if isinstance(dollars, Decimal) else Decimal(repr(dollars))
    return int(exact.scaleb(_DECIMALS, _EXACT).to_integral_value(context=_EXACT))


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
