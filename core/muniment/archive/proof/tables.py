"""Views of the catalog's tables that are equal for every catalog of the same ledger.

Addresses, users, folders, profiles and places have numbers that depend on how a catalog was made. So each
table is read with names instead of these numbers, in an order that both catalogs share.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Row = tuple[object, ...]

PAGE = 1_000
"""Rows whose numbers are looked up at a time."""
OWN = ("mark:", "failure:")
"""Prefixes of names in the table `meta` that are not from the ledger: how far a source was listed, and runs
that failed early."""


@dataclass(frozen=True, slots=True)
class TableView:
    """A table in a form that can be compared."""

    table: str
    what: str
    """The name of its rows for messages, such as "audit trail"."""
    key: tuple[str, ...]
    """The first columns, which identify rows and order them."""
    values: tuple[str, ...]
    """The other columns."""
    sql: str
    """The statement that reads all rows in order."""
    joined: bool = False
    """Whether `sql` leaves out rows that refer to a row which does not exist."""
    names: tuple[tuple[int, Callable[[sqlite3.Connection, Sequence[object]], list[object]]], ...] = ()
    """Indexes of columns, each with the function that replaces numbers in the column by names."""

    def rows(self, connection: sqlite3.Connection) -> Iterator[Row]:
        """Yield all rows, in order.

        Raises:
            sqlite3.Error: The catalog can't be read.
        """
        cursor = connection.execute(self.sql)
        while page := cursor.fetchmany(PAGE):
            if self.names:
                columns = [list(column) for column in zip(*page, strict=True)]
                for place, named in self.names:
                    columns[place] = named(connection, columns[place])
                page = list(zip(*columns, strict=True))
            yield from page


def party_names(connection: sqlite3.Connection, column: Sequence[object]) -> list[object]:
    """Replace the numbers in parties ("role address [via]; ...") by addresses."""
    return _named(connection, column, ";", "SELECT id, address FROM address WHERE id IN", roles=True)


def box_names(connection: sqlite3.Connection, column: Sequence[object]) -> list[object]:
    """Replace the numbers in boxes ("1 5 9") by user and folder, sorted; repeated numbers stay repeated."""
    named = _named(
        connection,
        column,
        " ",
        "SELECT box.id, user.key || char(10) || box.folder FROM box JOIN user ON user.id = box.user "
        "WHERE box.id IN",
    )
    return [sorted(value) if isinstance(value, list) else value for value in named]


def _named(
    connection: sqlite3.Connection, column: Sequence[object], separator: str, query: str, roles: bool = False
) -> list[object]:
    """Split values into words, and replace each number by its name, or mark it as unknown."""
    split = [_words(value, separator, roles) for value in column]
    wanted = {word for words in split if words for group in words for word in group[roles:]}
    numbers = sorted({int(word) for word in wanted if _is_number(word)})
    names: dict[str, str] = {}
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        marks = ",".join("?" * len(some))
        names |= {str(number): name for number, name in connection.execute(f"{query} ({marks})", some)}
    return [
        value if words is None else [_replaced(group, names, roles) for group in words]
        for value, words in zip(column, split, strict=True)
    ]


def _words(value: object, separator: str, roles: bool) -> list[list[str]] | None:
    """Split a value into groups of words; None if it is not text, so that it is compared unchanged."""
    if not isinstance(value, str):
        return None
    groups = value.split(separator) if value else []
    return [group.split(" ") if roles else [group] for group in groups]


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 19


def _replaced(group: list[str], names: dict[str, str], roles: bool) -> str:
    named = [names.get(word, f"\0{word}") for word in group[roles:]]
    return "\n".join([*group[:roles], *named])


def _view(table: str, what: str, key: str, values: str, sql: str = "", **more: object) -> TableView:
    keys, others = tuple(key.split()), tuple(values.split())
    columns = ", ".join(f'"{name}"' for name in (*keys, *others))
    order = ", ".join(f'"{name}"' for name in keys)
    statement = sql or f"SELECT {columns} FROM {table} ORDER BY {order}"  # noqa: S608
    return TableView(table, what, keys, others, statement, **more)  # type: ignore[arg-type]


VIEWS = (
    _view(
        "state",
        "state of the ledger and its sums",
        "id",
        "schema vault tree_size root segment offset messages envelopes moved_messages moved_envelopes "
        "message_bytes copy_bytes regenerated affected cursor_address cursor_envelope",
    ),
    _view(
        "meta",
        "notes",
        "name",
        "value",
        "SELECT name, value FROM meta "
        "WHERE substr(name, 1, 5) <> 'mark:' AND substr(name, 1, 8) <> 'failure:' ORDER BY name",
    ),
    _view("audit", "audit trail", "id", "segment offset time event"),
    _view("audit_key", "keys of the audit trail", "key audit", ""),
    _view("run", "history of runs", "id", "profile time summary"),
    _view("decision", "holds, rules, grants and approvals", "id", "kind time content"),
    _view("evidence", "evidence of senders", "id", "segment offset time record size first through"),
    _view("redaction", "erasures", "id", "time record size at basis"),
    _view("tombstone", "erased messages and copies", "sha copy", "redaction content"),
    _view("directory", "directory of users", "id", "sequence time change"),
    _view(
        "message",
        "messages",
        "id",
        "key rest content_key content_rest name segment offset date size hidden attachments touched "
        "received sender recipients subject notes boxes",
        names=((18, box_names),),
    ),
    _view("former", "displaced messages", "id", "key rest message"),
    _view(
        "envelope",
        "copies",
        "id",
        "key rest segment offset time report route size profile parties flags",
        "SELECT envelope.id, key, rest, segment, offset, time, report, route, size, profile.name, parties, "
        "flags FROM envelope LEFT JOIN profile ON profile.id = envelope.profile ORDER BY envelope.id",
        names=((10, party_names),),
    ),
    _view("arrival", "counts of arrivals", "report quarter", "copies newest"),
    _view("link", "links of copies to messages", "message envelope", ""),
    _view(
        "mention",
        "people named on copies",
        "address envelope",
        "",
        "SELECT address.address, mention.envelope FROM address CROSS JOIN mention "
        "ON mention.address = address.id ORDER BY address.address, mention.envelope",
        joined=True,
    ),
    _view(
        "owner",
        "owners of copies",
        "envelope address folder",
        "flags",
        "SELECT owner.envelope, address.address, owner.folder, owner.flags FROM owner CROSS JOIN address "
        "ON address.id = owner.address ORDER BY owner.envelope, address.address, owner.folder",
        joined=True,
    ),
    _view("address", "addresses", "address", ""),
    _view("profile", "profiles with mail", "name", ""),
    _view(
        "user",
        "users with mail",
        "key",
        "label",
        "SELECT key, label FROM user "
        "WHERE EXISTS (SELECT 1 FROM box WHERE box.user = user.id AND messages <> 0) ORDER BY key",
    ),
    _view(
        "box",
        "counts of users' folders",
        "user folder",
        "messages",
        "SELECT user.key, box.folder, box.messages FROM user CROSS JOIN box ON box.user = user.id "
        "WHERE box.messages <> 0 ORDER BY user.key, box.folder",
        joined=True,
    ),
    _view(
        "placement",
        "messages in users' folders",
        "user folder date message",
        "",
        "SELECT user.key, box.folder, placement.date, placement.message FROM user "
        "CROSS JOIN box ON box.user = user.id CROSS JOIN placement ON placement.box = box.id "
        "ORDER BY user.key, box.folder, placement.date, placement.message",
        joined=True,
    ),
    _view("place", "places that mail was fetched from", "host mailbox folder", ""),
    _view(
        "known",
        "keys that were fetched",
        "host mailbox folder key",
        "size envelope sha",
        "SELECT place.host, place.mailbox, place.folder, known.key, known.size, known.envelope, known.sha "
        "FROM place CROSS JOIN known ON known.place = place.id "
        "ORDER BY place.host, place.mailbox, place.folder, known.key",
        joined=True,
    ),
    _view("part", "parts", "sha", "segment offset"),
    _view(
        "quarantine",
        "quarantine",
        "id",
        "sha segment offset size time reason profile host mailbox folder key resolved",
        "SELECT quarantine.id, sha, segment, offset, size, time, reason, profile, place.host, place.mailbox, "
        "place.folder, quarantine.key, resolved FROM quarantine "
        "LEFT JOIN place ON place.id = quarantine.place ORDER BY quarantine.id",
    ),
)
"""Every table of the catalog. Folders without messages are left out: they may be left over from an earlier
directory, and are never shown."""

COUNTED = {
    "box": "SELECT count(*) FROM box WHERE messages <> 0",
}
"""Statements that count the rows of joined views which leave out some rows of their table."""


def count_of(view: TableView) -> str:
    """Return the statement that counts the rows which a view must have."""
    return COUNTED.get(view.table, f"SELECT count(*) FROM {view.table}")  # noqa: S608
