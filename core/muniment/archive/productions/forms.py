"""The forms of a production: the load files that describe its documents."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, ClassVar

from muniment.archive.productions.columns import COLUMNS, PATHS
from muniment.archive.productions.documents import PIECE, Document

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula."""
FIELD, QUOTE, NEWLINE = "\x14", "\xfe", "\xae"
"""The characters of a Concordance DAT file: between fields, around a field, and in place of a line end."""


class LoadForm(ABC):
    """The load files of one production. They grow in temporary files without a name. Close it after use."""

    prefix: ClassVar[str] = "PROD"
    """The prefix of Bates numbers if none is asked for."""
    texts: ClassVar[bool] = True
    """Whether the production has a text file beside each document."""
    about: ClassVar[str]
    """What the README says about the load files, a line for each."""

    def __init__(self, work: Path) -> None:
        """Begin the load files; `work` is the folder for temporary files."""
        self._work = work
        self._opened: list[IO[bytes]] = []

    def _open(self) -> IO[bytes]:
        file = TemporaryFile(dir=self._work)  # noqa: SIM115 - closed by `close`
        self._opened.append(file)
        return file

    @abstractmethod
    def add(self, document: Document) -> None:
        """Describe a document. The message of a family comes first, its attachments follow.

        Raises:
            OSError: The temporary file can't be written.
        """

    @abstractmethod
    def files(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield name and content of each load file, once all documents were added."""

    def close(self) -> None:
        """Remove the temporary files. Safe to call twice."""
        for file in self._opened:
            file.close()


def content_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what was written to a temporary file."""
    file.seek(0)
    while piece := file.read(PIECE):
        yield piece


def without_formula(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: with an apostrophe in front if it could be."""
    return f"'{text}" if text.startswith(_FORMULA) else text


class DatForm(LoadForm):
    """A Concordance DAT file: UTF-8 with a byte order mark.

    Review programs know no way to write a quote inside a field, so the letter is written `th`, as Icelandic
    names are where it is missing. The character for line ends is written `(R)`.
    """

    about = (
        "  loadfile.dat       a Concordance load file, UTF-8: fields between U+00FE, separated by U+0014\n"
    )

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self._file = self._open()
        self._file.write("\ufeff".encode())
        self._line(COLUMNS)

    def _line(self, cells: Iterable[str]) -> None:
        quoted = FIELD.join(f"{QUOTE}{cell}{QUOTE}" for cell in cells)
        self._file.write(f"{quoted}\r\n".encode("utf-8", "backslashreplace"))

    def add(self, document: Document) -> None:
        self._line(_dat_cell(name, value(document)) for name, value in COLUMNS.items())

    def files(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield "loadfile.dat", content_of(self._file)


def _dat_cell(name: str, text: str) -> str:
    """A value for a DAT file, without the characters that mean something there."""
    if name in PATHS:
        return text.replace("/", "\\")
    return text.replace(QUOTE, "th").replace(NEWLINE, "(R)")


class CsvForm(LoadForm):
    """A CSV file (RFC 4180) in UTF-8, safe to open in a spreadsheet."""

    about = (
        "  loadfile.csv       CSV (RFC 4180), UTF-8. A cell that a spreadsheet would take for a formula\n"
        "                     begins with an apostrophe\n"
    )

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self._file = self._open()
        self._line(COLUMNS)

    def _line(self, cells: Iterable[str]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerow(map(without_formula, cells))
        self._file.write(text.getvalue().encode("utf-8", "backslashreplace"))

    def add(self, document: Document) -> None:
        self._line(value(document) for value in COLUMNS.values())

    def files(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield "loadfile.csv", content_of(self._file)
