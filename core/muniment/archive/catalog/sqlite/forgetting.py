"""Forgets erased mail: its rows, its places in folders and counts, and names that no other mail has.

What stays of it are the keys under which it was fetched, and the tombstones (see erasing.py). A copy that has
also brought mail which is kept stays with its people, since that mail is filed by them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection

from muniment.archive.catalog.sqlite import sql, sql_writes, tables
from muniment.archive.catalog.sqlite.encoding import fetch_many, join, party_ids
from muniment.archive.catalog.sqlite.filing import FiledMessage, PlacementMoves, load_messages
from muniment.archive.facts import ErasedFrame, RedactionFact
from muniment.archive.ledger.model import RecordKind


class ForgottenTotals(NamedTuple):
    """Number and bytes of the messages and copies that no longer count."""

    messages: int = 0
    message_bytes: int = 0
    copies: int = 0
    copy_bytes: int = 0


def forget(connection: Connection, facts: Iterable[RedactionFact]) -> ForgottenTotals:
    """Forget what decisions have erased, after all else is written. Cached numbers are out of date then."""
    every = [_forget(connection, fact) for fact in facts]
    return ForgottenTotals(*(sum(column) for column in zip(*every, strict=True))) if every else NOTHING


NOTHING = ForgottenTotals()


def _forget(connection: Connection, fact: RedactionFact) -> ForgottenTotals:
    messages = load_messages(connection, fact.messages).by_id
    rows = list(fetch_many(connection, sql.MESSAGES_BY_ID, messages))
    linked = {row.envelope for row in fetch_many(connection, sql.LINKS_TO, messages)}
    _unfile(connection, messages)
    for statement in (sql_writes.DELETE_LINKS, sql_writes.DELETE_FORMERS, sql_writes.DELETE_MESSAGE):
        _run(connection, statement, [(number,) for number in messages])
    _keep_attachments(connection, rows, fact.frames)
    _forget_records(connection, fact.frames)
    still = {row.envelope for row in fetch_many(connection, sql.LINKS_OF, linked)}
    copies = list(fetch_many(connection, sql.COPIES_BY_ID, linked - still))
    _forget_copies(connection, copies)
    return ForgottenTotals(
        len(rows), sum(row.size for row in rows), len(copies), sum(row.size for row in copies)
    )


def _run(connection: Connection, statement: str, rows: list[Any]) -> None:
    if rows:
        connection.exec_driver_sql(statement, rows)


def _unfile(connection: Connection, messages: dict[int, FiledMessage]) -> None:
    """Remove messages from their folders, and what is empty then: the names of both may be from the mail."""
    moves = PlacementMoves()
    for message in messages.values():
        moves.move(message, set())
    moves.write(connection)
    users = {row.user for row in fetch_many(connection, sql.USERS_OF_BOXES, moves.counts)}
    _run(connection, sql_writes.DELETE_EMPTY_BOX, [(box,) for box in moves.counts])
    _run(connection, sql_writes.DELETE_EMPTY_USER, [(user,) for user in users])


def _keep_attachments(connection: Connection, rows: list[Any], frames: Collection[ErasedFrame]) -> None:
    """Find messages whose record stays like parts: other mail has the same bytes as an attachment."""
    gone = {(frame.segment, frame.offset) for frame in frames}
    kept = [(join(r.key, r.rest), r.segment, r.offset) for r in rows if (r.segment, r.offset) not in gone]
    _run(connection, sql_writes.PUT_PART, kept)


def _forget_records(connection: Connection, frames: Collection[ErasedFrame]) -> None:
    """Forget parts, displaced messages and quarantined items by the place of their record."""
    places = [(frame.sha, frame.segment, frame.offset) for frame in frames]
    _run(connection, sql_writes.DELETE_PART, places)
    quarantined = [
        place for frame, place in zip(frames, places, strict=True) if frame.kind == RecordKind.QUARANTINE
    ]
    _run(connection, sql_writes.DELETE_QUARANTINE, quarantined)


def _forget_copies(connection: Connection, copies: list[Any]) -> None:
    """Forget copies, with the people on them; keys of them stay, with their hash."""
    numbers = {row.id for row in copies}
    people = {(address, row.id) for row in copies for address in _addresses(row.parties)}
    people |= {(row.address, row.envelope) for row in fetch_many(connection, sql.OWNERS_BY_COPY, numbers)}
    keys = [(join(row.key, row.rest), row.id) for row in copies]
    _run(connection, sql_writes.UNLINK_KNOWN, keys)
    _run(connection, sql_writes.DELETE_MENTION, sorted(people))
    for statement in (sql_writes.DELETE_OWNERS, sql_writes.DELETE_ENVELOPE):
        _run(connection, statement, [(number,) for number in numbers])
    _forget_arrivals(connection, copies)
    _forget_addresses(connection, {address for address, _ in people})


def _addresses(parties: str) -> Iterable[int]:
    """Yield the addresses in the `parties` of a row, lists and forwarding addresses included."""
    for _, address, via in party_ids(parties):
        yield address
        if via is not None:
            yield via


def _forget_arrivals(connection: Connection, copies: list[Any]) -> None:
    """Take copies out of the counts of their quarter of an hour."""
    counts = Counter((row.report, row.time // tables.QUARTER) for row in copies)
    newest: dict[tuple[int, int], int] = {}
    for row in copies:
        period = (row.report, row.time // tables.QUARTER)
        newest[period] = max(newest.get(period, row.time), row.time)
    _run(connection, sql_writes.TAKE_ARRIVALS, [(count, *period) for period, count in counts.items()])
    _run(connection, sql_writes.DELETE_ARRIVAL, list(counts))
    for (report, quarter), time in newest.items():
        where = {"report": report, "quarter": quarter}
        if connection.execute(sql.NEWEST_OF, where).scalar_one_or_none() == time:
            start = quarter * tables.QUARTER
            span = {"report": report, "start": start, "last": start + tables.QUARTER - 1}
            left = connection.execute(sql.NEWEST_COPY, span).scalar_one()
            connection.exec_driver_sql(sql_writes.SET_NEWEST, (left, report, quarter))


def _forget_addresses(connection: Connection, addresses: set[int]) -> None:
    """Forget the addresses that are on no copy any more."""
    used = {row.address for row in fetch_many(connection, sql.MENTIONED, addresses)}
    _run(connection, sql_writes.DELETE_ADDRESS, [(address,) for address in addresses - used])
