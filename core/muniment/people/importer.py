"""Users from a CSV file: a header line, then name,address[,alias ...] a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from muniment.errors import ConfigError
from muniment.people.changes import Change
from muniment.people.directory import Directory
from muniment.people.planning import Wanted, changes_for, wanted


def decode(data: bytes) -> str:
    """The text of a CSV file: UTF-8, or Windows-1252 as older spreadsheets save it."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def import_csv(text: str, directory: Directory, filename: str = "the file") -> list[Change]:
    """The changes that make the directory say what the file says; none for what it says already.

    Columns are separated by commas, semicolons or tabs, as the header line shows. Users who are
    not in the file stay as they are, and so do aliases that are not.

    Raises:
        ConfigError: a line is wrong; names file and line, and what is wrong. Nothing is changed.
    """
    rows = _rows(text, filename)
    line, header = next(rows, (1, []))
    if not header:
        raise ConfigError(f"{filename} is empty; it needs a header line, then name,address[,alias ...].")
    if any("@" in cell for cell in header):
        raise ConfigError(f"{filename}, line {line}: the first line must be a header: name,address,alias.")
    return changes_for(list(_people(rows, filename)), directory)


def _rows(text: str, filename: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not blank, header first, with the number of the line they begin in."""
    text = text.removeprefix("\ufeff")
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{filename}, line {line}: this is not CSV ({error}).") from error


def _people(rows: Iterator[tuple[int, list[str]]], filename: str) -> Iterator[Wanted]:
    seen: dict[str, int] = {}
    for line, (name, *addresses) in rows:
        try:
            person = wanted(name, addresses)
        except ConfigError as error:
            raise ConfigError(f"{filename}, line {line}: {error}") from error
        for address in person.addresses:
            if seen.setdefault(address, line) != line:
                raise ConfigError(
                    f"{filename}, line {line}: {address} is given to another person in line {seen[address]}."
                )
        yield person
