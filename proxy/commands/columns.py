"""Tables in the output of commands. Pure."""

from collections.abc import Sequence

from proxy.runtime.printable import visible


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines with aligned columns; control characters are escaped."""
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in cells)
