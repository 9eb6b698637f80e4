"""Rows of words in aligned columns, as commands print them. Pure."""

from collections.abc import Sequence

from proxy.runtime.printable import visible


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Aligned, a row a line: whatever stands in a cell."""
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in cells)
