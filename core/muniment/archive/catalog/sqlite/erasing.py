"""Writes erasures into the catalog, and looks them up."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from muniment.archive.catalog.model import Erasure
from muniment.archive.catalog.sqlite import sql, sql_writes
from muniment.archive.catalog.sqlite.encoding import clean
from muniment.archive.facts import RedactionFact


def write_redactions(connection: Connection, facts: Iterable[RedactionFact]) -> None:
    """Write decisions to erase, with a tombstone for each message and each copy that they erase."""
    for fact in facts:
        row = (fact.sequence, fact.time, fact.record, fact.size, fact.at, clean(fact.basis))
        connection.exec_driver_sql(sql_writes.INSERT_REDACTION, row)
        messages = [(sha, 0, fact.sequence, fact.contents.get(sha)) for sha in fact.messages]
        copies = [(sha, 1, fact.sequence, None) for sha in fact.copies]
        if messages or copies:
            connection.exec_driver_sql(sql_writes.PUT_TOMBSTONE, [*messages, *copies])


def erasure_of(connection: Connection, sha: bytes) -> Erasure | None:
    """Return the last decision by which a message or copy was erased; None if there is none."""
    row = connection.execute(sql.ERASURE_OF, {"sha": sha}).first()
    return None if row is None else Erasure(row.id, row.at, row.basis)
