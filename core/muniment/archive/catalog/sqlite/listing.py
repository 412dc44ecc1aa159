"""The queries behind `SqliteQueries` for folders and the index; `catalog.base` has the contract of each.

Each function takes a connection for reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from muniment.archive.catalog.model import CatalogMention, FolderPage, IndexChange, MessageRow
from muniment.archive.catalog.sqlite import sql, sql_lists
from muniment.archive.catalog.sqlite.encoding import fetch_many, read_numbers
from muniment.archive.catalog.sqlite.filing import load_addresses, read_parties
from muniment.archive.catalog.sqlite.reading import message_row
from muniment.errors import UsageError
from muniment.mail.model import AddressRole, senders_of
from muniment.people.directory import CATCH_ALL
from muniment.people.routing import TRUSTED, RoutedEnvelope

COUNTED = 20_000
"""Most rows of a folder that are counted to find how far a position is from its end."""
_LATEST = 2**62
_BACKLOG = 50_000
"""With more unindexed messages than this, those of one user are found among the user's messages, not among
all unindexed ones."""

# --- folders ---------------------------------------------------------------------------------------


def page(
    connection: Connection,
    user: str,
    folder: str,
    limit: int,
    after: str,
    oldest_first: bool = False,
    around: int | None = None,
    counted: int = COUNTED,
) -> FolderPage:
    """Return a page of a folder; an empty one if there is no such folder. `catalog.base` has the details.

    Where a page begins is a key of the folder's order, not a count of rows, so far pages take no longer.

    Raises:
        UsageError: `after` is not a position from a page.
    """
    start = _after(after)
    box = connection.execute(sql_lists.FIND_BOX, {"user": user, "folder": folder}).one_or_none()
    if box is None or limit < 1:
        return FolderPage([], "", 0 if box is None else box.messages, first=0)
    if start is None and around is not None:
        around = min(max(around, -_LATEST), _LATEST)
        start = (around, -1) if oldest_first else (around + 1, -1)
    where = {"box": box.id, "limit": limit + 1}
    if start is None:
        found = connection.execute(
            sql_lists.OLDEST_PAGE if oldest_first else sql_lists.FIRST_PAGE, where
        ).all()
    else:
        statement = sql_lists.NEXT_OLDEST_PAGE if oldest_first else sql_lists.NEXT_PAGE
        found = connection.execute(statement, where | {"date": start[0], "message": start[1]}).all()
    shown = [message_row(row) for row in found[:limit]]
    first, exact = -1 if after else 0, True
    if start is not None and not after:
        newer, exact = _newer(connection, box, start, counted)
        first = box.messages - newer if oldest_first else newer
    return FolderPage(
        shown,
        _place(shown[-1]) if len(found) > limit else "",
        box.messages,
        _place(shown[0]) if shown else "",
        first,
        exact,
    )


def _place(row: MessageRow) -> str:
    return f"{row.date}.{row.sequence}"


def _newer(connection: Connection, box: Any, start: tuple[int, int], most: int) -> tuple[int, bool]:
    """Return how many rows of a folder are newer than `start`, and whether that is exact.

    Near the ends of a folder at most `most` rows are counted; elsewhere the number is estimated by the date.
    """
    where = {"box": box.id, "date": start[0], "message": start[1], "most": most}
    newer: int = connection.execute(sql_lists.COUNT_NEWER, where).scalar_one()
    if newer < most:
        return newer, True
    older: int = connection.execute(sql_lists.COUNT_OLDER, where).scalar_one()
    if older < most:
        return box.messages - older, True
    low, high = connection.execute(sql_lists.SPAN, where).one()
    part = (high - start[0]) / max(high - low, 1)
    return min(max(round(box.messages * part), most), box.messages - most), False


def _after(after: str) -> tuple[int, int] | None:
    if not after:
        return None
    date, _, message = after.partition(".")
    try:
        start = int(date), int(message)
    except ValueError:
        start = 2**63, 0
    if max(map(abs, start)) >= 2**63:
        raise UsageError(f"{after!r} is not a position in a list; pass the one that the last page returned.")
    return start


def tree(connection: Connection) -> list[tuple[str, list[tuple[str, int]]]]:
    """Return folders that hold mail, with message counts, by the user's label; the catch-all comes last."""
    found: dict[str, list[tuple[str, int]]] = {}
    last: list[tuple[str, int]] = []
    for row in connection.execute(sql_lists.TREE).all():
        folders = last if row.key == CATCH_ALL else found.setdefault(row.label, [])
        folders.append((row.folder, row.messages))
    return [*found.items(), *([(CATCH_ALL, last)] if last else [])]


