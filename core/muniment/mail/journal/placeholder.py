"""Placeholders: what a journal report holds where its original should be.

Virus scanners put a notice there, Exchange a `winmail.dat` or an Outlook item. Such bytes are the same for
many mails, so they do not identify the mail: the envelope does. So a message is built from the envelope and
the unchanged part. It is listed, shown and found by the envelope's subject, sender and Message-ID, and no two
mails have the same bytes. Recipients are left out, since not every reader may see all of them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

from muniment.mail.headers.fields import gather
from muniment.mail.mime.walker import header_at
from muniment.mail.model import AddressRole, Envelope, MailBuffer, Placeholder

_OWN = (b"message-id", b"from", b"date")
_WORD = 45
"""Bytes of text in one encoded word (RFC 2047 2: a word has at most 75 characters)."""
_LONGEST = 2000
"""Characters of a subject or an identifier that are used."""


def is_message(buf: MailBuffer) -> bool:
    """Whether bytes have the identity of a message: a Message-ID, or both From and Date."""
    message_id, author, date = gather(header_at(buf, 0, len(buf)), _OWN)
    return any(message_id) or (any(author) and any(date))


def placeholder(envelope: Envelope, report_id: str, part: bytes, head: bool) -> Placeholder | None:
    """The message that represents a mail of which only the envelope is left.

    Args:
        envelope: the report's envelope.
        report_id: the report's own Message-ID, used if the envelope names none.
        part: what replaces the original, or the beginning of it.
        head: whether `part` begins with a header of its own.

    Returns:
        The bytes around the part; None if the envelope has neither a Message-ID nor a subject.
    """
    message_id, subject = _line(envelope.message_id), _line(envelope.subject)
    if not (message_id or subject):
        return None
    senders = ", ".join(_senders(envelope))
    boundary = b"placeholder-" + hashlib.sha256(part).hexdigest().encode()
    facts = [f"Subject: {subject}", f"Sender: {senders}", f"Message-ID: {message_id}"]
    if not message_id:
        facts.append(f"Journal report: {_line(report_id)}")
    lines = [
        *(_field("Subject", subject) if subject else ()),
        *([b"From: " + _bytes(senders)] if senders else ()),
        *([b"Message-ID: " + _bytes(message_id)] if message_id else ()),
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/mixed; boundary="' + boundary + b'"',
        b"",
        b"--" + boundary,
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: 8bit",
        b"",
        b"The journal report of this mail holds no original. Its envelope says:",
        b"",
        *map(_bytes, facts),
        b"",
        b"What stood in the place of the original follows.",
        b"--" + boundary,
        *(() if head else (b"",)),
        b"",
    ]
    key = hashlib.sha256(repr((message_id, subject, senders)).encode()).digest() if message_id else b""
    return Placeholder(b"\r\n".join(lines), b"\r\n--" + boundary + b"--\r\n", key)


def _senders(envelope: Envelope) -> list[str]:
    """Who wrote the mail: on whose behalf it was sent, otherwise who sent it."""
    for role in (AddressRole.ON_BEHALF_OF, AddressRole.SENDER):
        found = sorted({party.address for party in envelope.parties if party.role is role})
        if found:
            return found
    return []


def _line(value: str) -> str:
    return " ".join(value.split())[:_LONGEST]


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "replace")


def _field(name: str, value: str) -> Iterator[bytes]:
    """A field's lines.

    The value becomes encoded words unless it is plain ASCII that no program takes for them.
    """
    if value.isascii() and value.isprintable() and "=?" not in value and len(value) < 900:
        yield f"{name}: {value}".encode("ascii")
        return
    words = [b"=?utf-8?B?" + base64.b64encode(piece) + b"?=" for piece in _pieces(value)]
    yield f"{name}: ".encode("ascii") + words[0]
    yield from (b" " + word for word in words[1:])


def _pieces(value: str) -> Iterator[bytes]:
    """The text in UTF-8, cut between characters into pieces of at most _WORD bytes."""
    piece = b""
    for char in value:
        encoded = _bytes(char)
        if len(piece) + len(encoded) > _WORD:
            yield piece
            piece = b""
        piece += encoded
    yield piece
