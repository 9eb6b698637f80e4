"""Text of strangers (clients, the upstream) as it may be printed: on a terminal, in a spreadsheet.

What moves the cursor, changes colours, begins a line or turns the direction of writing is shown as
its escape, `\\x1b`: a line of the log or of a table is one that the proxy has written. Pure.
"""

import json
import re

_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
"""Begin a formula in a spreadsheet (OWASP, CSV Injection), in full width too."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def visible(text: str) -> str:
    """Every character that cannot be seen as its escape: control characters, line breaks, marks of
    direction, spaces other than the plain one, halves of surrogate pairs.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def visible_json(text: str) -> str:
    """JSON that means the same, with every such character in its strings written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text
    )


def spreadsheet_cell(text: str) -> str:
    """Visible, and with a leading ' where a spreadsheet would take it for a formula."""
    is_formula = text.lstrip(" ")[:1] in _FORMULA and not _NUMBER.fullmatch(text)
    return f"'{visible(text)}" if is_formula else visible(text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
