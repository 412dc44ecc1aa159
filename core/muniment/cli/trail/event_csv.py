"""The audit trail as CSV (RFC 4180), a line for each event."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from muniment.api import AuditEvent
from muniment.cli.trail.event_lines import act
from muniment.system.formatting import iso
from muniment.system.sanitise import clean

COLUMNS = (
    "time", "reader", "uid", "role", "kind", "act", "whose", "folder", "query", "messages", "total", "reason",
    "refusal", "times", "about", "request", "sequence",
)  # fmt: skip
_OWN = frozenset({"folder", "query", "messages", "total", "reason", "refusal", "count"})
"""Details that have a column of their own. The others are in `about`."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula."""


def csv_of(events: Iterable[AuditEvent], header: bool = False) -> bytes:
    """Lines of CSV in UTF-8, each ended by CR and LF.

    Control characters are removed. A cell that a spreadsheet would take for a formula begins with an
    apostrophe.

    Args:
        events: The events.
        header: Whether the line of column names comes first.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    if header:
        writer.writerow(COLUMNS)
    writer.writerows([harmless_cell(cell) for cell in _cells(event)] for event in events)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cells(event: AuditEvent) -> Iterable[str]:
    detail = event.detail
    yield from (iso(event.time), event.who, str(event.uid), event.role, event.kind, act(event))
    yield "everybody" if event.everybody else " ".join(event.people)
    yield from (str(detail.get(name, "")) for name in ("folder", "query"))
    yield " ".join(map(str, detail.get("messages", ())))
    yield from (str(detail.get(name, "")) for name in ("total", "reason", "refusal"))
    yield str(detail.get("count", 1))
    yield "; ".join(f"{name}: {value}" for name, value in detail.items() if name not in _OWN)
    yield from (event.word, str(event.sequence))


def harmless_cell(cell: str) -> str:
    """A cell of CSV without control characters, which no spreadsheet takes for a formula."""
    text = clean(cell)
    return f"'{text}" if cell.startswith(_FORMULA) or text.startswith(_FORMULA) else text
