"""Files old mail again after the directory has changed, in batches that can be resumed.

The table `state` holds what is left to do: the affected addresses and domains, and a cursor over the
addresses and the copies that mention them. Each batch files the messages of a bounded number of mentions and
moves the cursor, in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from muniment.archive.catalog.sqlite import sql, sql_writes, tables
from muniment.archive.catalog.sqlite.encoding import clean, fetch_many
from muniment.archive.catalog.sqlite.filing import (
    FiledMessage,
    PlacementMoves,
    load_addresses,
    load_filed,
    read_parties,
)
from muniment.archive.catalog.sqlite.numbering import BoxNumbers
from muniment.people.directory import Directory, touches
from muniment.people.routing import OWNED, Placement, RoutedEnvelope, route_envelope, unite

_SCANNED = 2000
"""Most addresses that one step compares with the affected ones."""


def note_affected(connection: Connection, affected: Iterable[str]) -> None:
    """Add to what must be filed again, and start from the first address. An empty catalog needs nothing."""
    more = set(affected)
    if more and connection.execute(sql.highest(tables.address)).scalar_one() >= 0:
        what = json.dumps(sorted(more | pending(connection)))
        connection.execute(sql_writes.SET_REFILE, {"what": what, "at_address": 0, "at_envelope": -1})


def pending(connection: Connection) -> set[str]:
    """Return the affected addresses and domains whose mail must still be filed again."""
    value = connection.execute(sql.GET_STATE).one().affected
    return set(json.loads(value)) if value else set()


def count_mentioned(connection: Connection, affected: Iterable[str]) -> int:
    """Return how many messages have a copy that mentions an affected address."""
    wanted = set(affected)
    found: list[int] = []
    first, more = 0, bool(wanted)
    while more:
        rows = connection.execute(sql.ADDRESSES_FROM, {"first": first, "limit": _SCANNED}).all()
        found += [row.id for row in rows if touches(wanted, row.address)]
        more = len(rows) == _SCANNED
        first = rows[-1].id + 1 if rows else 0
    return int(connection.execute(sql.COUNT_MENTIONED, {"ids": json.dumps(found)}).scalar_one())


def relabel(connection: Connection, directory: Directory) -> None:
    """Update the labels of users to those in the directory."""
    rows = [(clean(directory.label(row.key)), row.label, row.id) for row in connection.execute(sql.ALL_USERS)]
    changed = [(label, number) for label, before, number in rows if label != before]
    if changed:
        connection.exec_driver_sql(sql_writes.LABEL_USER, changed)


@dataclass(slots=True)
class _Cursor:
    """The position in the mentions: the next one is of this address, after this envelope."""

    address: int
    envelope: int


def refile_batch(connection: Connection, directory: Directory, boxes: BoxNumbers, batch: int) -> int | None:
    """File the messages of the next `batch` mentions.

    Returns:
        The number of messages; None if nothing was left to do.
    """
    affected = pending(connection)
    if not affected:
        return None
    state = connection.execute(sql.GET_STATE).one()
    cursor = _Cursor(state.cursor_address, state.cursor_envelope)
    envelopes, more = _mentions(connection, affected, cursor, batch)
    links = fetch_many(connection, sql.LINKS_OF, envelopes)
    filed = load_filed(connection, {row.message for row in links})
    refile_messages(connection, filed, directory, boxes)
    what = json.dumps(sorted(affected)) if more else None
    if not more:
        cursor = _Cursor(0, -1)  # as in a new catalog, so that a rebuilt one is equal
    position = {"what": what, "at_address": cursor.address, "at_envelope": cursor.envelope}
    connection.execute(sql_writes.SET_REFILE, position)
    return len(filed)


def _mentions(
    connection: Connection, affected: set[str], cursor: _Cursor, batch: int
) -> tuple[list[int], bool]:
    """Return the envelopes of the next `batch` mentions, and whether there are more; moves the cursor."""
    found: list[int] = []
    scan = {"first": cursor.address, "limit": _SCANNED}
    addresses = connection.execute(sql.ADDRESSES_FROM, scan).all()
    for row in addresses:
        if touches(affected, row.address):
            after = cursor.envelope if row.id == cursor.address else -1
            step = {"address": row.id, "after": after, "limit": batch - len(found)}
            found += connection.execute(sql.MENTIONS_OF, step).scalars()
            if len(found) >= batch:
                cursor.address, cursor.envelope = row.id, found[-1]
                return found, True
    if addresses:
        cursor.address, cursor.envelope = addresses[-1].id + 1, -1
    return found, len(addresses) == _SCANNED


def refile_messages(
    connection: Connection, filed: dict[int, FiledMessage], directory: Directory, boxes: BoxNumbers
) -> None:
    """File messages only where their copies put them by the current directory."""
    for message, envelope in _routed(connection, filed):
        filed[message].places |= route_envelope(envelope, directory)
    for one in filed.values():
        one.places = unite(one.places, ())
    wanted: set[Placement] = set().union(*(one.places for one in filed.values()))
    ids = boxes.need(connection, sorted(wanted), directory)
    moves = PlacementMoves()
    for one in filed.values():
        moves.refile(one, {ids[place] for place in one.places})
    moves.write(connection)


def _routed(connection: Connection, messages: Iterable[int]) -> Iterator[tuple[int, RoutedEnvelope]]:
    """Yield all copies of messages in the form that routing takes."""
    rows = list(fetch_many(connection, sql.ROUTES_OF, messages))
    names = load_addresses(connection, (row.parties for row in rows))
    by_envelope: dict[int, list[int]] = {}
    times: dict[int, int] = {}
    for row in rows:
        by_envelope.setdefault(row.id, []).append(row.message)
        times[row.id] = row.time
        yield row.message, RoutedEnvelope(row.route & ~OWNED, row.time, read_parties(row.parties, names))
    for owner in fetch_many(connection, sql.OWNERS_OF, by_envelope):
        for message in by_envelope[owner.envelope]:
            route = RoutedEnvelope(OWNED, times[owner.envelope], (), owner.address, owner.folder)
            yield message, route
