"""Makes text of clients and of the upstream safe to print on a terminal or in a spreadsheet.

Characters that move the cursor, change colours, begin a line or change the direction of writing are
written as escapes, like `\\x1b`: such a text cannot imitate a line of the proxy. Pure: no IO.
"""

import json
import re

_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
"""They begin a formula in a spreadsheet (OWASP, CSV Injection), also in full width."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def visible(text: str) -> str:
    """Writes every invisible character as its escape: control characters, line breaks, marks of
    direction, spaces other than the plain one, halves of surrogate pairs.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def visible_json(text: str) -> str:
    """The same JSON, with every such character in its strings written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text
    )


def spreadsheet_cell(text: str) -> str:
    """As `visible`, with a leading ' if a spreadsheet would read it as a formula."""
    is_formula = text.lstrip(" ")[:1] in _FORMULA and not _NUMBER.fullmatch(text)
    return f"'{visible(text)}" if is_formula else visible(text)
