"""Collects the text of the files of one attachment, within limits that no file can exceed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from muniment.contents.model import DAMAGED, ENCRYPTED, IN_PART, PACKED, ReadFile
from muniment.mail.text.folding import halfway, plain, second_spellings

FILE_TEXT = 10_000_000
"""Characters of text of one file that are read."""
ALL_TEXT = 20_000_000
"""Characters of text of one attachment, with all files inside it, that are read."""
INFLATED = 64 * 1024 * 1024
"""Bytes that are decompressed of one attachment, with all files inside it."""
MEMBERS = 1000
"""Files inside one attachment that are read."""
LEVELS = 3
"""Levels of files inside one another that are read."""


class Full(Exception):
    """The file has more text than is read."""


class Overpacked(Exception):
    """The file has more inside than is unpacked."""


class Locked(Exception):
    """The file is encrypted."""


class _Entry:
    def __init__(self, name: str) -> None:
        self.name = name
        self.pieces: list[str] = []
        self.room = FILE_TEXT
        self.why = ""

    def read(self) -> ReadFile:
        half = halfway(" ".join(self.pieces))
        spelled = () if half.isascii() else tuple(sorted(set(second_spellings(half))))
        return ReadFile(self.name, " ".join(plain(half).split()), spelled, self.why)


class OpenMember(Protocol):
    """Reads a file inside another one into a collector."""

    def __call__(self, name: str, data: bytes, into: Collector, /) -> None:
        """Read the file with this name and content; it may raise what readers raise."""


class Collector:
    """Takes the text of one attachment. A reader adds to it until it raises."""

    def __init__(self, name: str, open_member: OpenMember) -> None:
        """Begin with an attachment.

        Args:
            name: Its name.
            open_member: Reads a file inside it.
        """
        self._open_member = open_member
        self._entries = [_Entry(name)]
        self._room = ALL_TEXT
        self._inflated = 0
        self._members = 0
        self.level = 0
        """Number of files around the one that is read."""

    def add(self, text: str) -> None:
        """Add a piece of text. Pieces do not share a word.

        Raises:
            Full: The text is longer than what is read. Its beginning was added.
        """
        entry = self._entries[-1]
        room = max(min(entry.room, self._room), 0)
        entry.pieces.append(text[:room])
        entry.room -= len(text)
        self._room -= len(text)
        if len(text) > room:
            raise Full

    def inflate(self, size: int) -> None:
        """Count bytes that were decompressed.

        Raises:
            Overpacked: There are too many.
        """
        self._inflated += size
        if self._inflated > INFLATED:
            raise Overpacked

    @property
    def inflatable(self) -> int:
        """Number of bytes that may still be decompressed."""
        return max(INFLATED - self._inflated, 0)

    def note(self, why: str) -> None:
        """Note why the file is not read, or not all of it. A file has one note, the first one."""
        entry = self._entries[-1]
        entry.why = entry.why or why

    def read_member(self, name: str, data: bytes) -> None:
        """Read a file inside the one that is read.

        Raises:
            Full, Overpacked: As by `member`.
        """
        with self.member(name):
            self._open_member(name, data, self)

    @contextmanager
    def member(self, name: str) -> Iterator[None]:
        """Inside the context, text belongs to a file with this name inside the one that is read.

        What is wrong with that file is kept with it, and the others can be read.

        Raises:
            Full: All files together have more text than is read.
            Overpacked: There are too many files, or they lie too deep, or too much was unpacked.
        """
        self._members += 1
        if self._members > MEMBERS or self.level >= LEVELS:
            raise Overpacked
        outer = self._entries[-1]
        entry = _Entry(f"{outer.name}/{name}")
        self._entries.append(entry)
        self.level += 1
        try:
            with self.noting():
                yield
        finally:
            self.level -= 1
            # The outer file goes on behind its members, so it comes last again.
            self._entries.remove(outer)
            self._entries.append(outer)
        if self._room <= 0:
            raise Full
        if self._inflated > INFLATED:
            raise Overpacked

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Inside the context, what a reader raises becomes the note of the file that is read."""
        try:
            yield
        except Locked:
            self.note(ENCRYPTED)
        except Full:
            self.note(IN_PART)
        except Overpacked:
            self.note(PACKED)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - a hostile file may raise anything
            self.note(DAMAGED)
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # how libraries in Rust fail
                raise
            self.note(DAMAGED)

    def files(self) -> tuple[ReadFile, ...]:
        """Return what was read: the attachment first, then the files inside it."""
        outer = self._entries[-1]
        return tuple(entry.read() for entry in (outer, *self._entries[:-1]))
