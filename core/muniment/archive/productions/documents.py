"""The documents of one message: the message itself, and each of its attachments (a family).

A reading worker writes content and text of all attachments into one temporary file, so memory does not grow
with a message, and the message is parsed once, however many attachments it has.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from muniment.archive.catalog import MessageRow
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.vault.vault import Vault
from muniment.errors import MailUnreadable
from muniment.mail.notes import OPAQUE, UNREAD
from muniment.parsing.pool import mail_reader
from muniment.parsing.reader import OpenMail
from muniment.parsing.tasks import DocumentFile, MessageDocument
from muniment.system.sanitise import clean, filename

log = logging.getLogger("muniment.service")

PIECE = 256 * 1024
"""Bytes that are read at a time."""
MOST_THREADS = 4
"""Most messages that are read at the same time."""
UNREADABLE = "its attachments could not be read: the parser failed on it; they are inside the message's file"
BROKEN = "its base64 is broken: it was decoded as far as possible"
_DOCUMENT = b"document"
"""Marks the requests of this module: what ends a worker here may be readable otherwise."""
_ENDING = re.compile(r"[a-z0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file of a production that was written."""

    path: str
    """Path in the production, with slashes."""
    size: int
    sha256: str
    md5: str


@dataclass(frozen=True, slots=True)
class Party:
    """One line of an envelope: who sent or received a message."""

    role: str
    address: str
    via: str
    """The distribution list or forwarding address through which the mail came; "" for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A numbered document of a production. Every text is sanitised, and one line."""

    number: str
    """Its Bates number."""
    family: tuple[str, str]
    """The first and the last number of its family."""
    parent: str = ""
    """The number of the document that contains it; "" for a message."""
    message: str
    """SHA-256 of the message in the archive, in hex."""
    custodian: str
    custodians: tuple[str, ...]
    folders: tuple[str, ...]
    """Where the message is filed, `user/folder` each."""
    headers: dict[str, str]
    """Header fields of a message by name; empty for an attachment."""
    envelope: tuple[Party, ...] = ()
    sent: int | None = None
    """The `Date` field, in seconds since 1970 UTC."""
    received: int | None = None
    """When it was first journaled or received, in seconds since 1970 UTC."""
    conversation: str = ""
    filename: str
    content_type: str
    files: tuple[str, ...] = ()
    """Names of the message's attachments."""
    native: WrittenFile
    text: WrittenFile | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_message(self) -> bool:
        """Whether it is a message and no attachment."""
        return not self.parent

    @property
    def ending(self) -> str:
        """The extension of its file, without the dot."""
        return self.native.path.rpartition(".")[2]

    def header(self, name: str) -> str:
        """Return a header field; "" if it is missing."""
        return self.headers.get(name, "")

    def senders(self) -> tuple[Party, ...]:
        """Return the senders on its envelopes."""
        return tuple(party for party in self.envelope if party.role in ("sender", "on-behalf-of"))

    def recipients(self) -> tuple[Party, ...]:
        """Return everyone else on its envelopes."""
        return tuple(party for party in self.envelope if party.role not in ("sender", "on-behalf-of"))


