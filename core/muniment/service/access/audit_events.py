"""Events of the audit trail as clients and receivers get them, each with its cursor.

A cursor names an event by its number in the ledger and the hash of its record. So a cursor of another vault,
or of records that a vault no longer has, is recognised.
"""

from __future__ import annotations

import hashlib
from typing import Any

from muniment import api
from muniment.archive.catalog import AuditRow
from muniment.archive.catalog.audit_keys import decoded, kind_of
from muniment.archive.operations.audit_search import concerns_everybody, people_of
from muniment.archive.proof.trail import read_trail
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound, UsageError


class UnknownCursor(NotFound):
    """A vault has no event with a cursor."""

    why: str = ""
    """What the vault has instead, as a part of a sentence."""


DIGITS = 16
"""Hex digits of the hash in a cursor."""


def api_event(vault: Vault, row: AuditRow) -> api.AuditEvent:
    """The event of a row, as `read_trail` returns it."""
    event = decoded(row.event)
    value: dict[str, Any] = {name: one for name, one in event.items() if name not in ("v", "people")}
    return api.AuditEvent(
        sequence=row.sequence,
        time=value.pop("at", row.time),
        event=value.pop("event", ""),
        who=value.pop("who", ""),
        uid=value.pop("uid", -1),
        role=value.pop("role", ""),
        word=value.pop("word", ""),
        detail=value,
        kind=kind_of(event),
        people=people_of(vault, event),
        everybody=concerns_everybody(event),
        cursor=cursor_of(row),
    )


def cursor_of(row: AuditRow) -> str:
    """The cursor of an event."""
    digest = hashlib.sha256(row.event.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{row.sequence}-{digest[:DIGITS]}"


def place_of(vault: Vault, cursor: str) -> int:
    """The number in the ledger of the event that a cursor names.

    Raises:
        UsageError: it has not the form of a cursor.
        UnknownCursor: the vault has no such event.
    """
    number, _, digest = cursor.partition("-")
    if not (number.isascii() and number.isdecimal() and len(number) < 19 and len(digest) == DIGITS):
        raise UsageError(f"{cursor[:80]!r} is no cursor: use the value of `cursor` of an event")
    place = int(number)
    rows = vault.catalog.audited(1, after=place - 1, oldest_first=True)
    found = read_trail(vault, rows, counted=False).rows
    if [cursor_of(row) for row in found] == [cursor]:
        return place
    size = vault.head.tree_size
    raise _unknown(
        cursor, f"it has only {size:,} records" if place >= size else "it has another record there"
    )


def _unknown(cursor: str, why: str) -> UnknownCursor:
    error = UnknownCursor(
        f"the event with the cursor {cursor} is not in this vault ({why}): the vault was set back, or the "
        "cursor is of another one; compare the vault with a checkpoint (`muniment verify --was`), and begin "
        "without a cursor to get all of its events"
    )
    error.why = why
    return error
