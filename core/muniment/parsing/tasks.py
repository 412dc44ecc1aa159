"""Requests to reading workers and their answers: frames on their pipes (see `parsing.pipe_frames`).

Both sides import this module, so nothing here reads mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from muniment.mail.model import EnvelopeParty, Likeness, MessageSummary, MessageText
from muniment.mail.signatures.model import MessageSignatures

V = TypeVar("V")


class FileInfo(msgspec.Struct, frozen=True, array_like=True):
    """An attachment as a list shows it."""

    filename: str
    """Decoded; "" if none is given. It is not sanitised: never use it as a path."""
    content_type: str
    size: int
    """Bytes of the decoded content. An estimate for broken base64 and for quoted-printable."""
    is_text: bool
    within: int = 0
    """The number of the attachment in which it lies, from 1; 0 for none."""


class MessageView(msgspec.Struct, frozen=True, array_like=True):
    """A message as a person reads it."""

    headers: tuple[tuple[str, str], ...]
    """The fields that SHOWN names, Bcc among them, by name and decoded value."""
    text: str
    files: tuple[FileInfo, ...]
    notes: tuple[str, ...]
    drawn: str = ""
    """The text with its HTML drawn (see `mail.text.drawn_text`); "" if that was not requested or is too
    long."""
    styles: tuple[tuple[int, int, str], ...] = ()
    """(start, end, kind) of spans of `drawn`."""


class AttachmentContent(msgspec.Struct, frozen=True, array_like=True):
    """The content of one attachment, or its text."""

    count: int
    """Number of attachments of the message. `info` is None if the requested one is not among them."""
    info: FileInfo | None = None
    data: bytes = b""
    """Its decoded content if it is small. Otherwise that is in the file that came with the request."""
    text: str = ""
    notes: tuple[str, ...] = ()
    size: int = 0
    """Bytes of the decoded content."""
    encoding: str = ""
    """The transfer encoding of the attachment in the message."""


class DocumentFile(msgspec.Struct, frozen=True, array_like=True):
    """One attachment of a MessageDocument."""

    info: FileInfo
    size: int
    """Bytes of its decoded content in the file that came with the request."""
    text_size: int
    """Bytes of its text in UTF-8, which follows its content in that file; 0 if it has none."""
    notes: tuple[str, ...] = ()
    whole: bool = True
    """Whether its content could be decoded completely."""


class MessageDocument(msgspec.Struct, frozen=True, array_like=True):
    """A message with the content of all its attachments, which lie in a file one after another."""

    headers: tuple[tuple[str, str], ...]
    """The fields that DOCUMENTED names, by name and decoded value."""
    date: int | None
    """The `Date` field in seconds since 1970 UTC; None if it is missing or not plausible."""
    text: str
    files: tuple[DocumentFile, ...]
    notes: tuple[str, ...]


class MessageFacts(msgspec.Struct, frozen=True, array_like=True):
    """What the catalog stores of a message."""

    summary: MessageSummary
    notes: tuple[str, ...]
    content: bytes
    """Its content hash (see `mail.content.content_hash`)."""
    size: int


class CopyFacts(msgspec.Struct, frozen=True, array_like=True):
    """Whom a copy concerns, by its journal report or its own headers."""

    report: bool
    """Whether a journal report was unwrapped."""
    tenant: str
    date: int | None
    """The report's own date, in seconds since 1970 UTC."""
    parties: tuple[EnvelopeParty, ...]
    notes: tuple[str, ...]
    problem: str = ""
    """Why a message that claims to be a report can't be unwrapped; "" if it can."""
    key: bytes = b""
    """For a report with a placeholder: identifies the mail that it represents (see
    `mail.journal.placeholder`)."""


@dataclass(frozen=True)
class ReaderTask(Generic[V]):
    """One kind of request. `decoder` reads its answer."""

    name: str
    decoder: msgspec.msgpack.Decoder[V]


VIEW = ReaderTask("view", msgspec.msgpack.Decoder(MessageView))
CONTENT = ReaderTask("content", msgspec.msgpack.Decoder(AttachmentContent))
CONTENT_TEXT = ReaderTask("content text", msgspec.msgpack.Decoder(AttachmentContent))
TEXT = ReaderTask("text", msgspec.msgpack.Decoder(MessageText))
MESSAGE = ReaderTask("message", msgspec.msgpack.Decoder(MessageFacts))
LIKENESS = ReaderTask("likeness", msgspec.msgpack.Decoder(Likeness))
COPY = ReaderTask("copy", msgspec.msgpack.Decoder(CopyFacts))
DOCUMENT = ReaderTask("document", msgspec.msgpack.Decoder(MessageDocument))
SIGNATURES = ReaderTask("signatures", msgspec.msgpack.Decoder(MessageSignatures))

SHOWN = (b"From", b"To", b"Cc", b"Bcc", b"Date", b"Subject", b"Message-ID")
"""Header fields that a person sees, in order."""
DOCUMENTED = (*SHOWN, b"In-Reply-To", b"References")
"""Header fields of a MessageDocument, in order."""


class ReaderRequest(msgspec.Struct, frozen=True, array_like=True):
    """One request about one mail."""

    task: str
    size: int
    """Bytes of the mail, which follow the frame; -1 if it is in a file, whose descriptor is passed."""
    start: int = 0
    """Where the message begins in the mail."""
    end: int = -1
    """Where the message ends in the mail; -1 for the end of the mail."""
    outline: bool = False
    """Whether no text is read."""
    option: int = 0
    """CONTENT and CONTENT_TEXT: the number of the attachment, from 1. COPY: 1 to unwrap a journal report.
    VIEW: cells that a drawn table may take; 0 to draw nothing."""


class ReaderAnswer(msgspec.Struct, frozen=True, array_like=True):
    """The answer to one request."""

    value: bytes = b""
    """MessagePack of the task's result."""
    problem: str = ""
    """The name of the error that the parser raised; "" for none."""


# Made once, by the thread that loads this module: see client.protocol.
ASKS = msgspec.msgpack.Decoder(list[ReaderRequest])
ANSWERS = msgspec.msgpack.Decoder(list[ReaderAnswer])
