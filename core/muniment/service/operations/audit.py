"""Answers GetAudit: the audit trail as auditors read it."""

from __future__ import annotations

import json
from typing import Any

from muniment import api
from muniment.archive.proof.trail import read_trail
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import Operation


def list_audit(session: ClientSession, request: api.GetAudit) -> api.Audit:
    """Answer GetAudit: a page of events, found by the catalog and read from the ledger."""
    with session.reading() as vault:
        limit = min(max(request.limit, 1), 10_000)
        rows = vault.catalog.audited(limit + 1, max(request.after, 0))
        trail = read_trail(vault, rows[:limit])
    events = tuple(_api_event(row.sequence, row.time, row.event) for row in trail.rows)
    after = rows[limit - 1].sequence if len(rows) > limit else 0
    return api.Audit(events=events, after=after, problems=trail.problems)


def _api_event(sequence: int, committed: int, written: str) -> api.AuditEvent:
    value: dict[str, Any] = json.loads(written)
    value.pop("v", None)
    return api.AuditEvent(
        sequence=sequence,
        time=value.pop("at", committed),
        event=value.pop("event", ""),
        who=value.pop("who", ""),
        uid=value.pop("uid", -1),
        role=value.pop("role", ""),
        word=value.pop("word", ""),
        detail=value,
    )


OPERATIONS = (Operation(api.GetAudit, (api.Audit,), AccessRole.AUDITOR, list_audit),)
