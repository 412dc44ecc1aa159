"""Displacement: an original that arrives after its rewritten copies takes the place of their message.

The copies then belong to the original and file it in their folders, too. The bytes of the displaced message
stay stored, since its copies are read back from them, and its id leads to the original.
`docs/ledger-format.md` specifies the field `instead` of receipts, which says what is displaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from muniment.archive.catalog.sqlite import sql, sql_writes
from muniment.archive.catalog.sqlite.encoding import fetch_many, join
from muniment.archive.catalog.sqlite.filing import BatchMessages, FiledMessage, PlacementMoves, load_messages
from muniment.archive.catalog.sqlite.numbering import BoxNumbers
from muniment.archive.catalog.sqlite.refiling import refile_messages
from muniment.archive.facts import OriginalFact
from muniment.people.directory import Directory


class DisplacedTotals(NamedTuple):
    """Number and bytes of the displaced messages, which no longer count."""

    messages: int = 0
    bytes: int = 0


def displace(
    connection: Connection, facts: list[OriginalFact], directory: Directory, boxes: BoxNumbers
) -> DisplacedTotals:
    """Put originals in the place of the messages that they displace, after all else is written.

    If one of the two was lost to damage, the other stays as it is.
    """
    if not facts:
        return DisplacedTotals()
    known = load_messages(connection, {sha for fact in facts for sha in (fact.sha, fact.former)})
    heirs = _heirs(facts, known)
    if not heirs:
        return DisplacedTotals()
    _hand_over(connection, heirs)
    originals = {original.id: original for original in heirs.values()}
    refile_messages(connection, originals, directory, boxes)
    return _remove(connection, heirs, {former: known.by_id[former] for former in heirs})


def _heirs(facts: Iterable[OriginalFact], known: BatchMessages) -> dict[int, FiledMessage]:
    """Return the original of each displaced message, by the displaced message's number."""
    heirs: dict[int, FiledMessage] = {}
    for fact in facts:
        original, former = known.by_sha.get(fact.sha), known.by_sha.get(fact.former)
        if original is None or former is None or original is former:
            continue
        if original.id not in heirs and former.id not in heirs:
            original.touched = max(original.touched, former.touched, fact.sequence)
            heirs[former.id] = original
    for number, heir in reversed(heirs.items()):
        heirs[number] = heirs.get(heir.id, heir)  # a later fact may displace the original itself
    return heirs


def _hand_over(connection: Connection, heirs: dict[int, FiledMessage]) -> None:
    """Link the copies of displaced messages, and what those displaced before, to the originals."""
    links = [(heirs[row.message].id, row.envelope) for row in fetch_many(connection, sql.LINKS_TO, heirs)]
    rows = [(original.id, former) for former, original in heirs.items()]
    connection.exec_driver_sql(sql_writes.DELETE_LINKS, [(former,) for former in heirs])
    if links:
        connection.exec_driver_sql(sql_writes.INSERT_LINK, links)
    connection.exec_driver_sql(sql_writes.HAND_ON_FORMER, rows)


def _remove(
    connection: Connection, heirs: dict[int, FiledMessage], formers: dict[int, FiledMessage]
) -> DisplacedTotals:
    """Remove displaced messages from their folders; their bytes are found like those of parts from now on.

    An original was received when the first message was that it displaced.
    """
    moves = PlacementMoves()
    for former in formers.values():
        moves.move(former, set())
    moves.write(connection)
    rows = list(fetch_many(connection, sql.MESSAGES_BY_ID, heirs))
    parts = [(join(row.key, row.rest), row.segment, row.offset) for row in rows]
    connection.exec_driver_sql(sql_writes.ADD_PART, parts)  # a part with the same bytes may outlive it
    ages = [(row.received, heirs[row.id].id) for row in rows]
    connection.exec_driver_sql(sql_writes.AGE_MESSAGE, ages)
    connection.exec_driver_sql(
        sql_writes.INSERT_FORMER, [(row.id, row.key, row.rest, heirs[row.id].id) for row in rows]
    )
    connection.exec_driver_sql(sql_writes.DELETE_MESSAGE, [(former,) for former in heirs])
    return DisplacedTotals(len(rows), sum(row.size for row in rows))
