"""A directory in a CSV file: a header line, then lines of name,address[,alias ...]."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator

from muniment.errors import ConfigError
from muniment.people.directory_source import DirectoryEntry
from muniment.people.planning import check_person


def csv_rows(text: str, filename: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV file that are not blank, header first, each with the number of its first line.

    Columns are separated by commas, semicolons or tabs, whichever the header line has most of.

    Raises:
        ConfigError: The text is not CSV.
    """
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


class CsvDirectory:
    """The people in the text of a CSV file (see DirectorySource).

    The id of a person is their primary address. A file does not say who has left.
    """

    def __init__(self, text: str, filename: str = "the file") -> None:
        """Read nothing yet.

        Args:
            text: The file's text.
            filename: The file's name for messages.
        """
        self._text = text.removeprefix("\ufeff")
        self._filename = filename

    def entries(self, since: str = "") -> Iterator[DirectoryEntry]:
        """List the people in the file, or no one if the file is still the same (see DirectorySource).

        Raises:
            ConfigError: A line is wrong; the text names the file, the line and what is wrong.
        """
        if since == self.state():
            return
        rows = csv_rows(self._text, self._filename)
        line, header = next(rows, (1, []))
        if not header:
            raise ConfigError(
                f"{self._filename} is empty; it needs a header line, then name,address[,alias ...]."
            )
        if any("@" in cell for cell in header):
            raise ConfigError(
                f"{self._filename}, line {line}: the first line must be a header: name,address,alias."
            )
        yield from self._people(rows)

    def state(self) -> str:
        """A hash of the text."""
        return hashlib.sha256(self._text.encode("utf-8", "surrogatepass")).hexdigest()

    def _people(self, rows: Iterator[tuple[int, list[str]]]) -> Iterator[DirectoryEntry]:
        seen: dict[str, int] = {}
        for line, (name, *addresses) in rows:
            try:
                person = check_person(name, addresses)
            except ConfigError as error:
                raise ConfigError(f"{self._filename}, line {line}: {error}") from error
            for address in person.addresses:
                if seen.setdefault(address, line) != line:
                    raise ConfigError(
                        f"{self._filename}, line {line}: {address} is given to another person in line "
                        f"{seen[address]}."
                    )
            yield DirectoryEntry(person.addresses[0], person.name, person.addresses)
