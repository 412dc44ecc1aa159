"""The queries behind `SqliteQueries` for arrivals; `catalog.base` has the contract of each.

Each function takes a connection for reading.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from muniment.archive.catalog.model import ArrivalCount
from muniment.archive.catalog.sqlite import sql
from muniment.archive.catalog.sqlite.encoding import whole
from muniment.archive.catalog.sqlite.tables import QUARTER
from muniment.archive.facts import RoutingReason

DELAY = 30 * 86400
"""Seconds by which a message may be older than the first report about it. Folders are sorted by the date of
their messages, so mail that was on its way for longer is not found."""


def arrivals(connection: Connection, start: int, end: int) -> list[ArrivalCount]:
    """Return the copies of each quarter of an hour from the one at `start` to the one before `end`."""
    counts: dict[int, list[int]] = {}
    where = {"first": start // QUARTER, "end": -(-end // QUARTER)}
    for row in connection.execute(sql.ARRIVALS, where).all():
        counts.setdefault(whole(row.quarter), [0, 0])[row.report] += whole(row.copies)
    return [ArrivalCount(quarter * QUARTER, both[1], both[0]) for quarter, both in counts.items()]


def newest_report(connection: Connection, until: int) -> int:
    """Return the time of the newest journal report, up to the quarter of an hour at `until`; 0 for none."""
    return connection.execute(sql.NEWEST_REPORT, {"quarter": until // QUARTER}).scalar_one_or_none() or 0


def oldest_report(connection: Connection) -> int:
    """Return the quarter of an hour of the oldest journal report; 0 for none."""
    return (connection.execute(sql.OLDEST_REPORT).scalar_one_or_none() or 0) * QUARTER


def reported_users(connection: Connection, since: int, folders: Collection[str]) -> set[str]:
    """Return the users with a message in one of the folders that a trusted report since then has brought."""
    where = {
        "folders": list(folders),
        "dated": since - DELAY,
        "since": since,
        "route": int(RoutingReason.JOURNAL),
    }
    return set(connection.execute(sql.REPORTED_USERS, where).scalars())
