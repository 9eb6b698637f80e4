"""Counts in texts for people: "1 order", "2 orders"."""


def counted(count: int, noun: str, nouns: str = "") -> str:
    """`nouns` is for plurals that do not end in a plain s."""
    return f"{count} {noun if count == 1 else nouns or f'{noun}s'}"
