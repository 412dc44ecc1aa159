"""Writes erasures into the catalog, and looks them up."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection

from muniment.archive.catalog.model import Erasure
from muniment.archive.catalog.sqlite import sql, sql_writes
from muniment.archive.catalog.sqlite.encoding import clean, fetch_many
from muniment.archive.facts import ReceiptFact, RedactionFact


def write_redactions(connection: Connection, facts: Iterable[RedactionFact]) -> None:
    """Write decisions to erase, with a tombstone for each message and each copy that they erase."""
    for fact in facts:
        row = (fact.sequence, fact.time, fact.record, fact.size, fact.at, clean(fact.basis))
        connection.exec_driver_sql(sql_writes.INSERT_REDACTION, row)
        messages = [(sha, 0, fact.sequence, fact.contents.get(sha)) for sha in fact.messages]
        copies = [(sha, 1, fact.sequence, None) for sha in fact.copies]
        if messages or copies:
            connection.exec_driver_sql(sql_writes.PUT_TOMBSTONE, [*messages, *copies])


def erased_among(connection: Connection, hashes: Collection[bytes]) -> dict[bytes, bytes]:
    """Return those of the hashes that are of erased mail, with the SHA-256 of the erased message or copy."""
    if connection.execute(sql.ANY_TOMBSTONE).first() is None:
        return {}
    wanted = [sha for sha in hashes if sha]
    found = {row.content: row.sha for row in fetch_many(connection, sql.TOMBSTONES_BY_CONTENT, wanted)}
    return found | {row.sha: row.sha for row in fetch_many(connection, sql.TOMBSTONES, wanted)}


def note_copies(connection: Connection, receipts: Iterable[ReceiptFact]) -> None:
    """Remember copies of erased mail that came again in another form, so that they are not fetched again."""
    for fact in receipts:
        decision = erasure_of(connection, fact.erased) if fact.erased else None
        if decision is not None:
            row = (fact.sha, 1, decision.record, None)
            connection.exec_driver_sql(sql_writes.PUT_TOMBSTONE, row)


def erased_by_prefix(connection: Connection, low: bytes, high: bytes) -> tuple[bytes, Erasure] | None:
    """Return the only erased message with a SHA-256 between two, and the decision; else None."""
    rows = connection.execute(sql.TOMBSTONES_BY_RANGE, {"low": low, "high": high}).all()
    decision = erasure_of(connection, rows[0].sha) if len(rows) == 1 else None
    return None if decision is None else (rows[0].sha, decision)


def erasure_of(connection: Connection, sha: bytes) -> Erasure | None:
    """Return the last decision by which a message or copy was erased; None if there is none."""
    row = connection.execute(sql.ERASURE_OF, {"sha": sha}).first()
    return None if row is None else Erasure(row.id, row.at, row.basis)
