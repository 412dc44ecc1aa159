"""Reads the attachments of a message. Only the worker imports it.

What a file is decides its content, since a sender chooses its name and type. A file inside a document or an
archive is read as if it were attached to a message by itself.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from muniment.contents.collector import FILE_TEXT, Collector
from muniment.contents.model import IN_PART, LEFT_OUT, TOO_LARGE, Kind, ReadFile, WantedContents
from muniment.contents.readers.cards import is_card, unfolded
from muniment.contents.readers.dispatch import format_of
from muniment.mail.mime.parts import HEADER, MESSAGE, NOTE, FilePart, files
from muniment.mail.mime.walker import content
from muniment.mail.model import MailBuffer
from muniment.mail.notes import CUT
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
    into = Collector(file.filename, partial(_read_member, wanted))
    with into.noting():
        if not _read(file, wanted, into):
            return ()
    return into.files()


def _read(file: FilePart, wanted: WantedContents, into: Collector) -> bool:
    """Read a file; returns whether it is of a kind that has text."""
    known = format_of(_begin(file), file.filename)
    if known is None and file.reading in ("", NOTE):
        return False
    kind: Kind = known.kind if known else "mail" if file.reading in (MESSAGE, HEADER) else "text"
    if kind not in wanted.kinds:
        into.note(LEFT_OUT)
    elif file.size > wanted.largest_file:
        into.note(TOO_LARGE)
    elif known is not None:
        known.read(b"".join(content(file.buf, file.leaf)), into)
    else:
        _read_text(file, into)
    return True


def _read_text(file: FilePart, into: Collector) -> None:
    """Read a file that mail programs show as text."""
    found = read_file(file, FILE_TEXT)
    card = is_card(file.filename, file.content_type)
    if CUT in found.notes:
        into.note(IN_PART)
    into.add(unfolded(found.body) if card else found.body)


def _read_member(wanted: WantedContents, name: str, data: bytes, into: Collector) -> None:
    """Read a file inside another one, and those inside it, as a message that has only this file."""
    header = (
        "Content-Type: application/octet-stream\r\n"
        f"Content-Disposition: attachment; filename*=utf-8''{quote(name, safe='', errors='replace')}\r\n\r\n"
    )
    first, *inside = files(header.encode() + data)
    _read(first, wanted, into)
    for file in inside:
        with into.member(file.filename):
            _read(file, wanted, into)


def _begin(file: FilePart) -> bytes:
    begin = b""
    for piece in content(file.buf, file.leaf):
        begin += piece
        if len(begin) >= BEGIN:
            break
    return begin[:BEGIN]
