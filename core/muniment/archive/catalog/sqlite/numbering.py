"""Numbers for addresses, profiles, places, users and boxes. The writer caches them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Select, Table

from muniment.archive.catalog.sqlite import sql, sql_writes, tables
from muniment.archive.catalog.sqlite.encoding import clean, exact, fetch_many
from muniment.people.directory import Directory
from muniment.people.routing import Placement

REMEMBERED = 50_000
"""Most numbers of one kind that are cached between batches."""


class _Counter:
    """The next free id of a table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._last: int | None = None

    def next(self, connection: Connection) -> int:
        last = self._last
        if last is None:
            last = int(connection.execute(sql.highest(self._table)).scalar_one())
        self._last = last + 1
        return last + 1

    def forget(self) -> None:
        self._last = None


class TextNumbers:
    """Numbers of texts in a table of (id, text)."""

    def __init__(self, table: Table, find: Select[Any], insert: str) -> None:
        self.ids: dict[str, int] = {}
        self._find = find
        self._insert = insert
        self._counter = _Counter(table)

    def need(self, connection: Connection, values: Iterable[str]) -> dict[str, int]:
        """Return `ids` with all `values` in it; a value without a number gets one."""
        if len(self.ids) > REMEMBERED:
            self.ids = {}
        missing = {value: clean(value) for value in values if value not in self.ids}
        if missing:
            found = dict(map(tuple, fetch_many(connection, self._find, missing.values())))
            fresh = [text for text in dict.fromkeys(missing.values()) if text not in found]
            rows = [(self._counter.next(connection), text) for text in fresh]
            if rows:
                connection.exec_driver_sql(self._insert, rows)
            found |= {text: number for number, text in rows}
            self.ids |= {value: found[text] for value, text in missing.items()}
        return self.ids

    def forget(self) -> None:
        """Clear the cache, after a transaction was undone."""
        self.ids = {}
        self._counter.forget()


class PlaceNumbers:
    """Numbers of places, which are a host, a mailbox and a folder."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str, str], int] = {}
        self._counter = _Counter(tables.place)

    def need(self, connection: Connection, host: str, mailbox: str, folder: str) -> int:
        """Return the number of a place; a place without a number gets one."""
        place = (host, mailbox, folder)
        number = self._ids.get(place)
        if number is None:
            number = find_place(connection, *place)
            if number is None:
                number = self._counter.next(connection)
                row = (number, exact(host), exact(mailbox), exact(folder))
                connection.exec_driver_sql(sql_writes.INSERT_PLACE, row)
            self._ids[place] = number
        return number

    def forget(self) -> None:
        """Clear the cache, after a transaction was undone."""
        self._ids = {}
        self._counter.forget()


def find_place(connection: Connection, host: str, mailbox: str, folder: str) -> int | None:
    """Return the number of a place; None if nothing was fetched from there."""
    place = {"host": exact(host), "mailbox": exact(mailbox), "folder": exact(folder)}
    return connection.execute(sql.PLACE, place).scalar_one_or_none()


class BoxNumbers:
    """Numbers of boxes, which are folders of users. A user gets a number with the first box."""

    def __init__(self) -> None:
        self.ids: dict[Placement, int] = {}
        self.placements: dict[int, Placement] = {}
        self._users: dict[str, int] = {}
        self._counter = _Counter(tables.box)
        self._user_counter = _Counter(tables.user)

    def need(
        self, connection: Connection, placements: Iterable[Placement], directory: Directory
    ) -> dict[Placement, int]:
        """Return `ids` with all `placements` in it; one without a number gets one."""
        if len(self.ids) > REMEMBERED:
            self.ids, self.placements, self._users = {}, {}, {}
        for placement in placements:
            if placement not in self.ids:
                self._remember(self._find(connection, placement, directory), placement)
        return self.ids

    def load(self, connection: Connection, numbers: Iterable[int]) -> dict[int, Placement]:
        """Return `placements` with all `numbers` in it."""
        missing = [number for number in numbers if number not in self.placements]
        for row in fetch_many(connection, sql.BOXES, missing):
            self._remember(row.id, Placement(row.key, row.folder))
        return self.placements

    def _remember(self, number: int, placement: Placement) -> None:
        self.ids[placement] = number
        self.placements[number] = placement

    def _find(self, connection: Connection, placement: Placement, directory: Directory) -> int:
        user = self._user(connection, placement.user, directory)
        folder = clean(placement.folder)
        number = connection.execute(sql.BOX, {"user": user, "folder": folder}).scalar_one_or_none()
        if number is None:
            number = self._counter.next(connection)
            connection.exec_driver_sql(sql_writes.INSERT_BOX, (number, user, folder, 0))
        return number

    def _user(self, connection: Connection, user: str, directory: Directory) -> int:
        number = self._users.get(user)
        if number is None:
            key = clean(user)
            number = next((row.id for row in connection.execute(sql.USERS, {"many": [key]}).all()), None)
            if number is None:
                number = self._user_counter.next(connection)
                row = (number, key, clean(directory.label(user)))
                connection.exec_driver_sql(sql_writes.INSERT_USER, row)
            self._users[user] = number
        return number

    def forget(self) -> None:
        """Clear the cache, after a transaction was undone."""
        self.ids, self.placements, self._users = {}, {}, {}
        self._counter.forget()
        self._user_counter.forget()
