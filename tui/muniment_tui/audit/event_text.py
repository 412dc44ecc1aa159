"""The whole record of an event as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.content import Content

from muniment.cli.trail.event_lines import AuditLine, act
from muniment.system.formatting import count, local
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.facts import fact

LABELS = {
    "folder": "Folder",
    "query": "Query",
    "reason": "Reason",
    "refusal": "Refused",
    "total": "Exported",
    "path": "To",
    "zone": "Time zone",
    "user": "Named user",
    "number": "Attachment",
    "report": "Report",
    "what": "Part",
}
"""Details in the order in which they are shown first. Others follow under their own names."""
SHOWN = 200
"""Most messages and events that are listed."""


def line_text(line: AuditLine, width: int) -> Content:
    """Everything that is recorded about the events of a line, for a pane of `width` cells."""
    event = line.newest
    facts: list[tuple[str, str]] = [
        ("When", local(event.time)),
        ("Who", f"{event.who or '-'}" + (f", {event.role}" if event.role else "")),
        ("What", act(event)),
        ("Whose mail", "everybody" if event.everybody else ", ".join(event.people) or "-"),
    ]
    facts += _details(event.detail)
    facts.append(("User id", str(event.uid) if event.uid >= 0 else "-"))
    facts.append(("Recorded as", f"record {count(event.sequence)} of the ledger"))
    lines = [fact(label, shown(value), width) for label, value in facts]
    if len(line.events) > 1:
        lines.append(Content())
        lines.append(shown(f"{count(len(line.events))} requests that belong together", "bold $primary"))
        lines += [_part(one.time, one.sequence, one.detail) for one in line.events[:SHOWN]]
        lines += [fact(label, shown(value), width) for label, value in _more(len(line.events))]
    return Content("\n").join(lines)


def _details(detail: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """The details of an event with their labels."""
    names = [name for name in LABELS if name in detail]
    hidden = {"messages", "count", *(("id",) if detail.get("messages") else ())}
    names += [name for name in detail if name not in LABELS and name not in hidden]
    for name in names:
        value = detail[name]
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield (LABELS.get(name, name.capitalize()), text)
    if detail.get("count", 1) > 1:
        yield ("Times", count(int(detail["count"])))
    messages = list(detail.get("messages", ()))
    for number, message in enumerate(messages[:SHOWN]):
        label = "" if number else "Message" if len(messages) == 1 else "Messages"
        yield (label, str(message))
    yield from _more(len(messages))


def _more(number: int) -> Iterable[tuple[str, str]]:
    if number > SHOWN:
        yield ("", f"and {count(number - SHOWN)} more; the CSV has all of them")


def _part(time: int, sequence: int, detail: dict[str, Any]) -> Content:
    query = f"  {detail['query']}" if detail.get("query") else ""
    return joined((local(time), "$secondary"), (f"  record {count(sequence)}{query}", ""))
