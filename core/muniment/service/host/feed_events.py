"""Pages of audit events in the order of the ledger, as the audit feed sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from muniment import api
from muniment.archive.catalog import AuditRow
from muniment.archive.catalog.audit_keys import CHANGE, EXPORT, REFUSED
from muniment.archive.ledger.commits import UNCOUNTED
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.proof.trail import counted_events, read_trail
from muniment.archive.vault.vault import Vault
from muniment.feed.rfc5424 import INFORMATIONAL, NOTICE, WARNING, SyslogEvent
from muniment.service.access.audit_events import api_event, cursor_of
from muniment.service.host.feed_cursor import FeedCursor

PAGE = 100
"""Most events of a page."""
_SEVERITIES = {REFUSED: WARNING, CHANGE: NOTICE, EXPORT: NOTICE}
_FIRST = ("query", "messages", "reason", "refusal", "folder", "user", "id", "count", "total")
"""Details that come first, if an event has more than a message takes."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """The next events of the trail."""

    events: tuple[SyslogEvent, ...]
    place: int
    """The sequence of the last event that was looked at."""
    cursor: FeedCursor
    """The cursor once the events are sent."""
    more: bool
    """Whether another page may follow."""


def next_page(vault: Vault, head: LedgerHead, place: int, cursor: FeedCursor, limit: int = PAGE) -> FeedPage:
    """Read the next events before a commit, from the ledger.

    Args:
        vault: The vault.
        head: The ledger's state up to which events are read.
        place: The sequence of the last event of the page before; -1 for none.
        cursor: The cursor after the page before.
        limit: Most events of the page.
    """
    rows = (
        vault.catalog.audited(limit, head.tree_size, after=place, oldest_first=True) if head.tree_size else []
    )
    found = read_trail(vault, rows, counted=False).rows
    events = tuple(_event(vault, row, cursor.number + count) for count, row in enumerate(found, 1))
    if found:
        cursor = replace(cursor, cursor=cursor_of(found[-1]), number=cursor.number + len(found))
    return FeedPage(events, rows[-1].sequence if rows else place, cursor, len(rows) == limit)


def compared(vault: Vault, head: LedgerHead, cursor: FeedCursor) -> FeedCursor:
    """The cursor after all events before a commit, compared with the number that the ledger counts.

    If the catalog has not named all of them, that is noted, and the ledger's number is taken: a receiver sees
    the gap in the numbers of the events.
    """
    counted = counted_events(vault, head)
    if counted in (UNCOUNTED, cursor.number):
        return cursor
    return replace(cursor, number=counted, lacking=cursor.lacking + abs(counted - cursor.number))


def _event(vault: Vault, row: AuditRow, number: int) -> SyslogEvent:
    event = api_event(vault, row)
    return SyslogEvent(
        number=number,
        time=event.time,
        kind=event.kind,
        severity=_SEVERITIES.get(event.kind, INFORMATIONAL),
        text=_sentence(event),
        parameters=_parameters(event),
    )


def _sentence(event: api.AuditEvent) -> str:
    """What happened, such as "read: ada (auditor), Show, mail of anna@example.com; reason: case 9"."""
    who = f"{_text(event.who) or 'somebody'} ({_text(event.role) or 'no role'})"
    people = "everybody" if event.everybody else ", ".join(event.people)
    parts = [f"{event.event}: {who}, {event.word}" + (f", mail of {people}" if people else "")]
    parts += [
        f"{name}: {_text(event.detail[name])}" for name in ("refusal", "reason") if event.detail.get(name)
    ]
    return "; ".join(parts)


def _parameters(event: api.AuditEvent) -> Mapping[str, str]:
    common = {
        "cursor": event.cursor, "event": event.event, "who": event.who, "uid": event.uid, "role": event.role,
        "word": event.word, "people": event.people, "everybody": event.everybody,
    }  # fmt: skip
    first = {name: event.detail[name] for name in _FIRST if name in event.detail}
    return {name: _text(value) for name, value in (common | first | event.detail | common).items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value))
    return json.dumps(value)
