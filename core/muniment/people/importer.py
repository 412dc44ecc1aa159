"""Imports users from a CSV file: a header line, then lines of name,address[,alias ...]."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from muniment.errors import ConfigError
from muniment.people.changes import Change
from muniment.people.directory import Directory
from muniment.people.planning import PlannedPerson, changes_for, check_person


def decode(data: bytes) -> str:
    """Decode a CSV file as UTF-8, or as Windows-1252, which older spreadsheets write."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def import_csv(text: str, directory: Directory, filename: str = "the file") -> list[Change]:
    """Return the changes that bring the users in a file into the directory.

    Columns are separated by commas, semicolons or tabs, whichever the header line has most of. Users and
    aliases that are not in the file stay as they are.

    Args:
        text: The file's text.
        directory: The current directory.
        filename: The file's name for messages.

    Raises:
        ConfigError: A line is wrong; the text names the file, the line and what is wrong.
    """
    rows = _rows(text, filename)
    line, header = next(rows, (1, []))
    if not header:
        raise ConfigError(f"{filename} is empty; it needs a header line, then name,address[,alias ...].")
    if any("@" in cell for cell in header):
        raise ConfigError(f"{filename}, line {line}: the first line must be a header: name,address,alias.")
    return changes_for(list(_people(rows, filename)), directory)


def _rows(text: str, filename: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, header first, each with the number of its first line."""
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


def _people(rows: Iterator[tuple[int, list[str]]], filename: str) -> Iterator[PlannedPerson]:
    seen: dict[str, int] = {}
    for line, (name, *addresses) in rows:
        try:
            person = check_person(name, addresses)
        except ConfigError as error:
            raise ConfigError(f"{filename}, line {line}: {error}") from error
        for address in person.addresses:
            if seen.setdefault(address, line) != line:
                raise ConfigError(
                    f"{filename}, line {line}: {address} is given to another person in line {seen[address]}."
                )
        yield person