def folders(connection: Connection, user: str) -> list[tuple[str, int]]:
    """Return the user's folders that hold mail, by name, with their message counts."""
    found = connection.execute(sql_lists.FOLDERS, {"user": user}).all()
    return [(row.folder, row.messages) for row in found]


def folders_of(connection: Connection, messages: Iterable[int]) -> dict[int, list[str]]:
    """Return the sorted paths `label/folder`, of any user, for each number that is a message."""
    boxes = {row.id: read_numbers(row.boxes) for row in fetch_many(connection, sql.FILED, messages)}
    wanted: set[int] = set().union(*boxes.values())
    names = {row.id: f"{row.label}/{row.folder}" for row in fetch_many(connection, sql.BOXES, wanted)}
    return {message: sorted(names[box] for box in filed) for message, filed in boxes.items()}


def holders_of(connection: Connection, messages: Iterable[int]) -> dict[int, set[str]]:
    """Return the ids of the users who have each message in a folder."""
    boxes = {row.id: read_numbers(row.boxes) for row in fetch_many(connection, sql.FILED, messages)}
    wanted: set[int] = set().union(*boxes.values())
    users = {row.id: row.key for row in fetch_many(connection, sql.BOXES, wanted)}
    return {message: {users[box] for box in filed} for message, filed in boxes.items()}


def messages_after(connection: Connection, message: int, limit: int) -> list[MessageRow]:
    """Return the next messages after a number, in ascending order."""
    found = connection.execute(sql_lists.MESSAGES_AFTER, {"message": message, "limit": limit}).all()
    return [message_row(row) for row in found]


def profiles_of(connection: Connection, messages: Iterable[int]) -> dict[int, set[str]]:
    """Return the profiles that first fetched each copy of each message."""
    found: dict[int, set[str]] = {}
    for row in fetch_many(connection, sql_lists.PROFILES_OF, messages):
        found.setdefault(row.message, set()).add(row.name)
    return found


def unindexed(connection: Connection, messages: Iterable[int], watermark: int) -> set[int]:
    """Return the subset of messages that an index with this watermark lacks, or has in an older form."""
    return {row.id for row in fetch_many(connection, sql.FILED, messages) if row.touched >= watermark}


def holders(connection: Connection, messages: Iterable[int]) -> set[str]:
    """Return the ids of all users who have one of these messages in a folder."""
    boxes = [read_numbers(row.boxes) for row in fetch_many(connection, sql.FILED, messages)]
    return {row.key for row in fetch_many(connection, sql.BOXES, set().union(*boxes))}


def placed(connection: Connection, user: str, messages: Iterable[int], folder: str) -> set[int]:
    """Return the subset of messages in a folder of the user: `folder` in any case, "" for any."""
    rows = connection.execute(sql_lists.BOXES_OF, {"user": user}).all()
    own = {row.id for row in rows if not folder or row.folder.lower() == folder.lower()}
    found = fetch_many(connection, sql.FILED, messages)
    return {row.id for row in found if not own.isdisjoint(read_numbers(row.boxes))}


