"""Users from a CSV file: a header line, then name,address[,alias ...] a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from muniment.errors import ConfigError
from muniment.people import changes
from muniment.people.changes import Change
from muniment.people.directory import Directory, User, fold


@dataclass(slots=True)
class _Row:
    line: int
    name: str
    addresses: list[str]
    """Folded, without repeats; the first is the primary one."""


@dataclass(slots=True)
class _Known:
    """Who is in the directory, or will be once the file is imported."""

    primaries: dict[str, User]
    holders: dict[str, User]
    ids: set[str]
    claimed: set[str] = field(default_factory=set)
    """Users whom a line of the file is about."""


def decode(data: bytes) -> str:
    """The text of a CSV file: UTF-8, or Windows-1252 as older spreadsheets save it."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def import_csv(text: str, filename: str, directory: Directory) -> list[Change]:
    """The changes that make the directory say what the file says; none for what it says already.

    Columns are separated by commas, semicolons or tabs, as the header line shows. Users who are
    not in the file stay as they are, and so do aliases that are not.

    Raises:
        ConfigError: a line is wrong; names file and line, and what is wrong. Nothing is changed.
    """
    rows = _checked(_rows(text, filename), filename)
    users = directory.users()
    holders = {a: u for u in users for a in _addresses(u, directory)}
    known = _Known({u.primary: u for u in users}, holders, {u.id for u in users})
    primaries = {row.addresses[0] for row in rows}
    known.claimed = {u.id for u in users if u.primary in primaries}
    return [change for row in rows for change in _changes(row, known)]


def _addresses(user: User, directory: Directory) -> Iterator[str]:
    """The addresses that are the user's now."""
    for address in (user.primary, *user.aliases):
        if "@" in address and directory.find(address).id == user.id:
            yield address


def _rows(text: str, filename: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not blank, header first, with the number of the line they begin in."""
    text = text.removeprefix("\ufeff")
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{filename}, line {line}: this is not CSV ({error}).") from error


def _checked(rows: Iterator[tuple[int, list[str]]], filename: str) -> list[_Row]:
    line, header = next(rows, (1, []))
    if not header:
        raise ConfigError(f"{filename} is empty; it needs a header line, then name,address[,alias ...].")
    if any("@" in cell for cell in header):
        raise ConfigError(f"{filename}, line {line}: the first line must be a header: name,address,alias.")
    seen: dict[str, int] = {}
    checked = []
    for line, cells in rows:
        row = _row(line, cells, filename)
        for address in row.addresses:
            if seen.setdefault(address, line) != line:
                raise ConfigError(
                    f"{filename}, line {line}: {address} is given to another person in line {seen[address]}."
                )
        checked.append(row)
    return checked


def _row(line: int, cells: list[str], filename: str) -> _Row:
    name, address, *aliases = [*cells, "", ""][: max(2, len(cells))]
    if not name:
        raise ConfigError(f"{filename}, line {line}: the name is empty.")
    if not address:
        raise ConfigError(f"{filename}, line {line}: {name} has no address.")
    addresses = [address, *(alias for alias in aliases if alias)]
    for given in addresses:
        local, at_sign, domain = given.rpartition("@")
        if not at_sign:
            raise ConfigError(f"{filename}, line {line}: {given!r} has no @, so it is no address.")
        if not local or not domain or any(c.isspace() or not c.isprintable() for c in given):
            raise ConfigError(f"{filename}, line {line}: {given!r} is not a mail address.")
    return _Row(line, name, list(dict.fromkeys(fold(a) for a in addresses)))


def _changes(row: _Row, known: _Known) -> Iterator[Change]:
    primary = row.addresses[0]
    user = _person(row, known)
    if user is None:
        user = User(_new_id(primary, known), "", "")
    if (user.name, user.primary) != (row.name, primary):
        yield changes.add_user(user.id, row.name, primary)
        known.holders[primary] = user
    for address in row.addresses[1:]:
        holder = known.holders.get(address)
        if holder is None or holder.id != user.id:
            yield changes.add_address(user.id, address)


def _person(row: _Row, known: _Known) -> User | None:
    """Who a line is about: the user with its primary address, else the holder of one who is named so."""
    user = known.primaries.get(row.addresses[0])
    if user is not None:
        return user
    for holder in filter(None, (known.holders.get(address) for address in row.addresses)):
        if holder.name.casefold() == row.name.casefold() and holder.id not in known.claimed:
            known.claimed.add(holder.id)
            return holder
    return None


def _new_id(primary: str, known: _Known) -> str:
    """An id that nobody has: the primary address, or that with a number."""
    user, number = primary, 1
    while user in known.ids:
        number += 1
        user = f"{primary}#{number}"
    known.ids.add(user)
    return user
