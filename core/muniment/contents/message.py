"""Reads the attachments of a message. Only the worker imports it.

What a file is decides its content, since a sender chooses its name and type.
"""

from __future__ import annotations

from collections.abc import Iterator

from muniment.contents.collector import Collector
from muniment.contents.model import LEFT_OUT, TOO_LARGE, Kind, ReadFile, WantedContents
from muniment.contents.readers.dispatch import kind_of, read_bytes
from muniment.mail.mime.parts import HEADER, MESSAGE, NOTE, FilePart, files
from muniment.mail.mime.walker import content
from muniment.mail.model import MailBuffer
from muniment.mail.text.read_text import read_file

BEGIN = 4096
"""Bytes that decide what a file is."""


def attachments_of(message: MailBuffer) -> list[FilePart]:
    """Return the files of a message, in the order of their numbers."""
    return files(message)


def read_attachment(file: FilePart, wanted: WantedContents) -> tuple[ReadFile, ...]:
    """Return what was read in an attachment, and in the files inside it; nothing if it has no text.

    Raises:
        MemoryError: It takes too much memory.
    """
    kind = kind_of(_begin(file), file.filename)
    if kind is None and file.reading in ("", NOTE):
        return ()
    chosen: Kind = kind or ("mail" if file.reading in (MESSAGE, HEADER) else "text")
    if chosen not in wanted.kinds:
        return (ReadFile(file.filename, why=LEFT_OUT),)
    if file.size > wanted.largest_file:
        return (ReadFile(file.filename, why=TOO_LARGE),)
    into = Collector(file.filename)
    with into.noting():
        if kind is not None:
            read_bytes(b"".join(content(file.buf, file.leaf)), file.filename, into)
        else:
            into.add(read_file(file).body)
    return into.files()


def _begin(file: FilePart) -> bytes:
    begin = b""
    for piece in _pieces(file):
        begin += piece
        if len(begin) >= BEGIN:
            break
    return begin[:BEGIN]


def _pieces(file: FilePart) -> Iterator[bytes]:
    yield from content(file.buf, file.leaf)