class OpenFamily:
    """A message that was read with all its attachments. Close it after use."""

    def __init__(self, vault: Vault, row: MessageRow) -> None:
        """Read the message.

        Raises:
            LedgerDamaged: Its bytes can't be read.
            WorkersUnusable: No worker can work.
            OSError: The temporary files can't be written.
        """
        self.row = row
        """The message."""
        self._work = make_work(own_work(vault.folder))
        with ExitStack() as stack:
            self._contents = stack.enter_context(tempfile.TemporaryFile(dir=self._work))
            self.read = self._read(vault)
            self._stack = stack.pop_all()
        sizes = (file.size + file.text_size for file in self.read.files)
        self._starts = list(itertools.accumulate(sizes, initial=0))

    def _read(self, vault: Vault) -> MessageDocument:
        row = self.row
        if OPAQUE not in row.notes:
            for outline in (False, True):
                if UNREAD in row.notes and not outline:
                    continue  # a full read would end a worker again
                mail = OpenMail(_spooled(vault, row, self._work), row.sha + _DOCUMENT, outline=outline)
                try:
                    return mail_reader().document(mail, self._contents)
                except MailUnreadable as error:
                    log.warning("message %s is produced in part: %s", row.sha.hex()[:12], error)
        known = (("From", row.sender), ("To", row.to), ("Subject", row.subject))
        notes = () if OPAQUE in row.notes else (UNREADABLE,)
        return MessageDocument(tuple((name, value) for name, value in known if value), None, "", (), notes)

    @property
    def files(self) -> tuple[DocumentFile, ...]:
        """Its attachments, in the order of their numbers."""
        return self.read.files

    def headers(self) -> dict[str, str]:
        """Return its header fields by name, sanitised."""
        return {name: clean(value) for name, value in self.read.headers}

    def text(self) -> str:
        """Return its text, sanitised, with its line ends."""
        return clean(self.read.text, newline=True)

    def notes(self) -> tuple[str, ...]:
        """Return the remarks on it, each once."""
        return tuple(dict.fromkeys(map(clean, (*self.row.notes, *self.read.notes))))

    def content(self, number: int) -> Iterator[bytes]:
        """Yield the decoded content of an attachment; `number` counts from 0."""
        self._contents.seek(self._starts[number])
        left = self.files[number].size
        while left > 0 and (piece := self._contents.read(min(left, PIECE))):
            left -= len(piece)
            yield piece

    def text_of(self, number: int) -> str:
        """Return the text of an attachment, as `text`; "" if it has none. `number` counts from 0."""
        file = self.files[number]
        self._contents.seek(self._starts[number] + file.size)
        return clean(self._contents.read(file.text_size).decode("utf-8", "replace"), newline=True)

    def close(self) -> None:
        """Remove the temporary file. Safe to call twice."""
        self._stack.close()


def open_families(
    vault: Vault, rows: Iterable[MessageRow], threads: int = 0
) -> Generator[OpenFamily, None, None]:
    """Yield the family of each message, in order. Some are read while an earlier one is in use.

    Each family is closed when the next one is asked for.

    Args:
        vault: The vault.
        rows: The messages.
        threads: How many are read at the same time; 0 for one a core, but one core is left to others.

    Raises:
        LedgerDamaged, WorkersUnusable, OSError: As `OpenFamily`.
    """
    threads = threads or max(1, min(MOST_THREADS, len(os.sched_getaffinity(0)) - 1))
    waiting: deque[Future[OpenFamily]] = deque()
    with ThreadPoolExecutor(threads, "producing") as executor:
        try:
            for row in rows:
                waiting.append(executor.submit(OpenFamily, vault, row))
                if len(waiting) > threads:
                    yield from _used(waiting.popleft())
            while waiting:
                yield from _used(waiting.popleft())
        finally:
            for future in waiting:
                if not future.cancel() and future.exception() is None:
                    future.result().close()


def _used(future: Future[OpenFamily]) -> Iterator[OpenFamily]:
    with closing(future.result()) as family:
        yield family


def _spooled(vault: Vault, row: MessageRow, work: Path) -> IO[bytes]:
    """The bytes of a message in a file without a name. Workers get every message of a production so."""
    file = tempfile.TemporaryFile(dir=work)  # noqa: SIM115 - closed with the mail
    try:
        file.writelines(vault.reader.content(row.sha))
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def notes_of(file: DocumentFile) -> tuple[str, ...]:
    """Return the remarks on an attachment, sanitised."""
    return (*dict.fromkeys(map(clean, file.notes)), *(() if file.whole else (BROKEN,)))


def shown_name(file: DocumentFile) -> str:
    """Return the name of an attachment as its sender wrote it, sanitised; "" if it has none."""
    return clean(file.info.filename)


def ending_of(file: DocumentFile) -> str:
    """Return the extension for an attachment's file; `bin` if its name has none that is safe."""
    if file.info.content_type.startswith("message/") and not file.info.filename:
        return "eml"
    stem, dot, ending = filename(file.info.filename).rpartition(".")
    ending = ending.lower()
    return ending if stem and dot and _ENDING.fullmatch(ending) else "bin"


def user_of(place: str) -> str:
    """Return the user of a path `user/folder`. Both parts can contain slashes."""
    at = place.find("/", place.find("@") + 1)
    return place[:at] if at >= 0 else place
