"""The ledger as a table, CSV or JSON."""

import csv
import io
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from proxy.commands.columns import columns
from proxy.commands.one_off import temporary_upstream
from proxy.config.programs import Programs
from proxy.config.settings import UpstreamConfig
from proxy.model import ClientKey
from proxy.model.errors import Problem, ProblemError
from proxy.model.money import dollars
from proxy.runtime.printable import spreadsheet_cell
from proxy.store import Entry

WORDS = MappingProxyType({"purchase": "charge"})

HEADS = ("time", "key", "order", "kind", "dollars", "what")


def table(entries: Sequence[Entry]) -> str:
    """Aligned columns, and the totals."""
    charged, refunded = _totals(entries)
    total = f"charged {dollars(charged)}, refunded {dollars(refunded)}"
    return f"{columns([HEADS, *map(_row, entries)])}\n{total}"


def as_csv(entries: Iterable[Entry]) -> str:
    out = io.StringIO()
    rows = ([spreadsheet_cell(cell) for cell in _row(entry)] for entry in entries)
    csv.writer(out, lineterminator="\n").writerows([HEADS, *rows])
    return out.getvalue().rstrip("\n")


def as_json(entries: Iterable[Entry]) -> str:
    rows = [
        dict(zip(HEADS, _row(entry), strict=True)) | {"cents": entry.cents} for entry in entries
    ]
    return json.dumps(rows, indent=1)


FORMS: Mapping[str, Callable[[Sequence[Entry]], str]] = MappingProxyType(
    {"table": table, "csv": as_csv, "json": as_json}
)


def by_key(entries: Iterable[Entry], programs: Programs, now: float) -> str:
    """What each key was charged and refunded in these entries, and what it may still spend."""
    known = {program.key.hash: program for program in programs}
    by_hash: dict[str, list[Entry]] = {hash: [] for hash in known}
    for entry in entries:
        by_hash.setdefault(entry.key, []).append(entry)
    rows = [("key", "charged", "refunded", "spent", "left today", "left this month")]
    for hash, found in by_hash.items():
        charged, refunded = _totals(found)
        program = known.get(hash)
        name = program.name if program else hash[:8]
        limits = program.limits if program else programs.limits
        day, month = limits.since(now)
        left = _left(limits.per_day, found, day), _left(limits.per_month, found, month)
        spent = dollars(charged - refunded)
        rows.append((name, dollars(charged), dollars(refunded), spent, *left))
    return columns(rows)


def _totals(entries: Sequence[Entry]) -> tuple[int, int]:
    """Cents charged and refunded, both positive."""
    charged = -sum(entry.cents for entry in entries if entry.kind == "charge")
    return charged, sum(entry.cents for entry in entries if entry.kind == "refund")


def _left(limit: int | None, entries: Sequence[Entry], since: float) -> str:
    if limit is None:
        return "no limit"
    charged = {entry.order for entry in entries if entry.kind == "charge" and entry.at >= since}
    spent = -sum(e.cents for e in entries if e.order in charged and e.kind != "quote")
    return dollars(max(limit - spent, 0))


async def of_account(config: UpstreamConfig, since: float) -> list[Entry]:
    """The transactions of the upstream's account, oldest first. Raises ProblemError."""
    if not config.api_key:
        raise ProblemError(Problem.NO_KEY, "set upstream.api_key, or PROXY_UPSTREAM_API_KEY")
    key = ClientKey.of(config.api_key)
    async with temporary_upstream(config) as upstream:
        rows = await upstream.transactions(key)
    return [
        Entry(row.at, key.hash, row.order, WORDS.get(row.kind, row.kind), row.cents, row.what)
        for row in reversed(rows)
        if row.at >= since
    ]


def _row(entry: Entry) -> tuple[str, ...]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.at))
    return at, entry.key[:8], entry.order, entry.kind, dollars(entry.cents), entry.what
