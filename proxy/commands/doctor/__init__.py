"""`doctor`: checks everything that the proxy needs, and says what to do if something is wrong."""

from typing import NamedTuple


class Finding(NamedTuple):
    """`says` is one line; if something is wrong, it ends with what to do."""

    about: str
    says: str
    is_wrong: bool = False


def good(about: str, says: str) -> Finding:
    return Finding(about, says)


def wrong(about: str, says: str) -> Finding:
    return Finding(about, " ".join(says.split()), is_wrong=True)
