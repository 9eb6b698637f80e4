"""A count with its noun. Pure."""


def counted(count: int, noun: str, nouns: str = "") -> str:
    """A count and its noun, as in "1 order", "2 orders"; `nouns` is an irregular plural."""
    return f"{count} {noun if count == 1 else nouns or f'{noun}s'}"