def own_folders(connection: Connection, user: str, messages: Iterable[int]) -> dict[int, list[str]]:
    """Return the sorted names of the user's folders for each number that is a message, also for none."""
    own = {row.id: row.folder for row in connection.execute(sql_lists.BOXES_OF, {"user": user}).all()}
    found = {row.id: read_numbers(row.boxes) for row in fetch_many(connection, sql.FILED, messages)}
    return {message: sorted(own[box] for box in boxes if box in own) for message, boxes in found.items()}


# --- the index ----------------------------------------------------------------------------------------


def index_behind(connection: Connection, watermark: int) -> int:
    """Return how many messages changed in records from `watermark` on."""
    return connection.execute(sql_lists.COUNT_TOUCHED, {"watermark": watermark}).scalar_one()


def unindexed_of(connection: Connection, user: str, watermark: int) -> list[int]:
    """Return the user's messages that changed in records from `watermark` on, in ascending order."""
    many = index_behind(connection, watermark) > _BACKLOG
    statement = sql_lists.UNINDEXED_IN if many else sql_lists.UNINDEXED_OF
    where = {"user": user, "watermark": watermark}
    return list(connection.execute(statement, where).scalars())


def copies_since(
    connection: Connection, messages: Iterable[int], watermark: int
) -> dict[int, list[RoutedEnvelope]]:
    """Return each message's copies in records from `watermark` on; one with several owners, once for each."""
    copies = list(fetch_many(connection, sql_lists.COPIES_SINCE, messages, watermark=watermark))
    names = load_addresses(connection, (row.parties for row in copies))
    owners: dict[int, list[Any]] = {}
    for row in fetch_many(connection, sql.OWNERS_OF, [row.id for row in copies]):
        owners.setdefault(row.envelope, []).append(row)
    found: dict[int, list[RoutedEnvelope]] = {}
    for row in copies:
        bare = RoutedEnvelope(row.route, row.time, read_parties(row.parties, names))
        own = [bare._replace(owner=one.address, owner_folder=one.folder) for one in owners.get(row.id, ())]
        found.setdefault(row.message, []).extend(own or [bare])
    return found


def index_changes(connection: Connection, watermark: int, limit: int) -> list[IndexChange]:
    """Return the next `limit` messages to index, and all that share a record with the last of them."""
    page = connection.execute(sql_lists.TOUCHED, {"watermark": watermark, "limit": max(limit, 1)}).all()
    found = [(row.id, row.touched) for row in page]
    if not found:
        return []
    message, touched = found[-1]
    rest = connection.execute(sql_lists.TOUCHED_WITH, {"touched": touched, "message": message}).scalars()
    found += [(more, touched) for more in rest]
    following = [touched for _, touched in found[1:]] + [-1]
    return [
        IndexChange(message, touched if touched == after else touched + 1)
        for (message, touched), after in zip(found, following, strict=True)
    ]


def mentions(connection: Connection, messages: Iterable[int]) -> dict[int, list[CatalogMention]]:
    """Return the distinct addresses on all copies of each message, in the order of the ledger.

    Owners of ordinary mailboxes come last, as recipients. Numbers without a message are left out.
    """
    rows = list(fetch_many(connection, sql.ROUTES_OF, messages))
    names = load_addresses(connection, (row.parties for row in rows))
    found: dict[int, dict[CatalogMention, None]] = {}
    copies: dict[int, list[tuple[int, int]]] = {}
    for row in rows:
        copies.setdefault(row.id, []).append((row.message, row.time))
        trusted, parties = bool(row.route & TRUSTED), read_parties(row.parties, names)
        senders = senders_of(parties) if trusted else ()
        found.setdefault(row.message, {}).update(
            (CatalogMention(party.role, party.address, row.time, trusted, senders=senders), None)
            for party in parties
        )
    for owner in sorted(fetch_many(connection, sql.OWNERS_OF, copies)):
        for message, time in copies[owner.envelope]:
            found[message][CatalogMention(AddressRole.RECIPIENT, owner.address, time, True, owner.folder)] = (
                None
            )
    return {message: list(mentioned) for message, mentioned in found.items()}
