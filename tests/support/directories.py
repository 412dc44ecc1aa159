"""Directories of an organisation for one test, with the same methods for all kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from muniment.people.csv_directory import CsvDirectory
from muniment.people.directory_source import DirectorySource

Named = tuple[str, tuple[str, ...]]
"""A person's name and addresses, the primary one first."""


class DirectoryBox(ABC):
    """An organisation's directory: filled by the test, read through `source()`."""

    @abstractmethod
    def put(self, people: Iterable[Named]) -> None:
        """Make these all the people in the directory."""

    @abstractmethod
    def spoil(self) -> None:
        """Put an entry in that is wrong, after all others."""

    @abstractmethod
    def source(self) -> DirectorySource:
        """A source of the directory as it is now."""


class CsvBox(DirectoryBox):
    """A CSV file."""

    def __init__(self) -> None:
        self._text = ""

    def put(self, people: Iterable[Named]) -> None:
        lines = ["name,address,alias", *(",".join([name, *addresses]) for name, addresses in people)]
        self._text = "\n".join(lines) + "\n"

    def spoil(self) -> None:
        self._text += "Nobody,no-address\n"

    def source(self) -> DirectorySource:
        return CsvDirectory(self._text, "people.csv")


DIRECTORIES: dict[str, type[DirectoryBox]] = {"csv": CsvBox}
"""A box for every kind of directory."""
