"""Writes where the results of signatures are recorded, and looks them up."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from muniment.archive.catalog.model import EvidenceRow
from muniment.archive.catalog.sqlite import sql, sql_writes
from muniment.archive.facts import FramePosition, SenderEvidenceFact


def write_evidence(connection: Connection, facts: Iterable[SenderEvidenceFact]) -> None:
    """Write where records are, and which messages they are about."""
    rows = [
        (
            *(fact.sequence, fact.position.segment, fact.position.offset, fact.time),
            *(fact.sha, fact.size, fact.first, fact.through),
        )
        for fact in facts
    ]
    if rows:
        connection.exec_driver_sql(sql_writes.INSERT_EVIDENCE, rows)


def evidence_for(connection: Connection, message: int) -> EvidenceRow | None:
    """Return the record about a message; None if its signatures were not judged."""
    row = connection.execute(sql.EVIDENCE_FOR, {"message": message}).first()
    if row is None or row.first > message:
        return None
    return EvidenceRow(row.id, FramePosition(row.segment, row.offset), row.time)


def evidence_reached(connection: Connection) -> int:
    """Return the last number up to which messages were judged; -1 if none were."""
    found = connection.execute(sql.EVIDENCE_REACHED).scalar()
    return -1 if found is None else int(found)
