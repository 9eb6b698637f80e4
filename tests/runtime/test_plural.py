"""No text for people says "1 orders": counts and their nouns are joined in one place."""

import re
from pathlib import Path

import pytest

from proxy.runtime.plural import counted

PROXY = Path(__file__).parents[2] / "proxy"

# A count put before a plural by hand: f"{len(rows)} rows", f"{rows.count} rows", "%d rows".
BY_HAND = re.compile(
    r"(?:\{(?:len\([^}]*\)|[\w.]*(?:count|orders|owed|ledger|active|waiting|surplus))\}|%d)"
    r" (?:[a-z]+ ){0,2}[a-z]+(?<!s)s\b"
)


@pytest.mark.parametrize(
    ("count", "nouns", "said"),
    [
        (0, ("order",), "0 orders"),
        (1, ("order",), "1 order"),
        (2, ("order",), "2 orders"),
        (1, ("country", "countries"), "1 country"),
        (205, ("country", "countries"), "205 countries"),
    ],
)
def test_one_thing_is_not_said_in_the_plural(count, nouns, said):
    assert counted(count, *nouns) == said


def test_no_count_is_put_before_a_plural_by_hand():
    found = [
        f"{path.name}: {hit[0]}"
        for path in PROXY.rglob("*.py")
        for hit in BY_HAND.finditer(path.read_text())
    ]
    assert found == []
