"""The money ledger as a person or a program reads it. Pure: entries in, text out."""

import csv
import io
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from proxy.legacy.answers import dollars
from proxy.store import Entry

HEADS = ("time", "key", "order", "kind", "dollars", "what")


def table(entries: Sequence[Entry]) -> str:
    """Aligned columns, and the sum of each kind."""
    rows = [HEADS, *map(_row, entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
             for row in rows]  # fmt: skip
    sums = {kind: sum(e.cents for e in entries if e.kind == kind) for kind in ("charge", "refund")}
    total = f"charged {dollars(-sums['charge'])}, refunded {dollars(sums['refund'])}"
    return "\n".join([*(line.rstrip() for line in lines), total])


def as_csv(entries: Iterable[Entry]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([HEADS, *map(_row, entries)])
    return out.getvalue().rstrip("\n")


def as_json(entries: Iterable[Entry]) -> str:
    rows = [
        dict(zip(HEADS, _row(entry), strict=True)) | {"cents": entry.cents} for entry in entries
    ]
    return json.dumps(rows, indent=1)


FORMS: Mapping[str, Callable[[Sequence[Entry]], str]] = MappingProxyType(
    {"table": table, "csv": as_csv, "json": as_json}
)


def _row(entry: Entry) -> tuple[str, ...]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.at))
    return at, entry.key[:8], entry.order, entry.kind, dollars(entry.cents), entry.what
