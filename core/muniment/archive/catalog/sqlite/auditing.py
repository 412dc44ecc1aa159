"""Look-ups of the audit trail, and of decisions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection

from muniment.archive.catalog.audit_keys import KIND, KINDS
from muniment.archive.catalog.model import AuditRow, DecisionRow
from muniment.archive.catalog.sqlite import sql
from muniment.archive.catalog.sqlite.encoding import as_json, clean, fetch_many, position, text, whole
from muniment.archive.catalog.sqlite.reading import snapshot
from muniment.archive.ledger.model import LedgerHead, RecordKind

_END = 2**63 - 1


def audited(
    connection: Connection, limit: int, before: int, after: int, keys: Collection[str], oldest_first: bool
) -> list[AuditRow]:
    """Return the next audit events between two sequences; `keys` is empty for all events."""
    where = {"before": before or _END, "after": after, "limit": limit}
    if not keys:
        return [_row(row) for row in connection.execute(sql.audited(oldest_first), where).all()]
    found: set[int] = set()
    for key in keys:
        step = where | {"key": clean(key)}
        found.update(connection.execute(sql.audited_by_key(oldest_first), step).scalars())
    chosen = sorted(found, reverse=not oldest_first)[:limit]
    rows = {row.id: _row(row) for row in fetch_many(connection, sql.AUDITS_BY_ID, chosen)}
    return [rows[sequence] for sequence in chosen if sequence in rows]


def audit_keys(connection: Connection, beginning: str) -> list[str]:
    """Return all keys of audit events that begin with a text, sorted."""
    found: list[str] = []
    beginning = clean(beginning)
    key = connection.execute(sql.FIRST_AUDIT_KEY, {"key": beginning}).scalar_one()
    while key is not None and text(key).startswith(beginning):
        found.append(key)
        key = connection.execute(sql.NEXT_AUDIT_KEY, {"key": key}).scalar_one()
    return found


def audit_span(connection: Connection, since: int, until: int) -> tuple[int, int]:
    """Return the lowest and the highest sequence of the events recorded in a time; (0, -1) for none."""
    low, high = connection.execute(sql.AUDIT_SPAN, {"since": since, "until": until}).one()
    return (0, -1) if low is None else (low, high)


def count_audits(connection: Connection) -> tuple[LedgerHead, int]:
    """Return the head and the number of audit records before it; records at one position count once.

    A record without a key of its kind does not count: no list of one kind would have it.
    """
    head, _ = snapshot(connection)
    before = {"before": head.tree_size}
    records = connection.execute(sql.COUNT_AUDITS, before).scalar_one()
    kinds = {"kinds": [KIND + kind for kind in KINDS]}
    return head, min(records, connection.execute(sql.COUNT_AUDIT_KINDS, before | kinds).scalar_one())


def decisions(connection: Connection, kind: RecordKind, after: int, limit: int) -> list[DecisionRow]:
    """Return decisions of a kind, oldest first; `limit` is 0 for all after a sequence."""
    where = {"kind": int(kind), "after": after, "limit": limit or _END}
    rows = connection.execute(sql.DECISIONS_OF_KIND, where).all()
    return [DecisionRow(row.id, whole(row.time), as_json(row.content)) for row in rows]


def _row(row: Any) -> AuditRow:
    return AuditRow(row.id, position(row), whole(row.time), as_json(row.event))
