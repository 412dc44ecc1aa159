"""What a reading worker is asked, and what it answers: frames on its pipes (see parsing.pipe_frames).

Both sides import this, so nothing here reads mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from muniment.mail.model import Likeness, MessageText, Party, Summary

V = TypeVar("V")


class FileInfo(msgspec.Struct, frozen=True, array_like=True):
    """An attachment as a list shows it."""

    filename: str
    """Decoded, "" where none is stated; not yet sanitised, never to be used as a path."""
    content_type: str
    size: int
    """Bytes of the decoded content; for broken or quoted-printable content about that."""
    is_text: bool
    within: int = 0
    """The number of the attachment that it lies in, from 1; 0 for none."""


class MessageView(msgspec.Struct, frozen=True, array_like=True):
    """A message as a person reads it."""

    headers: tuple[tuple[str, str], ...]
    """The fields that SHOWN names, Bcc among them, by name and decoded value."""
    text: str
    files: tuple[FileInfo, ...]
    notes: tuple[str, ...]


class Content(msgspec.Struct, frozen=True, array_like=True):
    """The content of one attachment, or its text."""

    count: int
    """Attachments of the message; `info` is None where the one that was asked for is not among them."""
    info: FileInfo | None = None
    data: bytes = b""
    """Its decoded content where it is small, else that is in the file that came with the request."""
    text: str = ""
    notes: tuple[str, ...] = ()
    size: int = 0
    """Bytes of the decoded content."""
    encoding: str = ""
    """The transfer encoding in which it was."""


class MessageFacts(msgspec.Struct, frozen=True, array_like=True):
    """What the catalog holds of a message."""

    summary: Summary
    notes: tuple[str, ...]
    content: bytes
    """Content hash (see mail.content.content_hash)."""
    size: int


class CopyFacts(msgspec.Struct, frozen=True, array_like=True):
    """Whom a copy concerns, as its journal report or its own headers say."""

    report: bool
    """Whether a journal report was unwrapped."""
    tenant: str
    date: int | None
    """The report's own date, seconds since 1970 UTC."""
    parties: tuple[Party, ...]
    notes: tuple[str, ...]
    problem: str = ""
    """Why what claims to be a report can't be unwrapped."""
    key: bytes = b""
    """For a report with a placeholder: what tells which mail it stands for (see mail.journal.placeholder)."""


@dataclass(frozen=True)
class Task(Generic[V]):
    """One kind of question; `decoder` reads the answer."""

    name: str
    decoder: msgspec.msgpack.Decoder[V]


VIEW = Task("view", msgspec.msgpack.Decoder(MessageView))
CONTENT = Task("content", msgspec.msgpack.Decoder(Content))
CONTENT_TEXT = Task("content text", msgspec.msgpack.Decoder(Content))
TEXT = Task("text", msgspec.msgpack.Decoder(MessageText))
MESSAGE = Task("message", msgspec.msgpack.Decoder(MessageFacts))
LIKENESS = Task("likeness", msgspec.msgpack.Decoder(Likeness))
COPY = Task("copy", msgspec.msgpack.Decoder(CopyFacts))

SHOWN = (b"From", b"To", b"Cc", b"Bcc", b"Date", b"Subject", b"Message-ID")
"""Header fields that a person is shown, in order."""


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """One question about one mail."""

    task: str
    size: int
    """Bytes of the mail, which follow the frame; -1 where it is in a file, whose descriptor is passed."""
    start: int = 0
    end: int = -1
    """Where the message lies in the mail; -1 for its end."""
    outline: bool = False
    """Whether no text is to be read."""
    option: int = 0
    """CONTENT and CONTENT_TEXT: the number of the attachment, from 1. COPY: 1 where a journal report is
    unwrapped."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What came of one question."""

    value: bytes = b""
    """MessagePack of what the task answers."""
    problem: str = ""
    """The name of what the parser raised, where it did."""


# Made once, by the thread that loads this: see client.protocol.
ASKS = msgspec.msgpack.Decoder(list[Ask])
ANSWERS = msgspec.msgpack.Decoder(list[Answer])
