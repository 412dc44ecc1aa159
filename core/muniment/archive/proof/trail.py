"""Reads the audit trail from the ledger; the catalog only says where its records are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from muniment.archive.catalog import EMPTY, AuditRow
from muniment.archive.ledger.commits import UNCOUNTED
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.archive.ledger.walk import commit_before
from muniment.archive.vault.vault import Vault
from muniment.errors import LedgerDamaged

REMEDY = "run `muniment verify`, and then `muniment rebuild --catalog` to see the trail as the ledger has it"
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class TrailCheck:
    """Audit events, and how the catalog's differ from the ledger's."""

    rows: tuple[AuditRow, ...]
    problems: tuple[str, ...]
    """A sentence each."""


def read_trail(vault: Vault, rows: Iterable[AuditRow], counted: bool = True) -> TrailCheck:
    """Read the events of the catalog's rows from the ledger, and find whether the catalog was changed.

    Args:
        vault: The vault.
        rows: Rows of the catalog's audit trail.
        counted: Whether the catalog's number of events is compared with the ledger's, which takes time in
            proportion to their number.

    Returns:
        The events as the ledger has them, without rows that have no record there, and the problems.
    """
    read, wrong = [], 0
    for row in rows:
        own = _from_ledger(vault, row)
        wrong += own != row
        if own is not None:
            read.append(own)
    problems = []
    if wrong:
        problems.append(
            f"the catalog's audit trail was changed: {wrong} of these events differ from the ledger"
        )
    head, held = vault.catalog.count_audits() if counted else (EMPTY, 0)
    in_ledger = counted_events(vault, head)
    if in_ledger not in (UNCOUNTED, held):
        problems.append(
            f"the catalog's audit trail was changed: it has {held} events, the ledger {in_ledger}"
        )
    return TrailCheck(tuple(read), tuple(f"{problem}; {REMEDY}" for problem in problems))


def _from_ledger(vault: Vault, row: AuditRow) -> AuditRow | None:
    """Read the event at a row's position; None if there is no audit record."""
    try:
        frame = vault.reader.read_frame(row.position)
        if frame.kind is not RecordKind.AUDIT:
            return None
        event = vault.reader.payload(frame).decode()
    except (LedgerDamaged, UnicodeDecodeError):
        return None
    return replace(row, time=frame.time // SECOND, event=event)


def counted_events(vault: Vault, head: LedgerHead) -> int:
    """Return how many audit records the ledger counts before a commit; UNCOUNTED if that is not known."""
    if not head.tree_size:
        return UNCOUNTED
    found = commit_before(vault.segments, head.segment, vault.catalog.vault_id, head.offset)
    return UNCOUNTED if found is None else found[1].audits
